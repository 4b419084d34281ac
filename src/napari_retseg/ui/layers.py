"""Between scans and napari layers: placement, provenance, colours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import IGNORE, RETINA, LabelSet
from napari_retseg.dataset.pagedlabels import LabelVolume, PagedLabels
from napari_retseg.errors import InputError
from napari_retseg.plaintext import make_visible
from napari_retseg.scan import Axis, OctScan
from napari_retseg.ui.placing import place_axes
from napari_retseg.ui.provenance import (
    attributes_of,
    describe_grid,
    find_scan,
    measure_spacing,
    place_of,
)

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Labels, Layer
    from napari.utils.colormaps import DirectLabelColormap

#: Key under which a labels layer's classes lie: ``{value: name}``.
CLASSES = "retseg_classes"
#: Key that marks an en-face image that belongs to a scan.
FUNDUS = "retseg_fundus"
#: Key of a scan's layer under which its en-face image lies.
FUNDUS_IMAGE = "retseg_fundus_image"
#: Key of an en-face image under which the arguments of :func:`place_fundus` lie.
FUNDUS_PLACE = "retseg_fundus_place"

#: The axes of a B-scan and of a volume.
AXES: dict[int, tuple[Axis, ...]] = {2: ("depth", "width"), 3: ("bscan", "depth", "width")}
_IGNORE_RGB = (0.5, 0.5, 0.5)


def make_name(text: str) -> str:
    """Write a name for a layer, or a class in one, that napari's widgets take for no markup."""
    return make_visible(text).replace("<", "‹")


def place_scan(scan: OctScan) -> dict[str, Any]:
    """Return the scale, units and axis labels of a scan's layer."""
    return {**place_axes(scan.axes, scan.spacing_um), "axis_labels": list(scan.axes)}


def is_scan_layer(layer: Layer) -> TypeGuard[Image]:
    """Whether a layer may be a scan: any image but an en-face one."""
    from napari.layers import Image

    return isinstance(layer, Image) and FUNDUS not in layer.metadata


def scan_of_layer(layer: Image) -> OctScan:
    """Make a scan of an image layer, from whatever reader; the pixels are not copied.

    Only a layer that is as it was read knows its file; of others the scale counts, where it is in
    a unit of length.

    Raises
    ------
    InputError
        Where it is a colour image, or has other axes than a B-scan or a volume.
    """
    if layer.rgb:
        raise InputError(
            f"{layer.name}: this is a colour image, but a scan is grey; split its channels "
            "(right-click, Split RGB) and choose one"
        )
    known = find_scan(layer.data, attributes_of(layer))
    if known is not None:
        return OctScan(pixels=layer.data, **known)
    pixels = layer.data[0] if layer.multiscale else layer.data
    axes = name_axes(pixels.ndim, layer.axis_labels)
    if axes is None:
        raise InputError(
            f"{layer.name}: this layer has {pixels.ndim} axes, but a B-scan has 2 and a volume "
            "has 3; split it first (right-click, Split Stack) and choose one part"
        )
    scan = OctScan(pixels=pixels, axes=axes, source=None)
    spacing = measure_spacing(place_of(layer), len(scan.spatial_axes))
    return scan if spacing == scan.spacing_um else scan.with_spacing(spacing)


def name_axes(ndim: int, axis_labels: Sequence[str] | None) -> tuple[Axis, ...] | None:
    """Return the axes of a layer of another reader; None where they are not those of a scan."""
    if ndim == 4 and axis_labels is not None and axis_labels[0] == "channel":
        return ("channel", *AXES[3])
    return AXES.get(ndim)


def plane(array: NDArray[Any] | PagedLabels, bscan: int) -> NDArray[Any]:
    """Return one B-scan of a volume, or the B-scan itself; a view."""
    return array if isinstance(array, np.ndarray) and array.ndim == 2 else array[bscan]


def find_bscan(layer: Layer, viewer: ViewerModel) -> int:
    """Return which B-scan of a layer is in view; 0 of a single one."""
    if layer.ndim < 3:
        return 0
    position = round(float(layer.world_to_data(viewer.dims.point)[-3]))
    return min(max(position, 0), int(layer.data.shape[-3]) - 1)


def show_bscan(layer: Layer, viewer: ViewerModel, bscan: int) -> None:
    """Bring a B-scan of a layer into view."""
    if layer.ndim >= 3:
        world = layer.data_to_world([*[0] * (layer.ndim - 3), bscan, 0, 0])
        viewer.dims.set_point(viewer.dims.ndim - 3, float(world[-3]))


def copy_placement(layer: Image, *, n_axes: int) -> dict[str, Any]:
    """Return the arguments that lay labels over a scan's layer, on its last `n_axes` axes."""
    last = slice(-n_axes - 1, None)
    return {
        "scale": layer.scale[-n_axes:],
        "translate": layer.translate[-n_axes:],
        "rotate": layer.rotate[-n_axes:, -n_axes:],
        "affine": layer.affine.affine_matrix[last, last],
        "units": layer.units[-n_axes:],
        "axis_labels": layer.axis_labels[-n_axes:],
    }


def are_turned(one: Layer, other: Layer) -> bool:
    """Whether the axes of two layers of one number of axes run in different directions."""
    directions = []
    for layer in (one, other):
        corner = np.asarray(layer.data_to_world(np.zeros(layer.ndim)))
        steps = [np.asarray(layer.data_to_world(step)) - corner for step in np.eye(layer.ndim)]
        directions.append([step / np.linalg.norm(step) for step in steps])
    return not np.allclose(directions[0], directions[1], atol=0.1)


def make_colormap(
    classes: LabelSet, *, hidden: Container[int] = (), alpha: float = 1.0
) -> DirectLabelColormap:
    """Return the classes' colours; background and unknown values are transparent, 255 is grey.

    Classes whose value is `hidden` are transparent, too. The others have this `alpha`.
    """
    from napari.utils.colormaps import DirectLabelColormap

    clear = np.zeros(4, dtype=np.float32)
    colors: defaultdict[int | None, Any] = defaultdict(lambda: clear)
    colors[None] = clear
    colors[0] = clear
    for label_class in classes.foreground:
        rgb = np.array(label_class.rgb, dtype=np.float32) / 255
        seen = clear if label_class.value in hidden else np.append(rgb, np.float32(alpha))
        colors[label_class.value] = seen
    colors[IGNORE] = (
        clear if IGNORE in hidden else np.array((*_IGNORE_RGB, alpha), dtype=np.float32)
    )
    return DirectLabelColormap(color_dict=colors)


def make_labels_layer(
    labels: LabelVolume,
    *,
    name: str,
    scan: OctScan,
    source: Image,
    classes: LabelSet,
    kind: type[Labels] | None = None,
) -> Labels:
    """Lay labels over a scan's layer, with the classes' colours, and names in the status bar.

    Parameters
    ----------
    kind
        Of the layer; napari's own by default.
    """
    from napari.layers import Labels

    make = Labels if kind is None else kind
    return make(
        labels,
        name=make_name(name),
        opacity=0.5,
        colormap=make_colormap(classes),
        features=describe_features(classes),
        metadata=describe_labels(scan, classes),
        **copy_placement(source, n_axes=labels.ndim),
    )


def describe_features(classes: LabelSet) -> dict[str, NDArray[Any]]:
    """Return the features of a labels layer: its classes' names, for the status bar."""
    return {
        "index": np.array([c.value for c in classes.classes]),
        "class": np.array([make_name(c.name) for c in classes.classes], dtype=object),
    }


def describe_labels(scan: OctScan, classes: LabelSet) -> dict[str, Any]:
    """Return the metadata of a labels layer: what its scan is, and its classes."""
    return {**describe_grid(scan), CLASSES: {c.value: c.name for c in classes.classes}}


@cache
def import_labels() -> None:
    """Have napari import what its first labels layer needs, which takes 0.2 s; on any thread."""
    from napari.layers import Labels

    Labels(np.zeros((2, 2), np.uint8), features={"index": [0]}, colormap=make_colormap(RETINA))
