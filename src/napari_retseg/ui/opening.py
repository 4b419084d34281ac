"""napari's reader: what it opens for the user, and what it says where that fails."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from napari_retseg.errors import RetsegError
from napari_retseg.ui.aspect import aspect_of
from napari_retseg.ui.layers import make_name
from napari_retseg.ui.likeness import may_be_oct
from napari_retseg.ui.readers import LayerData, NothingChosenError, read_layers

#: napari's sign for "read, but there are no layers".
_NO_LAYERS: list[tuple[None]] = [(None,)]
#: How long, and how often, it is waited for the viewer's window.
_WAIT_MS, _MOST_WAITS = 200, 150

Reader = Callable[[str | list[str]], list[LayerData] | list[tuple[None]]]


def get_reader(path: str | list[str]) -> Reader | None:
    """Return :func:`open_layers` where every path may be a scan, else None: see `likeness`."""
    paths = [path] if isinstance(path, str) else path
    return open_layers if paths and all(may_be_oct(Path(p)) for p in paths) else None


def open_layers(path: str | list[str]) -> list[LayerData] | list[tuple[None]]:
    """Read a scan as layers for napari, see :func:`read_layers`.

    Where a person opens files, an error is one line in a notification, and napari goes on with
    the other files: it would show the traceback, and stop.

    Raises
    ------
    InputError
        Where a script opens a scan that cannot be read.
    """
    is_watched, viewer = _is_person_there(), _find_viewer()
    if viewer is not None:
        aspect_of(viewer)  # sees to how scans are shown, whether or not there are our docks
    try:
        layers = read_layers(path)
    except NothingChosenError:
        if not is_watched:
            raise
        return _NO_LAYERS
    except RetsegError as error:
        if not is_watched:
            raise
        _tell(path, error)
        return _NO_LAYERS
    if is_watched and viewer is not None and not viewer.layers:
        # napari fits the first layer into a window that has not got its size yet
        _do_when_shown(viewer.reset_view)
    return layers


def _find_viewer() -> Any:
    from napari import current_viewer

    return current_viewer()


def _is_person_there() -> bool:
    """Whether napari runs as a program or shows what is raised; a script wants the exception."""
    from napari.utils.notifications import notification_manager

    program = "napari.__main__"
    started = getattr(sys.modules.get("__main__"), "__spec__", None)
    is_program = program in sys.modules or getattr(started, "name", "") == program
    return is_program or sys.excepthook == notification_manager.receive_error


def _tell(path: str | list[str], error: RetsegError) -> None:
    """Show an error; the little room is for the file's name."""
    text = str(error)
    for one in [path] if isinstance(path, str) else path:
        text = text.replace(str(Path(one)), Path(one).name)
    _do_when_shown(partial(_show, make_name(text)))


def _show(text: str) -> None:
    """Show a line in a notification, which cuts it to a few words, and whole in the status bar."""
    from napari.utils.notifications import show_error

    show_error(text)
    viewer = _find_viewer()
    if viewer is not None:
        viewer.status = text


def _do_when_shown(act: Callable[[], object], waits: int = _MOST_WAITS) -> None:
    """Do something once the files are open and the viewer has a window.

    Files of the command line are opened before it has one.
    """
    from qtpy.QtCore import QTimer
    from qtpy.QtWidgets import QApplication, QMainWindow

    def look() -> None:
        windows = [w for w in QApplication.topLevelWidgets() if isinstance(w, QMainWindow)]
        if waits and windows and not any(window.isVisible() for window in windows):
            _do_when_shown(act, waits - 1)
        else:
            act()

    QTimer.singleShot(0 if waits == _MOST_WAITS else _WAIT_MS, look)
