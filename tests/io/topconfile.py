"""Topcon files by the published structure, chunk by chunk."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def encode(picture: NDArray[np.uint8], **options: Any) -> bytes:
    """A lossless JPEG 2000 codestream."""
    target = io.BytesIO()
    Image.fromarray(picture).save(target, "JPEG2000", no_jp2=True, **options)
    return target.getvalue()


def encoded_scan(stack: NDArray[np.uint8], pattern: int = 2) -> bytes:
    """Content of @IMG_JPEG."""
    count, depth, width = stack.shape
    content = struct.pack("<B6I", pattern, 829, 3071, width, depth, count, 0xA02)
    for plane in stack:
        data = encode(plane)
        content += struct.pack("<I", len(data)) + data
    return content


def raw_scan(stack: NDArray[Any], pattern: int = 2, *, shifted: bool = False) -> bytes:
    """Content of @IMG_SCAN_03, or of @IMG_MOT_COMP_03."""
    count, depth, width = stack.shape
    data = np.ascontiguousarray(stack, stack.dtype.newbyteorder("<")).tobytes()
    bits = 8 * stack.dtype.itemsize
    head = struct.pack("<B4IB", pattern, width, depth, bits, count, 0)
    return head + bytes(16 if shifted else 0) + struct.pack("<I", len(data)) + data


def contour(name: str, heights: NDArray[Any]) -> bytes:
    """Content of @CONTOUR_INFO: pixels above the lowest row, the last B-scan first."""
    kind = 0 if heights.dtype.kind == "u" else 0x100
    form = "<u2" if kind == 0 else "<f8"
    data = heights.astype(form).tobytes()
    count, width = heights.shape
    head = struct.pack("<20sH3I", name.encode(), kind, width, count, len(data))
    return head + data + b"8.0.1.20198".ljust(32, b"\0")


def scan_size(width_mm: float, height_mm: float, depth_um: float) -> bytes:
    """Content of @PARAM_SCAN_04."""
    return struct.pack("<3I5d2B7x", 3, 0, 27, width_mm, height_mm, depth_um, 0, 0, 1, 1)


def older_scan_size(width_mm: float, height_mm: float, depth_um: float) -> bytes:
    """Content of @PARAM_SCAN_02."""
    return struct.pack("<B5I7dB", 2, 1, 2, 3, 4, 5, width_mm, height_mm, depth_um, 0, 0, 0, 0, 1)


def capture(eye: int, date: tuple[int, int, int] = (2016, 2, 17)) -> bytes:
    """Content of @CAPTURE_INFO_02."""
    return struct.pack("<2BI100s6H", eye, 2, 7, b"", *date, 9, 23, 36)


def patient(number: str, first: str, last: str, birth: tuple[int, int, int], sex: int) -> bytes:
    """Content of @PATIENT_INFO_02."""
    names = (text.encode("latin-1") for text in (number, first, last, ""))
    return struct.pack("<32s32s32s8sB3H504x", *names, sex, *birth)


def regions(first: tuple[int, ...], second: tuple[int, ...]) -> bytes:
    """Content of @REGIST_INFO: the scan on the photograph and on the grey image."""
    return struct.pack("<B2I4I32s4I4d", 0, 0, 0, *first, b"8.0", *second, 0.5, 0.5, 0.5, 0.5)


def photograph(rgb: NDArray[np.uint8]) -> bytes:
    """Content of @IMG_FUNDUS."""
    data = encode(rgb[..., ::-1])
    height, width = rgb.shape[:2]
    return struct.pack("<6I", width, height, 24, 1, 0xA02, len(data)) + data


def raw_photograph(rgb: NDArray[np.uint8]) -> bytes:
    """Content of @IMG_OBS."""
    data = np.ascontiguousarray(rgb[..., ::-1]).tobytes()
    height, width = rgb.shape[:2]
    return struct.pack("<4IBI", width, height, 24, 1, 1, len(data)) + data


def grey_image(picture: NDArray[np.uint8]) -> bytes:
    """Content of @IMG_TRC_02: the same image twice."""
    data = encode(picture)
    height, width = picture.shape
    one = struct.pack("<I", len(data)) + data
    return struct.pack("<4IB", width, height, 8, 2, 1) + one + one


def projection(upright: NDArray[np.uint8]) -> bytes:
    """Content of @IMG_PROJECTION: the lowest B-scan first."""
    data = encode(np.ascontiguousarray(upright[::-1]))
    height, width = upright.shape
    return struct.pack("<5I", width, height, 8, 0x1000002, len(data)) + data


def write(
    path: Path, *chunks: tuple[str, bytes], kind: bytes = b"FDA", has_end: bool = True
) -> Path:
    """Write a file of these chunks."""
    data = b"FOCT" + kind + struct.pack("<2I", 2, 1000)
    for name, content in chunks:
        data += struct.pack("<B", len(name)) + name.encode()
        data += struct.pack("<I", len(content)) + content
    path.write_bytes(data + (b"\0" if has_end else b""))
    return path
