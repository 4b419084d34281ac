"""Files with fields that say how their pixels are meant."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from napari_retseg.scan import OctScan

Stack = NDArray[np.uint8]


def png(path: Path, plane: Stack, *chunks: tuple[bytes, bytes]) -> Path:
    """A PNG with further chunks behind its header."""
    Image.fromarray(plane).save(path)
    data = path.read_bytes()
    added = b""
    for kind, body in chunks:
        crc = zlib.crc32(kind + body)
        added += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)
    path.write_bytes(data[:33] + added + data[33:])
    return path


def write_tiff(path: Path, pages: list[Any], **options: Any) -> Path:
    """One write for each page, as programs do that save B-scans one by one."""
    with tifffile.TiffWriter(path) as writer:
        for page in pages:
            own = {"photometric": "minisblack", **options}
            values, more = page if isinstance(page, tuple) else (page, {})
            writer.write(values, **own | more)
    return path


def pixels(scan: OctScan) -> NDArray[Any]:
    return np.asarray(scan.pixels)
