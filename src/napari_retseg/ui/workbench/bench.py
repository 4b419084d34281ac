"""The workbench's controller: opens workspaces and scans, and holds its parts. Knows no Qt."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.dataset.registry import recent
from napari_retseg.engine import Engine
from napari_retseg.io import read_scan
from napari_retseg.scan import OctScan
from napari_retseg.ui.layers import is_scan_layer, scan_of_layer
from napari_retseg.ui.state import describe_scan
from napari_retseg.ui.workbench.correcting import Correcting
from napari_retseg.ui.workbench.desk import Desk
from napari_retseg.ui.workbench.opened import Loaded, OpenScan, load
from napari_retseg.ui.workbench.predicting import Predicting
from napari_retseg.ui.workbench.training import Training
from napari_retseg.workspace import (
    Autosaver,
    NextBscan,
    RestorePoints,
    ScanEntry,
    ScanReview,
    Workspace,
    choose_next,
)

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

_GRACE_SECONDS = 20.0
_FLUSH_SECONDS = 10.0


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
        self._is_closed = False
        #: What Next has shown, so that pressing it again goes on.
        self._seen: list[tuple[str, int]] = []
        viewer.layers.events.removed.connect(self._on_layer_removed)
        self.state.recent = tuple(recent())
        self.predicting.refresh_models()

    # Workspaces.

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
        self.close_scan()
        saver, workspace = self.desk.saver, self.desk.workspace
        self.desk.saver, self.desk.workspace, self.desk.points = None, None, None
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
        self._seen.clear()
        self.state.folder, self.state.is_read_only = workspace.folder, workspace.is_read_only
        self.state.recent = tuple(recent())
        self.state.address = str(workspace.settings.get("address", ""))
        self.predicting.choose_by_name(str(workspace.settings.get("model", "")))
        self._show_scans()
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
        present = [k for k, entry in enumerate(self.state.scans) if not entry.is_missing]
        last = workspace.settings.get("scan")
        wanted = [k for k in present if self.state.scans[k].name == last]
        if present:
            self.choose_scan((wanted or present)[0])

    def locate(self, folder: Path) -> None:
        """Find scans that have moved below a folder."""
        workspace = self.desk.workspace
        if workspace is None:
            return

        def work() -> int:
            found = workspace.find_moved(folder)
            for name, path in found.items():
                workspace.relocate(name, path)
            return len(found)

        def done(count: int) -> None:
            self._show_scans()
            left = len(workspace.missing)
            rest = f"; {left} are still missing" if left else ""
            self.desk.tell(f"Found {count} scans{rest}.", "warning" if left else "info")
            if self.state.scan < 0 and count:
                self.choose_scan(0)

        self.desk.do(work, done)

    # Scans.

    def add_files(self, paths: list[Path]) -> None:
        """Add scans from files or folders, and open the first."""
        self._add(lambda: [read_scan(path) for path in paths])

    def add_layer(self, layer: Layer) -> None:
        """Add an image layer of the viewer, from whatever reader."""
        if not is_scan_layer(layer):
            self.desk.tell(f"{layer.name}: is no image; choose an image layer.", "error")
            return
        self._add(lambda: [scan_of_layer(layer)])

    def _add(self, read: Callable[[], list[OctScan]]) -> None:
        workspace = self.desk.workspace
        if workspace is None:
            self.desk.tell("Make or open a workspace first: a folder for labels and models.")
            return
        if workspace.is_read_only:
            self.desk.tell(workspace.why_read_only, "warning")
            return

        def work() -> list[ScanEntry]:
            return [workspace.add_scan(scan) for scan in read()]

        def done(entries: list[ScanEntry]) -> None:
            self._show_scans()
            names = [entry.name for entry in self.state.scans]
            if entries:
                self.choose_scan(names.index(entries[0].name))

        self.desk.do(work, done)

    def describe(self, **what: Any) -> None:
        """Keep what the user says of the open scan: ``spacing_um``, ``laterality``, ``group``."""
        workspace, entry = self.desk.workspace, self.state.open_scan
        if workspace is None or entry is None:
            return

        def done(_entry: ScanEntry) -> None:
            self._show_scans()
            self.choose_scan(self.state.scan)

        self.desk.do(partial(workspace.describe_scan, entry.name, **what), done)

    def choose_scan(self, index: int, *, bscan: int | None = None) -> None:
        """Open one of ``state.scans``, at a B-scan."""
        workspace = self.desk.workspace
        if workspace is None or not 0 <= index < len(self.state.scans):
            return
        entry = self.state.scans[index]
        if entry.is_missing:
            self.desk.tell(f"{entry.path}: is not there; press Locate.", "error")
            return
        self.close_scan()
        self.state.scan = index
        saver = self.desk.saver

        def work() -> Loaded:
            if saver is not None:
                saver.flush()
            return load(workspace, entry.name)

        self.desk.do(work, partial(self._on_loaded, index, bscan), failed=self._on_not_loaded)

    def close_scan(self) -> None:
        """Take the open scan's layers out of the viewer; its labels are on disk."""
        opened, self.desk.opened = self.desk.opened, None
        self.predicting.drop()
        self.correcting.end()
        self.state.scan, self.state.scan_text = -1, ""
        if opened is not None:
            opened.close()

    def go_next(self) -> None:
        """Show the B-scan that is most worth labelling, and say why."""
        workspace = self.desk.workspace
        if workspace is None:
            self.desk.tell("Make or open a workspace first.")
            return
        opened = self.desk.opened
        current = None if opened is None else (opened.name, self.state.bscan)

        def work() -> NextBscan | None:
            return choose_next(self._review(workspace), current=current, seen=self._seen)

        self.desk.do(work, self._on_next)

    def go_to(self, bscan: int) -> None:
        """Show a B-scan of the open scan."""
        if self.desk.opened is not None:
            self.desk.opened.go_to(bscan)

    def show_uncertainty(self, is_shown: bool) -> None:
        """Show where the model is unsure, or hide it."""
        opened, workspace = self.desk.opened, self.desk.workspace
        if opened is None or workspace is None:
            return
        if not is_shown:
            opened.hide_uncertainty()
            return

        def show(entropy: NDArray[np.uint8] | None) -> None:
            if self.desk.opened is opened:
                opened.show_uncertainty(
                    np.zeros_like(opened.loaded.labels) if entropy is None else entropy
                )

        self.desk.do(partial(workspace.read_uncertainty, opened.name), show)

    def _review(self, workspace: Workspace) -> list[ScanReview]:
        """Say how far all scans are that can be opened."""
        found = []
        for entry in workspace.scans:
            if not entry.is_missing and entry.n_bscans is not None:
                bscans = range(entry.n_bscans)
                is_test = entry.split == "test"
                found.append(
                    ScanReview(
                        name=entry.name,
                        group=entry.group,
                        n_bscans=entry.n_bscans,
                        states=workspace.states(entry.name),
                        predicted=workspace.predictions(entry.name),
                        heldout=workspace.heldout(entry.name),
                        unused=frozenset(bscans) if is_test else frozenset(),
                    )
                )
        return found

    def _on_next(self, found: NextBscan | None) -> None:
        if found is None:
            self.desk.tell("There is no further B-scan to label.")
            return
        self._seen.append((found.name, found.bscan))
        self.state.next_text = f"{found.name}, B-scan {found.bscan + 1}: {found.why}"
        names = [entry.name for entry in self.state.scans]
        opened = self.desk.opened
        if opened is not None and opened.name == found.name:
            opened.go_to(found.bscan)
        else:
            self.choose_scan(names.index(found.name), bscan=found.bscan)

    def _on_loaded(self, index: int, bscan: int | None, loaded: Loaded) -> None:
        if index != self.state.scan or self.desk.workspace is None:
            return  # another scan was chosen meanwhile
        opened = OpenScan.show(self.desk.viewer, loaded)
        self.desk.opened = opened
        self.state.scan_text = describe_scan(loaded.scan)
        if opened.n_bscans > 1:
            opened.go_to(opened.n_bscans // 2 if bscan is None else bscan)
        self.correcting.begin(opened)
        self.predicting.load_chosen()
        if not self.desk.workspace.is_read_only:
            self.desk.do(partial(self.desk.workspace.save_settings, scan=loaded.name))
        self.desk.shown.emit()

    def _on_not_loaded(self, _text: str) -> None:
        self.state.scan = -1

    def _show_scans(self) -> None:
        workspace = self.desk.workspace
        self.state.scans = () if workspace is None else workspace.scans

    def _on_saved(self) -> None:
        self.desk.tell("All labels are on disk again.")

    def _on_layer_removed(self, event: Any) -> None:
        opened = self.desk.opened
        if opened is not None and event.value in (opened.image, opened.prediction, opened.labels):
            self.close_scan()
            self.desk.tell(f"{event.value.name} was closed; choose the scan to open it again.")

    # The end.

    def close(self) -> None:
        """Write all that is painted, stop what runs (a training keeps its state), and end."""
        if self._is_closed:
            return
        self._is_closed = True
        self.desk.viewer.layers.events.removed.disconnect(self._on_layer_removed)
        saver, workspace = self.desk.saver, self.desk.workspace
        grace = _GRACE_SECONDS if self.training.is_running else 0.0
        self.correcting.close()
        self.desk.engine.close(grace=grace)
        self.desk.close()
        if saver is not None:
            saver.close()
        if workspace is not None:
            workspace.close()
