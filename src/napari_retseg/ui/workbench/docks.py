"""Docks of one viewer that work together: which workbench is open, and beside it in tabs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_retseg.ui.workbench.control.controller import Workbench
    from napari_retseg.ui.workbench.workbench_dock import WorkbenchDock

# napari gives each plugin's dock the viewer behind a proxy of its own: another object, whose hash
# is the viewer's
_docks: WeakValueDictionary[int, WorkbenchDock] = WeakValueDictionary()


def remember_dock(viewer: Viewer, dock: WorkbenchDock) -> None:
    """Note which dock is open in a viewer."""
    _docks[hash(viewer)] = dock


def forget_dock(viewer: Viewer, dock: WorkbenchDock) -> None:
    """Note that a dock is closed, unless another one has taken its place."""
    if _docks.get(hash(viewer)) is dock:
        del _docks[hash(viewer)]


def find_dock_of(viewer: Viewer) -> WorkbenchDock | None:
    """Return the workbench's dock that is open in a viewer."""
    return _docks.get(hash(viewer))


class Neighbour:
    """Finds the workbench of a viewer, and lets a dock share its place once, whichever opens first.

    Below each other, neither would have the height that it needs.
    """

    def __init__(self, dock: QWidget, viewer: Viewer) -> None:
        self._dock = dock
        self._viewer = viewer
        self._placed_by: Workbench | None = None

    def find(self, *, is_newer: bool = False) -> Workbench | None:
        """Return the workbench that is open now; of the two docks the newer comes in front."""
        other = find_dock_of(self._viewer)
        if other is None:
            return None
        if other.bench is not self._placed_by and other.isVisible():
            self._placed_by = other.bench
            pair = (self._dock, other) if is_newer else (other, self._dock)
            # the viewer adds a dock to its window only after it is shown
            QTimer.singleShot(0, partial(join, *pair))
        return other.bench


def find_dock(widget: QWidget) -> QDockWidget | None:
    """Return the dock that holds a widget."""
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parentWidget()
    return parent


def join(widget: QWidget, other: QWidget) -> None:
    """Put a widget's dock behind the same tab bar as another's, and in front."""
    own, place = find_dock(widget), find_dock(other)
    if own is None or place is None or own is place:
        return
    window = place.parentWidget()
    if isinstance(window, QMainWindow) and own not in window.tabifiedDockWidgets(place):
        window.tabifyDockWidget(place, own)
        own.raise_()
