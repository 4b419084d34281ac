"""The Segment dock's controller: from a layer and a model to a labels layer. Knows no Qt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from napari_retseg.config import PredictConfig
from napari_retseg.engine import Engine
from napari_retseg.errors import InputError
from napari_retseg.events import BscanPredicted
from napari_retseg.plural import agree, count_noun
from napari_retseg.ui.dock_state import ModelChoice, SegmentState, describe_scan
from napari_retseg.ui.layers import find_bscan, is_scan_layer, make_labels_layer, scan_of_layer
from napari_retseg.ui.model_runner import ModelRunner, Run, check_channels
from napari_retseg.ui.numbering import list_bscan_files
from napari_retseg.ui.prediction import Prediction

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Labels


@dataclass(eq=False)
class LayerRun(Run):
    """The segmentation of a layer.

    Attributes
    ----------
    source
        The layer that is segmented.
    prediction, layer
        Where the labels go; the layer is None until the first ones have come.
    kept
        How many B-scans were left alone because the user had painted there meanwhile.
    """

    source: Image
    prediction: Prediction
    layer: Labels | None = None
    kept: int = 0


class Segmenter(ModelRunner[LayerRun]):
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
        super().__init__(self.state, engine=lambda: engine, post=post, config=PredictConfig())
        self._viewer = viewer
        self._engine = engine
        self._scan_layer: Image | None = None
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

    def refresh_models(self) -> None:
        """List the models again, and say so where there is none."""
        super().refresh_models()
        if not self.state.models:
            self.notify("No model yet: press Browse and choose a model folder.")

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
        if not shows_one or self._find_bscan(run.source) in changed:
            run.layer.refresh()

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

    def _begin(self, choice: ModelChoice, bscans: Sequence[int]) -> LayerRun | None:
        """Choose where the labels go: an unedited prediction of this model, or a new one."""
        layer = self._scan_layer
        if layer is None or not self.state.can_segment:
            return None
        scan = scan_of_layer(layer)
        check_channels(scan, choice, name=layer.name)
        key = (layer.unique_id, choice.info.weights_id)
        for shown, (prediction, *made_by) in self._made.items():
            is_usable = shown in self._viewer.layers and shown.data is prediction.labels
            if tuple(made_by) == key and is_usable and not prediction.is_edited(bscans):
                return LayerRun(scan, choice, bscans, layer, prediction, shown)
        return LayerRun(scan, choice, bscans, layer, Prediction(scan.spatial_shape))

    def _store(self, run: LayerRun, event: BscanPredicted) -> BscanPredicted:
        run.kept += not run.prediction.write(run.bscans[event.index], event.labels)
        return event

    def _show(self, run: LayerRun, _event: BscanPredicted) -> None:
        if run.layer is not None:
            return  # drawn by refresh_labels
        run.layer = make_labels_layer(
            run.prediction.labels,
            name=f"{run.source.name} prediction ({run.choice.name})",
            scan=run.scan,
            source=run.source,
            classes=run.choice.info.classes,
        )
        self._viewer.layers.append(run.layer)
        self._made[run.layer] = (run.prediction, run.source.unique_id, run.choice.info.weights_id)

    def _end(self, run: LayerRun) -> None:
        if run.layer is not None:
            run.prediction.take_changed()
            run.layer.refresh()

    def _remark(self, run: LayerRun) -> str:
        if not run.kept:
            return ""
        kept = count_noun(run.kept, "B-scan")
        return (
            f" {kept} that you painted on meanwhile {agree(run.kept, 'was', 'were')} not changed."
        )

    # What happens in the viewer.

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
            self.state.bscan = self._find_bscan(self._scan_layer)

    def _find_bscan(self, layer: Image) -> int:
        # the third axis from behind may be that of channels
        return find_bscan(layer, self._viewer) if self.state.n_bscans > 1 else 0

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
        if self._run is not None and event.value in (self._run.layer, self._run.source):
            self.drop()
            self.notify(f"{event.value.name} was closed; its segmentation was stopped.")
        self._update_scans()
