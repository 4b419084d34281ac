"""Review: what is painted is kept; accept, confirm, clear, undo, and which B-scan comes next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import IGNORE
from napari_retseg.planewatch import Changes
from napari_retseg.ui.workbench.desk import Desk, T
from napari_retseg.ui.workbench.opened import OpenScan, plane
from napari_retseg.ui.workbench.strokes import Strokes
from napari_retseg.workspace import State, make_strip

if TYPE_CHECKING:
    from napari_retseg.workspace import RestorePoint


class Correcting:
    """Keeps what the user paints, and moves labels between prediction, hand and disk.

    All methods are called on the GUI's thread. No labels that were made by hand are replaced
    without a restore point before it.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._strokes: Strokes | None = None
        self._states: dict[int, State] = {}
        #: B-scans of the open scan that have a restore point since they came into view.
        self._kept: set[int] = set()
        #: B-scans that were painted on since labels were asked to go back.
        self._touched: set[int] = set()
        self._bscan = -1
        desk.viewer.dims.events.current_step.connect(self._on_step)

    # The open scan.

    def begin(self, opened: OpenScan) -> None:
        """Follow the strokes in a scan that was opened."""
        workspace = self._desk.workspace
        assert workspace is not None
        self._states = dict(workspace.states(opened.name))
        self._kept.clear()
        self._strokes = Strokes(
            opened.labels, current=opened.current_bscan, on_change=self._on_change
        )
        opened.labels.editable = not workspace.is_read_only
        self._desk.state.n_bscans = opened.n_bscans
        self._on_step()
        self.show_strip()

    def close(self) -> None:
        """Follow strokes and the viewer no longer."""
        self._desk.viewer.dims.events.current_step.disconnect(self._on_step)
        self._leave()

    def _leave(self) -> None:
        self.check()
        if self._strokes is not None:
            self._strokes.close()
        self._strokes = None

    def end(self) -> None:
        """Follow it no longer, and show nothing of it."""
        self._leave()
        self._states = {}
        self._bscan = -1
        self._desk.state.n_bscans, self._desk.state.strip = 0, ()

    @property
    def states(self) -> dict[int, State]:
        """The state of each B-scan of the open scan that has labels."""
        return dict(self._states)

    def show_strip(self) -> None:
        """Make the strip anew."""
        opened, workspace = self._desk.opened, self._desk.workspace
        if opened is None or workspace is None:
            return
        self._desk.state.strip = make_strip(
            opened.n_bscans,
            states=self._states,
            predicted=opened.loaded.predicted,
            heldout=workspace.heldout(opened.name),
        )

    def check(self) -> None:
        """Keep what was painted since the last time; called a few times a second."""
        if self._strokes is not None:
            self._strokes.check()

    # What the user does.

    def accept_bscan(self) -> None:
        """Take the prediction of the B-scan in view as labels, where there are none by hand."""
        opened = self._editable()
        if opened is None:
            return
        bscan = opened.current_bscan()
        if bscan not in opened.loaded.predicted:
            self._desk.tell("There is no prediction of this B-scan yet; press Segment first.")
        elif bscan in self._states:
            self._desk.tell(
                "This B-scan has labels of yours, which a prediction never replaces; accept one "
                "class, or clear the B-scan first."
            )
        else:
            self._accept(opened, [bscan], f"accept B-scan {bscan + 1}")

    def accept_volume(self) -> None:
        """Take the prediction as labels of all B-scans that have none by hand."""
        opened = self._editable()
        if opened is None:
            return
        free = sorted(set(opened.loaded.predicted) - set(self._states))
        if not free:
            self._desk.tell("No B-scan has a prediction and no labels of yours: nothing to accept.")
            return
        self._accept(opened, free, "accept the volume")
        left = opened.n_bscans - len(free)
        rest = f"; {left} others were left as they are" if left else ""
        self._desk.tell(f"Accepted {len(free)} B-scans{rest}.")

    def accept_class(self, value: int) -> None:
        """Add one class of the prediction to the B-scan in view, where the labels hold nothing."""
        opened = self._editable()
        if opened is None:
            return
        bscan = opened.current_bscan()
        if bscan not in opened.loaded.predicted:
            self._desk.tell("There is no prediction of this B-scan yet; press Segment first.")
            return
        target = plane(opened.loaded.labels, bscan)
        added = (plane(opened.loaded.prediction, bscan) == value) & (target == 0)
        if not added.any():
            self._desk.tell("The prediction has no pixel of this class where nothing is labelled.")
            return
        self._keep(opened, [bscan], f"accept a class on B-scan {bscan + 1}")
        target[added] = value
        self._store(opened, [bscan], "corrected")

    def confirm(self) -> None:
        """Confirm the B-scan in view: it is trained on, or scored on where it is held out."""
        opened = self._editable()
        if opened is None:
            return
        bscan = opened.current_bscan()
        if bscan not in self._states:
            if bscan not in opened.loaded.predicted:
                self._desk.tell("Nothing is labelled on this B-scan; segment it or paint first.")
                return
            if not opened.prediction.visible:
                self._desk.tell(
                    "The prediction of this B-scan is hidden: show it (H) and confirm it, or paint "
                    "first.",
                    "warning",
                )
                return
            self._accept(opened, [bscan], f"confirm B-scan {bscan + 1}")
        unknown = opened.loaded.classes.unknown_values(plane(opened.loaded.labels, bscan))
        if unknown:
            listed = ", ".join(str(value) for value in unknown[:5])
            self._desk.tell(
                f"This B-scan holds label values that are no class ({listed}); paint over them "
                "first.",
                "warning",
            )
            return
        self._store(opened, [bscan], "confirmed")
        if self._desk.saver is not None and self._desk.saver.is_failing:
            self._desk.tell(
                f"B-scan {bscan + 1} is confirmed here, but not on disk yet; make room there.",
                "error",
            )
            return
        self._desk.tell(f"B-scan {bscan + 1} is confirmed.")

    def clear(self) -> None:
        """Take the labels of the B-scan in view away; they stay in a restore point."""
        opened = self._editable()
        if opened is None:
            return
        bscan = opened.current_bscan()
        if bscan not in self._states:
            self._desk.tell("This B-scan has no labels.")
            return
        self._keep(opened, [bscan], f"clear B-scan {bscan + 1}")
        plane(opened.loaded.labels, bscan)[...] = 0
        del self._states[bscan]
        workspace, name = self._desk.workspace, opened.name
        assert workspace is not None
        self.flush_then(partial(workspace.clear_labels, name, [bscan]))
        self._show(opened, [bscan])

    def undo(self) -> None:
        """Go back to the restore point before; on any B-scan, also after it was left."""
        self._travel("undo")

    def redo(self) -> None:
        """Go forward again."""
        self._travel("redo")

    def restore(self, number: int) -> None:
        """Go back to a restore point."""
        points = self._desk.points
        if points is not None and self._editable() is not None:
            self._go_back(partial(points.restore, number))

    def paint_class(self, value: int) -> None:
        """Paint with a class, or with "not annotated" (255)."""
        opened = self._editable()
        if opened is None:
            return
        opened.labels.selected_label = value
        opened.labels.mode = "paint"
        self._desk.viewer.layers.selection.active = opened.labels

    def pick_class(self, index: int) -> None:
        """Paint with the foreground class of this index, from 0."""
        opened = self._desk.opened
        if opened is not None and 0 <= index < len(opened.loaded.classes.foreground):
            self.paint_class(opened.loaded.classes.foreground[index].value)

    def paint_not_annotated(self) -> None:
        """Paint what shall be neither trained on nor scored."""
        self.paint_class(IGNORE)

    def toggle_prediction(self) -> None:
        """Show or hide the prediction."""
        opened = self._desk.opened
        if opened is not None:
            opened.prediction.visible = not opened.prediction.visible

    def keep(self, why: str) -> None:
        """Make a restore point of the open scan's labels, where it has any."""
        opened = self._desk.opened
        if opened is not None and self._states and self._desk.state.can_edit:
            self._keep(opened, self._states, why)

    # How it is done.

    def _editable(self) -> OpenScan | None:
        """Return the open scan where it can be changed, and say why where not."""
        self.check()
        state, workspace = self._desk.state, self._desk.workspace
        if workspace is not None and workspace.is_read_only:
            self._desk.tell(workspace.why_read_only, "warning")
        elif self._desk.opened is None:
            self._desk.tell("Open a scan first.")
        return self._desk.opened if state.can_edit else None

    def _accept(self, opened: OpenScan, bscans: Sequence[int], why: str) -> None:
        self._keep(opened, bscans, why)
        for bscan in bscans:
            plane(opened.loaded.labels, bscan)[...] = plane(opened.loaded.prediction, bscan)
        self._store(opened, bscans, "corrected")

    def _keep(self, opened: OpenScan, bscans: Iterable[int], why: str) -> None:
        """Make a restore point of what is on disk, after the strokes before it."""
        points, name, chosen = self._desk.points, opened.name, tuple(bscans)
        assert points is not None
        self.flush_then(lambda: points.make(why, name=name, bscans=chosen))
        self._kept.update(chosen)

    def _store(self, opened: OpenScan, bscans: Sequence[int], state: State) -> None:
        """Have B-scans written as they are now, and show it."""
        for bscan in bscans:
            self._states[bscan] = state
            self._put(opened, bscan, state)
        self._show(opened, bscans)

    def _put(self, opened: OpenScan, bscan: int, state: State) -> None:
        """Hand a B-scan to the saver, after the restore points that come before it.

        What is confirmed is what is seen now. Other labels are copied when it is their turn: what
        is painted meanwhile comes to the saver after them.
        """
        saver, name = self._desk.saver, opened.name
        assert saver is not None
        labels = plane(opened.loaded.labels, bscan)
        if state == "confirmed":
            labels = labels.copy()
        self._desk.do(lambda: saver.put(name, bscan, labels, state=state))

    def _show(self, opened: OpenScan, bscans: Sequence[int]) -> None:
        """Show labels that this program has changed."""
        if self._strokes is not None:
            self._strokes.forget(bscans)
        opened.labels.refresh()
        self.show_strip()
        self._desk.changed.emit(tuple(bscans))

    def flush_then(self, work: Callable[[], T], done: Callable[[T], None] | None = None) -> None:
        """Have the strokes so far written, then do some work with the files.

        A stroke of just now is among them once :meth:`check` was called.
        """
        saver = self._desk.saver

        def flush_and_work() -> T:
            if saver is not None:
                saver.flush()
            return work()

        self._desk.do(flush_and_work, done)

    def _travel(self, way: Literal["undo", "redo"]) -> None:
        points, opened = self._desk.points, self._editable()
        if points is not None and opened is not None:
            self._go_back(partial(points.undo if way == "undo" else points.redo, opened.name))

    def _go_back(self, restore: Callable[[], RestorePoint | None]) -> None:
        """Put labels back on disk, then show what is there."""
        opened, workspace = self._desk.opened, self._desk.workspace
        assert opened is not None
        assert workspace is not None
        self._touched.clear()

        def work() -> tuple[RestorePoint | None, NDArray[np.uint8]]:
            return restore(), workspace.read_labels(opened.name)

        self.flush_then(work, partial(self._take_labels, opened))

    def _take_labels(
        self, opened: OpenScan, found: tuple[RestorePoint | None, NDArray[np.uint8]]
    ) -> None:
        """Show labels that were put back, but for B-scans that were painted on meanwhile."""
        self.check()  # so that a stroke of just now counts as painted meanwhile
        point, labels = found
        workspace = self._desk.workspace
        if point is None:
            self._desk.tell("There is nothing more to go back to.")
        if point is None or workspace is None or self._desk.opened is not opened:
            return
        back = [bscan for bscan in range(opened.n_bscans) if bscan not in self._touched]
        for bscan in back:
            plane(opened.loaded.labels, bscan)[...] = plane(labels, bscan)
        now = workspace.states(opened.name)
        kept = {bscan: s for bscan, s in self._states.items() if bscan in self._touched}
        self._states = {b: s for b, s in now.items() if b not in self._touched} | kept
        self._kept.clear()
        self._show(opened, back)
        self._desk.tell(f"{point.name}: {point.why}.")

    def _on_change(self, bscan: int, _changes: Changes) -> None:
        """Keep a stroke; on the GUI's thread, in less than a millisecond or two."""
        opened = self._desk.opened
        if opened is None or not self._desk.state.can_edit:
            return
        if bscan not in self._kept:
            self._keep(opened, [bscan], f"paint on B-scan {bscan + 1}")
        is_new = self._states.get(bscan) != "corrected"
        self._states[bscan] = "corrected"
        self._touched.add(bscan)
        self._put(opened, bscan, "corrected")
        if is_new:
            self.show_strip()

    def _on_step(self, _event: Any = None) -> None:
        opened = self._desk.opened
        if opened is None or self._strokes is None:
            return
        bscan = opened.current_bscan()
        if bscan != self._bscan:
            self._bscan = bscan
            self._kept.discard(bscan)
            self._strokes.look()
            self._desk.state.bscan = bscan
