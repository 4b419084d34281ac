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
        """Look for a pocket on a B-scan, from the nearest one on which that is known."""
        way: list[int | None] = [bscan]
        while way[-1] is not None and (trail, way[-1]) not in self._seen:
            way.append(self._find_before(way[-1], trail.source))
        for one, before in zip(way[-2::-1], way[:0:-1], strict=True):
            if one is not None:
                self._seen[trail, one] = self._find(trail, before, one)
        return self._seen[trail, bscan]

    def _find_before(self, bscan: int, source: int) -> int | None:
        """The nearest B-scan on the way to the confirmed one; None: that one itself."""
        away = self.distances
        whole = away[bscan, source]
        between = [b for b in self.bscans if max(away[b, [bscan, source]]) < whole]
        return min(between, key=lambda b: (float(away[b, bscan]), b), default=None)

    def _find(self, trail: _Trail, before: int | None, bscan: int) -> NDArray[np.intp] | None:
        pocket = self._start(trail.source, trail.deed, trail.value)[trail.number]
        if before is not None:
            pixels = self._seen[trail, before]
            if pixels is None:
                return None
            last = self.ground(before)
            region = _fill(pixels, last.grey.shape)
            pocket = replace(pocket, region=region, rows=last.rows[[0, -1]])
        ground = self.ground(bscan)
        if trail.deed == "removed":
            found = find_removed(pocket, ground, trail.value)
        else:
            found = find_added(pocket, ground)
        return None if found is None else np.flatnonzero(found)


def _fill(pixels: NDArray[np.intp], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    region = np.zeros(shape, bool)
    region.flat[pixels] = True
    return region
