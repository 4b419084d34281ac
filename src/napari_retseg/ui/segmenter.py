"""The Segment dock's controller: from a layer and a model to a labels layer. Knows no Qt."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from napari_retseg.engine import Engine, JobOutcome, LoadJob, PredictJob
from napari_retseg.errors import InputError, ModelError, RetsegError
from napari_retseg.events import BscanPredicted, Event, Message, Progress
from napari_retseg.models import find_model, read_info
from napari_retseg.scan import OctScan
from napari_retseg.ui.dockstate import ModelChoice, Notice, SegmentState, Work, describe_scan
from napari_retseg.ui.layers import (
    import_labels,
    is_scan_layer,
    make_labels_layer,
    scan_of_layer,
)
from napari_retseg.ui.modellist import find_models
from napari_retseg.ui.numbering import list_bscan_files
from napari_retseg.ui.prediction import Prediction
from napari_retseg.ui.segmentation import Run, check_channels, estimate, report, take_bscans

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Labels

logger = logging.getLogger(__name__)


class Segmenter:
    """Segments layers of a viewer in an engine.

    All methods are called on the GUI's thread.

    Parameters
    ----------
    viewer
        Its layers are the scans, and get the labels.
    engine
        Runs the jobs; closed with this.
    post
        Runs a function on the GUI's thread, soon; called on the engine's thread.
    """

    def __init__(
        self, viewer: ViewerModel, *, engine: Engine, post: Callable[[Callable[[], None]], None]
    ) -> None:
        self.state = SegmentState()
        self._viewer = viewer
        self._engine = engine
        self._post = post
        self._run: Run | None = None
        self._scan_layer: Image | None = None
        self._browsed: list[Path] = []
        self._loaded: ModelChoice | None = None
        #: Which model gave a layer's labels, to which layer's scan.
        self._made: WeakKeyDictionary[Labels, tuple[Prediction, Any, str]] = WeakKeyDictionary()
        layers = viewer.layers.events
        layers.inserted.connect(self._on_layer_inserted)
        layers.reordered.connect(self._update_scans)
        layers.removed.connect(self._on_layer_removed)
        viewer.layers.selection.events.active.connect(self._on_active_changed)
        viewer.dims.events.current_step.connect(self._update_bscan)
        for layer in viewer.layers:
            layer.events.name.connect(self._update_scans)
        self._update_scans()
        self.refresh_models()

    # What the user does.

    def choose_scan(self, index: int) -> None:
        """Choose one of ``state.scans``."""
        layers = self._scan_layers()
        self._scan_layer = layers[index] if 0 <= index < len(layers) else None
        self._update_scans()

    def choose_model(self, index: int) -> None:
        """Choose one of ``state.models``, and load it in the worker meanwhile."""
        self.state.model = index
        self.load_chosen()

    def refresh_models(self) -> None:
        """List the models again; the chosen one stays chosen."""
        chosen = self.state.chosen_model
        found, bad = find_models(self._browsed)
        for one in bad:
            self.notify(one.why, "warning")
        folders = [choice.folder for choice in found]
        self.state.models, self.state.bad_models = found, bad
        if chosen is not None and chosen.folder in folders:
            self.state.model = folders.index(chosen.folder)
        else:
            self.state.model = 0 if found else -1
        if not found:
            self.notify("No model yet: press Browse and choose a model folder.")

    def add_model(self, folder: Path) -> None:
        """Add a model from a folder, and choose it."""
        try:
            found = find_model(folder)
            read_info(found)
        except ModelError as error:
            self.notify(str(error), "error")
            return
        if found not in [choice.folder for choice in self.state.models]:
            self._browsed.append(found)
        self.refresh_models()
        self.choose_model([choice.folder for choice in self.state.models].index(found))
        self.notify("")

    def segment_bscan(self) -> None:
        """Segment the B-scan in view."""
        self._segment([self.state.bscan])

    def segment_volume(self) -> None:
        """Segment all B-scans."""
        self._segment(range(self.state.n_bscans))

    def cancel(self) -> None:
        """Stop; what is done stays."""
        if self._run is not None and self._run.handle is not None:
            self._run.handle.cancel()
            self.notify("Stopping…")

    def refresh_labels(self) -> None:
        """Show labels that have come since the last call, where they are in view."""
        run = self._run
        if run is None or run.layer is None:
            return
        dims = self._viewer.dims
        changed = run.prediction.take_changed()
        if not changed or dims.ndisplay == 3:
            return
        shows_one = tuple(dims.order[-2:]) == (dims.ndim - 2, dims.ndim - 1)
        if not shows_one or self._current_bscan(run.source) in changed:
            run.layer.refresh()

    def load_chosen(self) -> None:
        """Load the chosen model in the worker, so that the first prediction is quick."""
        choice = self.state.chosen_model
        if choice is None or choice == self._loaded:
            return
        self._loaded = choice
        self._engine.submit(
            LoadJob(choice.folder),
            on_event=lambda _: import_labels(),
            on_done=lambda outcome: self._post(partial(self._on_loaded, outcome)),
        )

    def close(self) -> None:
        """Stop everything; the viewer is going."""
        self._run = None
        self._engine.close()

    def find_labels(self) -> Labels | None:
        """Return the newest labels that a model gave to the chosen scan, where they are open."""
        source = None if self._scan_layer is None else self._scan_layer.unique_id
        made = [layer for layer, (_, whose, _) in self._made.items() if whose == source]
        shown = [layer for layer in self._viewer.layers if layer in made]
        return shown[-1] if shown else None

    # What becomes of it.

    def _segment(self, bscans: Sequence[int]) -> None:
        layer, choice = self._scan_layer, self.state.chosen_model
        if layer is None or choice is None or not self.state.can_segment:
            return
        try:
            choice = replace(choice, info=read_info(choice.folder))
            scan = scan_of_layer(layer)
            check_channels(scan, choice, name=layer.name)
        except RetsegError as error:
            self.notify(str(error), "error")
            return
        run = self._prepare(layer, scan, choice, bscans)
        job = PredictJob(take_bscans(scan, bscans), choice.folder)
        self._run = run
        self.notify("Loading the model…")
        self.state.work = Work()
        run.handle = self._engine.submit(
            job,
            on_event=partial(self._on_event, run),
            on_done=lambda outcome: self._post(partial(self._finish, run, outcome)),
        )

    def _prepare(
        self, layer: Image, scan: OctScan, choice: ModelChoice, bscans: Sequence[int]
    ) -> Run:
        """Choose where the labels go: an unedited prediction of this model, or a new one."""
        run = Run(layer, scan, choice, bscans, Prediction(scan.spatial_shape), None)
        run.began = time.monotonic()
        key = (layer.unique_id, choice.info.weights_id)
        for shown, (prediction, *made_by) in self._made.items():
            is_usable = shown in self._viewer.layers and shown.data is prediction.labels
            if tuple(made_by) == key and is_usable and not prediction.is_edited(bscans):
                run.prediction, run.layer = prediction, shown
        return run

    def _on_event(self, run: Run, event: Event) -> None:
        """Take an event on the engine's thread: labels are written here, not on the GUI's."""
        if isinstance(event, BscanPredicted):
            index = run.bscans[event.index]
            run.kept += not run.prediction.write(index, event.labels)
        self._post(partial(self._take, run, event))

    def _take(self, run: Run, event: Event) -> None:
        if run is not self._run:
            return
        if isinstance(event, BscanPredicted) and run.layer is None:
            self._add_layer(run)
        elif isinstance(event, Progress):
            self.state.work = estimate(run, event)
            self.notify("")
        elif isinstance(event, Message):
            self.notify(event.text, event.level)

    def _add_layer(self, run: Run) -> None:
        run.layer = make_labels_layer(
            run.prediction.labels,
            name=f"{run.source.name} prediction ({run.choice.name})",
            scan=run.scan,
            source=run.source,
            classes=run.choice.info.classes,
        )
        self._viewer.layers.append(run.layer)
        self._made[run.layer] = (run.prediction, run.source.unique_id, run.choice.info.weights_id)

    def _finish(self, run: Run, outcome: JobOutcome) -> None:
        if run is not self._run:
            return
        if run.layer is not None:
            run.prediction.take_changed()
            run.layer.refresh()
        done = 0 if self.state.work is None else self.state.work.done
        self._run = None
        self.state.work = None
        if outcome.status == "failed":
            logger.debug("%s", outcome.traceback)
            self._loaded = None
            self.notify(str(outcome.error), "error")
        else:
            self.notify(report(run, outcome, done))

    def _on_loaded(self, outcome: JobOutcome) -> None:
        if outcome.status == "failed":
            logger.debug("%s", outcome.traceback)
            self._loaded = None
            if self._run is None:
                self.notify(str(outcome.error), "error")

    # What the viewer tells.

    def _scan_layers(self) -> list[Image]:
        return [layer for layer in self._viewer.layers if is_scan_layer(layer)]

    def _update_scans(self, _event: Any = None) -> None:
        layers = self._scan_layers()
        if self._scan_layer not in layers:
            self._scan_layer = layers[-1] if layers else None
        self.state.scans = tuple(layer.name for layer in layers)
        self.state.scan = -1 if self._scan_layer is None else layers.index(self._scan_layer)
        self._update_scan()

    def _update_scan(self) -> None:
        if self._scan_layer is None:
            self.state.scan_text, self.state.n_bscans, self.state.files = "", 0, ()
            return
        try:
            scan = scan_of_layer(self._scan_layer)
        except InputError as error:
            self.state.scan_text, self.state.n_bscans, self.state.files = str(error), 0, ()
            return
        self.state.scan_text, self.state.n_bscans = describe_scan(scan), scan.n_bscans
        self.state.files = list_bscan_files(scan)
        self._update_bscan()

    def _update_bscan(self, _event: Any = None) -> None:
        if self._scan_layer is not None and self.state.n_bscans > 0:
            self.state.bscan = self._current_bscan(self._scan_layer)

    def _current_bscan(self, layer: Image) -> int:
        if self.state.n_bscans <= 1:
            return 0
        position = layer.world_to_data(self._viewer.dims.point)[-3]
        return min(max(round(float(position)), 0), self.state.n_bscans - 1)

    def _on_active_changed(self, _event: Any = None) -> None:
        layer = self._viewer.layers.selection.active
        if layer is not None and is_scan_layer(layer):
            self._scan_layer = layer
            self._update_scans()

    def _on_layer_inserted(self, event: Any) -> None:
        event.value.events.name.connect(self._update_scans)
        self._update_scans()

    def _on_layer_removed(self, event: Any) -> None:
        event.value.events.name.disconnect(self._update_scans)
        run = self._run
        if run is not None and event.value in (run.layer, run.source):
            self._run = None
            self.state.work = None
            if run.handle is not None:
                run.handle.cancel()
            self.notify(f"{event.value.name} was closed; its segmentation was stopped.")
        self._update_scans()

    def notify(self, text: str, level: Any = "info") -> None:
        """Show one sentence."""
        self.state.notice = Notice(text, level)
