"""Back and forth over the steps of a scan, and further back over its restore points."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from napari_retseg.dataset.pagedlabels import LabelVolume
from napari_retseg.ui.layers import plane
from napari_retseg.ui.workbench.control.open_scan import OpenScan
from napari_retseg.ui.workbench.control.repredicting import note_propagated, write_predictions
from napari_retseg.ui.workbench.control.session import Session
from napari_retseg.ui.workbench.control.steps import PredictionPatch, Step, Way
from napari_retseg.ui.workbench.control.tracking import Tracking

if TYPE_CHECKING:
    from napari_retseg.workspace import RestorePoint


class Stepping:
    """Takes steps back and again: those of this session from memory, at once; older ones from disk.

    All methods are called on the GUI's thread, with the strokes so far ended.
    """

    def __init__(self, session: Session, tracking: Tracking) -> None:
        self._session = session
        self._tracking = tracking
        #: The number of the newest restore point when a scan was opened first.
        self._oldest: dict[str, int] = {}

    def begin(self, opened: OpenScan) -> None:
        """Note where the restore points end that are older than the steps of a scan."""
        points = self._session.points
        if points is not None and opened.name not in self._oldest:
            oldest, name = self._oldest, opened.name
            self._session.submit(lambda: oldest.setdefault(name, points.newest))

    def forget(self) -> None:
        """Forget this: another workspace is opened."""
        self._oldest = {}

    def restore(self, number: int) -> None:
        """Go back to a restore point; that is a step of its own."""
        points = self._session.points
        assert points is not None
        self._go_back(partial(points.restore, number), is_step=True)

    def travel(self, way: Way) -> None:
        """Take one step back, or again."""
        opened, steps = self._session.opened, self._tracking.steps
        assert opened is not None
        # what was gone back to on disk lies before all steps in memory
        step = None if way == "redo" and steps.n_on_disk else steps.take(way)
        if step is not None:
            self._tracking.slices.run(self._take(opened, step, way))
            return
        points, oldest, name = self._session.points, self._oldest, opened.name
        assert points is not None
        if way == "undo":
            self._go_back(lambda: points.undo(name, until=oldest.get(name)), is_step=False, count=1)
        elif steps.n_on_disk:
            self._go_back(partial(points.redo, name), is_step=False, count=-1)
        else:
            self._session.notify("Nothing to redo.")

    def _take(self, opened: OpenScan, step: Step, way: Way) -> Iterator[None]:
        tracking, back, gone = self._tracking, Step(step.what, is_edit=step.is_edit), []
        unkept = tracking.unkept(step.patches)
        if unkept and way == "undo":
            tracking.keep(unkept, f"undo of {step.what}")

        def swap(bscan: int) -> None:
            patch = step.patches[bscan]
            state, model = tracking.states.get(bscan), tracking.models.get(bscan, "")
            back.add(patch.swap(plane(opened.loaded.labels, bscan), state, model))
            tracking.set_state(bscan, patch.state, model=patch.model)
            if patch.state is None:
                gone.append(bscan)
            else:
                tracking.put(opened, bscan, patch.state)

        yield from tracking.in_slices(list(step.patches), swap)
        if step.predictions:
            back.predictions = self._swap_predictions(opened, step)
        tracking.steps.give(way, back)
        self._session.flush_then(lambda: None)
        tracking.clear_on_disk(opened, gone)
        tracking.show(opened, list(step.patches))
        self._show_step(opened, step, way)

    def _swap_predictions(self, opened: OpenScan, step: Step) -> tuple[PredictionPatch, ...]:
        """Put predictions back as they were, but for those that were made anew since."""
        found: list[PredictionPatch] = []
        for patch in step.predictions:
            known = opened.loaded.propagated.get(patch.bscan, ())
            before = opened.prediction_of(patch.bscan).copy()
            back = patch.swap(opened.prediction_of(patch.bscan), known)
            if back is not None:
                note_propagated(opened, patch.bscan, patch.propagated, before)
                found.append(back)
        write_predictions(self._session, opened, [patch.bscan for patch in found])
        return tuple(found)

    def _show_step(self, opened: OpenScan, step: Step, way: Way) -> None:
        bscans = sorted({*step.patches, *(patch.bscan for patch in step.predictions)})
        if bscans and opened.current_bscan() not in bscans:
            opened.go_to(bscans[0])
        done = "Undone" if way == "undo" else "Redone"
        self._session.notify(f"{done}: {step.what}.")

    def _go_back(
        self, restore: Callable[[], RestorePoint | None], *, is_step: bool, count: int = 0
    ) -> None:
        """Put labels back on disk, then show what is there."""
        opened, workspace = self._session.opened, self._session.workspace
        assert opened is not None
        assert workspace is not None
        self._tracking.touched.clear()

        def work() -> tuple[RestorePoint | None, LabelVolume]:
            return restore(), workspace.open_labels(opened.name)

        self._session.flush_then(work, partial(self._take_labels, opened, is_step, count))

    def _take_labels(
        self,
        opened: OpenScan,
        is_step: bool,
        count: int,
        found: tuple[RestorePoint | None, LabelVolume],
    ) -> None:
        """Show labels that were put back, but for B-scans that were painted on meanwhile."""
        tracking, workspace = self._tracking, self._session.workspace
        tracking.slices.finish()
        tracking.check()  # so that a stroke of just now counts as painted meanwhile
        point, labels = found
        if point is None:
            self._session.notify("Nothing to undo.")
        if point is None or workspace is None or self._session.opened is not opened:
            return
        back = [bscan for bscan in point.bscans if bscan not in tracking.touched]
        step = Step(f"restoring {point.target or point.number}") if is_step else None
        tracking.steps.n_on_disk += count
        tracking.slices.run(self._put_back(opened, point, step, back, labels))

    def _put_back(
        self,
        opened: OpenScan,
        point: RestorePoint,
        step: Step | None,
        back: list[int],
        labels: LabelVolume,
    ) -> Iterator[None]:
        tracking, workspace = self._tracking, self._session.workspace
        assert workspace is not None
        states, models = workspace.states(opened.name), workspace.begun_with(opened.name)

        def copy(bscan: int) -> None:
            if step is not None:
                tracking.add_bscan(step, bscan)
            plane(opened.loaded.labels, bscan)[...] = plane(labels, bscan)
            tracking.set_state(bscan, states.get(bscan), model=models.get(bscan, ""))

        yield from tracking.in_slices(back, copy)
        if step is not None:
            tracking.steps.push(step)
        tracking.begin_anew()
        tracking.show(opened, back)
        self._session.written.emit()
        self._session.notify(f"{point.name}: {point.why}.")
