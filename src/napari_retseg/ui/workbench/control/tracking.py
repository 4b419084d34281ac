"""The labels of the open scan as they change: whose they are, what is kept, and what was before."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.dataset.pagedlabels import PagedLabels
from napari_retseg.label_diff import Changes
from napari_retseg.ui.layers import plane
from napari_retseg.ui.workbench.control.open_scan import OpenScan
from napari_retseg.ui.workbench.control.session import Session
from napari_retseg.ui.workbench.control.showing import Showing
from napari_retseg.ui.workbench.control.slices import Slices, for_each
from napari_retseg.ui.workbench.control.steps import Patch, Step, Steps, keep_stroke
from napari_retseg.ui.workbench.control.strokes import Strokes
from napari_retseg.workspace import State, make_strip

if TYPE_CHECKING:
    from napari_retseg.workspace import Workspace

#: After so many seconds without a change, a change that is no stroke of napari's has ended.
_QUIET_S = 1.0


class Tracking:
    """Follows the labels of the open scan, has them written, and keeps each step.

    A B-scan that shows a prediction, and has no labels, begins with that prediction once it is
    painted on: what is seen is what is labelled. All methods are called on the GUI's thread.

    Attributes
    ----------
    states
        The state of each B-scan that has labels.
    models
        ``weights_id`` of the prediction that a B-scan's labels began with, where they did.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.states: dict[int, State] = {}
        self.models: dict[int, str] = {}
        self.showing = Showing(session, lambda: self.states)
        self.slices = Slices(session.post)
        self._strokes: Strokes | None = None
        self._steps: dict[tuple[str, tuple[int, ...]], Steps] = {}
        self._stroke: Step | None = None
        self._stroke_name = ""
        self._is_drawing, self._is_ended, self._changed_at = False, False, 0.0
        #: Pixels that were erased by hand since the scan was opened: nothing fills them.
        self._erased: dict[int, NDArray[np.bool_]] = {}
        #: B-scans that have a restore point since they came into view.
        self._kept: set[int] = set()
        #: B-scans that have changed since their last restore point.
        self._changed: set[int] = set()
        #: B-scans that were painted on since labels were asked to come back from disk.
        self.touched: set[int] = set()
        self._bscan = -1
        session.viewer.dims.events.current_step.connect(self._on_step)

    # The open scan.

    def begin(self, opened: OpenScan) -> None:
        """Follow the labels of a scan that was opened."""
        workspace = self._session.workspace
        assert workspace is not None
        self.states = dict(workspace.states(opened.name))
        self.models = dict(workspace.begun_with(opened.name))
        for known in (self._kept, self._changed, self.touched):
            known.clear()
        self._erased.clear()
        self._stroke, self._is_drawing, self._is_ended = None, False, False
        self._strokes = Strokes(
            opened.labels,
            current=opened.current_bscan,
            on_change=self._on_change,
            on_end=self._on_paint,
        )
        opened.labels.mouse_drag_callbacks.insert(0, self._on_drag)
        opened.labels.editable = not workspace.is_read_only
        self._session.state.n_bscans = opened.n_bscans
        self.showing.begin(opened)
        self._on_step()
        self.show_strip()

    def end(self) -> None:
        """Follow it no longer, and show nothing of it."""
        self._leave()
        self.states, self.models = {}, {}
        self._bscan = -1
        self._session.state.n_bscans, self._session.state.strip = 0, ()

    def forget_steps(self) -> None:
        """Forget what was done: another workspace is opened."""
        self._steps.clear()

    def close(self) -> None:
        """Follow strokes and the viewer no longer."""
        self._session.viewer.dims.events.current_step.disconnect(self._on_step)
        self._leave()
        self.showing.close()

    def _leave(self) -> None:
        self.slices.finish()
        self.check()
        self._end_stroke()
        self.showing.end()
        if self._strokes is not None:
            self._strokes.close()
        self._strokes = None

    @property
    def steps(self) -> Steps:
        """The steps of the open scan."""
        opened = self._session.opened
        assert opened is not None
        key = opened.name, opened.loaded.labels.shape
        if key not in self._steps:
            self._steps[key] = Steps(on_edit=self._session.edited.emit)
        return self._steps[key]

    def show_strip(self) -> None:
        """Make the strip anew."""
        opened, workspace = self._session.opened, self._session.workspace
        if opened is None or workspace is None:
            return
        self._session.state.strip = make_strip(
            opened.n_bscans,
            states=self.states,
            predicted=opened.loaded.predicted,
            heldout=workspace.heldout(opened.name),
            doubtful=opened.loaded.doubtful_shares(),
        )

    # Strokes.

    def check(self) -> None:
        """Keep what was painted since the last time; called a few times a second."""
        if self._strokes is not None and not self.slices.is_busy:
            self._strokes.check()
            is_quiet = time.monotonic() - self._changed_at > _QUIET_S
            if not self._is_drawing and (self._is_ended or is_quiet):
                self._end_stroke()

    def settle(self) -> None:
        """End the work or stroke that goes on, before something else is done with the labels."""
        self.slices.finish()
        self.check()
        self._end_stroke()

    @contextmanager
    def naming(self, what: str) -> Iterator[None]:
        """Take what changes in the labels meanwhile for one stroke of this name."""
        self.settle()
        self._stroke_name = what
        try:
            yield
            self.settle()
        finally:
            self._stroke_name = ""

    def before_edit(self, bscans: Collection[int]) -> None:
        """Let B-scans that show a prediction begin with it: they are about to be painted on."""
        opened = self._session.opened
        if opened is None or self._strokes is None or not self._session.state.can_edit:
            return
        if self._is_ended or self.slices.is_busy:
            self.settle()
        self._strokes.watch(bscans)
        fresh = [bscan for bscan in bscans if self.showing.is_seen(bscan)]
        for bscan in fresh:
            self._begin_stroke(bscan)
            self._begin_with_prediction(opened, bscan)
            self._end_change(opened, bscan)
        if fresh:
            self._strokes.forget(fresh)
            opened.labels.refresh()
            self._session.changed.emit(tuple(fresh))

    def _begin_with_prediction(
        self, opened: OpenScan, bscan: int, *, but: NDArray[np.intp] | None = None
    ) -> None:
        """Take the prediction over where nothing is painted."""
        target, prediction = plane(opened.loaded.labels, bscan), opened.prediction_of(bscan)
        free = target == 0
        if but is not None:
            free[np.unravel_index(but, free.shape)] = False
        np.copyto(target, prediction, where=free)
        self.models[bscan] = self.model_of(bscan)

    def model_of(self, bscan: int) -> str:
        """Return the ``weights_id`` of the model that predicted a B-scan."""
        opened = self._session.opened
        return "" if opened is None else opened.loaded.models.get(bscan) or "unknown"

    def _on_change(self, bscan: int, changes: Changes) -> None:
        """Keep a stroke; on the GUI's thread, in less than a millisecond or two."""
        opened = self._session.opened
        if opened is None or not self._session.state.can_edit:
            return
        state, model = self.states.get(bscan), self.models.get(bscan, "")
        self._changed_at = time.monotonic()
        stroke = self._begin_stroke(bscan)
        if state is not None:
            stroke.add(keep_stroke(bscan, state, model, changes))
        elif self.showing.is_seen(bscan):
            # painted in a way that could not be heard before: by a plugin, into the array
            self._begin_with_prediction(opened, bscan, but=changes.flat)
            if self._strokes is not None:
                self._strokes.forget([bscan])
            opened.labels.refresh()
            self._session.changed.emit((bscan,))
        self._note_erased(bscan, changes, opened)
        self._end_change(opened, bscan)
        self._session.painted.emit(bscan)

    def _begin_stroke(self, bscan: int) -> Step:
        """Keep what a B-scan was before it is painted on; return the stroke that goes on."""
        if bscan not in self._kept:
            self.keep([bscan], f"paint on B-scan {bscan}")
        if self._stroke is None:
            self._stroke = Step(self._stroke_name or f"painting on B-scan {bscan}")
        if bscan not in self.states:
            self._stroke.add(Patch(bscan, None, "", None, None))
        return self._stroke

    def _end_change(self, opened: OpenScan, bscan: int) -> None:
        """Have a B-scan written that was painted on."""
        is_new = self.states.get(bscan) != "corrected"
        self.states[bscan] = "corrected"
        self.touched.add(bscan)
        self._changed.add(bscan)
        self.put(opened, bscan, "corrected")
        if is_new:
            self.showing.settle()
            self.show_strip()

    def _note_erased(self, bscan: int, changes: Changes, opened: OpenScan) -> None:
        shape = plane(opened.loaded.labels, bscan).shape
        erased = self._erased.setdefault(bscan, np.zeros(shape, np.bool_))
        erased[np.unravel_index(changes.flat, shape)] = changes.after == 0

    def erased(self, bscan: int) -> NDArray[np.bool_] | None:
        """Return which pixels of a B-scan were erased by hand; None: none."""
        return self._erased.get(bscan)

    def _on_paint(self) -> None:
        """Know that a stroke has ended; napari says so before the last of it is in the array."""
        self._is_ended = True

    def _end_stroke(self) -> None:
        self._is_ended = False
        stroke, self._stroke = self._stroke, None
        if stroke is not None:
            self.steps.push(stroke)

    def _on_drag(self, _layer: Any, event: Any) -> Any:
        """Know while the mouse draws: what it draws until its button is up is one step."""
        self._is_drawing = True
        yield
        while event.type == "mouse_move":
            yield
        self._is_drawing = False
        self._is_ended = self._stroke is not None

    def _on_step(self, _event: Any = None) -> None:
        opened = self._session.opened
        if opened is None or self._strokes is None:
            return
        bscan = opened.current_bscan()
        if bscan != self._bscan:
            self._bscan = bscan
            self._kept.discard(bscan)
            self._strokes.look()
            self._session.state.bscan = bscan
            self.showing.settle()

    # Changes that this program makes.

    def note(
        self, what: str, bscans: Iterable[int], *, are_painted: bool = True, is_edit: bool = True
    ) -> None:
        """Keep a step before it is done.

        Parameters
        ----------
        are_painted
            Whether pixels change, or states only.
        is_edit
            Whether it changes what the labels say.
        """
        step = Step(what, is_edit=is_edit)
        for bscan in bscans:
            if are_painted:
                self.add_bscan(step, bscan)
            else:
                state, model = self.states.get(bscan), self.models.get(bscan, "")
                step.add(Patch.of_state(bscan, state, model))
        self.steps.push(step)

    def add_bscan(self, step: Step, bscan: int) -> None:
        """Keep what a B-scan is now in a step."""
        opened = self._session.opened
        assert opened is not None
        state, model = self.states.get(bscan), self.models.get(bscan, "")
        step.add(Patch.of_plane(bscan, state, model, plane(opened.loaded.labels, bscan)))

    def in_slices(self, bscans: Sequence[int], change: Callable[[int], None]) -> Iterator[None]:
        """Change B-scans of the open scan a few at a time; none of it is taken for a stroke."""
        opened = self._session.opened
        assert opened is not None
        labels = opened.loaded.labels
        n_pixels = labels.shape[-2] * labels.shape[-1]
        if isinstance(labels, PagedLabels):
            n_pixels *= 8  # each is read from its file
        for _ in for_each(bscans, change, n_pixels=n_pixels):
            self._forget_changes(bscans)
            yield
        self._forget_changes(bscans)

    def unkept(self, bscans: Iterable[int]) -> list[int]:
        """List which of some B-scans have labels that no restore point holds yet."""
        return [b for b in bscans if b in self._changed and b in self.states]

    def set_state(self, bscan: int, state: State | None, *, model: str | None = None) -> None:
        """Say how far a B-scan is, and with which prediction it began (None: as before)."""
        if state is None:
            self.states.pop(bscan, None)
            self.models.pop(bscan, None)
            self._erased.pop(bscan, None)
            return
        self.states[bscan] = state
        self._changed.add(bscan)
        if model is not None:
            self.models[bscan] = model

    def keep(self, bscans: Iterable[int], why: str) -> None:
        """Make a restore point of what is on disk, after the strokes before it."""
        points, opened, chosen = self._session.points, self._session.opened, tuple(bscans)
        assert points is not None
        assert opened is not None
        name = opened.name
        self._session.flush_then(lambda: points.make(why, name=name, bscans=chosen))
        self._kept.update(chosen)
        self._changed.difference_update(chosen)

    def begin_anew(self) -> None:
        """Make a new restore point before the next stroke: other labels have come."""
        self._kept.clear()

    def store(self, opened: OpenScan, bscans: Sequence[int], state: State) -> None:
        """Have B-scans written as they are now, and show it."""
        for bscan in bscans:
            self.set_state(bscan, state)
            self.put(opened, bscan, state)
        self.show(opened, bscans)

    def put(self, opened: OpenScan, bscan: int, state: State) -> None:
        """Hand a B-scan to the saver, after the restore points that come before it.

        What is confirmed is what is seen now. Other labels are copied when it is their turn: what
        is painted meanwhile comes to the saver after them.
        """
        labels, model = plane(opened.loaded.labels, bscan), self.models.get(bscan) or None
        if state == "confirmed":
            labels = labels.copy()
        self._session.save_labels(opened.name, bscan, labels, state=state, model=model)

    def clear_on_disk(self, opened: OpenScan, bscans: Sequence[int]) -> None:
        """Take the labels of B-scans away from disk."""
        workspace: Workspace | None = self._session.workspace
        if workspace is not None and bscans:
            clear = partial(workspace.clear_labels, opened.name, bscans)
            self._session.flush_then(clear, lambda _: self._session.written.emit())

    def show(self, opened: OpenScan, bscans: Sequence[int]) -> None:
        """Show labels that this program has changed."""
        self._forget_changes(bscans)
        self.showing.settle()
        opened.labels.refresh()
        self.show_strip()
        self._session.changed.emit(tuple(bscans))

    def _forget_changes(self, bscans: Sequence[int]) -> None:
        if self._strokes is not None:
            self._strokes.forget(bscans)
