"""Bioptigen ``.OCT`` (Envisu): B-scans of 16 bits between named fields.

A field is the length of its name (32 bits, little endian), the name, the length of its content,
and the content; a length of 0 ends the header and each frame. Samples of an A-scan lie one after
the other. (Facts: Bioptigen's own reader for MATLAB, `extractOctFunction.m`, and OCT-Converter.)

The retina is not turned: nothing is published of which end of an A-scan is the vitreous.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from napari_retseg.acquisition import FROM_NAME, Acquisition
from napari_retseg.errors import InputError
from napari_retseg.io.file_errors import check_file, reading
from napari_retseg.io.lazy import PagedPixels
from napari_retseg.io.limits import MOST_PLANES, check_shape, held_bytes
from napari_retseg.io.scale import to_um
from napari_retseg.io.volumes import choose_volume
from napari_retseg.scan import Laterality, OctScan

_KIND = "a Bioptigen file"
#: A number, a version, and the first field.
_FIRST = 6
_MAGIC = b"FRAMEHEADER"
_LONGEST_NAME = 64
_MOST_FIELDS = 64
_WHOLE = ("FRAMECOUNT", "LINECOUNT", "LINELENGTH", "SCANTYPE", "SCANS")
#: Fields of a frame that are read at once.
_SHORT = ("FRAMELINES", "FRAMEDATETIME")
_REAL = ("SCANDEPTH", "SCANLENGTH", "AZSCANLENGTH", "ELSCANLENGTH")
_PATTERNS = {0: "line", 1: "volume", 3: "radial"}
_VOLUME, _LINE, _MIXED = 1, 0, 6
_EYE = re.compile(r"(?:^|[_ -])(O[DS])(?=[_ .-])")


@dataclass(frozen=True)
class _Frame:
    """Where the samples of a B-scan lie, its A-scans where it says, and when it was taken."""

    at: int
    size: int
    lines: int | None
    date: str
    has_doppler: bool


@dataclass(frozen=True)
class _Content:
    """The numbers of the header, and the frames."""

    numbers: dict[str, float]
    frames: list[_Frame]


class FramePixels(PagedPixels):
    """B-scans of a Bioptigen file. Shape (bscan, depth, width)."""

    def __init__(self, path: Path, plane: tuple[int, int], starts: tuple[int, ...]) -> None:
        self._starts = starts
        super().__init__(path, (len(starts), *plane), np.uint16)

    def _read(self, leading: tuple[int, ...]) -> NDArray[Any]:
        depth, width = self.shape[-2:]
        with reading(self.source, _KIND), self.source.open("rb") as stream:
            stream.seek(self._starts[leading[0]])
            samples = np.frombuffer(stream.read(2 * depth * width), "<u2")
            return np.ascontiguousarray(samples.reshape(width, depth).T)


def is_bioptigen(head: bytes) -> bool:
    """Whether a file begins as a Bioptigen file does."""
    return head[_FIRST + 4 :].startswith(_MAGIC)


def read(path: Path, volume: int | None = None) -> OctScan:
    """Read a Bioptigen file.

    Returns
    -------
    OctScan
        Axes (bscan, depth, width), 16-bit, B-scans in the order of the file.

    Raises
    ------
    InputError
        Where the file is missing, empty, cut off, something else or of an unusual kind.
    """
    size = check_file(path)
    choose_volume(path, ["the volume"], volume)
    with reading(path, _KIND, struct.error), path.open("rb") as stream:
        content = _walk(path, stream, size)
    numbers, frames = content.numbers, content.frames
    depth, width = int(numbers["LINELENGTH"]), int(numbers["LINECOUNT"])
    shape = len(frames), depth, width
    check_shape(path, shape, 2, held=held_bytes(path))
    for number, frame in enumerate(frames):
        if frame.size != 2 * depth * width or frame.lines not in (None, width):
            raise InputError(
                f"{path}: B-scan {number} has {frame.size} bytes instead of {width} A-scans of "
                f"{depth} samples of 16 bits; such files are not read, export B-scans as TIFF"
            )
    spacing, derived, notes = _scale(numbers, shape)
    eye = _EYE.search(path.name)
    return OctScan(
        pixels=FramePixels(path, (depth, width), tuple(frame.at for frame in frames)),
        axes=("bscan", "depth", "width"),
        spacing_um=spacing,
        spacing_source="file" if any(spacing) else "unknown",
        source=path,
        laterality=cast("Laterality", eye[1]) if eye else None,
        device="Bioptigen",
        scan_pattern=_PATTERNS.get(int(numbers.get("SCANTYPE", -1)), "unknown"),
        bscans_declared=int(numbers["FRAMECOUNT"]),
        notes=notes,
        acquisition=Acquisition(
            laterality_from=FROM_NAME if eye else "",
            derived=derived,
            left_out=("Doppler data",) if any(frame.has_doppler for frame in frames) else (),
        ),
    )


def read_identifiers(path: Path) -> Mapping[str, str]:
    """Read when the scan was taken.

    Raises
    ------
    InputError
        Where it is not a Bioptigen file.
    """
    size = check_file(path)
    with reading(path, _KIND, struct.error), path.open("rb") as stream:
        content = _walk(path, stream, size)
    date = content.frames[0].date
    return {"examination date": date} if date else {}


def _walk(path: Path, stream: BinaryIO, size: int) -> _Content:
    """Read the header, and find the frames."""
    if not is_bioptigen(stream.read(_FIRST + 4 + len(_MAGIC))):
        raise InputError(f"{path}: not a Bioptigen file; export it from the device again")
    stream.seek(4, 1)
    numbers: dict[str, float] = {}
    for name, at, length in _fields(path, stream, size):
        if name in _WHOLE and length in (2, 4):
            numbers[name] = int.from_bytes(stream.read(length), "little")
        elif name in _REAL and length == 8:
            (numbers[name],) = struct.unpack("<d", stream.read(8))
        stream.seek(at + length)
    count = _check_numbers(path, numbers)
    frames = [_read_frame(path, stream, size, f"{k} (0 to {count - 1})") for k in range(count)]
    return _Content(numbers, frames)


def _read_frame(path: Path, stream: BinaryIO, size: int, number: str) -> _Frame:
    opening = _read_name(path, stream)
    if opening is None or opening[0] != "FRAMEDATA":
        raise _cut_off(path, f"B-scan {number}")
    places: dict[str, tuple[int, int]] = {}
    values: dict[str, bytes] = {}
    for name, at, length in _fields(path, stream, size):
        places[name] = at, length
        if name in _SHORT:
            values[name] = stream.read(min(length, 8))
        stream.seek(at + length)
    if "FRAMESAMPLES" not in places:
        raise InputError(f"{path}: B-scan {number} has no samples; export the file again")
    lines = values.get("FRAMELINES")
    return _Frame(
        *places["FRAMESAMPLES"],
        lines=None if lines is None else int.from_bytes(lines[:4], "little"),
        date=_read_date(values.get("FRAMEDATETIME", b"")),
        has_doppler="DOPPLERSAMPLES" in places,
    )


def _read_date(content: bytes) -> str:
    if len(content) < 8:
        return ""
    year, month, _, day = struct.unpack("<4H", content)
    return f"{year:04}-{month:02}-{day:02}"


def _fields(path: Path, stream: BinaryIO, size: int) -> Iterator[tuple[str, int, int]]:
    """Yield name, place and length of the fields up to the next end mark."""
    for _ in range(_MOST_FIELDS):
        found = _read_name(path, stream)
        if found is None:
            return
        name, length = found
        at = stream.tell()
        if at + length > size:
            raise _cut_off(path, name)
        yield name, at, length
    raise InputError(f"{path}: has too many fields; the file is probably damaged")


def _read_name(path: Path, stream: BinaryIO) -> tuple[str, int] | None:
    """Name and length of the next field; None at an end mark."""
    (length,) = struct.unpack("<I", _take(path, stream, 4))
    if length == 0:
        return None
    if length > _LONGEST_NAME:
        raise InputError(f"{path}: has a field without a name; the file is probably damaged")
    name = _take(path, stream, length).rstrip(b"\0")
    (content,) = struct.unpack("<I", _take(path, stream, 4))
    if not name.isalnum() or not name.isascii():
        raise InputError(f"{path}: has a field without a name; the file is probably damaged")
    return name.decode("ascii"), content


def _take(path: Path, stream: BinaryIO, length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        raise _cut_off(path, "a field")
    return data


def _check_numbers(path: Path, numbers: Mapping[str, float]) -> int:
    """Return the number of B-scans; refuse headers that cannot be read."""
    missing = [name for name in ("FRAMECOUNT", "LINECOUNT", "LINELENGTH") if name not in numbers]
    if missing:
        raise InputError(f"{path}: has no field {missing[0]}; export it from the device again")
    if numbers.get("SCANTYPE") == _MIXED:
        raise InputError(f"{path}: scans of mixed density are not read; export its B-scans as TIFF")
    count = int(numbers["FRAMECOUNT"])
    if not 0 < count <= MOST_PLANES:
        raise InputError(f"{path}: declares {count} B-scans; the file is probably damaged")
    return count


def _scale(
    numbers: Mapping[str, float], shape: tuple[int, int, int]
) -> tuple[tuple[float | None, ...], dict[str, str], tuple[str, ...]]:
    """(bscan, depth, width) in um, how they were derived, and notes."""
    count, depth, width = shape
    pattern = numbers.get("SCANTYPE", -1)
    length = {_VOLUME: "AZSCANLENGTH", _LINE: "SCANLENGTH"}.get(int(pattern), "")
    parts = {"depth": ("SCANDEPTH", depth, "samples"), "width": (length, width, "A-scans")}
    notes: tuple[str, ...] = ()
    if pattern == _VOLUME and count > 1:
        if numbers.get("SCANS", count) == count:
            parts["bscan"] = "ELSCANLENGTH", count, "B-scans"
        else:
            notes = (
                "the file has several frames of each B-scan, in an order that is not published; "
                "they are read one by one",
            )
    spacing, derived = {}, {}
    for axis, (name, n, what) in parts.items():
        size = to_um(numbers.get(name, 0.0) / n, "mm")
        if size is not None:
            spacing[axis] = size
            derived[axis] = f"{name.lower()} of {numbers[name]:g} mm in the file / {n} {what}"
    return tuple(spacing.get(axis) for axis in ("bscan", "depth", "width")), derived, notes


def _cut_off(path: Path, where: str) -> InputError:
    return InputError(f"{path}: truncated in {where}; copy or export the file again")
