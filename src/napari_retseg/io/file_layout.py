"""The shape, axes and scale that a file is written with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.scan import Axis, OctScan

#: Key of `OctScan.metadata` that holds the header of the NIfTI file a scan came from.
NIFTI_HEADER = "nifti_header"

#: Axes of an array that comes without names, by their number.
UNNAMED_AXES: dict[int, tuple[Axis, ...]] = {
    2: ("depth", "width"),
    3: ("bscan", "depth", "width"),
    4: ("channel", "bscan", "depth", "width"),
}


@dataclass(frozen=True)
class Layout:
    """What a writer has to know beside the planes.

    Parameters
    ----------
    shape, dtype, axes
        Of the whole array.
    spacing_um
        Pixel size for each axis but the channel; None where unknown.
    laterality
        OD or OS.
    affine, nifti_header
        Of the NIfTI file that the scan came from.
    mark
        Of labels: which scan they belong to, see `marks`; empty where unknown.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    axes: tuple[Axis, ...]
    spacing_um: tuple[float | None, ...]
    laterality: str | None = None
    affine: NDArray[np.float64] | None = None
    nifti_header: bytes | None = None
    mark: str = ""

    @property
    def n_planes(self) -> int:
        """Number of planes (B-scans times channels)."""
        return int(np.prod(self.shape[:-2], dtype=np.int64))


def layout_of_scan(scan: OctScan) -> Layout:
    """The layout that `write_scan` gives to a scan."""
    return Layout(
        shape=tuple(scan.pixels.shape),
        dtype=np.dtype(scan.pixels.dtype),
        axes=scan.axes,
        spacing_um=scan.spacing_um,
        laterality=scan.laterality,
        affine=scan.affine,
        nifti_header=scan.metadata.get(NIFTI_HEADER),
    )


def layout_of_labels(shape: tuple[int, ...], scan: OctScan | None, *, mark: str = "") -> Layout:
    """The layout of a scan's labels: 8-bit, without the channel.

    Parameters
    ----------
    shape
        Shape of the labels, two or three axes.
    scan
        Where axes, scale and grid come from; without it they are those of plain B-scans.
    mark
        Which scan they belong to.
    """
    dtype = np.dtype(np.uint8)
    if scan is None:
        return Layout(shape, dtype, UNNAMED_AXES[len(shape)], (None,) * len(shape))
    about = replace(layout_of_scan(scan), shape=shape, dtype=dtype, axes=scan.spatial_axes)
    return replace(about, mark=mark)
