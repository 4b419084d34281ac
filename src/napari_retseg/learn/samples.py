"""Training samples: B-scans at the network's input size, and crops drawn from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from napari_retseg.classes import IGNORE
from napari_retseg.config import PreprocessConfig
from napari_retseg.dataset import Case, Dataset
from napari_retseg.errors import InputError
from napari_retseg.events import Progress
from napari_retseg.infer.evaluate import read_case
from napari_retseg.nets.preprocess import (
    input_size,
    normalise,
    pad_amount,
    resize_images,
    resize_labels,
)
from napari_retseg.scan import OctScan

#: Samples are kept in memory up to this; what does not fit is read again each time.
MEMORY_BYTES = 4 << 30
#: Share of the samples that is drawn for a class, rare ones first.
CLASS_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Sample:
    """One annotated B-scan: image ``(channel, depth, width)`` and class indices."""

    image: NDArray[np.float32]
    labels: NDArray[np.uint8]


class SampleStore:
    """All annotated B-scans of the training split, once :meth:`load` has read them.

    Parameters
    ----------
    preprocess
        Input size and normalisation.

    Attributes
    ----------
    class_pixels
        Annotated pixels of each class in each B-scan, ``(n_bscans, n_classes)``.
    largest
        Depth and width that hold every sample.
    """

    def __init__(self, dataset: Dataset, preprocess: PreprocessConfig) -> None:
        self._dataset = dataset
        self._preprocess = preprocess
        self._origin: list[tuple[Case, int]] = []
        self._kept: dict[int, Sample] = {}
        self._room = MEMORY_BYTES
        self.class_pixels: NDArray[np.int64] = np.zeros((0, len(dataset.labels)), np.int64)
        self.largest = (0, 0)

    def load(self) -> Iterator[Progress]:
        """Read all scans and labels, once.

        Raises
        ------
        InputError
            Where a file cannot be read, or nothing is annotated.
        """
        cases = self._dataset.of_split("train")
        counts: list[NDArray[np.int64]] = []
        for done, case in enumerate(cases, start=1):
            counts += self._add(case)
            yield Progress(done, len(cases), unit="training scan")
        if not counts:
            raise InputError(f"{self._dataset.root}: no annotated B-scan to train on")
        self.class_pixels = np.stack(counts)

    def _add(self, case: Case) -> list[NDArray[np.int64]]:
        """Take in the annotated B-scans of a scan; return the pixels of each class in each."""
        annotated = self._dataset.annotated_bscans(case, "train")
        if not annotated:
            return []
        scan, labels = read_case(case, self._dataset)
        counts = []
        for index in annotated:
            sample = self._prepare(scan, labels, index)
            pixels = np.bincount(sample.labels.ravel(), minlength=256)
            if not pixels[:IGNORE].any():
                continue
            self._room -= sample.image.nbytes + sample.labels.nbytes
            if self._room > 0:
                self._kept[len(self._origin)] = sample
            self._origin.append((case, index))
            counts.append(pixels[: len(self._dataset.labels)])
            depth, width = sample.labels.shape
            self.largest = (max(self.largest[0], depth), max(self.largest[1], width))
        return counts

    def __len__(self) -> int:
        return len(self._origin)

    def read(self, number: int) -> Sample:
        """Return sample `number`, from memory where it is kept."""
        if number in self._kept:
            return self._kept[number]
        case, index = self._origin[number]
        scan, labels = read_case(case, self._dataset)
        return self._prepare(scan, labels, index)

    def _prepare(self, scan: OctScan, labels: NDArray[np.uint8], index: int) -> Sample:
        bscan = scan.read_bscan(index)
        size = input_size((bscan.shape[-2], bscan.shape[-1]), self._preprocess)
        image = torch.from_numpy(normalise(bscan, self._preprocess.normalise))
        wanted = torch.from_numpy(labels[index] if scan.is_volume else labels)
        return Sample(
            image=resize_images(image[None], size)[0].numpy(),
            labels=resize_labels(wanted[None], size)[0].numpy(),
        )


class CropSampler:
    """Draws batches of crops: half uniformly, half around a class, rare ones more often.

    A crop never lacks annotated pixels altogether: its loss would not be a number.

    Parameters
    ----------
    crop
        Depth and width; None takes whole B-scans, padded to the largest.
    """

    def __init__(self, store: SampleStore, *, crop: tuple[int, int] | None) -> None:
        self._store = store
        size = crop or store.largest
        self.size = tuple(n + extra for n, extra in zip(size, pad_amount(size), strict=True))
        present = store.class_pixels.sum(axis=0)
        weight = np.where(present > 0, 1 / np.sqrt(np.maximum(present, 1)), 0.0)
        weight[0] = 0.0
        self._class_weight = weight / weight.sum() if weight.any() else None

    def draw(self, n: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw `n` crops.

        Returns
        -------
        images
            ``(n, channel, depth, width)``, float32.
        labels
            Class indices ``(n, depth, width)``, int64; 255 where not annotated or padded.
        """
        crops = [self._draw_one(rng) for _ in range(n)]
        images = torch.from_numpy(np.stack([image for image, _ in crops]))
        labels = torch.from_numpy(np.stack([labels for _, labels in crops]))
        return images, labels.long()

    def _draw_one(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        wanted: int | None = None
        if self._class_weight is not None and rng.random() < CLASS_SHARE:
            wanted = int(rng.choice(len(self._class_weight), p=self._class_weight))
            holding = np.flatnonzero(self._store.class_pixels[:, wanted])
            number = int(rng.choice(holding))
        else:
            number = int(rng.integers(len(self._store)))
        sample = self._store.read(number)
        top, left = self._place(sample.labels, wanted, rng)
        return _cut(sample, top=top, left=left, size=self.size)

    def _place(
        self, labels: NDArray[np.uint8], wanted: int | None, rng: np.random.Generator
    ) -> tuple[int, int]:
        """Upper left corner of a crop that holds class `wanted`, or any annotated pixel."""
        free = [max(n - size, 0) for n, size in zip(labels.shape, self.size, strict=True)]
        corner = [int(rng.integers(f + 1)) for f in free]
        if not any(free):
            return corner[0], corner[1]
        crop = labels[corner[0] : corner[0] + self.size[0], corner[1] : corner[1] + self.size[1]]
        hit = (crop == wanted) if wanted is not None else (crop != IGNORE)
        if not hit.any():
            candidates = (labels == wanted) if wanted is not None else (labels != IGNORE)
            pixel = int(rng.choice(np.flatnonzero(candidates)))
            center = divmod(pixel, labels.shape[1])
            jitter = [int(rng.integers(-size // 4, size // 4 + 1)) for size in self.size]
            corner = [
                min(max(c + j - size // 2, 0), f)
                for c, j, size, f in zip(center, jitter, self.size, free, strict=True)
            ]
        return corner[0], corner[1]


def _cut(
    sample: Sample, *, top: int, left: int, size: tuple[int, ...]
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Cut a crop; where the B-scan ends, repeat its edge and mark "not annotated"."""
    image = sample.image[:, top : top + size[0], left : left + size[1]]
    labels = sample.labels[top : top + size[0], left : left + size[1]]
    missing = [(0, wanted - there) for wanted, there in zip(size, labels.shape, strict=True)]
    if any(after for _, after in missing):
        image = np.pad(image, [(0, 0), *missing], mode="edge")
        labels = np.pad(labels, missing, constant_values=IGNORE)
    return image, labels
