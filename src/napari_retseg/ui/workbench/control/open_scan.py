"""The scan that is being corrected: its arrays, and its layers in the viewer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import IGNORE, LabelSet
from napari_retseg.dataset.pagedlabels import LabelVolume
from napari_retseg.events import Runs, measure_share
from napari_retseg.scan import OctScan
from napari_retseg.ui.aspect import aspect_of
from napari_retseg.ui.layers import (
    FUNDUS,
    copy_placement,
    describe_features,
    describe_labels,
    find_bscan,
    import_labels,
    make_labels_layer,
    make_name,
    plane,
    show_bscan,
)
from napari_retseg.ui.placing import place_axes
from napari_retseg.ui.provenance import PROVENANCE, describe_provenance
from napari_retseg.ui.readers import layers_of_scan

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Layer
    from napari.layers import Labels as NapariLabels

    from napari_retseg.ui.workbench.control.labels_layer import Labels
    from napari_retseg.workspace import Workspace

LABELS = "labels"
PREDICTION = "prediction"
UNCERTAINTY = "uncertainty"
_BRUSH = 8
_PREDICTION_OPACITY = 0.35


@dataclass
class Loaded:
    """What is read of a scan before it is shown; on another thread than the GUI's.

    Attributes
    ----------
    labels, prediction
        Class values of the scan's spatial shape; 0 where nothing is stored.
    predicted
        The uncertainty of each B-scan that a model has labelled; None where it was not measured.
    models
        ``weights_id`` of the model that has labelled each of these.
    doubtful
        Of those that have any, the runs of A-scans in which the evidence for the layers is poor.
    propagated
        Of predictions that were corrected by other B-scans: by which.
    own
        Of these: what the model had said, ``(depth, width)``.
    """

    name: str
    scan: OctScan
    classes: LabelSet
    labels: LabelVolume
    prediction: LabelVolume
    predicted: dict[int, float | None]
    models: dict[int, str] = field(default_factory=dict)
    doubtful: dict[int, Runs] = field(default_factory=dict)
    propagated: dict[int, tuple[int, ...]] = field(default_factory=dict)
    own: dict[int, NDArray[np.uint8]] = field(default_factory=dict)

    def doubtful_shares(self) -> dict[int, float]:
        """Return the share of doubtful A-scans of each B-scan that has any, 0 to 1."""
        width = self.labels.shape[-1]
        return {bscan: measure_share(runs, width) for bscan, runs in self.doubtful.items()}

    def name_of(self, value: int) -> str:
        """Name a label value."""
        names = {c.value: make_name(c.name) for c in self.classes.classes}
        other = "not annotated" if value == IGNORE else f"{value}, unknown class"
        return names.get(int(value), other)


def load(workspace: Workspace, name: str) -> Loaded:
    """Read a scan of a workspace, with labels and prediction.

    Raises
    ------
    InputError
        Where a file is missing or cannot be read.
    """
    import_labels()
    scan = workspace.read_scan(name)
    labels = workspace.open_labels(name)
    stored = workspace.read_prediction(name)
    prediction = workspace.open_blank(name) if stored is None else stored.labels
    return Loaded(
        name=name,
        scan=scan,
        classes=workspace.classes,
        labels=labels,
        prediction=prediction,
        predicted={} if stored is None else {b: p.score for b, p in stored.bscans.items()},
        models={} if stored is None else {b: p.weights_id for b, p in stored.bscans.items()},
        doubtful={}
        if stored is None
        else {b: p.doubtful for b, p in stored.bscans.items() if p.doubtful},
        propagated={}
        if stored is None
        else {b: p.propagated for b, p in stored.bscans.items() if p.propagated},
        own={} if stored is None else dict(stored.own),
    )


@dataclass(eq=False)
class OpenScan:
    """A scan in the viewer.

    Use :meth:`show`. The labels layer is the user's; the prediction layer cannot be painted on.
    """

    loaded: Loaded
    viewer: ViewerModel
    image: Image
    prediction: NapariLabels
    labels: Labels
    others: tuple[Layer, ...] = ()

    @classmethod
    def show(cls, viewer: ViewerModel, loaded: Loaded) -> OpenScan:
        """Add a scan's layers to a viewer; the user's labels on top, ready to be painted on."""
        from napari.layers import Image, Layer

        from napari_retseg.ui.workbench.control.labels_layer import Labels

        made = [Layer.create(*data) for data in layers_of_scan(loaded.scan)]
        image = made[-1]
        assert isinstance(image, Image)
        image.name = loaded.name
        prediction = _make(loaded, loaded.prediction, PREDICTION, image)
        prediction.opacity = _PREDICTION_OPACITY
        prediction.editable = False
        labels = _make(loaded, loaded.labels, LABELS, image, Labels)
        assert isinstance(labels, Labels)
        labels.brush_size = _BRUSH
        if loaded.classes.foreground:
            labels.selected_label = loaded.classes.foreground[0].value
        for layer in (*made, prediction, labels):
            viewer.layers.append(layer)
        viewer.layers.selection.active = labels
        return cls(loaded, viewer, image, prediction, labels, tuple(made[:-1]))

    #: Entropy of each pixel, 0 to 255; None while it is not shown.
    uncertainty: Image | None = None

    @property
    def name(self) -> str:
        """The scan's name in the workspace."""
        return self.loaded.name

    @property
    def n_bscans(self) -> int:
        """Number of B-scans."""
        return len(self.loaded.labels) if self.loaded.labels.ndim == 3 else 1

    @property
    def layers(self) -> tuple[Layer, ...]:
        """All its layers, from below."""
        shown = () if self.uncertainty is None else (self.uncertainty,)
        return (*self.others, self.image, *shown, self.prediction, self.labels)

    def show_uncertainty(self, entropy: LabelVolume) -> None:
        """Add the uncertainty as a layer between scan and prediction."""
        from napari.layers import Image

        self.hide_uncertainty()
        self.uncertainty = Image(
            entropy,
            name=UNCERTAINTY,
            colormap="magma",
            blending="additive",
            opacity=0.7,
            contrast_limits=(0, 255),
            metadata={FUNDUS: self.name},  # an image, but no scan to segment
            **copy_placement(self.image, n_axes=entropy.ndim),
        )
        place = self.viewer.layers.index(self.image) + 1
        self.viewer.layers.insert(place, self.uncertainty)
        self.viewer.layers.selection.active = self.labels

    def hide_uncertainty(self) -> None:
        """Take the uncertainty's layer away."""
        layer, self.uncertainty = self.uncertainty, None
        if layer is not None and layer in self.viewer.layers:
            self.viewer.layers.remove(layer)

    def fits(self, loaded: Loaded) -> bool:
        """Whether what was read again can be shown in these layers."""
        return (
            loaded.name == self.name
            and loaded.labels.shape == self.loaded.labels.shape
            and loaded.scan.axes == self.loaded.scan.axes
        )

    def describe(self, loaded: Loaded) -> None:
        """Take over what was said of the scan meanwhile: scale, side, classes.

        Pixels and labels stay as they are here, with strokes that the disk does not hold yet, and
        no layer is taken out of the viewer, which may be about to draw it.
        """
        own = self.loaded
        self.loaded = replace(own, scan=loaded.scan, classes=loaded.classes)
        placed = place_axes(loaded.scan.axes, loaded.scan.spacing_um, aspect_of(self.viewer).view)
        derived = [self.prediction, self.labels]
        for layer in (self.image, *derived, *([self.uncertainty] if self.uncertainty else [])):
            layer.units = placed["units"][-layer.ndim :]
            layer.scale = placed["scale"][-layer.ndim :]
        # the pixels are those that are shown, in whatever scan they came
        self.image.metadata[PROVENANCE] = describe_provenance(loaded.scan)
        for layer in derived:
            layer.metadata.update(describe_labels(loaded.scan, loaded.classes))
            if own.classes != loaded.classes:
                layer.features = describe_features(loaded.classes)

    def prediction_of(self, bscan: int) -> NDArray[np.uint8]:
        """Return what is predicted for a B-scan; a view."""
        return plane(self.loaded.prediction, bscan)

    def own_prediction_of(self, bscan: int) -> NDArray[np.uint8]:
        """Return what the model said of a B-scan, whatever was carried to it since."""
        now = self.prediction_of(bscan)
        return self.loaded.own.get(bscan, now) if bscan in self.loaded.propagated else now

    def close(self) -> None:
        """Take its layers out of the viewer; what is painted in them by others is kept nowhere."""
        self.labels.hand = None
        self.labels.editable = False
        for layer in reversed(self.layers):
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)

    def current_bscan(self) -> int:
        """The B-scan in view."""
        return find_bscan(self.labels, self.viewer)

    def go_to(self, bscan: int) -> None:
        """Show a B-scan."""
        show_bscan(self.labels, self.viewer, bscan)


def _make(
    loaded: Loaded,
    data: LabelVolume,
    name: str,
    image: Image,
    kind: type[NapariLabels] | None = None,
) -> NapariLabels:
    return make_labels_layer(
        data, name=name, scan=loaded.scan, source=image, classes=loaded.classes, kind=kind
    )
