"""Small ``.E2E`` files, by the structure that uocte, LibE2E and eyepy describe."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: What identifies the patient of a made file.
SECRETS = ("Sommer", "Annegret", "P-77123", "19480209", "1948-02-09", "2016-0")

PATIENT_NUMBER = 4711
_IMAGE, _OCT, _SLO = 0x40000000, 35652097, 33620481
_HEADER = "<12sI10H"
_EXAM_TICKS = 131_000_000_000_000_000


@dataclass(frozen=True)
class MadeVolume:
    """What a series holds; places in degrees from the centre."""

    raw: NDArray[np.uint16]
    places: Sequence[tuple[float, float, float, float]]
    eye: str = "L"
    number: int = 30
    pattern: int = 3
    declared: int | None = None
    slices: Sequence[int] = ()
    rows: dict[int, NDArray[Any]] = field(default_factory=dict)
    bytes_before_rows: int = 8
    pattern_name: str = "OCT ART Volume"


def make_raw(n_bscans: int = 3, height: int = 6, width: int = 8) -> NDArray[np.uint16]:
    """Stored values of all sizes that a B-scan has."""
    values = np.random.default_rng(3).integers(40 << 10, 63 << 10, (n_bscans, height, width))
    values[:, 0, 0] = 0xFFFF
    values[:, 0, 1] = 0
    return values.astype(np.uint16)


#: Three B-scans from inferior to superior.
PLAIN = MadeVolume(make_raw(), [(-10.0, 0.5 - 0.5 * k, 10.0, 0.5 - 0.5 * k) for k in range(3)])


def make_slo(number: int = 30) -> NDArray[np.uint8]:
    """The fundus image of a series: 10 x 10."""
    return np.arange(number, number + 100, dtype=np.uint8).reshape(10, 10)


def write_e2e(path: Path, *volumes: MadeVolume, directories: bool = True) -> Path:
    """Write a file of one patient with one or more volumes."""
    chunks = [_patient(), *(chunk for one in volumes for chunk in _list_chunks(one))]
    first = struct.pack(_HEADER, b"CMDb", 100, *[0xFFFF] * 10)
    start = len(first) + 52
    data = first + _directory(b"MDbMDir", 0, 36, start)
    if directories:
        place, entries = start + 52 + 44 * len(chunks), b""
        for ids, kind, content in chunks:
            entries += struct.pack(
                "<4I4i2HII", 0, place, len(content), 0, *ids, _ind(kind, ids), 0, kind, 0
            )
            place += 60 + len(content)
        data += _directory(b"MDbDir", len(chunks), start, 0) + entries
    for ids, kind, content in chunks:
        data += struct.pack(
            "<12s5I4i2HII",
            b"MDbData", 0, 0, len(data), len(content), 0, *ids, _ind(kind, ids), 0, kind, 0,
        )  # fmt: skip
        data += content
    path.write_bytes(data)
    return path


def _directory(magic: bytes, entries: int, current: int, previous: int) -> bytes:
    return struct.pack(_HEADER, magic, 100, *[0xFFFF] * 10) + struct.pack(
        "<4I", entries, current, previous, 0
    )


def _ind(kind: int, ids: tuple[int, ...]) -> int:
    return int(kind == _IMAGE and ids[-1] >= 0)


def _patient() -> tuple[tuple[int, int, int, int], int, bytes]:
    content = struct.pack(
        "<31s66sI1s25s4x", "Annegret".encode("latin-1"), b"Sommer", 19480209, b"F", b"P-77123"
    )
    return (PATIENT_NUMBER, -1, -1, -1), 9, content


def _texts(*texts: str) -> bytes:
    packed = b"".join(text.encode("utf-16-le").ljust(256, b"\0") for text in texts)
    return struct.pack("<II", len(texts), 256) + packed


def _image(kind: int, pixels: NDArray[Any]) -> bytes:
    head = struct.pack("<5I", 20 + pixels.nbytes, kind, pixels.size, *pixels.shape)
    return head + pixels.tobytes()


def _list_chunks(volume: MadeVolume) -> list[tuple[tuple[int, int, int, int], int, bytes]]:
    series = (PATIENT_NUMBER, 20, volume.number)
    whole = (*series, -1)
    chunks = [
        (whole, 11, bytes(14) + volume.eye.encode() + bytes(12)),
        ((*series[:2], -1, -1), 13, "Retina\0HRA + Spectralis\0".encode("utf-16-le")),
        (whole, 9005, _texts("Retina")),
        (whole, 9006, _texts(volume.pattern_name, "x")),
        (whole, 9007, _texts("Infra-Red", "IR")),
        (whole, 9008, _texts("OCT", "OCT")),
        (whole, 10005, bytes(16) + struct.pack("<Q", _EXAM_TICKS)),
        (whole, _IMAGE, _image(_SLO, make_slo(volume.number))),
    ]
    slices = volume.slices or [2 * k for k in range(len(volume.raw))]
    for place, slice_id in enumerate(slices):
        own = (*series, slice_id)
        chunks.append((own, 10004, _describe_bscan(volume, place, slice_id)))
        for contour, rows in volume.rows.items():
            values = np.where(np.isnan(rows[place]), np.finfo(np.float32).max, rows[place])
            head = struct.pack("<4I", 0, contour, 0, len(values)) + bytes(volume.bytes_before_rows)
            chunks.append((own, 10019, head + values.astype("<f4").tobytes()))
        chunks.append((own, _IMAGE, _image(_OCT, volume.raw[place])))
    return chunks


def _describe_bscan(volume: MadeVolume, place: int, slice_id: int) -> bytes:
    content = bytearray(428)
    _, height, width = volume.raw.shape
    declared = len(volume.raw) if volume.declared is None else volume.declared
    struct.pack_into("<3I4f", content, 0, 0, height, width, *volume.places[place])
    struct.pack_into("<f", content, 36, 0.003872)
    struct.pack_into("<4I", content, 60, width, declared, slice_id // 2, volume.pattern)
    struct.pack_into("<Q", content, 88, _EXAM_TICKS)
    struct.pack_into("<I", content, 120, 7 + place)
    struct.pack_into("<f", content, 156, 30.5 + place)
    return bytes(content)
