"""Follows what is painted in a labels layer, whatever painted it, B-scan by B-scan."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.dataset.pagedlabels import LabelVolume, PagedLabels
from napari_retseg.label_diff import Changes, PlaneWatch
from napari_retseg.ui.layers import plane

if TYPE_CHECKING:
    from napari.layers import Labels

_LARGEST = 255


class Strokes:
    """Tells which pixels of a labels layer have changed, also by undo and by other plugins.

    A stroke, a fill and an undo change the B-scan in view, which is compared with a copy: well
    under a millisecond, whatever the size of the volume. Where the layer edits in three
    dimensions, all B-scans are compared; labels that memory does not hold are edited B-scan by
    B-scan only. A stroke is many events, so these only note that
    something has changed; :meth:`check` looks, a few times a second and before anything else is
    done with the labels.

    Parameters
    ----------
    layer
        Its data are an array of 8 bits, ``(depth, width)`` or ``(bscan, depth, width)``, or
        :class:`PagedLabels`.
    current
        Gives the B-scan in view.
    on_change
        Called with the B-scan and what has changed in it.
    on_end
        Called when a stroke has ended, though the last of it may not be in the array yet.
    """

    def __init__(
        self,
        layer: Labels,
        *,
        current: Callable[[], int],
        on_change: Callable[[int, Changes], None],
        on_end: Callable[[], None] | None = None,
    ) -> None:
        self._layer = layer
        self._current = current
        self._on_change = on_change
        self._on_end = on_end
        self._watches: dict[int, PlaneWatch] = {}
        self._is_muted = False
        self._is_due = False
        self._labels: LabelVolume = layer.data
        for event in self._events():
            event.connect(self._note)
        layer.events.paint.connect(self._on_paint)
        layer.events.data.connect(self._take_over)
        layer.events.n_edit_dimensions.connect(self._on_dimensions)
        self.look()

    def close(self) -> None:
        """Follow it no longer."""
        for event in self._events():
            event.disconnect(self._note)
        self._layer.events.paint.disconnect(self._on_paint)
        self._layer.events.data.disconnect(self._take_over)
        self._layer.events.n_edit_dimensions.disconnect(self._on_dimensions)

    def look(self) -> None:
        """Take a copy of the B-scan in view, so that its next change is seen."""
        self.check()
        bscan = self._current()
        if bscan not in self._watches:
            self._watches = {bscan: PlaneWatch(self.plane(bscan))}
        if self._layer.n_edit_dimensions == 3:
            self._look_at_all()

    def forget(self, bscans: Iterable[int]) -> None:
        """Take B-scans as seen that this program has changed; strokes on others are told."""
        for bscan in bscans:
            self._watches.pop(bscan, None)
        self.look()

    def plane(self, bscan: int) -> NDArray[np.uint8]:
        """Return one B-scan's labels, ``(depth, width)``; a view."""
        return plane(self._labels, bscan)

    def watch(self, bscans: Iterable[int]) -> None:
        """Take copies of B-scans that are about to be changed, though they are not in view."""
        for bscan in bscans:
            if bscan not in self._watches:
                self._watches[bscan] = PlaneWatch(self.plane(bscan))

    def _events(self) -> tuple[Any, ...]:
        events = self._layer.events
        return events.labels_update, events.set_data

    def _look_at_all(self) -> None:
        if not isinstance(self._labels, PagedLabels):
            self.watch(range(len(self._labels) if self._labels.ndim == 3 else 1))

    def _on_dimensions(self, _event: Any = None) -> None:
        if isinstance(self._labels, PagedLabels) and self._layer.n_edit_dimensions > 2:
            self._layer.n_edit_dimensions = 2
        self.look()

    def _take_over(self, _event: Any = None) -> None:
        """Take labels that replace all others, as a plugin may do, into the array that is kept."""
        given = self._layer.data
        if given is self._labels or self._is_muted:
            return
        self._look_at_all()
        own = self._labels
        fits = isinstance(own, np.ndarray) and isinstance(given, np.ndarray)
        fits = fits and given.shape == own.shape and given.dtype.kind in "bui"
        if fits and given.max(initial=0) <= _LARGEST:
            own[...] = given
        self._is_muted = True
        try:
            self._layer.data = self._labels
        finally:
            self._is_muted = False
        self._is_due = True
        self.check()

    def _note(self, _event: Any = None) -> None:
        self._is_due = True

    def _on_paint(self, _event: Any = None) -> None:
        """Take note of a stroke, which has just ended."""
        self._is_due = True
        if self._on_end is not None:
            self._on_end()

    def check(self) -> None:
        """Tell what has changed since the last time."""
        if self._is_muted or not self._is_due:
            return
        self._is_due = False
        self._is_muted = True  # what hears of a change may refresh the layer
        try:
            for bscan, watch in list(self._watches.items()):
                changes = watch.changes(self.plane(bscan))
                if changes is not None:
                    self._on_change(bscan, changes)
        finally:
            self._is_muted = False
