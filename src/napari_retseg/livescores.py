"""Scores of two label volumes that follow a painter: counted from the changed pixels only."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import IGNORE, LabelSet
from napari_retseg.scores import Overlap, count_pairs, pool_counts, score_counts

Side = Literal["reference", "predicted"]
Labels = NDArray[np.integer[Any]]

_SIDES: tuple[Side, Side] = ("reference", "predicted")
#: Stands for every value that 8 bits do not hold; no class has it.
_NO_CLASS = 254


class LiveScores:
    """Confusion counts of each B-scan and of all, kept up while one of the two is painted on.

    Both sides hold class values. Pixels that are 255 in the reference do not count. Those
    that are 255 in the prediction do not count either. A value that is no class counts as
    background and is reported by :attr:`unknown_values`.

    Several threads may use it: :meth:`count_rest` in one of them does not hold up the others
    for longer than the count of one B-scan takes to be added.

    Parameters
    ----------
    classes
        The classes of both sides.
    shape
        ``(bscan, depth, width)``, or ``(depth, width)`` of a single B-scan.
    """

    def __init__(self, classes: LabelSet, shape: tuple[int, ...]) -> None:
        if len(shape) not in (2, 3):
            raise ValueError(f"labels have 2 or 3 axes, not {len(shape)}")
        self._classes = classes
        self._shape = tuple(shape)
        self._plane_shape = self._shape[-2:]
        self._n_bscans = self._shape[0] if len(shape) == 3 else 1
        self._counter = _PairCounter(classes)
        self._lock = threading.RLock()
        self._generation = 0
        self.clear()

    @property
    def n_bscans(self) -> int:
        """Number of B-scans."""
        return self._n_bscans

    @property
    def n_counted(self) -> int:
        """Number of B-scans that are counted."""
        return len(self._counted)

    def is_counted(self, bscan: int) -> bool:
        """Whether the B-scan is counted, so that strokes on it can be."""
        return bscan in self._counted

    def clear(self) -> None:
        """Forget all counts; a :meth:`count_rest` that is under way ends."""
        k = len(self._classes)
        with self._lock:
            self._generation += 1
            self._counted: set[int] = set()
            self._matrices = np.zeros((self._n_bscans, k + 1, k + 1), dtype=np.int64)
            self._total = np.zeros((k + 1, k + 1), dtype=np.int64)
            self._present = np.zeros(k, dtype=np.int64)
            self._unknown = np.zeros((self._n_bscans, 2, 256), dtype=np.int64)
            self._unknown_total = np.zeros((2, 256), dtype=np.int64)
            self._overlaps: dict[int, Overlap] = {}
            self._dices: dict[int, float | None] = {}

    def count_rest(self, reference: Labels, predicted: Labels) -> bool:
        """Count the B-scans that are not counted yet, about a millisecond each.

        It is meant for a thread beside the painter's.

        A B-scan that the painter's thread counts meanwhile (:meth:`set_bscan`) keeps that
        count and the strokes on it. A B-scan must therefore be counted there before it is
        painted on: a count of pixels that change meanwhile would be neither old nor new.

        Returns
        -------
        bool
            False where :meth:`clear` ended it.

        Raises
        ------
        ValueError
            Where one of the two is not of the shape.
        """
        for side, labels in zip(_SIDES, (reference, predicted), strict=True):
            if tuple(labels.shape) != self._shape:
                raise ValueError(f"{side} labels {labels.shape} are not of shape {self._shape}")
        generation = self._generation
        for bscan in range(self._n_bscans):
            if bscan in self._counted:
                continue
            planes = (
                (reference, predicted)
                if len(self._shape) == 2
                else (reference[bscan], predicted[bscan])
            )
            counts = self._counter.count(*planes)
            with self._lock:
                if generation != self._generation:
                    return False
                if bscan not in self._counted:
                    self._add(bscan, *counts)
        return True

    def set_bscan(self, bscan: int, reference: Labels, predicted: Labels) -> None:
        """Count one B-scan anew.

        Parameters
        ----------
        bscan
            Its index.
        reference, predicted
            Its planes, ``(depth, width)``.
        """
        self._check(bscan)
        for side, plane in zip(_SIDES, (reference, predicted), strict=True):
            self._check_plane(side, plane)
        matrix, unknown = self._counter.count(reference, predicted)
        with self._lock:
            self._add(bscan, matrix - self._matrices[bscan], unknown - self._unknown[bscan])

    def repaint(
        self,
        bscan: int,
        *,
        side: Side,
        flat: NDArray[np.intp],
        before: Labels,
        after: Labels,
        other: Labels,
    ) -> None:
        """Count what a stroke changed; the cost depends on the number of changed pixels only.

        Parameters
        ----------
        bscan
            Its index.
        side
            The one that was painted on.
        flat
            Places of the changed pixels in the plane, in C order, each once.
        before, after
            Their values, in the order of `flat`.
        other
            The other side's whole plane, ``(depth, width)``.

        Raises
        ------
        ValueError
            Where the B-scan is not counted yet, or `before` is not what was counted; the
            counts stay as they were.
        """
        self._check(bscan)
        self._check_plane("other", other)
        if not len(flat) == len(before) == len(after):
            raise ValueError(f"{len(flat)} places, {len(before)} values before, {len(after)} after")
        beside = other[np.unravel_index(flat, self._plane_shape)]
        old, new = (before, beside), (after, beside)
        if side == "predicted":
            old, new = old[::-1], new[::-1]
        lost, lost_unknown = self._counter.count(*old)
        won, won_unknown = self._counter.count(*new)
        with self._lock:
            if bscan not in self._counted:
                raise ValueError(f"B-scan {bscan} is not counted yet")
            self._add(bscan, won - lost, won_unknown - lost_unknown)

    def scores(self, bscans: Iterable[int] | None = None) -> Overlap:
        """Return pooled scores of some B-scans; None: of all. Not counted ones add nothing."""
        return score_counts(self._classes.names, *self.counts(bscans))

    def counts(
        self, bscans: Iterable[int] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return what :func:`napari_retseg.scores.score_counts` takes, of some B-scans or all.

        Sums over several scans give their scores together.
        """
        k = len(self._classes)
        with self._lock:
            if bscans is None:
                return self._total[:k, :k].copy(), self._present.copy()
            chosen = sorted(set(bscans))
            for bscan in chosen:
                self._check(bscan)
            return pool_counts(self._matrices[chosen, :k, :k])

    def bscan_scores(self, bscan: int) -> Overlap:
        """Return the scores of one B-scan."""
        with self._lock:
            if bscan not in self._overlaps:
                self._overlaps[bscan] = self.scores([bscan])
            return self._overlaps[bscan]

    def worst(self, n: int) -> list[tuple[int, float]]:
        """Find the (at most `n`) B-scans with the lowest mean foreground Dice.

        Returns
        -------
        list of (int, float)
            B-scan and Dice, the lowest first; B-scans without a value are left out.
        """
        with self._lock:
            values = [(self._dice(i), i) for i in self._counted]
        found = sorted((dice, bscan) for dice, bscan in values if dice is not None)
        return [(bscan, dice) for dice, bscan in found[:n]]

    @property
    def unknown_values(self) -> dict[Side, dict[int, int]]:
        """Values that are no class, and how many pixels have them.

        A value that 8 bits do not hold is reported as 254.
        """
        with self._lock:
            return {
                side: {int(v): int(counts[v]) for v in np.flatnonzero(counts)}
                for side, counts in zip(_SIDES, self._unknown_total, strict=True)
            }

    def _dice(self, bscan: int) -> float | None:
        """Return a B-scan's Dice; kept, since one stroke changes that of one B-scan only."""
        if bscan not in self._dices:
            self._dices[bscan] = self.bscan_scores(bscan).mean_foreground_dice
        return self._dices[bscan]

    def _add(self, bscan: int, matrix: NDArray[np.int64], unknown: NDArray[np.int64]) -> None:
        """Add to a B-scan's counts and to those of all."""
        counts = self._matrices[bscan] + matrix
        if (counts < 0).any():
            raise ValueError(f"B-scan {bscan} did not hold what was painted over; count it anew")
        k = len(self._classes)
        was, now = (m[:k, :k].any(axis=1) for m in (self._matrices[bscan], counts))
        self._present += now.astype(np.int64) - was
        self._matrices[bscan] = counts
        self._total += matrix
        self._unknown[bscan] += unknown
        self._unknown_total += unknown
        self._overlaps.pop(bscan, None)
        self._dices.pop(bscan, None)
        self._counted.add(bscan)

    def _check(self, bscan: int) -> None:
        if not 0 <= bscan < self._n_bscans:
            raise IndexError(f"there is no B-scan {bscan} among {self._n_bscans}")

    def _check_plane(self, side: str, plane: Labels) -> None:
        if tuple(plane.shape) != self._plane_shape:
            raise ValueError(f"{side} plane {plane.shape} is not of shape {self._plane_shape}")


class _PairCounter:
    """Counts pairs of values as pairs of class indices; 255 has the index after the last."""

    def __init__(self, classes: LabelSet) -> None:
        self._n = len(classes) + 1
        self._index = np.zeros(256, dtype=np.intp)
        self._index[classes.values] = np.arange(len(classes))
        self._index[IGNORE] = len(classes)
        self._is_unknown = np.ones(256, dtype=bool)
        self._is_unknown[[*classes.values, IGNORE]] = False

    def count(
        self, reference: Labels, predicted: Labels
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the matrix ``(n, n)``, and ``(side, 256)`` pixels of each unknown value."""
        pairs = count_pairs(to_bytes(reference), to_bytes(predicted)).ravel()
        where = np.flatnonzero(pairs != 0)
        counts = pairs[where]
        rows, columns = np.divmod(where, 256)
        matrix = np.zeros((self._n, self._n), dtype=np.int64)
        np.add.at(matrix, (self._index[rows], self._index[columns]), counts)
        unknown = np.zeros((2, 256), dtype=np.int64)
        for side, values in enumerate((rows, columns)):
            np.add.at(unknown[side], values, np.where(self._is_unknown[values], counts, 0))
        return matrix, unknown


def to_bytes(labels: Labels) -> NDArray[np.uint8]:
    """Bring label values of any integer type to 8 bits."""
    if labels.dtype == np.uint8:
        return labels.astype(np.uint8, copy=False)
    values = labels.astype(np.uint8)
    values[(labels < 0) | (labels > IGNORE)] = _NO_CLASS
    return values
