"""Which workbench belongs to which viewer, for docks that work together."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_retseg.ui.workbench.control.controller import Workbench
    from napari_retseg.ui.workbench.workbenchdock import WorkbenchDock

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


def find_workbench(viewer: Viewer) -> Workbench | None:
    """Return the workbench that is open in a viewer."""
    dock = find_dock_of(viewer)
    return None if dock is None else dock.bench
