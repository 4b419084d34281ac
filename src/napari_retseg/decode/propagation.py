"""Corrections of confirmed B-scans, carried to the B-scans in between and beside them.

Nothing is changed unless the other B-scan looks as the confirmed one does once it is changed: see
:mod:`napari_retseg.decode.carrying` and :mod:`napari_retseg.decode.carried_pockets`.

Corrections are measured against what the model predicted, however often they were carried before:
an error that is mended on a B-scan by now still tells of the same one beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_retseg.decode.carried_pockets import Ground
from napari_retseg.decode.carrying import Neighbour, carry_offsets
from napari_retseg.decode.corrections import Correction
from napari_retseg.decode.pocket_trails import PocketTrails
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
        Gives what the model predicted: class values of the same shape.
    current
        Gives what is predicted now: the same, unless corrections were carried to it before.
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
    current: Callable[[int], NDArray[np.uint8]]
    labels: Mapping[int, NDArray[np.uint8]]
    layers: Sequence[int]
    lesions: Sequence[int]
    distances: NDArray[np.float64]

    def propose(self, bscans: Collection[int]) -> Iterator[tuple[int, Proposal | None]]:
        """Say for each of these B-scans what would change; None: nothing."""
        run = _Run(self, bscans)
        for bscan in bscans:
            yield bscan, run.propose(bscan)
            run.forget(bscan)

    def find_near(self, bscan: int) -> tuple[int, ...]:
        """The nearest confirmed B-scan within reach, and the nearest on its other side."""
        away = self.distances[bscan]
        within = [b for b in self.labels if b != bscan and away[b] <= 1]
        near = sorted(within, key=lambda b: (away[b], b))
        across = [b for b in near if self.is_between(bscan, near[0], b)]
        return (near[0], across[0]) if across else tuple(near[:2])

    def is_between(self, bscan: int, one: int, other: int) -> bool:
        """Whether a B-scan lies between two others."""
        return bool(self.distances[one, other] > self.distances[bscan, [one, other]].max())


class _Moving(NamedTuple):
    """A B-scan with its boundaries as they will be, and what is predicted now."""

    ground: Ground
    now: LayerMap
    moved: tuple[Moved, ...]


class _Run:
    """What is known while B-scan after B-scan is compared."""

    def __init__(self, scan: Propagation, bscans: Collection[int]) -> None:
        self._scan = scan
        self._corrections: dict[int, Correction] = {}
        self._moving: dict[int, _Moving] = {}
        self._trails = PocketTrails(
            self._correct, lambda b: self._move(b).ground, frozenset(bscans), scan.distances
        )

    def propose(self, bscan: int) -> Proposal | None:
        near = self._scan.find_near(bscan)
        if not near:
            return None
        ground, now, moved = self._move(bscan)
        rest = now.rest.copy()
        n_added, n_removed = 0, 0
        for value in self._scan.lesions:
            added, removed = self._change_pockets(rest, bscan, near, value)
            n_added, n_removed = n_added + added, n_removed + removed
        if not moved and not n_added and not n_removed:
            return None
        before = self._scan.current(bscan)
        labels = labels_of_boundaries(ground.rows, ground.layers, depth=len(before), rest=rest)
        labels = np.where(now.is_ordered, labels, before)
        if np.array_equal(labels, before):
            return None
        return Proposal(labels, moved, n_added, n_removed, near)

    def forget(self, bscan: int) -> None:
        """Keep only what is in reach of a B-scan."""
        for far in [b for b in self._moving if self._scan.distances[bscan, b] > 1]:
            del self._moving[far]
        self._trails.forget(bscan)

    def _correct(self, bscan: int) -> Correction:
        if bscan not in self._corrections:
            scan = self._scan
            self._corrections[bscan] = Correction(
                scan.grey(bscan),
                scan.prediction(bscan),
                scan.labels[bscan],
                scan.layers,
                scan.lesions,
            )
        return self._corrections[bscan]

    def _move(self, bscan: int) -> _Moving:
        """Move the boundaries of a B-scan."""
        if bscan not in self._moving:
            scan, near = self._scan, self._scan.find_near(bscan)
            away = scan.distances[bscan]
            neighbours = [Neighbour(self._correct(b), 1 / (0.05 + float(away[b]))) for b in near]
            grey = scan.grey(bscan)
            found = boundaries_of_labels(scan.prediction(bscan), scan.layers)
            now = boundaries_of_labels(scan.current(bscan), scan.layers)
            is_between = len(near) == 2 and scan.is_between(bscan, *near)
            rows = _move(grey, found, now, neighbours, is_between=is_between)
            ground = Ground(grey, rows, scan.layers, found.rest)
            self._moving[bscan] = _Moving(ground, now, _describe(rows, now))
        return self._moving[bscan]

    def _change_pockets(
        self, rest: NDArray[np.uint8], bscan: int, near: tuple[int, ...], value: int
    ) -> tuple[int, int]:
        """Take pockets of a class out of what lies over the layers, and put others in."""
        n_added, n_removed = 0, 0
        for source in near:
            for gone in self._trails.follow(source, "removed", value, bscan):
                n_removed += bool(rest[gone].any())
                rest[gone] = 0
            for come in self._trails.follow(source, "added", value, bscan):
                if not rest[come].any():
                    rest[come] = value
                    n_added += 1
        return n_added, n_removed


def _move(
    grey: NDArray[np.float32],
    found: LayerMap,
    now: LayerMap,
    neighbours: Sequence[Neighbour],
    *,
    is_between: bool,
) -> NDArray[np.float32]:
    """Move the boundaries that a model found on a B-scan; what was moved before stays moved."""
    seen = np.where(found.is_ordered, found.visible_rows(), np.nan)
    offsets = [
        carry_offsets(grey, own, neighbours, j, is_between=is_between) for j, own in enumerate(seen)
    ]
    before = np.nan_to_num(_find_nearest(found.rows, now) - found.rows)
    return _order(found.rows, _keep_former(np.stack(offsets), before))


def _keep_former(offsets: NDArray[np.float32], before: NDArray[np.float32]) -> NDArray[np.float32]:
    """Keep former offsets in stretches of which nothing is moved now."""
    along = np.array([[0, 0, 0], [1, 1, 1], [0, 0, 0]])
    parts, _ = ndimage.label(before != 0, along)
    is_new = np.isin(parts, np.unique(parts[offsets != 0]))
    return np.where((offsets == 0) & ~is_new, before, offsets)


def _describe(rows: NDArray[np.float32], now: LayerMap) -> tuple[Moved, ...]:
    """Tell which boundaries are moved, and how far."""
    change = np.nan_to_num(np.abs(rows - _find_nearest(rows, now)))
    return tuple(
        Moved(j, float(part[part > 0].mean()), float((part > 0).mean()))
        for j, part in enumerate(change)
        if (part > 0).any()
    )


def _find_nearest(rows: NDArray[np.float32], now: LayerMap) -> NDArray[np.float32]:
    """Where boundaries are now; one that a pocket hides, at the place nearest to these rows."""
    return np.clip(rows, now.highest_rows(), now.rows)


def _order(rows: NDArray[np.float32], offsets: NDArray[np.float32]) -> NDArray[np.float32]:
    """Add offsets to rows of pixels; where boundaries would cross, those that stay win."""
    moved = np.rint(rows + offsets)
    stays = np.where(offsets == 0, rows, np.nan)
    above = np.fmax.accumulate(stays, axis=0)
    below = np.fmin.accumulate(stays[::-1], axis=0)[::-1]
    held = np.fmin(np.fmax(moved, above), below)
    held = np.where(offsets == 0, rows, held)
    return np.maximum.accumulate(held, axis=0).astype(np.float32)
