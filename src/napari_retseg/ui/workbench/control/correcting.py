"""Review: accept, confirm, clear, undo, and what is painted with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import IGNORE
from napari_retseg.plural import count_noun
from napari_retseg.ui.layers import plane
from napari_retseg.ui.workbench.control.drawing import Drawing
from napari_retseg.ui.workbench.control.labels_layer import Hand
from napari_retseg.ui.workbench.control.open_scan import OpenScan
from napari_retseg.ui.workbench.control.session import Session, T
from napari_retseg.ui.workbench.control.stepping import Stepping
from napari_retseg.ui.workbench.control.steps import PredictionPatch, Step
from napari_retseg.ui.workbench.control.tracking import Tracking
from napari_retseg.workspace import State

_NONE_YET = "No prediction of this B-scan yet; press Segment first."
#: Modes of the labels layer that a class is used with.
DRAWING = ("paint", "fill", "polygon")


class Correcting:
    """Moves labels between prediction, hand and disk, as the user says.

    All methods are called on the GUI's thread. No labels that were made by hand are replaced
    without a step that can be taken back.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._tracking = Tracking(session)
        self._stepping = Stepping(session, self._tracking)
        self.drawing = Drawing(session, self._tracking)
        #: Whether the tool in hand stays when a class is picked.
        self.keeps_tool: Callable[[int], bool] = lambda _value: False

    # The open scan.

    def begin(self, opened: OpenScan) -> None:
        """Follow a scan that was opened."""
        self._tracking.begin(opened)
        opened.labels.hand = Hand(
            self._tracking.before_edit, self.undo, self.redo, partial(self._name_pixel, opened)
        )
        self._stepping.begin(opened)
        opened.labels.events.selected_label.connect(self._show_picked)
        self.show_classes()

    def end(self) -> None:
        """Follow it no longer, and show nothing of it."""
        opened, state = self._session.opened, self._session.state
        if opened is not None:
            opened.labels.events.selected_label.disconnect(self._show_picked)
        self._tracking.end()
        state.classes, state.picked, state.hidden = None, -1, frozenset()

    def forget(self) -> None:
        """Forget the steps: another workspace is opened."""
        self._tracking.forget_steps()
        self._stepping.forget()

    def close(self) -> None:
        """Follow strokes and the viewer no longer."""
        self._tracking.close()

    @property
    def states(self) -> dict[int, State]:
        """The state of each B-scan of the open scan that has labels."""
        return dict(self._tracking.states)

    def show_strip(self) -> None:
        """Make the strip anew."""
        self._tracking.show_strip()

    def check(self) -> None:
        """Keep what was painted since the last time; called a few times a second."""
        self._tracking.check()

    def flush_then(self, work: Callable[[], T], done: Callable[[T], None] | None = None) -> None:
        """Have the strokes so far written, then do some work with the files."""
        self._tracking.settle()
        self._session.flush_then(work, done)

    # Accept, confirm, clear.

    def accept_bscan(self) -> None:
        """Take the prediction of the B-scan in view as labels, where nothing is labelled."""
        if (opened := self._editable()) is None:
            return
        bscan = opened.current_bscan()
        if bscan not in opened.loaded.predicted:
            self._session.notify(_NONE_YET)
        elif self._is_settled(bscan):
            self._session.notify(self._why_settled(bscan))
        else:
            self._accept(opened, [bscan], f"B-scan {bscan}", self._tell_accepted_bscan)

    def accept_volume(self) -> None:
        """Take the prediction as labels in all B-scans, where nothing is labelled."""
        if (opened := self._editable()) is None:
            return
        free = [b for b in sorted(opened.loaded.predicted) if not self._is_settled(b)]
        self._accept(opened, free, "the volume", partial(self._tell_accepted, opened.n_bscans))

    def _tell_accepted_bscan(self, accepted: int) -> None:
        if not accepted:
            self._session.notify(
                "Nothing to accept: the prediction has no pixels outside your labels."
            )

    def _tell_accepted(self, n_bscans: int, accepted: int) -> None:
        if not accepted:
            self._session.notify(
                "Nothing to accept: no B-scan has predicted pixels outside your labels."
            )
            return
        left = n_bscans - accepted
        rest = f"; {count_noun(left, 'other')} not changed" if left else ""
        self._session.notify(f"Accepted {count_noun(accepted, 'B-scan')}{rest}.")

    def accept_class(self, value: int) -> None:
        """Add one class of the prediction to the B-scan in view, where the labels hold nothing."""
        if (opened := self._editable()) is None:
            return
        bscan = opened.current_bscan()
        if bscan not in opened.loaded.predicted:
            self._session.notify(_NONE_YET)
            return
        added = self._find_free(opened, bscan) & (opened.prediction_of(bscan) == value)
        if not added.any():
            self._session.notify(
                "Nothing to accept: the prediction has no pixels of this class outside your labels."
            )
            return
        self._tracking.note(f"accepting a class on B-scan {bscan}", [bscan])
        self._tracking.keep([bscan], f"accept a class on B-scan {bscan}")
        plane(opened.loaded.labels, bscan)[added] = value
        self._tracking.store(opened, [bscan], "corrected")

    def confirm(self) -> None:
        """Confirm the B-scan in view: it is trained on, or scored on where it is held out."""
        if (opened := self._editable()) is None:
            return
        bscan = opened.current_bscan()
        why_not = self._why_not_seen(opened, bscan)
        if why_not:
            self._session.notify(why_not, "warning")
            return
        self._confirm(opened, bscan)
        if self._session.saver is not None and self._session.saver.is_failing:
            self._session.notify(
                f"B-scan {bscan} is confirmed, but could not be saved; free some disk space.",
                "error",
            )
            return
        self._session.notify(f"Confirmed B-scan {bscan}.")

    def _confirm(self, opened: OpenScan, bscan: int) -> None:
        if self._tracking.states.get(bscan) == "confirmed":
            return
        is_labelled = bscan in self._tracking.states
        self._tracking.note(
            f"confirming B-scan {bscan}", [bscan], are_painted=not is_labelled, is_edit=False
        )
        if not is_labelled:
            self._tracking.keep([bscan], f"confirm B-scan {bscan}")
            self._fill(opened, bscan)
        self._tracking.store(opened, [bscan], "confirmed")

    def _why_not_seen(self, opened: OpenScan, bscan: int) -> str:
        """Say why what would be confirmed is not what is seen; empty where it is."""
        if self._session.viewer.dims.ndisplay == 3:
            return "Switch to the 2D view to confirm a B-scan."
        if bscan not in self._tracking.states:
            if bscan not in opened.loaded.predicted:
                return "This B-scan has no labels; segment it or paint first."
            if not self._tracking.showing.is_seen(bscan):
                return (
                    "The prediction of this B-scan is hidden. Show it (H), then confirm; or "
                    "paint first."
                )
            seen = opened.prediction_of(bscan)
        elif not opened.labels.visible:
            return "The labels are hidden. Show the labels layer, then confirm."
        else:
            seen = plane(opened.loaded.labels, bscan)
        return self._find_unseen(opened, seen)

    def _find_unseen(self, opened: OpenScan, seen: NDArray[np.uint8]) -> str:
        classes, present = opened.loaded.classes, set(np.unique(seen).tolist())
        unknown = classes.unknown_values(seen)
        if unknown:
            listed = ", ".join(str(value) for value in unknown[:5])
            return (
                f"This B-scan contains label values without a class ({listed}); paint over them "
                "first."
            )
        hidden = present & self._session.state.hidden
        names = [c.name for c in classes.foreground if c.value in hidden]
        if names:
            return (
                f"This B-scan has labels of hidden classes ({', '.join(names)}). Show all "
                "classes, then confirm."
            )
        return ""

    def clear(self) -> None:
        """Take the labels of the B-scan in view away; they stay in a restore point."""
        if (opened := self._editable()) is None:
            return
        bscan = opened.current_bscan()
        if bscan not in self._tracking.states:
            self._session.notify("This B-scan has no labels.")
            return
        self._tracking.note(f"clearing B-scan {bscan}", [bscan])
        self._tracking.keep([bscan], f"clear B-scan {bscan}")
        plane(opened.loaded.labels, bscan)[...] = 0
        self._tracking.set_state(bscan, None)
        self._tracking.clear_on_disk(opened, [bscan])
        self._tracking.show(opened, [bscan])

    def _is_settled(self, bscan: int) -> bool:
        """Whether all of a B-scan was decided: confirmed, or begun with a prediction."""
        tracking = self._tracking
        return tracking.states.get(bscan) == "confirmed" or bool(tracking.models.get(bscan))

    def _why_settled(self, bscan: int) -> str:
        if self._tracking.states.get(bscan) == "confirmed":
            return "This B-scan is confirmed. Clear it first to use the new prediction."
        return (
            "The labels of this B-scan started from a prediction, and a new prediction does not "
            "replace them. Accept single classes, or clear the B-scan first."
        )

    def _find_free(self, opened: OpenScan, bscan: int) -> NDArray[np.bool_]:
        """Find where nothing is labelled, and nothing was erased by hand."""
        free: NDArray[np.bool_] = plane(opened.loaded.labels, bscan) == 0
        erased = self._tracking.erased(bscan)
        return free if erased is None else free & ~erased

    def _fill(self, opened: OpenScan, bscan: int) -> None:
        """Take the prediction over where nothing is labelled."""
        target, prediction = plane(opened.loaded.labels, bscan), opened.prediction_of(bscan)
        if bscan in self._tracking.states:
            free = self._find_free(opened, bscan) & (prediction != 0)
            np.copyto(target, prediction, where=free)
        else:
            target[...] = prediction  # of a whole volume in a few milliseconds
        self._tracking.set_state(bscan, "corrected", model=self._tracking.model_of(bscan))

    def _accept(
        self, opened: OpenScan, bscans: Sequence[int], where: str, tell: Callable[[int], None]
    ) -> None:
        """Take predictions over where nothing is labelled; tell in how many B-scans."""
        self._tracking.slices.run(self._accept_in_slices(opened, bscans, where, tell))

    def _accept_in_slices(
        self, opened: OpenScan, bscans: Sequence[int], where: str, tell: Callable[[int], None]
    ) -> Iterator[None]:
        tracking, step = self._tracking, Step(f"accepting {where}")
        changed: list[int] = []

        def look(bscan: int) -> None:
            if bscan not in tracking.states or (
                (self._find_free(opened, bscan) & (opened.prediction_of(bscan) != 0)).any()
            ):
                changed.append(bscan)

        def fill(bscan: int) -> None:
            tracking.add_bscan(step, bscan)
            self._fill(opened, bscan)

        yield from tracking.in_slices(bscans, look)
        if changed:
            tracking.keep(changed, f"accept {where}")
            yield from tracking.in_slices(changed, fill)
            tracking.steps.push(step)
            tracking.store(opened, changed, "corrected")
        tell(len(changed))

    def note_predictions(self, what: str, patches: Sequence[PredictionPatch]) -> None:
        """Keep a step that has changed predictions, and no labels."""
        self._tracking.settle()
        step = Step(what, predictions=tuple(patches), is_edit=False)
        self._tracking.steps.push(step)

    # Back and forth.

    def undo(self) -> None:
        """Take one step back; on any B-scan, also after it was left."""
        if self._editable() is not None:
            self._stepping.travel("undo")

    def redo(self) -> None:
        """Take the step again."""
        if self._editable() is not None:
            self._stepping.travel("redo")

    def restore(self, number: int) -> None:
        """Go back to a restore point."""
        if self._editable() is not None:
            self._stepping.restore(number)

    def keep(self, why: str) -> None:
        """Make a restore point of the open scan's labels, where it has any."""
        states = self._tracking.states
        if self._session.opened is not None and states and self._session.state.can_edit:
            self._tracking.keep(states, why)

    # What is painted with, and what is seen.

    def paint_class(self, value: int) -> None:
        """Paint with a class, or with "not annotated" (255); fill and polygon stay chosen."""
        if (opened := self._editable()) is None:
            return
        opened.labels.selected_label = value
        self._session.state.hidden -= {value}  # nobody paints what is not seen
        if opened.labels.mode not in DRAWING and not self.keeps_tool(value):
            opened.labels.mode = "paint"
        self._session.viewer.layers.selection.active = opened.labels

    def pick_class(self, index: int) -> None:
        """Paint with the foreground class of this index, from 0."""
        opened = self._session.opened
        if opened is not None and 0 <= index < len(opened.loaded.classes.foreground):
            self.paint_class(opened.loaded.classes.foreground[index].value)

    def paint_not_annotated(self) -> None:
        """Paint what shall be neither trained on nor scored."""
        self.paint_class(IGNORE)

    def show_classes(self) -> None:
        """List the classes of the open scan, and which of them is painted with."""
        opened, state = self._session.opened, self._session.state
        if opened is not None:
            state.classes = opened.loaded.classes
            self._tracking.showing.color()
            self._show_picked()

    def _show_picked(self, _event: Any = None) -> None:
        if self._session.opened is not None:
            self._session.state.picked = int(self._session.opened.labels.selected_label)

    def hide_class(self, value: int) -> None:
        """Hide a class, or show it again."""
        self._session.state.hidden ^= {value}

    def show_class_alone(self, value: int) -> None:
        """Hide all other classes, or show all again."""
        state = self._session.state
        classes = () if state.classes is None else state.classes.foreground
        others = frozenset({c.value for c in classes} | {IGNORE}) - {value}
        state.hidden = frozenset() if state.hidden == others else others

    def toggle_prediction(self) -> None:
        """Show or hide the prediction; on a B-scan with labels, its outlines."""
        self._tracking.showing.toggle()

    def show_prediction(self) -> None:
        """Show the prediction where nothing is labelled."""
        self._tracking.showing.show()

    def _name_pixel(self, opened: OpenScan, pixel: tuple[int, ...]) -> str:
        """Name what is seen at a pixel; called on any thread."""
        bscan = pixel[0] if len(pixel) == 3 else 0
        place = (pixel[-2], pixel[-1])
        if self._tracking.showing.is_seen(bscan) and bscan not in self._tracking.states:
            name = opened.loaded.name_of(opened.prediction_of(bscan)[place])
            return f"{name} (predicted)"
        return opened.loaded.name_of(plane(opened.loaded.labels, bscan)[place])

    # How it is done.

    def _editable(self) -> OpenScan | None:
        """Return the open scan where it can be changed, and say why where not."""
        self._tracking.settle()
        state, workspace = self._session.state, self._session.workspace
        if workspace is not None and workspace.is_read_only:
            self._session.notify(workspace.why_read_only, "warning")
        elif self._session.opened is None:
            self._session.notify("Open a scan first.")
        return self._session.opened if state.can_edit else None
