"""Batches of crops drawn from the samples: some for a class, the others in shuffled passes."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from napari_retseg.classes import IGNORE
from napari_retseg.learn.samples import Sample
from napari_retseg.nets.grid import pad_amount

#: Share of the crops that may leave a part of their sample out, where there are such.
_OVERHANGING = 0.25
#: How often a crop with too much of one class is drawn again.
_REDRAWS = 10


class SampleSource(Protocol):
    """Numbered samples: those of a dataset, without labels, or simulated."""

    class_pixels: NDArray[np.int64]
    largest: tuple[int, ...]

    def __len__(self) -> int:
        """Count them."""
        ...

    def read(self, number: int) -> Sample:
        """Return one of them."""
        ...


class CropSampler:
    """Draws batches of crops: a share around a class, rare ones more often, the rest in passes.

    In a pass every sample comes once, in an order that follows from the seed. A crop never lacks
    annotated pixels altogether: its loss would not be a number.

    Parameters
    ----------
    crop
        Its size; None takes whole samples, padded to the largest, and to `smallest`. A sample
        that is smaller lies anywhere in it, so that the network learns no place of the padding.
    stride
        Sizes are padded to a multiple of it.
    class_share
        Probability that a crop is drawn for a class.
    seed
        Of the order of the passes.
    cap
        A crop that is not drawn for a class is drawn again while one class has this share of
        its annotated pixels or more, ten times at most (as MMSegmentation does); 1: never.
    overhang
        Part of each side that a quarter of the crops may lie beyond the sample's edge, so that
        the network knows windows that cut what they show; 0: none.
    """

    def __init__(
        self,
        store: SampleSource,
        *,
        crop: tuple[int, ...] | None,
        stride: int,
        smallest: int = 1,
        class_share: float,
        seed: int,
        cap: float = 1.0,
        overhang: float = 0.0,
    ) -> None:
        self._store = store
        size = crop or tuple(max(n, smallest) for n in store.largest)
        pairs = zip(size, pad_amount(size, stride), strict=True)
        self.size = tuple(n + extra for n, extra in pairs)
        self._class_share = class_share
        self._seed = seed
        self._cap = cap
        self._overhang = overhang
        present = store.class_pixels.sum(axis=0)
        weight = np.where(present > 0, 1 / np.sqrt(np.maximum(present, 1)), 0.0)
        weight[0] = 0.0
        self._class_weight = weight / weight.sum() if weight.any() else None

    def draw(
        self, n: int, rng: np.random.Generator, *, first: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw `n` crops.

        Parameters
        ----------
        first
            How many were drawn before in the training: the place in the passes.

        Returns
        -------
        images
            ``(n, channel, *spatial)``, float32.
        labels
            Class indices ``(n, *spatial)``, int64; 255 where not annotated or padded.
        """
        crops = [self._draw_one(first + k, rng) for k in range(n)]
        images = torch.from_numpy(np.stack([image for image, _ in crops]))
        labels = torch.from_numpy(np.stack([labels for _, labels in crops]))
        return images, labels.long()

    def _draw_one(
        self, place: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        wanted: int | None = None
        if self._class_weight is not None and rng.random() < self._class_share:
            wanted = int(rng.choice(len(self._class_weight), p=self._class_weight))
            holding = np.flatnonzero(self._store.class_pixels[:, wanted])
            number = int(rng.choice(holding))
        else:
            tour, position = divmod(place, len(self._store))
            number = int(shuffle(len(self._store), self._seed, tour)[position])
        sample = self._store.read(number)
        corner = self._place(sample.labels, wanted, rng)
        for _ in range(_REDRAWS if wanted is None and self._cap < 1 else 0):
            if _largest_share(sample.labels[_window(corner, self.size)]) < self._cap:
                break
            corner = self._place(sample.labels, wanted, rng)
        return _cut(sample, corner=corner, size=self.size)

    def _place(
        self, labels: NDArray[np.uint8], wanted: int | None, rng: np.random.Generator
    ) -> list[int]:
        """First corner of a crop that holds class `wanted`, or any annotated pixel.

        It is below 0 where the crop begins before the sample.
        """
        free = [n - size for n, size in zip(labels.shape, self.size, strict=True)]
        corner = self._draw_corner(free, labels.shape, rng)
        crop = labels[_window(corner, self.size)]
        hit = (crop == wanted) if wanted is not None else (crop != IGNORE)
        if hit.any():
            return corner
        candidates = (labels == wanted) if wanted is not None else (labels != IGNORE)
        pixel = int(rng.choice(np.flatnonzero(candidates)))
        center = np.unravel_index(pixel, labels.shape)
        jitter = [int(rng.integers(-size // 4, size // 4 + 1)) for size in self.size]
        return [
            min(max(int(c) + j - size // 2, min(f, 0)), max(f, 0))
            for c, j, size, f in zip(center, jitter, self.size, free, strict=True)
        ]

    def _draw_corner(
        self, free: list[int], shape: tuple[int, ...], rng: np.random.Generator
    ) -> list[int]:
        """Draw a place for the crop: within the sample or around it, at times over its edge."""
        over = [0] * len(shape)
        if self._overhang and rng.random() < _OVERHANGING:
            over = [int(n * self._overhang) for n in shape]
        pairs = zip(free, over, strict=True)
        return [int(rng.integers(min(f, 0) - n, max(f, 0) + n + 1)) for f, n in pairs]


def _largest_share(labels: NDArray[np.uint8]) -> float:
    """Share of the commonest class among the annotated pixels."""
    pixels = np.bincount(labels.ravel(), minlength=256)[:IGNORE]
    return float(pixels.max() / max(int(pixels.sum()), 1))


@lru_cache(maxsize=8)
def shuffle(n: int, seed: int, tour: int) -> NDArray[np.int64]:
    """Order of the samples in pass number `tour`."""
    return np.random.default_rng([seed, tour, 1]).permutation(n)


def _window(corner: list[int], size: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(max(c, 0), c + n) for c, n in zip(corner, size, strict=True))


def _cut(
    sample: Sample, *, corner: list[int], size: tuple[int, ...]
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Cut a crop; where the sample ends, repeat its edge and mark "not annotated"."""
    window = _window(corner, size)
    image, labels = sample.image[(slice(None), *window)], sample.labels[window]
    missing = [
        (max(-before, 0), wanted - there - max(-before, 0))
        for before, wanted, there in zip(corner, size, labels.shape, strict=True)
    ]
    if any(map(any, missing)):
        image = np.pad(image, [(0, 0), *missing], mode="edge")
        labels = np.pad(labels, missing, constant_values=IGNORE)
    return image, labels
