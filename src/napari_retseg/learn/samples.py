"""Training samples: annotated B-scans or volumes, as the network's input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from napari_retseg.classes import IGNORE, LabelSet
from napari_retseg.config import PreprocessConfig
from napari_retseg.dataset import Case, Dataset
from napari_retseg.errors import InputError, ModelError
from napari_retseg.events import Progress
from napari_retseg.infer.evaluate import read_case
from napari_retseg.layers import translate_indices
from napari_retseg.nets.grid import plan_grid
from napari_retseg.nets.scaninput import ScanInput
from napari_retseg.scan import OctScan

#: Samples are kept in memory up to this; what does not fit is read again each time.
MEMORY_BYTES = 4 << 30


@dataclass(frozen=True, slots=True)
class Sample:
    """One annotated B-scan or volume: image ``(channel, *spatial)`` and class indices."""

    image: NDArray[np.float32]
    labels: NDArray[np.uint8]


class SampleStore:
    """All annotated B-scans (or volumes) of the training split, once :meth:`load` has read them.

    Parameters
    ----------
    preprocess
        Input grid and normalisation.
    dims
        2: a sample is a B-scan or slice; 3: a sample is a volume.
    classes
        Those of the model; None: the dataset's. Labels are taken over by name, see
        :func:`translate_labels`.

    Attributes
    ----------
    class_pixels
        Annotated pixels of each class in each sample, ``(n_samples, n_classes)``.
    largest
        The spatial size that holds every sample.
    partial
        Classes of each partial label, see :func:`translate_labels`.
    lengths
        Number of B-scans or slices of each scan that was read, by its image.
    """

    def __init__(
        self,
        dataset: Dataset,
        preprocess: PreprocessConfig,
        *,
        dims: int = 2,
        classes: LabelSet | None = None,
    ) -> None:
        self._dataset = dataset
        self._preprocess = preprocess
        self._dims = dims
        self._classes = classes or dataset.labels
        self._translation, self.partial = translate_labels(dataset, self._classes)
        self._origin: list[tuple[Case, int]] = []
        self._kept: dict[int, Sample] = {}
        self._room = MEMORY_BYTES
        self.class_pixels: NDArray[np.int64] = np.zeros((0, len(self._classes)), np.int64)
        self.largest: tuple[int, ...] = (0,) * dims
        self.lengths: dict[Path, int] = {}

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
            raise InputError(f"{self._dataset.root}: no annotated B-scan for training")
        self.class_pixels = np.stack(counts)

    @property
    def missing_classes(self) -> tuple[str, ...]:
        """Classes without a single annotated pixel."""
        there = self.class_pixels.sum(axis=0) > 0
        return tuple(
            n for n, is_there in zip(self._classes.names, there, strict=True) if not is_there
        )

    def _add(self, case: Case) -> list[NDArray[np.int64]]:
        """Take in the annotated samples of a scan; return the pixels of each class in each."""
        if not self._dataset.annotated_bscans(case, "train"):
            return []
        opened = self._open(case)
        labels = opened[-1]
        self.lengths[case.image] = len(labels)
        counts = []
        for index in range(1 if self._dims == 3 else len(labels)):
            if self._dims == 2 and (labels[index] == IGNORE).all():
                continue
            sample = self._prepare(opened, index)
            pixels = np.bincount(sample.labels.ravel(), minlength=256)
            if not pixels[:IGNORE].any():
                continue
            self._room -= sample.image.nbytes + sample.labels.nbytes
            if self._room > 0:
                self._kept[len(self._origin)] = sample
            self._origin.append((case, index))
            counts.append(pixels[: len(self._classes)])
            pairs = zip(self.largest, sample.labels.shape, strict=True)
            self.largest = tuple(max(pair) for pair in pairs)
        return counts

    def __len__(self) -> int:
        return len(self._origin)

    def read(self, number: int) -> Sample:
        """Return sample `number`, from memory where it is kept."""
        if number in self._kept:
            return self._kept[number]
        case, index = self._origin[number]
        return self._prepare(self._open(case), index)

    def _open(self, case: Case) -> tuple[OctScan, ScanInput, NDArray[np.uint8]]:
        """Open a scan, and read its labels, slice by slice; 255 where they are not to be used."""
        scan, labels = read_case(case, self._dataset)
        labels = self._translation[labels if scan.is_volume else labels[np.newaxis]]
        unused = np.ones(len(labels), bool)
        unused[self._dataset.annotated_bscans(case, "train")] = False
        labels[unused] = IGNORE
        if self._dims == 2:
            labels = np.moveaxis(labels, self._axis(scan), 0)
        return scan, ScanInput(scan, self._preprocess), labels

    def _axis(self, scan: OctScan) -> int:
        return self._preprocess.axis if scan.is_volume and not scan.is_oct else 0

    def _prepare(self, opened: tuple[OctScan, ScanInput, NDArray[np.uint8]], index: int) -> Sample:
        """Bring one B-scan, or the volume, to the network's grid."""
        scan, source, labels = opened
        if self._dims == 2:
            return make_sample(scan, source, index, labels[index], self._preprocess)
        return _to_grid(
            source.read_volume(), labels, self._preprocess, scan.spacing_um, scan.source
        )


def make_sample(
    scan: OctScan,
    source: ScanInput,
    index: int,
    labels: NDArray[np.uint8],
    preprocess: PreprocessConfig,
) -> Sample:
    """Bring a B-scan or slice to the network's grid.

    Parameters
    ----------
    source
        Made of `scan` and `preprocess`.
    labels
        Class indices ``(depth, width)`` on the scan's own grid; 255 where not annotated.
    """
    image = source.read_slice(index)
    return _to_grid(image, labels, preprocess, source.slice_spacing_um, scan.source)


def _to_grid(
    image: NDArray[np.float32],
    labels: NDArray[np.uint8],
    preprocess: PreprocessConfig,
    spacing_um: tuple[float | None, ...],
    path: Path | None,
) -> Sample:
    grid = plan_grid(labels.shape, preprocess, spacing_um=spacing_um, source=path)
    labels = np.ascontiguousarray(labels)
    return Sample(
        image=grid.to_input(torch.from_numpy(image)[None])[0].contiguous().numpy(),
        labels=grid.labels_to_input(torch.from_numpy(labels)[None])[0].contiguous().numpy(),
    )


def translate_labels(
    dataset: Dataset, classes: LabelSet
) -> tuple[NDArray[np.uint8], tuple[tuple[int, ...], ...]]:
    """Say what a dataset's classes are to a model, by name.

    Parameters
    ----------
    classes
        Those of the model.

    Returns
    -------
    table
        By a dataset's class index (255 too): the model's class index, or the number of a partial
        label.
    partial
        Partial labels say that a pixel is one of several of the model's classes, whose indices
        these are; the first has the number ``len(classes)``. A class that is several of the
        model's (*fluid*: *IRF* and *SRF*) is one, and so is background, where the model has
        classes that the dataset does not know: these may be there.

    Raises
    ------
    ModelError
        Naming the classes that the model does not have.
    """
    known = translate_indices(dataset.labels, classes)
    members = [tuple(np.flatnonzero(known == k).tolist()) for k in range(len(dataset.labels))]
    strangers = [
        one.name for one, there in zip(dataset.labels.classes, members, strict=True) if not there
    ]
    if strangers:
        raise ModelError(
            f"{dataset.root}: has classes that the model does not have: {', '.join(strangers)} "
            f"(model: {', '.join(classes.names)})"
        )
    table = np.full(256, IGNORE, np.uint8)
    partial = [indices for indices in members if len(indices) > 1]
    for index, indices in enumerate(members):
        several = len(indices) > 1
        table[index] = len(classes) + partial.index(indices) if several else indices[0]
    return table, tuple(partial)
