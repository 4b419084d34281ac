"""The workbench's controller: opens workspaces and scans, and holds its parts. Knows no Qt."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_retseg.dataset.registry import find_problem, recent
from napari_retseg.engine import Engine
from napari_retseg.plural import count_noun
from napari_retseg.ui.workbench.control.addresses import (
    is_address,
    list_addresses,
    remember_address,
)
from napari_retseg.ui.workbench.control.agreeing import Agreeing
from napari_retseg.ui.workbench.control.correcting import Correcting
from napari_retseg.ui.workbench.control.costing import Costing
from napari_retseg.ui.workbench.control.curve_editing import CurveEditing
from napari_retseg.ui.workbench.control.curve_mouse import CurveMouse
from napari_retseg.ui.workbench.control.from_device import FromDevice
from napari_retseg.ui.workbench.control.measuring import Measuring
from napari_retseg.ui.workbench.control.navigation import Navigation
from napari_retseg.ui.workbench.control.pocket_clicking import PocketClicking
from napari_retseg.ui.workbench.control.pocket_mouse import PocketMouse
from napari_retseg.ui.workbench.control.predicting import CONFIG, Predicting
from napari_retseg.ui.workbench.control.propagating import Propagating
from napari_retseg.ui.workbench.control.retraining import Retraining
from napari_retseg.ui.workbench.control.scan_import import ScanImport
from napari_retseg.ui.workbench.control.session import Session
from napari_retseg.ui.workbench.control.tools import Tools
from napari_retseg.ui.workbench.control.visiting import Visiting
from napari_retseg.ui.workbench.control.weighing import Weighing
from napari_retseg.workspace import (
    Autosaver,
    RestorePoints,
    Workspace,
)

if TYPE_CHECKING:
    from napari.components import ViewerModel

_GRACE_SECONDS = 20.0
_FLUSH_SECONDS = 10.0


@dataclass(frozen=True)
class _Opened:
    """A workspace that was just opened, and where it runs."""

    workspace: Workspace
    address: str = ""


def _open(folder: Path, trust: bool) -> _Opened:
    """Open a workspace; its address counts only where this user has chosen it once."""
    workspace = Workspace.open(folder, trust=trust)
    address = str(workspace.settings.get("address", ""))
    return _Opened(workspace, address if address in list_addresses() else "")


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
    now
        Gives the time in seconds, to measure what correcting costs.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        *,
        engine: Engine,
        post: Callable[[Callable[[], None]], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.session = Session(viewer, engine=engine, post=post)
        self.state = self.session.state
        self.correcting = Correcting(self.session)
        self.predicting = Predicting(self.session, self.correcting)
        self.weighing = Weighing(self.session, CONFIG)
        self.curves = CurveEditing(self.session, self.correcting.drawing, evidence=self.weighing)
        self.curve_mouse = CurveMouse(self.session, self.curves)
        self.pockets = PocketClicking(self.session, self.correcting.drawing, self.weighing)
        self.pocket_mouse = PocketMouse(self.session, self.pockets)
        self.correcting.keeps_tool = self.pockets.can_be
        self.from_device = FromDevice(self.session, self.correcting)
        self.propagating = Propagating(self.session, self.correcting)
        self.training = Retraining(self.session, self.predicting)
        self.measuring = Measuring(self.session, lambda: self.correcting.states)
        self.agreeing = Agreeing(self.session, lambda: self.correcting.states)
        self.visiting = Visiting(self.session, self.measuring, lambda: self.correcting.states)
        self.navigation = Navigation(self.session, self.correcting, self.predicting)
        self.scan_import = ScanImport(self.session, self.correcting, self.navigation)
        self.tools = Tools(self.session)
        self.costing = Costing(self.session, now=now)
        self._is_closed = False
        self.state.recent = tuple(recent())
        self.predicting.refresh_models()
        if problem := find_problem():
            self.session.notify(problem, "warning")

    def create(self, folder: Path) -> None:
        """Make a workspace in a folder that is empty or not there yet, and open it."""
        if self._may_switch():
            self.session.submit(lambda: _Opened(Workspace.create(folder)), self._on_workspace)

    def open(self, folder: Path, *, trust: bool = False) -> None:
        """Open a workspace; asks where it names files outside, and is not the user's own."""
        if not self._may_switch():
            return
        if self.state.folder is not None and folder.resolve() == self.state.folder:
            self.leave()  # it could only be read while it is open here
        self.session.run_trusting(folder, partial(_open, folder), self._on_workspace, trust=trust)

    def _may_switch(self) -> bool:
        if self.state.is_training:
            self.session.notify(
                "A training is running in this workspace; wait for it or stop it first."
            )
        return not self.state.is_training

    def leave(self) -> None:
        """Close the open workspace, with all that is painted on disk."""
        self.correcting.check()  # the last stroke is an edit, too
        self.costing.leave()
        self.navigation.close_scan()
        self.correcting.forget()
        saver, workspace = self.session.saver, self.session.workspace
        self.session.saver, self.session.workspace, self.session.points = None, None, None
        self.state.folder, self.state.is_read_only, self.state.scans = None, False, ()
        self.training.forget()
        if saver is not None:
            self.session.submit(saver.close)
        if workspace is not None:
            self.session.submit(workspace.close)

    def _on_workspace(self, opened: _Opened) -> None:
        self.leave()
        session, workspace = self.session, opened.workspace
        session.workspace = workspace
        saver = Autosaver(
            workspace,
            on_error=lambda text: session.post(partial(session.notify, text, "error")),
            on_saved=lambda: session.post(self._on_saved),
            on_idle=lambda: session.post(session.written.emit),
        )
        session.saver = saver
        session.points = RestorePoints(workspace, flush=lambda: saver.flush(_FLUSH_SECONDS))
        self.state.folder, self.state.is_read_only = workspace.folder, workspace.is_read_only
        self.state.recent = tuple(recent())
        if opened.address != self.state.address:
            self._connect(opened.address)
        self.predicting.choose_by_name(str(workspace.settings.get("model", "")))
        if workspace.is_read_only:
            session.notify(workspace.why_read_only, "warning")
        elif workspace.missing:
            names = ", ".join(entry.name for entry in workspace.missing[:3])
            session.notify(
                f"{count_noun(len(workspace.missing), 'scan')} not found ({names}). Press Locate "
                "and choose the folder that contains the scans now.",
                "warning",
            )
        elif self.offered_address != self.state.address:
            session.notify(
                f"This workspace was last run on {self.offered_address}. It now runs on this "
                "computer. Press Settings to change that.",
                "warning",
            )
        else:
            session.notify(" ".join(f"{note}." for note in workspace.notes), "warning")
        self.training.find_resumable()
        self.training.describe()
        self.navigation.begin()

    @property
    def offered_address(self) -> str:
        """Where the open workspace was last run, whoever chose it; empty: on a computer's own."""
        workspace = self.session.workspace
        if workspace is None:
            return self.state.address
        return str(workspace.settings.get("address", ""))

    def connect(self, address: str) -> None:
        """Run jobs on a dask scheduler from now on; empty: in processes of this computer."""
        if self.training.is_running or self.state.work is not None:
            self.session.notify(
                "A job is running. Wait for it or stop it, then choose where to run."
            )
            return
        if address and not is_address(address):
            self.session.notify(
                f"{address}: not the address of a dask scheduler; write for example "
                "tcp://host:8786",
                "error",
            )
            return
        if address:
            self.session.submit(partial(remember_address, address))
        self.session.save_settings(address=address)
        self._connect(address)
        self.predicting.load_chosen()
        self.training.describe()

    def _connect(self, address: str) -> None:
        before, self.session.engine = self.session.engine, Engine(address or None)
        self.session.submit(before.close)
        self.state.address = address
        self.predicting.forget_loaded()

    def _on_saved(self) -> None:
        self.session.notify("All labels are saved again.")

    def close(self) -> None:
        """Write all that is painted, stop what runs (a training keeps its state), and end."""
        if self._is_closed:
            return
        self._is_closed = True
        self.correcting.check()
        self.costing.leave()
        self.curve_mouse.close()
        self.curves.close()
        self.pocket_mouse.close()
        self.pockets.close()
        self.measuring.close()
        self.navigation.close()
        self.scan_import.close()
        self.propagating.close()
        saver, workspace = self.session.saver, self.session.workspace
        grace = _GRACE_SECONDS if self.training.is_running else 0.0
        self.correcting.close()
        self.session.engine.close(grace=grace)
        self.session.close()
        if saver is not None:
            saver.close()
        if workspace is not None:
            workspace.close()
