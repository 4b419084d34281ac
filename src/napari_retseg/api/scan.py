"""Scans from files and arrays."""

from __future__ import annotations

from collections.abc import Sequence

from napari_retseg.api.arguments import ImageLike, as_scan
from napari_retseg.scan import OctScan


def read_scan(
    image: ImageLike,
    *,
    spacing_um: Sequence[float | None] | None = None,
    axes: Sequence[str] | None = None,
) -> OctScan:
    """Read a scan from a file, a folder of B-scans or an array.

    Parameters
    ----------
    image
        A path (text or :class:`pathlib.Path`) to PNG, JPEG, BMP, TIFF, NIfTI, NPY, NPZ,
        Heidelberg ``.vol``, or to a folder of B-scans in natural order. Or an array of grey
        values of any number type: ``(depth, width)``, ``(bscan, depth, width)`` or
        ``(channel, bscan, depth, width)``. Arrays of other libraries are taken where numpy can
        read them. An array is not copied. A scan is returned as it is.
    spacing_um
        Pixel size in um for each axis but the channel, in the order of the axes; None where it
        is not known. By default the file's.
    axes
        Names of an array's axes where they are others, for example ``("z", "y", "x")`` for a
        volume that is not OCT, or ``("channel", "depth", "width")``.

    Returns
    -------
    OctScan
        The pixels, their axes and scale. Its ``notes`` say what to know about it, for example
        that colour was reduced to grey. Volumes in files stay on the disk where the format
        allows it.

    Raises
    ------
    InputError
        Where a file is missing or cannot be read, or an array has another number of axes, no
        pixels, or values that are NaN or infinite.
    UsageError
        Where `image` is something else, or `spacing_um` or `axes` do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_retseg as rs
    >>> scan = rs.read_scan(np.zeros((5, 128, 256), np.uint8), spacing_um=(120, 3.9, 11.6))
    >>> scan.axes, scan.n_bscans, scan.spacing_um
    (('bscan', 'depth', 'width'), 5, (120.0, 3.9, 11.6))
    """
    return as_scan(image, spacing_um=spacing_um, axes=axes)
