"""Pockets followed from B-scan to B-scan, away from the confirmed one that they were corrected on.

A pocket lies on neighbouring B-scans. What is as dark in its place beyond a B-scan that does not
show it is another thing: so a pocket is looked for where it was seen last, and no farther than it
is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_retseg.decode.carried_pockets import Ground, Pocket, find_added, find_removed
from napari_retseg.decode.corrections import Correction

#: What was done to a pocket.
Deed = Literal["added", "removed"]


class _Trail(NamedTuple):
    """A pocket of a confirmed B-scan: which one of those of a class."""

    source: int
    deed: Deed
    value: int
    number: int


@dataclass(frozen=True)
class PocketTrails:
    """The pockets that were corrected on confirmed B-scans.

    Attributes
    ----------
    correct
        Gives what was corrected on a confirmed B-scan.
    ground
        Gives another B-scan, with its layers as they will be.
    bscans
        The B-scans on which pockets are looked for.
    distances
        Between all B-scans.
    """

    correct: Callable[[int], Correction]
    ground: Callable[[int], Ground]
    bscans: Collection[int]
    distances: NDArray[np.float64]
    _starts: dict[tuple[int, Deed, int], list[Pocket]] = field(default_factory=dict)
    _seen: dict[tuple[_Trail, int], NDArray[np.intp] | None] = field(default_factory=dict)

    def follow(self, source: int, deed: Deed, value: int, bscan: int) -> list[NDArray[np.bool_]]:
        """The pockets of a confirmed B-scan that are seen on another one."""
        shape = self.ground(bscan).grey.shape
        found = []
        for number in range(len(self._start(source, deed, value))):
            pixels = self._look(_Trail(source, deed, value, number), bscan)
            if pixels is not None:
                found.append(_fill(pixels, shape))
        return found

    def forget(self, bscan: int) -> None:
        """Keep only what is seen on B-scans in reach of this one."""
        for key in [key for key in self._seen if self.distances[bscan, key[1]] > 1]:
            del self._seen[key]

    def _start(self, source: int, deed: Deed, value: int) -> list[Pocket]:
        key = (source, deed, value)
        if key not in self._starts:
            one = self.correct(source)
            regions = (one.pockets_added if deed == "added" else one.pockets_removed)(value)
            self._starts[key] = [Pocket.of_correction(region, one) for region in regions]
        return self._starts[key]

    def _look(self, trail: _Trail, bscan: int) -> NDArray[np.intp] | None:
        """Look for a pocket on a B-scan, where it was seen on the one before."""
        key = (trail, bscan)
        if key not in self._seen:
            last = self._find_last(trail, bscan)
            found = None if last is None else self._find(trail, last, bscan)
            self._seen[key] = None if found is None else np.flatnonzero(found)
        return self._seen[key]

    def _find(self, trail: _Trail, last: Pocket, bscan: int) -> NDArray[np.bool_] | None:
        ground = self.ground(bscan)
        if trail.deed == "removed":
            return find_removed(last, ground, trail.value)
        return find_added(last, ground)

    def _find_last(self, trail: _Trail, bscan: int) -> Pocket | None:
        """The pocket on the nearest B-scan on the way to the confirmed one; None: not seen."""
        start = self._start(trail.source, trail.deed, trail.value)[trail.number]
        away = self.distances
        whole = away[bscan, trail.source]
        between = [b for b in self.bscans if max(away[b, [bscan, trail.source]]) < whole]
        if not between:
            return start
        before = min(between, key=lambda b: (float(away[b, bscan]), b))
        pixels = self._look(trail, before)
        if pixels is None:
            return None
        ground = self.ground(before)
        region = _fill(pixels, ground.grey.shape)
        return replace(start, region=region, rows=ground.rows[[0, -1]])


def _fill(pixels: NDArray[np.intp], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    region = np.zeros(shape, bool)
    region.flat[pixels] = True
    return region
