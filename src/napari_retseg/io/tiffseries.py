"""The series of pages of a TIFF, alike for all releases of tifffile."""

from __future__ import annotations

from typing import Any, cast

import tifffile


def list_series(tif: tifffile.TiffFile) -> list[tifffile.TiffPageSeries]:
    """The series of a file, with their axes of length 1."""
    series = cast("Any", tif.series)
    # from 2026.5 on it is called for series whose axes are not squeezed
    return list(series(squeeze=False) if callable(series) else series)


def list_sizes(series: tifffile.TiffPageSeries) -> list[tuple[str, int]]:
    """Letter and length of each axis, those of length 1 included."""
    found = cast("Any", series)
    if hasattr(found, "get_axes"):  # before 2026.5
        letters, shape = found.get_axes(squeeze=False), found.get_shape(squeeze=False)
    else:
        letters, shape = found.axes, found.shape
    return list(zip(letters, shape, strict=True))
