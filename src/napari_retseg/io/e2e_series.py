"""What an ``.E2E`` file says of its series: where pixels and contours lie, places of B-scans."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from napari_retseg.errors import InputError
from napari_retseg.io.e2e_chunks import (
    BSCAN,
    CONTOUR,
    DEVICE,
    EXAM_TIME,
    IMAGE,
    IMAGE_HEADER,
    LATERALITY,
    OCT_IMAGE,
    PATIENT,
    PREAMBLE,
    SCAN_PATTERN,
    SLO_IMAGE,
    Chunk,
    walk_chunks,
)
from napari_retseg.io.limits import LARGEST_PLANE, MOST_PLANES
from napari_retseg.scan import Laterality

_EYES: dict[int, Laterality] = {ord("R"): "OD", ord("L"): "OS"}
#: Offset of the eye's letter, by kind of chunk.
_EYE_AT = {LATERALITY: 14, PREAMBLE: 4}
#: Start x, y, end x, y in degrees; size of a pixel in depth in mm; A-scans that are filled; B-scans
#: of the volume; pattern.
_BSCAN_HEAD = struct.Struct("<12x4f8xf20xIIII")
_BSCAN_BYTES = _BSCAN_HEAD.size
#: Frames averaged and quality, in files of newer devices.
_AVERAGED_AT, _QUALITY_AT = 120, 156
_DEVICE_BYTES = 4096
_SPECTRALIS = "Spectralis".encode("utf-16-le")
_CONTOUR_HEAD = struct.Struct("<4xI4xI")
_PATTERN_BYTES = 8 + 2 * 256
_LONGEST_LINE = 2**16
#: What the vendor writes where a contour was not found.
_INVALID = 3.0e38
_NOWHERE = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class StoredImage:
    """Where an image lies, and its shape (height, width)."""

    at: int
    shape: tuple[int, int]
    is_whole: bool


@dataclass(frozen=True, slots=True)
class StoredLine:
    """Where the rows of a contour lie, and how many there are."""

    at: int
    width: int

    def read(self, stream: BinaryIO) -> NDArray[np.float32]:
        """Read the rows; NaN where the device found none."""
        stream.seek(self.at)
        rows = np.frombuffer(stream.read(4 * self.width), "<f4")
        return np.where(np.abs(rows) < _INVALID, rows, np.nan).astype(np.float32)


@dataclass(frozen=True)
class BscanFacts:
    """What the file says of a B-scan; None where unknown.

    Parameters
    ----------
    place_deg
        Start x, y and end x, y in degrees from the centre of the field.
    depth_mm
        Size of a pixel in depth.
    filled
        A-scans between start and end.
    declared
        B-scans of the volume.
    pattern
        Number of the scan pattern, as in ``.vol`` files.
    """

    place_deg: tuple[float, float, float, float] | None
    depth_mm: float | None
    filled: int
    declared: int
    pattern: int
    averaged: int | None
    quality: float | None


@dataclass
class StoredSeries:
    """One series: images of B-scans and what is said of them, by the number of their slice."""

    number: tuple[int, int, int]
    images: dict[int, StoredImage] = field(default_factory=dict)
    repeated: set[int] = field(default_factory=set)
    facts: dict[int, BscanFacts] = field(default_factory=dict)
    contours: dict[int, dict[int, StoredLine]] = field(default_factory=dict)
    slo: list[StoredImage] = field(default_factory=list)
    eyes: set[Laterality] = field(default_factory=set)
    pattern: str = ""
    has_cut_slo: bool = False
    n_other_images: int = 0


@dataclass(frozen=True)
class Contents:
    """What an E2E file holds.

    Parameters
    ----------
    series
        Those with B-scans, in the order of their numbers.
    patients, exam_times
        Where these lie.
    spectralis
        Numbers of patient and study whose device is a Spectralis.
    """

    series: tuple[StoredSeries, ...]
    n_empty: int
    patients: tuple[Chunk, ...]
    exam_times: tuple[Chunk, ...]
    spectralis: frozenset[tuple[int, int]]


def read_contents(path: Path, stream: BinaryIO, size: int) -> Contents:
    """Walk through a file and collect what it says; pixels are not read.

    Raises
    ------
    InputError
        Where it is no E2E file.
    """
    found: dict[tuple[int, int, int], StoredSeries] = {}
    chunks: dict[int, list[Chunk]] = {PATIENT: [], EXAM_TIME: []}
    spectralis = set()
    for chunk in walk_chunks(path, stream, size):
        if chunk.kind in chunks:
            chunks[chunk.kind].append(chunk)
        elif chunk.kind == DEVICE and _SPECTRALIS in chunk.read(stream, _DEVICE_BYTES):
            spectralis.add(chunk.series[:2])
        elif chunk.kind in _TAKERS:
            series = found.setdefault(chunk.series, StoredSeries(chunk.series))
            _TAKERS[chunk.kind](stream, chunk, series)
    with_bscans = [one for one in found.values() if one.images]
    return Contents(
        series=tuple(sorted(with_bscans, key=lambda one: one.number)),
        n_empty=sum(bool(one.slo) for one in found.values() if not one.images),
        patients=tuple(chunks[PATIENT]),
        exam_times=tuple(chunks[EXAM_TIME]),
        spectralis=frozenset(spectralis),
    )


def check_images(path: Path, images: Iterator[tuple[int, StoredImage]]) -> tuple[int, int]:
    """The one shape of all B-scans of a series.

    Raises
    ------
    InputError
        Where they differ, are cut off, or larger than a B-scan can be.
    """
    shapes: dict[tuple[int, int], int] = {}
    for number, image in images:
        if not image.is_whole:
            raise InputError(
                f"{path}: truncated in B-scan {number}; copy it or export it from HEYEX again"
            )
        shapes.setdefault(image.shape, number)
    (first, *others) = shapes
    if others:
        raise InputError(
            f"{path}: B-scans of a volume have different sizes: {first} and {others[0]} (B-scan "
            f"{shapes[others[0]]}); export it from HEYEX again"
        )
    return first


def _take_image(stream: BinaryIO, chunk: Chunk, series: StoredSeries) -> None:
    head = chunk.read(stream, IMAGE_HEADER.size)
    if len(head) < IMAGE_HEADER.size:
        series.n_other_images += 1
        return
    _, kind, n_values, height, width = IMAGE_HEADER.unpack(head)
    item_bytes = {OCT_IMAGE: 2, SLO_IMAGE: 1}.get(kind)
    if item_bytes is None or not 0 < height * width * item_bytes <= LARGEST_PLANE:
        series.n_other_images += 1
        return
    is_whole = chunk.held >= IMAGE_HEADER.size + height * width * item_bytes
    image = StoredImage(chunk.at + IMAGE_HEADER.size, (height, width), is_whole)
    if kind == SLO_IMAGE:
        if is_whole and n_values == height * width:
            series.slo.append(image)
        else:
            series.has_cut_slo = True
    elif chunk.slice_id >> 1 in series.images:
        series.repeated.add(chunk.slice_id >> 1)
    elif 0 <= chunk.slice_id >> 1 < MOST_PLANES:
        series.images[chunk.slice_id >> 1] = image
    else:
        series.n_other_images += 1


def _take_bscan(stream: BinaryIO, chunk: Chunk, series: StoredSeries) -> None:
    data = chunk.read(stream, _QUALITY_AT + 4)
    if len(data) < _BSCAN_BYTES or chunk.slice_id >> 1 in series.facts:
        return
    x0, y0, x1, y1, depth_mm, filled, declared, _, pattern = _BSCAN_HEAD.unpack_from(data)
    place = (x0, y0, x1, y1)
    averaged = quality = None
    if len(data) >= _QUALITY_AT + 4:
        (averaged,) = struct.unpack_from("<I", data, _AVERAGED_AT)
        (quality,) = struct.unpack_from("<f", data, _QUALITY_AT)
    series.facts[chunk.slice_id >> 1] = BscanFacts(
        place_deg=place if all(abs(n) < 180 for n in place) and place != _NOWHERE else None,
        depth_mm=depth_mm if math.isfinite(depth_mm) else None,
        filled=filled,
        declared=declared,
        pattern=pattern,
        averaged=averaged if averaged is not None and 0 < averaged <= 10_000 else None,
        quality=quality if quality is not None and math.isfinite(quality) else None,
    )


def _take_contour(stream: BinaryIO, chunk: Chunk, series: StoredSeries) -> None:
    """Take the place of a contour: its rows are the last values of its chunk."""
    head = chunk.read(stream, _CONTOUR_HEAD.size)
    if len(head) < _CONTOUR_HEAD.size:
        return
    number, width = _CONTOUR_HEAD.unpack(head)
    if not 0 < width <= _LONGEST_LINE or chunk.held < _CONTOUR_HEAD.size + 4 * width:
        return
    kept = series.contours.setdefault(chunk.slice_id >> 1, {})
    kept.setdefault(number, StoredLine(chunk.at + chunk.held - 4 * width, width))


def _take_eye(stream: BinaryIO, chunk: Chunk, series: StoredSeries) -> None:
    place = _EYE_AT[chunk.kind]
    data = chunk.read(stream, place + 1)
    if len(data) > place and data[place] in _EYES:
        series.eyes.add(_EYES[data[place]])


def _take_pattern(stream: BinaryIO, chunk: Chunk, series: StoredSeries) -> None:
    """Take the name of the pattern: the first of several texts in UTF-16."""
    text = chunk.read(stream, _PATTERN_BYTES)[8:].decode("utf-16-le", errors="replace")
    series.pattern = series.pattern or text.partition("\0")[0].strip()


_TAKERS = {
    IMAGE: _take_image,
    BSCAN: _take_bscan,
    CONTOUR: _take_contour,
    LATERALITY: _take_eye,
    PREAMBLE: _take_eye,
    SCAN_PATTERN: _take_pattern,
}
