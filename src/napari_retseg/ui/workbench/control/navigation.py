"""Which scan of the workspace is open, and which B-scan is in view."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from napari_retseg.dataset.pagedlabels import LabelVolume, make_labels
from napari_retseg.scan import BOUNDARIES
from napari_retseg.ui.camera import Sight, keep_sight, read_sight
from napari_retseg.ui.dock_state import describe_scan
from napari_retseg.ui.workbench.control.correcting import Correcting
from napari_retseg.ui.workbench.control.open_scan import Loaded, OpenScan, load
from napari_retseg.ui.workbench.control.predicting import Predicting
from napari_retseg.ui.workbench.control.session import Session
from napari_retseg.workspace import NextBscan, ScanReview, Workspace, choose_next


class Navigation:
    """Opens scans of the workspace, and finds the next B-scan to label.

    All methods are called on the GUI's thread.
    """

    def __init__(self, session: Session, correcting: Correcting, predicting: Predicting) -> None:
        self._session = session
        self._state = session.state
        self._correcting = correcting
        self._predicting = predicting
        #: What Next has shown, so that pressing it again goes on.
        self._seen: list[tuple[str, int]] = []
        #: Counts what was asked to be read: an answer to an earlier question is dropped.
        self._request = 0
        #: Where the scan before was looked at.
        self._sight: Sight | None = None
        session.viewer.layers.events.removed.connect(self._on_layer_removed)
        self._state.events.bscan.connect(self._on_bscan)

    def close(self) -> None:
        """Follow the viewer no longer."""
        self._session.viewer.layers.events.removed.disconnect(self._on_layer_removed)
        self._state.events.bscan.disconnect(self._on_bscan)

    def begin(self) -> None:
        """Show the scans of a workspace that was opened, and open the one that was open last."""
        workspace = self._session.workspace
        assert workspace is not None
        self._seen.clear()
        self.refresh()
        present = [k for k, entry in enumerate(self._state.scans) if not entry.is_missing]
        last = workspace.settings.get("scan")
        wanted = [k for k in present if self._state.scans[k].name == last]
        if present:
            self.choose_scan((wanted or present)[0])

    def refresh(self) -> None:
        """Show the workspace's list of scans anew."""
        workspace = self._session.workspace
        self._state.scans = () if workspace is None else workspace.scans

    def choose_scan(self, index: int, *, bscan: int | None = None) -> None:
        """Open one of ``state.scans``, at a B-scan."""
        workspace = self._session.workspace
        if workspace is None or not 0 <= index < len(self._state.scans):
            return
        entry = self._state.scans[index]
        if entry.is_missing:
            self._session.notify(f"{entry.path}: file not found; press Locate.", "error")
            return
        opened = self._session.opened
        if opened is not None and opened.name == entry.name and self._state.scan == index:
            if bscan is not None:
                opened.go_to(bscan)
            return
        self.close_scan()
        self._state.scan = index
        self._load(entry.name, partial(self._on_loaded, bscan), failed=self._on_not_loaded)

    def describe_anew(self) -> None:
        """Show what was said of the open scan meanwhile; its layers stay, and what is painted."""
        opened = self._session.opened
        if opened is not None:
            self._load(opened.name, partial(self._on_described, opened))

    def _load(
        self,
        name: str,
        done: Callable[[Loaded], None],
        failed: Callable[[], None] | None = None,
    ) -> None:
        """Read a scan on the thread of the files; of several requests only the last counts."""
        workspace = self._session.workspace
        assert workspace is not None
        self._request += 1
        request = self._request

        def work() -> Loaded | None:
            return load(workspace, name) if request == self._request else None

        def take(loaded: Loaded | None) -> None:
            if loaded is not None and request == self._request:
                done(loaded)

        def fail(_text: str) -> None:
            if failed is not None and request == self._request:
                failed()

        self._session.flush_then(work, take, failed=fail)

    def close_scan(self) -> None:
        """Take the open scan's layers out of the viewer; its labels are on disk."""
        self._request += 1  # one that is on its way comes too late
        self._correcting.end()  # while it is still open: the last stroke is kept
        opened, self._session.opened = self._session.opened, None
        self._predicting.drop()
        self._state.scan, self._state.scan_text, self._state.next_text = -1, "", ""
        self._state.has_device_layers = False
        if opened is not None:
            if self._session.viewer.dims.ndisplay == 2:
                self._sight = read_sight(self._session.viewer, opened.labels)
            opened.close()

    def go_next(self) -> None:
        """Show the B-scan that is most worth labelling, and say why."""
        workspace = self._session.workspace
        if workspace is None:
            self._session.notify("Create or open a workspace first.")
            return
        opened = self._session.opened
        current = None if opened is None else (opened.name, self._state.bscan)

        def work() -> NextBscan | None:
            scans, costs = self._review(workspace), workspace.costs()
            return choose_next(scans, current=current, seen=self._seen, costs=costs)

        self._correcting.flush_then(work, self._on_next)

    def go_to(self, bscan: int) -> None:
        """Show a B-scan of the open scan."""
        if self._session.opened is not None:
            self._session.opened.go_to(bscan)

    def show_uncertainty(self, is_shown: bool) -> None:
        """Show where the model is unsure, or hide it."""
        opened, workspace = self._session.opened, self._session.workspace
        if opened is None or workspace is None:
            return
        if not is_shown:
            opened.hide_uncertainty()
            return

        def show(entropy: LabelVolume | None) -> None:
            if self._session.opened is opened:
                nowhere = make_labels(opened.loaded.labels.shape)
                opened.show_uncertainty(nowhere if entropy is None else entropy)

        self._session.submit(partial(workspace.read_uncertainty, opened.name), show)

    def _review(self, workspace: Workspace) -> list[ScanReview]:
        """Say how far all scans are that can be opened."""
        return [
            ScanReview(
                name=entry.name,
                group=entry.group,
                n_bscans=entry.n_bscans,
                states=workspace.states(entry.name),
                predicted=workspace.predictions(entry.name),
                heldout=workspace.heldout(entry.name),
                unused=workspace.unused(entry.name),
            )
            for entry in workspace.scans
            if not entry.is_missing and entry.n_bscans is not None
        ]

    def _on_next(self, found: NextBscan | None) -> None:
        if found is None:
            self._session.notify("No more B-scans to label.")
            return
        self._seen.append((found.name, found.bscan))
        names = [entry.name for entry in self._state.scans]
        opened = self._session.opened
        if opened is not None and opened.name == found.name:
            opened.go_to(found.bscan)
        else:
            self.choose_scan(names.index(found.name), bscan=found.bscan)
        self._state.next_text = f"{found.name}, B-scan {found.bscan}: {found.why}"

    def _on_bscan(self, bscan: int) -> None:
        """Say no longer why a B-scan was shown once another one is in view."""
        opened = self._session.opened
        if opened is not None and self._seen and (opened.name, bscan) != self._seen[-1]:
            self._state.next_text = ""

    def _on_loaded(self, bscan: int | None, loaded: Loaded) -> None:
        opened = OpenScan.show(self._session.viewer, loaded)
        self._session.opened = opened
        keep_sight(self._session.viewer, opened.labels, self._sight)
        self._describe(loaded)
        if opened.n_bscans > 1:
            opened.go_to(opened.n_bscans // 2 if bscan is None else bscan)
        self._correcting.begin(opened)
        self._predicting.load_chosen()
        self._session.save_settings(scan=loaded.name)
        self._session.shown.emit()

    def _on_described(self, opened: OpenScan, loaded: Loaded) -> None:
        if self._session.opened is not opened:
            return
        if not opened.fits(loaded):
            self.close_scan()
            self.choose_scan([entry.name for entry in self._state.scans].index(loaded.name))
            return
        opened.describe(loaded)
        self._correcting.show_classes()
        self._describe(loaded)
        self._session.shown.emit()

    def _describe(self, loaded: Loaded) -> None:
        self._state.scan_text = describe_scan(loaded.scan)
        self._state.has_device_layers = bool(loaded.scan.metadata.get(BOUNDARIES))

    def _on_not_loaded(self) -> None:
        self._state.scan = -1

    def _on_layer_removed(self, event: Any) -> None:
        opened = self._session.opened
        if opened is not None and event.value in (opened.image, opened.prediction, opened.labels):
            self.close_scan()
            self._session.notify(
                f"{event.value.name} was closed; choose the scan to open it again."
            )
