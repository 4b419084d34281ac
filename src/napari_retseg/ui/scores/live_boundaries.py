"""Boundary errors of two labels layers, measured beside the GUI's thread. Knows no Qt."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import LabelSet
from napari_retseg.layers import (
    BoundaryCounter,
    BoundaryErrors,
    count_boundaries,
    layer_order,
    name_boundaries,
)
from napari_retseg.livescores import to_bytes

Planes = tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]]]

#: B-scans of one piece of work: others wait for the same thread.
_AT_ONCE = 8


class LiveBoundaries:
    """Errors of each B-scan, measured when they are asked for, and again when it has changed.

    Parameters
    ----------
    classes
        Of both sides.
    planes
        Gives reference and prediction of a B-scan; called on the executor's thread.
    executor
        Does the work, about 10 ms a B-scan.
    tell
        Called on the executor's thread when more has been measured.
    """

    def __init__(
        self,
        classes: LabelSet,
        planes: Callable[[int], Planes],
        executor: Executor,
        tell: Callable[[], None],
    ) -> None:
        order = layer_order(classes)
        self._layers = [classes.classes[k].value for k in order]
        self._names = name_boundaries([classes.names[k] for k in order]) if order else []
        self._planes = planes
        self._executor = executor
        self._tell = tell
        self._lock = threading.Lock()
        self._found: dict[int, BoundaryCounter] = {}
        self._waiting: dict[int, None] = {}
        self._is_busy = False
        self._is_closed = False

    @staticmethod
    def of(
        classes: LabelSet,
        planes: Callable[[int], Planes],
        executor: Executor,
        tell: Callable[[], None],
    ) -> LiveBoundaries | None:
        """Make one where two or more classes are layers."""
        if count_boundaries(classes) is None:
            return None
        return LiveBoundaries(classes, planes, executor, tell)

    def errors(self, bscans: Iterable[int]) -> BoundaryErrors:
        """Return the errors of some B-scans as far as they are measured, and measure the rest."""
        total = BoundaryCounter(self._names)
        with self._lock:
            for bscan in bscans:
                if bscan in self._found:
                    total.merge(self._found[bscan])
                else:
                    self._waiting[bscan] = None
            self._begin()
        return total.errors()

    def measure_again(self, bscans: Iterable[int]) -> None:
        """Measure B-scans again that have been measured; until then their old errors stand."""
        with self._lock:
            self._waiting |= {bscan: None for bscan in bscans if bscan in self._found}
            self._begin()

    def close(self) -> None:
        """Measure nothing any more."""
        with self._lock:
            self._is_closed = True
            self._waiting.clear()

    def _begin(self) -> None:
        if self._waiting and not self._is_busy and not self._is_closed:
            self._is_busy = True
            self._executor.submit(self._work)

    def _work(self) -> None:
        """Measure a few B-scans, and let others have the thread before the next ones."""
        try:
            for _ in range(_AT_ONCE):
                bscan = self._take()
                if bscan is None:
                    break
                reference, predicted = map(to_bytes, self._planes(bscan))
                counter = BoundaryCounter(self._names)
                counter.add_labels(reference, predicted, self._layers)
                with self._lock:
                    self._found[bscan] = counter
        finally:
            with self._lock:
                self._is_busy = False
                self._begin()
        self._tell()

    def _take(self) -> int | None:
        with self._lock:
            bscan = next(iter(self._waiting), None)
            if bscan is not None:
                del self._waiting[bscan]
            return bscan
