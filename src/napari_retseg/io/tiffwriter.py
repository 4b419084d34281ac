"""OME-TIFF, zlib-compressed, one page a B-scan: what Fiji, napari and we can read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_retseg.io.file_layout import Layout
from napari_retseg.io.marks import NAME
from napari_retseg.io.tiffscale import LETTERS, NAMESPACE


def write_tiff(target: Path, planes: Iterable[NDArray[Any]], layout: Layout) -> None:
    """Write planes, in the order of the leading axes, as OME-TIFF.

    The names of the axes and the eye go into an annotation, so that reading gives the same scan.
    """
    marks = {"Namespace": NAMESPACE, "axes": " ".join(layout.axes)}
    if layout.laterality:
        marks["laterality"] = layout.laterality
    if layout.mark:
        marks[NAME] = layout.mark
    metadata: dict[str, Any] = {
        "axes": "".join(LETTERS[axis] for axis in layout.axes),
        "MapAnnotation": marks,
    }
    spatial = [axis for axis in layout.axes if axis != "channel"]
    for axis, size in zip(spatial, layout.spacing_um, strict=True):
        if size is not None:
            metadata[f"PhysicalSize{LETTERS[axis]}"] = size
            metadata[f"PhysicalSize{LETTERS[axis]}Unit"] = "µm"
    dtype = layout.dtype.newbyteorder("=")
    tifffile.imwrite(
        target,
        (np.ascontiguousarray(plane, dtype) for plane in planes),
        shape=layout.shape,
        dtype=dtype,
        ome=True,
        photometric="minisblack",
        compression="zlib",
        # a predictor or several threads would gain little and read ahead of the planes
        maxworkers=1,
        metadata=metadata,
    )
