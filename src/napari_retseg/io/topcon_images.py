"""B-scans and en-face images of a Topcon file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.errors import InputError
from napari_retseg.io.grey import reduce_rgb
from napari_retseg.io.jpeg2000 import Jpeg2000Pixels, decode, is_jpeg2000
from napari_retseg.io.lazy import PagedPixels, RawPixels
from napari_retseg.io.limits import LARGEST_PLANE, MOST_PLANES
from napari_retseg.io.topcon_chunks import Chunk, TopconFile

#: The scan itself; B-scans that the device has shifted take its place where there is no other.
_SCANS = ("@IMG_JPEG", "@IMG_SCAN_03", "@IMG_MOT_COMP_03")
SHIFTED = "@IMG_MOT_COMP_03"
#: Pattern, two unknown numbers, A-scans, depth, B-scans, a constant.
_JPEG_HEADER = "<B6I"
#: Pattern, A-scans, depth, bits, B-scans; what follows ends with the number of bytes.
_RAW_HEADER = "<B4I"
#: Bytes before the pixels: `@IMG_SCAN_03`, and `@IMG_MOT_COMP_03` with four more numbers.
_RAW_OFFSETS = (22, 38)

#: A rectangle on an en-face image in pixels: left, top, right, bottom.
Region = tuple[int, int, int, int]


@dataclass(frozen=True)
class StoredScan:
    """The B-scans of a file.

    Attributes
    ----------
    chunk
        Name of the chunk that has them.
    pattern
        Number of the scan pattern.
    """

    chunk: str
    pattern: int
    pixels: PagedPixels


@dataclass(frozen=True)
class EnFace:
    """A grey en-face image, (row, column), with superior at the top, and the scan's place on it."""

    name: str
    pixels: NDArray[np.uint8]
    region: Region


@dataclass(frozen=True)
class _Kind:
    """An en-face image: its chunk, and how it is stored.

    Attributes
    ----------
    offset
        Bytes before the image; its size in bytes comes right before it.
    region
        Which of the file's two regions lies on it; None: it shows the scanned region.
    """

    chunk: str
    name: str
    offset: int
    region: int | None


#: The first that the scan's place on is known is taken.
_EN_FACE = (
    _Kind("@IMG_FUNDUS", "colour fundus photograph", 24, 0),
    _Kind("@IMG_OBS", "colour fundus photograph", 21, 0),
    _Kind("@IMG_TRC_02", "grey fundus image", 21, 1),
    _Kind("@IMG_PROJECTION", "projection of the scan", 20, None),
)


def read_scan_block(file: TopconFile) -> StoredScan:
    """Find the B-scans; their pixels stay in the file.

    Raises
    ------
    InputError
        Where there are none, or what the header claims does not fit.
    """
    chunk = file.find(*_SCANS)
    if chunk is None:
        other = [c.name for c in file.chunks if c.name.startswith(("@IMG_SCAN", "@IMG_MOT"))]
        found = f" (only {other[0]}, whose structure is not published)" if other else ""
        raise InputError(f"{file.path}: contains no B-scans that can be read{found}")
    return _find_encoded(file, chunk) if chunk.name == "@IMG_JPEG" else _find_raw(file, chunk)


def _find_encoded(file: TopconFile, chunk: Chunk) -> StoredScan:
    pattern, _, _, width, depth, count, _ = file.unpack(chunk, _JPEG_HEADER)
    _check_counts(file.path, (count, depth, width))
    places: list[tuple[int, int]] = []
    at = 25
    for _ in range(count):
        (length,) = file.unpack(chunk, "<I", at)
        at += 4
        if at + length > chunk.size:
            raise InputError(
                f"{file.path}: B-scan {len(places)} (0 to {count - 1}) is truncated; copy or "
                "export the file again"
            )
        places.append((chunk.at + at, length))
        at += length
    return StoredScan(chunk.name, pattern, Jpeg2000Pixels(file.path, (depth, width), tuple(places)))


def _find_raw(file: TopconFile, chunk: Chunk) -> StoredScan:
    pattern, width, depth, bits, count = file.unpack(chunk, _RAW_HEADER)
    shape = count, depth, width
    _check_counts(file.path, shape)
    n_bytes = math.prod(shape) * bits // 8
    for offset in _RAW_OFFSETS:
        if bits not in (8, 16) or offset + n_bytes > chunk.size:
            continue
        if file.unpack(chunk, "<I", offset - 4) == (n_bytes,):
            stored = "u1" if bits == 8 else "<u2"
            pixels = RawPixels(file.path, shape, stored=stored, offset=chunk.at + offset)
            return StoredScan(chunk.name, pattern, pixels)
    raise InputError(
        f"{file.path}: declares {count} B-scans of {depth} x {width} pixels and {bits} bits, which "
        f"do not fit into the {chunk.size} bytes of {chunk.name}; copy or export the file again"
    )


def _check_counts(path: Path, shape: tuple[int, int, int]) -> None:
    if 0 in shape:
        raise InputError(f"{path}: contains no B-scans (shape {shape}); export it again")
    if shape[0] > MOST_PLANES or shape[1] * shape[2] > LARGEST_PLANE:
        shown = " x ".join(str(n) for n in shape)
        raise InputError(f"{path}: declares {shown} pixels; the file is probably damaged")


def read_en_face(file: TopconFile) -> tuple[EnFace | None, tuple[str, ...]]:
    """Read the first en-face image on which the place of the scan is known.

    Returns
    -------
    tuple
        The image, or None, and what the other images are.
    """
    regions = _read_regions(file)
    chosen: EnFace | None = None
    left_out = []
    for kind in _EN_FACE:
        chunk = file.find(kind.chunk)
        if chunk is None:
            continue
        if chosen is not None:
            left_out.append(f"1 {kind.name}")
            continue
        try:
            chosen = _read_picture(file, chunk, kind, regions)
        except InputError:
            left_out.append(f"1 {kind.name} (damaged)")
            continue
        if chosen is None:
            left_out.append(f"1 {kind.name} (the place of the scan on it is not known)")
    return chosen, tuple(left_out)


def _read_picture(
    file: TopconFile, chunk: Chunk, kind: _Kind, regions: tuple[Region, Region]
) -> EnFace | None:
    width, height, bits = file.unpack(chunk, "<3I")
    (size,) = file.unpack(chunk, "<I", kind.offset - 4)
    region = (0, 0, width, height) if kind.region is None else regions[kind.region]
    left, top, right, bottom = region
    if not (left < right <= width and top < bottom <= height):
        return None
    data = file.read(chunk, kind.offset, min(size, chunk.size - kind.offset))
    if is_jpeg2000(data):
        pixels = decode(file.path, f"the {kind.name}", data, (height, width))
    else:
        pixels = _shape_raw(file.path, kind.name, data, (height, width, bits // 8))
    if pixels.ndim == 3:
        # stored as blue, green, red
        pixels = reduce_rgb(pixels[..., ::-1])
    # the projection's first row is that of the lowest B-scan
    upright = pixels[::-1] if kind.region is None else pixels
    return EnFace(kind.name, np.ascontiguousarray(upright), region)


def _shape_raw(
    path: Path, name: str, data: bytes, shape: tuple[int, int, int]
) -> NDArray[np.uint8]:
    """The first of one or two raw images of 8 or 24 bits."""
    if shape[2] not in (1, 3) or math.prod(shape) > len(data):
        raise InputError(f"{path}: the {name} is truncated or of an unknown kind")
    pixels: NDArray[Any] = np.frombuffer(data, np.uint8, math.prod(shape)).reshape(shape)
    return pixels[..., 0] if shape[2] == 1 else pixels


def _read_regions(file: TopconFile) -> tuple[Region, Region]:
    """The scanned region on the colour photograph and on the grey image; empty where unknown."""
    for name, offsets in (
        ("@REGIST_INFO", (9, 57)),
        ("@REGIST_SCAN_02", (0, 16)),
        ("@EFFECTIVE_SCAN_RANGE", (0, 16)),
    ):
        chunk = file.find(name)
        if chunk is not None and chunk.size >= offsets[1] + 16:
            first, second = (_read_region(file, chunk, offset) for offset in offsets)
            return first, second
    return (0, 0, 0, 0), (0, 0, 0, 0)


def _read_region(file: TopconFile, chunk: Chunk, offset: int) -> Region:
    left, top, right, bottom = file.unpack(chunk, "<4I", offset)
    return left, top, right, bottom


def list_other_images(file: TopconFile, used: str) -> Iterator[str]:
    """Say what else the file holds that is measured or drawn, and is not read."""
    known = {used, *(kind.chunk for kind in _EN_FACE)}
    others: dict[str, int] = {}
    for chunk in file.chunks:
        if chunk.name.startswith(("@IMG_", "@REF_IMG", "@RESULT_")) and chunk.name not in known:
            others[chunk.name] = others.get(chunk.name, 0) + 1
    for name, count in others.items():
        what = "the motion-compensated B-scans" if name == SHIFTED else "images or results"
        yield f"{what} in {name}" + (f" ({count} times)" if count > 1 else "")
    if len(file.find_all(used)) > 1:
        yield f"{len(file.find_all(used)) - 1} further scans in {used}"
