"""What the docks have in common whose jobs run in other processes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QApplication, QWidget

from napari_retseg.engine import Engine
from napari_retseg.ui.leaving import Closable, close_at_exit
from napari_retseg.ui.postbox import Postbox

if TYPE_CHECKING:
    from napari.viewer import Viewer


class EngineDock(QWidget):
    """A dock around a controller that has an engine.

    The engine is started by the first job and ends with the dock, at the latest with the viewer.

    Parameters
    ----------
    napari_viewer
        The viewer that the dock belongs to.
    engine
        Runs the jobs; by default processes on this machine. The dock closes it.
    """

    def __init__(self, napari_viewer: Viewer, *, engine: Engine | None = None) -> None:
        super().__init__()
        self._viewer = napari_viewer
        controller = self._build(engine or Engine(), Postbox().post)
        # a partial, because Qt holds methods weakly, and this widget is gone by then
        self.destroyed.connect(partial(controller.close))
        application = QApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(controller.close)
        close_at_exit(controller)

    def _build(self, engine: Engine, post: Callable[[Callable[[], None]], None]) -> Closable:
        """Make controller and widgets; return the controller, which closes the engine.

        Parameters
        ----------
        post
            Runs a function on the GUI's thread, soon; called on any thread.
        """
        raise NotImplementedError
