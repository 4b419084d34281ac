"""Corrections of confirmed B-scans, carried to the B-scans in between and beside them.

Nothing is changed unless the other B-scan looks as the confirmed one does once it is changed: see
:mod:`napari_retseg.decode.carrying` and :mod:`napari_retseg.decode.carried_pockets`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_retseg.decode.carried_pockets import Ground, find_added, find_removed
from napari_retseg.decode.carrying import Neighbour, carry_offsets
from napari_retseg.decode.corrections import Correction
from napari_retseg.layers import LayerMap, boundaries_of_labels, labels_of_boundaries


@dataclass(frozen=True)
class Moved:
    """How a boundary of a B-scan is moved.

    Attributes
    ----------
    boundary
        Counted from above.
    mean_px
        Mean absolute offset of the A-scans in which it is moved.
    share
        Of all A-scans, how many these are.
    """

    boundary: int
    mean_px: float
    share: float


@dataclass(frozen=True)
class Proposal:
    """What would change on a B-scan.

    Attributes
    ----------
    labels
        Class values, ``(depth, width)``, uint8.
    moved
        The boundaries that are moved.
    n_added, n_removed
        Pockets that come and go.
    sources
        The confirmed B-scans that it comes from.
    """

    labels: NDArray[np.uint8]
    moved: tuple[Moved, ...]
    n_added: int
    n_removed: int
    sources: tuple[int, ...]


@dataclass(frozen=True)
class Propagation:
    """A scan, and how its B-scans are read.

    Attributes
    ----------
    grey
        Gives grey values ``(depth, width)``, float32.
    prediction
        Gives class values of the same shape.
    labels
        Those of the confirmed B-scans.
    layers
        Values of the layers from the vitreous to the sclera.
    lesions
        Values of the classes that lie between them.
    distances
        Of :func:`napari_retseg.decode.distances.measure_distances`.
    """

    grey: Callable[[int], NDArray[np.float32]]
    prediction: Callable[[int], NDArray[np.uint8]]
    labels: Mapping[int, NDArray[np.uint8]]
    layers: Sequence[int]
    lesions: Sequence[int]
    distances: NDArray[np.float64]

    def propose(self, bscans: Collection[int]) -> Iterator[tuple[int, Proposal | None]]:
        """Say for each of these B-scans what would change; None: nothing."""
        known: dict[int, Correction] = {}
        for bscan in bscans:
            near = self._find_near(bscan)
            for source in near:
                if source not in known:
                    known[source] = self._correct(source)
            yield bscan, self._propose(bscan, near, known) if near else None

    def _find_near(self, bscan: int) -> tuple[int, ...]:
        """The nearest confirmed B-scan within reach, and the nearest on its other side."""
        away = self.distances[bscan]
        within = [b for b in self.labels if b != bscan and away[b] <= 1]
        near = sorted(within, key=lambda b: (away[b], b))
        across = [b for b in near if self._is_between(bscan, near[0], b)]
        return (near[0], across[0]) if across else tuple(near[:2])

    def _is_between(self, bscan: int, one: int, other: int) -> bool:
        return bool(self.distances[one, other] > self.distances[bscan, [one, other]].max())

    def _correct(self, bscan: int) -> Correction:
        return Correction(
            self.grey(bscan),
            self.prediction(bscan),
            self.labels[bscan],
            self.layers,
            self.lesions,
        )

    def _propose(
        self, bscan: int, near: tuple[int, ...], known: Mapping[int, Correction]
    ) -> Proposal | None:
        away = self.distances[bscan]
        neighbours = [Neighbour(known[b], 1 / (0.05 + float(away[b]))) for b in near]
        before = self.prediction(bscan)
        grey = self.grey(bscan)
        found = boundaries_of_labels(before, self.layers)
        is_between = len(near) == 2 and self._is_between(bscan, *near)
        rows, moved = _move(grey, found, neighbours, is_between=is_between)
        rest = found.rest.copy()
        ground, n_added, n_removed = Ground(grey, rows, self.layers), 0, 0
        for value in self.lesions:
            added, removed = _change_pockets(rest, ground, neighbours, value)
            n_added, n_removed = n_added + added, n_removed + removed
        if not moved and not n_added and not n_removed:
            return None
        labels = labels_of_boundaries(rows, self.layers, depth=len(before), rest=rest)
        labels = np.where(found.is_ordered, labels, before)
        return Proposal(labels, moved, n_added, n_removed, near)


def _move(
    grey: NDArray[np.float32],
    found: LayerMap,
    neighbours: Sequence[Neighbour],
    *,
    is_between: bool,
) -> tuple[NDArray[np.float32], tuple[Moved, ...]]:
    """Move the boundaries of a B-scan; tell which, and how far."""
    seen = np.where(found.is_ordered, found.visible_rows(), np.nan)
    offsets = [
        carry_offsets(grey, own, neighbours, j, is_between=is_between) for j, own in enumerate(seen)
    ]
    rows = _order(found.rows, np.stack(offsets))
    change = np.nan_to_num(np.abs(rows - found.rows))
    moved = tuple(
        Moved(j, float(part[part > 0].mean()), float((part > 0).mean()))
        for j, part in enumerate(change)
        if (part > 0).any()
    )
    return rows, moved


def _order(rows: NDArray[np.float32], offsets: NDArray[np.float32]) -> NDArray[np.float32]:
    """Add offsets to rows of pixels; where boundaries would cross, those that stay win."""
    moved = np.rint(rows + offsets)
    stays = np.where(offsets == 0, rows, np.nan)
    above = np.fmax.accumulate(stays, axis=0)
    below = np.fmin.accumulate(stays[::-1], axis=0)[::-1]
    held = np.fmin(np.fmax(moved, above), below)
    held = np.where(offsets == 0, rows, held)
    return np.maximum.accumulate(held, axis=0).astype(np.float32)


def _change_pockets(
    rest: NDArray[np.uint8], ground: Ground, neighbours: Sequence[Neighbour], value: int
) -> tuple[int, int]:
    """Take pockets of a class out of what lies over the layers, and put others in, in place."""
    n_added, n_removed = 0, 0
    for source in (neighbour.correction for neighbour in neighbours):
        for pocket in source.pockets_removed(value):
            gone = find_removed(pocket, source, ground, rest == value)
            rest[gone] = 0
            n_removed += bool(gone.any())
        for pocket in source.pockets_added(value):
            come = find_added(pocket, source, ground, rest > 0)
            if come is not None:
                rest[come] = value
                n_added += 1
    return n_added, n_removed
