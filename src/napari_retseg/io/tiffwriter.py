"""OME-TIFF, zlib-compressed, one page a B-scan: what Fiji, napari and we can read."""

from __future__ import annotations

import hashlib
import math
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_retseg.io.file_layout import Layout
from napari_retseg.io.marks import NAME
from napari_retseg.io.tiffscale import LETTERS, NAMESPACE

#: Offsets of 32 bits reach so far, less room for directories; planes may not shrink at all.
_CLASSIC_BYTES = 2**32 - 2**25
#: Stands in the place of the file's identity while its planes are written.
_NO_UUID = str(uuid.UUID(int=0))


def write_tiff(target: Path, planes: Iterable[NDArray[Any]], layout: Layout) -> None:
    """Write planes, in the order of the leading axes, as OME-TIFF.

    The names of the axes and the eye go into an annotation, so that reading gives the same scan.
    The same planes and layout give the same bytes: OME asks for an identity of each file, and it is
    made from them.
    """
    marks = {"Namespace": NAMESPACE, "axes": " ".join(layout.axes)}
    if layout.laterality:
        marks["laterality"] = layout.laterality
    if layout.mark:
        marks[NAME] = layout.mark
    metadata: dict[str, Any] = {
        "axes": "".join(LETTERS[axis] for axis in layout.axes),
        "MapAnnotation": marks,
        "UUID": _NO_UUID,
    }
    spatial = [axis for axis in layout.axes if axis != "channel"]
    for axis, size in zip(spatial, layout.spacing_um, strict=True):
        if size is not None:
            metadata[f"PhysicalSize{LETTERS[axis]}"] = size
            metadata[f"PhysicalSize{LETTERS[axis]}Unit"] = "µm"
    dtype = layout.dtype.newbyteorder("=")
    known = (layout.shape, str(layout.dtype), sorted(metadata.items(), key=str))
    digest = hashlib.sha256(repr(known).encode())

    def read_planes() -> Iterator[NDArray[Any]]:
        for plane in planes:
            values = np.ascontiguousarray(plane, dtype)
            digest.update(values.data)
            yield values

    tifffile.imwrite(
        target,
        read_planes(),
        shape=layout.shape,
        dtype=dtype,
        ome=True,
        photometric="minisblack",
        compression="zlib",
        bigtiff=math.prod(layout.shape) * dtype.itemsize > _CLASSIC_BYTES,
        # a predictor or several threads would gain little and read ahead of the planes
        maxworkers=1,
        metadata=metadata,
    )
    _set_identity(target, str(uuid.UUID(bytes=digest.digest()[:16], version=5)))


def _set_identity(target: Path, identity: str) -> None:
    with tifffile.TiffFile(target) as tiff:
        tag = tiff.pages.first.tags["ImageDescription"]
        start, size = tag.valueoffset, tag.count
    with target.open("r+b") as stream:
        stream.seek(start)
        text = stream.read(size)
        stream.seek(start)
        stream.write(text.replace(_NO_UUID.encode(), identity.encode(), 1))
