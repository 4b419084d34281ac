"""The workbench's controller: opens workspaces and scans, and holds its parts. Knows no Qt."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_retseg.dataset.registry import recent
from napari_retseg.engine import Engine
from napari_retseg.ui.workbench.adding import Adding
from napari_retseg.ui.workbench.correcting import Correcting
from napari_retseg.ui.workbench.desk import Desk
from napari_retseg.ui.workbench.predicting import Predicting
from napari_retseg.ui.workbench.scans import Scans
from napari_retseg.ui.workbench.training import Training
from napari_retseg.workspace import (
    Autosaver,
    RestorePoints,
    Workspace,
)

if TYPE_CHECKING:
    from napari.components import ViewerModel

_GRACE_SECONDS = 20.0
_FLUSH_SECONDS = 10.0
_ADDRESS = re.compile(r"(tcp|tls)://[^\s/:]+:\d+")


class Workbench:
    """Correct and retrain, in one workspace at a time.

    All methods are called on the GUI's thread.

    Parameters
    ----------
    viewer
        Shows the open scan.
    engine
        Runs the jobs; closed with this.
    post
        Runs a function on the GUI's thread, soon; called on any thread.
    """

    def __init__(
        self, viewer: ViewerModel, *, engine: Engine, post: Callable[[Callable[[], None]], None]
    ) -> None:
        self.desk = Desk(viewer, engine=engine, post=post)
        self.state = self.desk.state
        self.correcting = Correcting(self.desk)
        self.predicting = Predicting(self.desk, self.correcting)
        self.training = Training(self.desk, self.predicting)
        self.scans = Scans(self.desk, self.correcting, self.predicting)
        self.adding = Adding(self.desk, self.scans)
        self._is_closed = False
        self.state.recent = tuple(recent())
        self.predicting.refresh_models()

    def create(self, folder: Path) -> None:
        """Make a workspace in a folder that is empty or not there yet, and open it."""
        self._switch(partial(Workspace.create, folder))

    def open(self, folder: Path, *, trust: bool = False) -> None:
        """Open a workspace."""
        self._switch(partial(Workspace.open, folder, trust=trust))

    def _switch(self, make: Callable[[], Workspace]) -> None:
        if self.training.is_running:
            self.desk.tell("A training runs in this workspace; stop it or wait for it first.")
            return
        self._leave()
        self.desk.do(make, self._on_workspace)

    def _leave(self) -> None:
        """Close the open workspace, with all that is painted on disk."""
        self.scans.close_scan()
        saver, workspace = self.desk.saver, self.desk.workspace
        self.desk.saver, self.desk.workspace, self.desk.points = None, None, None
        self.state.folder, self.state.is_read_only, self.state.scans = None, False, ()
        self.state.verdict, self.state.judged, self.state.resumable = None, None, None
        self.training.describe()
        if saver is not None:
            self.desk.do(saver.close)
        if workspace is not None:
            self.desk.do(workspace.close)

    def _on_workspace(self, workspace: Workspace) -> None:
        desk = self.desk
        desk.workspace = workspace
        saver = Autosaver(
            workspace,
            on_error=lambda text: desk.post(partial(desk.tell, text, "error")),
            on_saved=lambda: desk.post(self._on_saved),
        )
        desk.saver = saver
        desk.points = RestorePoints(workspace, flush=lambda: saver.flush(_FLUSH_SECONDS))
        self.state.folder, self.state.is_read_only = workspace.folder, workspace.is_read_only
        self.state.recent = tuple(recent())
        address = str(workspace.settings.get("address", ""))
        if address != self.state.address:
            self.connect(address)
        self.predicting.choose_by_name(str(workspace.settings.get("model", "")))
        if workspace.is_read_only:
            desk.tell(workspace.why_read_only, "warning")
        elif workspace.missing:
            names = ", ".join(entry.name for entry in workspace.missing[:3])
            desk.tell(
                f"{len(workspace.missing)} scans are not where they were ({names}); "
                "press Locate and choose the folder that they are in now.",
                "warning",
            )
        else:
            desk.tell("")
        self.training.find_resumable()
        self.training.describe()
        self.scans.begin()

    def connect(self, address: str) -> None:
        """Run jobs on a dask scheduler from now on; empty: in processes of this computer."""
        if self.training.is_running or self.state.work is not None:
            self.desk.tell("Wait for what runs, or stop it, before you change where it runs.")
            return
        if address and not _ADDRESS.fullmatch(address):
            self.desk.tell(
                f"{address}: is no address of a scheduler; it looks like tcp://host:8786", "error"
            )
            return
        before, self.desk.engine = self.desk.engine, Engine(address or None)
        self.desk.do(before.close)
        self.state.address = address
        self.predicting.forget_loaded()
        workspace = self.desk.workspace
        if workspace is not None and not workspace.is_read_only:
            self.desk.do(partial(workspace.save_settings, address=address))
        self.predicting.load_chosen()
        self.training.describe()

    def _on_saved(self) -> None:
        self.desk.tell("All labels are on disk again.")

    def close(self) -> None:
        """Write all that is painted, stop what runs (a training keeps its state), and end."""
        if self._is_closed:
            return
        self._is_closed = True
        self.scans.close()
        saver, workspace = self.desk.saver, self.desk.workspace
        grace = _GRACE_SECONDS if self.training.is_running else 0.0
        self.correcting.close()
        self.desk.engine.close(grace=grace)
        self.desk.close()
        if saver is not None:
            saver.close()
        if workspace is not None:
            workspace.close()
