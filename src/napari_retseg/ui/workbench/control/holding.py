"""Who is held out: shown, and chosen by the user. Knows no Qt."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING

from napari_retseg.dataset import Side
from napari_retseg.workspace import Workspace

if TYPE_CHECKING:
    from napari_retseg.ui.workbench.control.controller import Workbench


class Holding:
    """Reads and changes which patients, or B-scans of the only one, a training never sees.

    All methods are called on the GUI's thread.
    """

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench

    def list_sides(self, show: Callable[[tuple[Side, ...]], None]) -> None:
        """Find out how the next training uses each patient, and hand it to `show`."""
        workspace = self._bench.session.workspace
        if workspace is None:
            self._bench.session.notify("Create or open a workspace first.")
            return
        self._bench.session.submit(workspace.sides, show)

    def hold_out(self, groups: Collection[str]) -> None:
        """Hold out these patients and no others."""
        self._change(lambda workspace: workspace.hold_out(groups), "Choice saved.")

    def hold_out_bscans(self, first: int, last: int) -> None:
        """Hold out B-scans `first` to `last` of the open scan."""
        entry = self._bench.state.open_scan
        if entry is None:
            self._bench.session.notify("Open a scan first.")
            return
        bscans = range(min(first, last), max(first, last) + 1)
        self._change(
            lambda workspace: workspace.hold_out_bscans(entry.name, bscans), "Choice saved."
        )

    def decide_by_name(self) -> None:
        """Let the patients' names and the seed decide again."""
        self._change(Workspace.hold_out_by_name, "The split is automatic again.")

    def _change(self, change: Callable[[Workspace], None], text: str) -> None:
        session = self._bench.session
        workspace = session.find_writable()
        if workspace is not None:
            session.submit(partial(change, workspace), lambda _: self._on_changed(text))

    def _on_changed(self, text: str) -> None:
        """Show the new sides: in the strip, the list of scans and the line above Retrain."""
        bench = self._bench
        bench.navigation.refresh()
        bench.correcting.show_strip()
        bench.training.describe()
        bench.session.notify(f"{text} It applies to the next training.")


def name_heldout(sides: Collection[Side]) -> str:
    """Name who is held out, in a few words; empty where nobody is."""
    names = [side.group for side in sides if side.use == "val"]
    names += [f"B-scans of {side.group}" for side in sides if side.use == "both"]
    if not names:
        return ""
    rest = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return f"held out: {', '.join(names[:2])}{rest}"
