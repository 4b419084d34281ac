"""A scan and its labels: as a picture in a notebook, or in napari."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

import numpy as np
from numpy.typing import NDArray

from napari_retseg.api.arguments import (
    ClassesLike,
    ImageLike,
    LabelsLike,
    as_classes,
    as_labels,
    read_scan,
)
from napari_retseg.api.picture import draw_bscan
from napari_retseg.classes import IGNORE, LabelSet
from napari_retseg.errors import UsageError
from napari_retseg.scan import OctScan

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from napari import Viewer


@overload
def show(
    image: ImageLike,
    labels: LabelsLike | None = ...,
    *,
    classes: ClassesLike | None = ...,
    bscan: int | None = ...,
    opacity: float = ...,
    legend: bool = ...,
    ax: Axes | None = ...,
    viewer: Literal[False] = ...,
) -> Axes: ...


@overload
def show(
    image: ImageLike,
    labels: LabelsLike | None = ...,
    *,
    classes: ClassesLike | None = ...,
    bscan: int | None = ...,
    opacity: float = ...,
    legend: bool = ...,
    viewer: Literal[True],
) -> Viewer: ...


def show(
    image: ImageLike,
    labels: LabelsLike | None = None,
    *,
    classes: ClassesLike | None = None,
    bscan: int | None = None,
    opacity: float = 0.45,
    legend: bool = True,
    ax: Axes | None = None,
    viewer: bool = False,
) -> Axes | Viewer:
    """Show a B-scan with its labels.

    Pixels are drawn square; ``ax.set_aspect(axial_um / lateral_um)`` gives their true shape.

    Parameters
    ----------
    image
        What :func:`read_scan` takes: a path, an array of grey values or a scan.
    labels
        Class values of the image's shape without a channel axis, as a path or an array. None:
        the image alone.
    classes
        Names for the legend: ``model.classes``, a list of names, or value to name. By default
        ``class 1``, ``class 2`` and so on.
    bscan
        Which B-scan of a volume, from 0; by default the middle one.
    opacity
        Of the colours, 0 to 1.
    legend
        Name the classes beside the picture.
    ax
        Where matplotlib draws; by default a new figure.
    viewer
        Open napari instead, with the whole volume.

    Returns
    -------
    matplotlib.axes.Axes or napari.Viewer
        Where it was drawn.

    Raises
    ------
    InputError
        Where the image or the labels cannot be read, or do not fit each other.
    UsageError
        Where an argument is something else, there is no such B-scan, or napari is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_retseg as rs
    >>> labels = np.zeros((5, 64, 96), np.uint8)
    >>> labels[:, 20:30] = 1
    >>> ax = rs.show(np.zeros((5, 64, 96)), labels, classes=["NFL"])
    >>> ax.get_title()
    'B-scan 2 of 5'
    """
    scan = read_scan(image)
    shape = scan.spatial_shape
    values = np.zeros(shape, np.uint8) if labels is None else as_labels(labels, shape=shape)
    names = _name_values(values) if classes is None else as_classes(classes)
    index = scan.n_bscans // 2 if bscan is None else bscan
    if not 0 <= index < scan.n_bscans:
        raise UsageError(f"expected bscan from 0 to {scan.n_bscans - 1}, got {index}")
    if viewer:
        return _open_viewer(scan, None if labels is None else values, names, index)
    return draw_bscan(scan, values, names, bscan=index, opacity=opacity, legend=legend, ax=ax)


def _name_values(labels: NDArray[np.uint8]) -> LabelSet:
    values = [int(v) for v in np.unique(labels) if v not in (0, IGNORE)]
    return LabelSet.from_names({value: f"class {value}" for value in values})


def _open_viewer(
    scan: OctScan, labels: NDArray[np.uint8] | None, classes: LabelSet, bscan: int
) -> Viewer:
    try:
        from napari import Viewer
        from napari.layers import Image
    except ImportError as error:
        raise UsageError(
            "viewer=True needs napari; install it with: pip install 'napari-retseg[all]'"
        ) from error
    from napari_retseg.ui.layers import make_labels_layer
    from napari_retseg.ui.readers import layers_of_scan

    opened = Viewer()
    layers = [Image(pixels, **arguments) for pixels, arguments, _ in layers_of_scan(scan)]
    for layer in layers:
        opened.add_layer(layer)
    if labels is not None:
        name = f"{layer.name} labels"
        opened.add_layer(
            make_labels_layer(labels, name=name, scan=scan, source=layer, classes=classes)
        )
    if scan.is_volume:
        opened.dims.set_point(layer.ndim - 3, bscan * layer.scale[-3])
    return opened
