"""Between scans and napari layers: placement, provenance, colours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Mapping
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import IGNORE, RETINA, LabelSet
from napari_retseg.errors import InputError
from napari_retseg.plaintext import make_visible
from napari_retseg.scan import Axis, OctScan

if TYPE_CHECKING:
    from napari.layers import Image, Labels, Layer
    from napari.utils.colormaps import DirectLabelColormap

#: Key of a layer's metadata under which a scan's provenance lies.
PROVENANCE = "retseg"
#: Key under which a labels layer's classes lie: ``{value: name}``.
CLASSES = "retseg_classes"
#: Key that marks an en-face image that belongs to a scan.
FUNDUS = "retseg_fundus"

_NOT_PROVENANCE = ("pixels", "fundus")
#: The axes of a B-scan and of a volume.
AXES: dict[int, tuple[Axis, ...]] = {2: ("depth", "width"), 3: ("bscan", "depth", "width")}
_IGNORE_RGBA = (0.5, 0.5, 0.5, 1.0)


def make_name(text: str) -> str:
    """Write a name for a layer, or a class in one, that napari's widgets take for no markup."""
    return make_visible(text).replace("<", "‹")


def describe_provenance(scan: OctScan) -> dict[str, Any]:
    """Return all that a scan knows but its pixels."""
    names = [field.name for field in fields(scan) if field.name not in _NOT_PROVENANCE]
    return {name: getattr(scan, name) for name in names}


def place_scan(scan: OctScan) -> dict[str, Any]:
    """Return the scale, units and axis labels of a scan's layer.

    Micrometres where the B-scan's own two axes are known (an unknown distance between B-scans
    then shows as 1), pixels elsewhere. A channel axis has neither.
    """
    known = None not in scan.spacing_um[-2:]
    spacing = [um if known and um is not None else 1.0 for um in scan.spacing_um]
    n_channel_axes = len(scan.axes) - len(spacing)
    unit = "um" if known else "pixel"
    return {
        "scale": [1.0] * n_channel_axes + spacing,
        "units": ["pixel"] * n_channel_axes + [unit] * len(spacing),
        "axis_labels": list(scan.axes),
    }


def is_scan_layer(layer: Layer) -> TypeGuard[Image]:
    """Whether a layer may be a scan: any image but an en-face one."""
    from napari.layers import Image

    return isinstance(layer, Image) and FUNDUS not in layer.metadata


def scan_of_layer(layer: Image) -> OctScan:
    """Make a scan of an image layer, from whatever reader; the pixels are not copied.

    Raises
    ------
    InputError
        Where it is a colour image, or has other axes than a B-scan or a volume.
    """
    if layer.rgb:
        raise InputError(
            f"{layer.name}: is a colour image, but a scan is grey; split its channels "
            "(right-click, Split RGB) and choose one"
        )
    pixels = layer.data[0] if layer.multiscale else layer.data
    known = layer.metadata.get(PROVENANCE)
    if isinstance(known, Mapping) and len(known["axes"]) == pixels.ndim:
        return OctScan(pixels=pixels, **known)
    axes = AXES.get(pixels.ndim)
    if pixels.ndim == 4 and layer.axis_labels[0] == "channel":
        axes = ("channel", *AXES[3])
    if axes is None:
        raise InputError(
            f"{layer.name}: has {pixels.ndim} axes, but a B-scan has 2 and a volume 3; split it "
            "first (right-click, Split Stack) and choose a part"
        )
    return OctScan(pixels=pixels, axes=axes, source=None)


def copy_placement(layer: Image, *, n_axes: int) -> dict[str, Any]:
    """Return the arguments that lay labels over a scan's layer, on its last `n_axes` axes."""
    return {
        "scale": layer.scale[-n_axes:],
        "translate": layer.translate[-n_axes:],
        "rotate": layer.rotate[-n_axes:, -n_axes:],
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


def make_colormap(classes: LabelSet, *, hidden: Container[int] = ()) -> DirectLabelColormap:
    """Return the classes' colours; background and unknown values are transparent, 255 is grey.

    Classes whose value is `hidden` are transparent, too.
    """
    from napari.utils.colormaps import DirectLabelColormap

    clear = np.zeros(4, dtype=np.float32)
    colors: defaultdict[int | None, Any] = defaultdict(lambda: clear)
    colors[None] = clear
    colors[0] = clear
    for label_class in classes.foreground:
        rgb = np.array(label_class.rgb, dtype=np.float32) / 255
        seen = clear if label_class.value in hidden else np.append(rgb, np.float32(1))
        colors[label_class.value] = seen
    colors[IGNORE] = clear if IGNORE in hidden else np.array(_IGNORE_RGBA, dtype=np.float32)
    return DirectLabelColormap(color_dict=colors)


def make_labels_layer(
    labels: NDArray[np.uint8],
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
    return {
        PROVENANCE: {**describe_provenance(scan), "axes": scan.spatial_axes},
        CLASSES: {c.value: c.name for c in classes.classes},
    }


@cache
def import_labels() -> None:
    """Have napari import what its first labels layer needs, which takes 0.2 s; on any thread."""
    from napari.layers import Labels

    Labels(np.zeros((2, 2), np.uint8), features={"index": [0]}, colormap=make_colormap(RETINA))
