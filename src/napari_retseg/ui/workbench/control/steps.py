"""Steps back and forth: what each thing that was done has changed, in memory."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_retseg.label_diff import Changes
from napari_retseg.workspace import State

Way = Literal["undo", "redo"]

#: Bytes that the steps of a scan may keep.
BUDGET = 300_000_000
_NOTHING = np.zeros(0, np.uint8)
_NOWHERE = np.zeros(0, np.int32)


@dataclass(frozen=True)
class Patch:
    """What a B-scan was before a step.

    Attributes
    ----------
    state
        Of the B-scan; None where it had no labels.
    model
        ``weights_id`` of the prediction that its labels began with; empty: none.
    flat
        Places of the pixels in C order; None: the whole B-scan.
    values
        Their values, or the rows of the whole B-scan that hold any label; None: nothing was
        labelled.
    top
        The first of these rows.
    """

    bscan: int
    state: State | None
    model: str
    flat: NDArray[np.int32] | None
    values: NDArray[np.uint8] | None
    top: int = 0

    @classmethod
    def of_plane(
        cls, bscan: int, state: State | None, model: str, plane: NDArray[np.uint8]
    ) -> Patch:
        """Keep a whole B-scan; of a volume, its rows without labels would take most of the time."""
        if state is None:
            return cls(bscan, state, model, None, None)
        rows = np.flatnonzero(plane.any(axis=1))
        top, end = (int(rows[0]), int(rows[-1]) + 1) if rows.size else (0, 0)
        return cls(bscan, state, model, None, plane[top:end].copy(), top)

    @classmethod
    def of_state(cls, bscan: int, state: State | None, model: str) -> Patch:
        """Keep a state only: no pixel is changed."""
        return cls(bscan, state, model, _NOWHERE, _NOTHING)

    @property
    def n_bytes(self) -> int:
        """What it takes in memory."""
        arrays = (self.flat, self.values)
        return sum(array.nbytes for array in arrays if array is not None)

    def with_earlier(self, earlier: Patch) -> Patch:
        """Join with the patch of what was done just before it."""
        if earlier.flat is None or earlier.values is None:
            return earlier
        if self.flat is None or self.values is None:
            raise ValueError("a whole B-scan is not joined to some pixels of it")
        # the first of equal places is kept: what was there before all of it
        places = np.concatenate([earlier.flat, self.flat])
        flat, first = np.unique(places, return_index=True)
        values = np.concatenate([earlier.values, self.values])[first]
        return Patch(self.bscan, earlier.state, earlier.model, flat, values)

    def swap(self, plane: NDArray[np.uint8], state: State | None, model: str) -> Patch:
        """Put what was there back into a B-scan; return the patch that undoes this.

        Parameters
        ----------
        plane
            Changed in place.
        state, model
            Of the B-scan now.
        """
        if self.flat is None or self.values is None:
            now = Patch.of_plane(self.bscan, state, model, plane)
            plane[...] = 0
            if self.values is not None:
                plane[self.top : self.top + len(self.values)] = self.values
            return now
        places = np.unravel_index(self.flat, plane.shape)
        values = plane[places]
        plane[places] = self.values
        return Patch(self.bscan, state, model, self.flat, values)


@dataclass(frozen=True)
class PredictionPatch:
    """What the prediction of a B-scan was before a step.

    Attributes
    ----------
    flat, values
        Places of the pixels in C order, and their values.
    propagated
        The B-scans that it had been corrected by.
    then
        CRC-32 of the prediction as the step left it: another one is not touched.
    """

    bscan: int
    flat: NDArray[np.int32]
    values: NDArray[np.uint8]
    propagated: tuple[int, ...]
    then: int

    @classmethod
    def of_planes(
        cls,
        bscan: int,
        before: NDArray[np.uint8],
        after: NDArray[np.uint8],
        propagated: tuple[int, ...],
    ) -> PredictionPatch:
        """Keep what differs between two planes."""
        flat = np.flatnonzero(before != after).astype(np.int32)
        places = np.unravel_index(flat, before.shape)
        return cls(bscan, flat, before[places], propagated, _sum_up(after))

    @property
    def n_bytes(self) -> int:
        """What it takes in memory."""
        return self.flat.nbytes + self.values.nbytes

    def swap(self, plane: NDArray[np.uint8], propagated: tuple[int, ...]) -> PredictionPatch | None:
        """Put what was there back, in place; return the patch that undoes this.

        None where the B-scan has another prediction by now, which stays.
        """
        if _sum_up(plane) != self.then:
            return None
        places = np.unravel_index(self.flat, plane.shape)
        values = plane[places]
        plane[places] = self.values
        return PredictionPatch(self.bscan, self.flat, values, propagated, _sum_up(plane))


def _sum_up(plane: NDArray[np.uint8]) -> int:
    return zlib.crc32(plane.tobytes())


def keep_stroke(bscan: int, state: State | None, model: str, changes: Changes) -> Patch:
    """Keep what a stroke has painted over."""
    flat = changes.flat.astype(np.int32)
    return Patch(bscan, state, model, flat, changes.before.astype(np.uint8))


@dataclass
class Step:
    """One thing that was done, as a person counts: a stroke, an acceptance, a confirmation.

    `is_edit` tells whether it changes labels, which a confirmation does not. `predictions` is what
    it has changed of the predictions.
    """

    what: str
    patches: dict[int, Patch] = field(default_factory=dict)
    predictions: tuple[PredictionPatch, ...] = ()
    is_edit: bool = True

    def add(self, patch: Patch) -> None:
        """Take in what a B-scan was; what was there before the step counts."""
        earlier = self.patches.get(patch.bscan)
        self.patches[patch.bscan] = patch if earlier is None else patch.with_earlier(earlier)

    @property
    def n_bytes(self) -> int:
        """What it takes in memory."""
        labels = sum(patch.n_bytes for patch in self.patches.values())
        return labels + sum(patch.n_bytes for patch in self.predictions)


class Steps:
    """The steps of one scan that can be taken back, and those that can be taken again.

    Parameters
    ----------
    budget
        Bytes that they may keep.
    on_edit
        Called when labels were changed, or a change was taken back or again.
    """

    def __init__(self, *, budget: int = BUDGET, on_edit: Callable[[], None] = lambda: None) -> None:
        self._budget = budget
        self._on_edit = on_edit
        self._back: deque[Step] = deque()
        self._forth: deque[Step] = deque()
        #: How often it was gone back to what is on disk, further than these steps go.
        self.n_on_disk = 0

    def push(self, step: Step) -> None:
        """Take a step that was done; those that were taken back are gone."""
        self._forth.clear()
        self.n_on_disk = 0
        self._back.append(step)
        self._trim()
        self._tell(step)

    def take(self, way: Way) -> Step | None:
        """Give the next step in a direction; None where there is none."""
        steps = self._back if way == "undo" else self._forth
        return steps.pop() if steps else None

    def give(self, way: Way, step: Step) -> None:
        """Take the step that undoes the one that was taken in a direction."""
        (self._forth if way == "undo" else self._back).append(step)
        self._trim()
        self._tell(step)

    def _tell(self, step: Step) -> None:
        if step.is_edit:
            self._on_edit()

    def _trim(self) -> None:
        """Forget the oldest steps where they take too much memory; never the last one."""
        size = _measure(self._back) + _measure(self._forth)
        while size > self._budget and len(self._back) + len(self._forth) > 1:
            longest = self._back if len(self._back) > 1 or not self._forth else self._forth
            size -= longest.popleft().n_bytes


def _measure(steps: Iterable[Step]) -> int:
    return sum(step.n_bytes for step in steps)
