"""Heidelberg Spectralis ``.vol`` (the raw export of HEYEX), through eyepy.

The header and the SLO are read by eyepy, and its intensities become the grey values that HEYEX
shows; the B-scans stay in the file. Names, birth dates and times are not taken over.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from napari_retseg.acquisition import Acquisition, Place
from napari_retseg.errors import InputError
from napari_retseg.io.bscan_places import (
    Raster,
    compare_distance,
    compare_lengths,
    describe_lost,
    read_raster,
)
from napari_retseg.io.eyepy_functions import import_eyepy
from napari_retseg.io.file_errors import check_file, collecting, reading
from napari_retseg.io.heyex_person import Person, day_of, day_of_filetime, keep_known
from napari_retseg.io.lazy import PagedPixels
from napari_retseg.io.limits import LARGEST_PLANE
from napari_retseg.io.scale import to_um
from napari_retseg.io.volumes import choose_volume
from napari_retseg.scan import BOUNDARIES, FUNDUS_KIND, FUNDUS_UM, Laterality, OctScan

_KIND = "a Heidelberg .vol file"
_HEADER_BYTES = 2048
_MAGIC = (b"HSF-", b"ep-v")
#: Scan patterns by their number in the file.
PATTERNS = ("unknown", "line", "circle", "volume (ART)", "volume (fast)", "radial")

#: Byte offsets in the file's header and in that of a B-scan.
_N_BSCANS_AT = 16
_SLO_SIZE_AT = 48
_EXAM_AT = 88
_PATIENT_AT = 136
#: Number and id of the patient, birth date; number and id of the visit, its date.
_PATIENT = struct.Struct("<I24sdI24sd")
#: Eye and time of the examination; numbers and text of scan, patient and visit, dates.
_EYE, _PRIVATE = slice(84, 88), (slice(84, 96), slice(104, 258))
_BSCAN_HEADER = struct.Struct("<12xI4dIIf")
_SHIFT_AT = 64
_SHIFT = struct.Struct("<6f")
_BLOCK_BYTES = _SHIFT_AT + _SHIFT.size
#: Patterns whose B-scans lie beside each other.
_RASTERS = ("volume (ART)", "volume (fast)")
#: Shift of each B-scan that is stored where the device did not align them.
_NO_SHIFT = ((0.0,) * 6, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), (1.0, 0.0, 0.0, 1.0, 0.0, 0.0))

#: What the vendor writes where a boundary was not found.
_INVALID = 3.0e38

#: Boundaries in the order of the file (the later ones only in files of newer devices).
# fmt: off
NAMES = (
    "ILM", "BM", "RNFL", "GCL", "IPL", "INL", "OPL", "ONL", "ELM", "IOS", "OPT", "CHO", "VIT",
    "ANT", "PR1", "PR2", "RPE", "IPL+", "IPL-",
)
# fmt: on


@dataclass(frozen=True)
class _Block:
    """Where a B-scan lies, and what its own header says."""

    data_at: int
    boundaries_at: int
    n_boundaries: int
    quality: float
    position_mm: tuple[float, float, float, float]
    shift: tuple[float, ...]


class VolPixels(PagedPixels):
    """B-scans of a ``.vol`` file as 8-bit grey values. Shape (bscan, depth, width)."""

    def __init__(self, path: Path, plane: tuple[int, int], starts: tuple[int, ...]) -> None:
        self._starts = starts
        super().__init__(path, (len(starts), *plane), np.uint8)

    def _read(self, leading: tuple[int, ...]) -> NDArray[Any]:
        shape = self.shape[-2:]
        with reading(self.source, _KIND), self.source.open("rb") as stream:
            stream.seek(self._starts[leading[0]])
            data = stream.read(4 * shape[0] * shape[1])
            # eyepy works in place
            raw = np.frombuffer(data, "<f4").reshape(shape).copy()
            if not (raw >= 0).all() or np.isinf(raw).any():
                raise InputError(
                    f"{self.source}: B-scan {leading[0]} contains intensities that are negative "
                    "or not finite; export it again"
                )
            return np.asarray(import_eyepy(self.source).vol_to_grey(raw))


def read(path: Path, volume: int | None = None) -> OctScan:
    """Read a Heidelberg ``.vol`` file.

    Returns
    -------
    OctScan
        Axes (bscan, depth, width), 8-bit, with spacing, laterality and the SLO as `fundus`.
        `acquisition` has positions and quality, `metadata` the device's boundaries.

    Raises
    ------
    InputError
        Where the file is missing, empty, cut off, something else, or eyepy is not installed.
    """
    size = check_file(path)
    choose_volume(path, ["the volume"], volume)
    eyepy = import_eyepy(path)
    with (
        collecting("eyepy"),
        reading(path, _KIND, eyepy.error, struct.error),
        path.open("rb") as stream,
    ):
        head = _read_head(path, stream, size)
        header = eyepy.parse_vol_header(_reduce_header(head))
        (declared,) = struct.unpack_from("<I", head, _N_BSCANS_AT)
        plane = int(header.size_y), int(header.size_x)
        blocks = _find_blocks(path, stream, (size, len(head)), declared, plane)
        boundaries = _read_boundaries(stream, blocks, plane[1])
    pattern = PATTERNS[header.scan_pattern] if 0 <= header.scan_pattern < 6 else "unknown"
    spacing = _spacing(header)
    if pattern not in (*_RASTERS, "unknown"):
        spacing = (None, *spacing[1:])
    key, notes = _read_person(head).make_key()
    places = tuple(block.position_mm for block in blocks)
    raster = read_raster(places) if pattern in (*_RASTERS, "unknown") else Raster()
    return OctScan(
        pixels=VolPixels(path, plane, tuple(block.data_at for block in blocks)),
        axes=("bscan", "depth", "width"),
        spacing_um=spacing,
        spacing_source="file" if any(spacing) else "unknown",
        source=path,
        laterality=_laterality(_text(head[_EYE])),
        device="Heidelberg Spectralis",
        scan_pattern=pattern,
        patient_key=key,
        fundus=np.array(header.localizer) if len(head) > _HEADER_BYTES else None,
        bscans_declared=declared,
        notes=(*notes, *_geometry_notes(pattern, blocks), *describe_lost((), raster.repeated)),
        acquisition=Acquisition(
            positions_mm=places,
            quality=tuple(_known(block.quality) for block in blocks),
            repeated=raster.repeated,
            laterality_from="header (ScanPosition)",
            contradictions=tuple(_contradictions(pattern, places, raster, spacing, plane[1])),
        ),
        metadata={
            BOUNDARIES: boundaries,
            FUNDUS_UM: (to_um(header.scale_y_slo, "mm"), to_um(header.scale_x_slo, "mm")),
            FUNDUS_KIND: "SLO",
        },
    )


def read_identifiers(path: Path) -> Mapping[str, str]:
    """Read who was examined, for ``info --show-identifiers`` alone.

    Returns
    -------
    mapping
        The file has numbers and dates, and no names.

    Raises
    ------
    InputError
        Where the file is missing, empty, cut off or something else.
    """
    size = check_file(path)
    with reading(path, _KIND, struct.error), path.open("rb") as stream:
        head = _read_head(path, stream, size)
        number, text, born, _, visit, visited = _PATIENT.unpack_from(head, _PATIENT_AT)
        (examined,) = struct.unpack_from("<Q", head, _EXAM_AT)
    return keep_known(
        {
            "patient id": _text(text),
            "patient number": str(number or ""),
            "birth date": day_of(born),
            "visit id": _text(visit),
            "visit date": day_of(visited),
            "examination date": day_of_filetime(examined),
        }
    )


def _read_head(path: Path, stream: Any, size: int) -> bytes:
    """The header and the SLO behind it."""
    head: bytes = stream.read(_HEADER_BYTES)
    if not head.startswith(_MAGIC):
        raise InputError(f"{path}: not a Heidelberg .vol file; export it from HEYEX again")
    if len(head) < _HEADER_BYTES:
        raise _cut_off(path, "its header")
    slo_width, slo_height = struct.unpack_from("<II", head, _SLO_SIZE_AT)
    if _HEADER_BYTES + slo_width * slo_height > size:
        raise _cut_off(path, "its SLO image")
    slo: bytes = stream.read(slo_width * slo_height)
    return head + slo


def _reduce_header(head: bytes) -> bytes:
    """The header without B-scans, so that eyepy stops behind the SLO, and without the patient.

    eyepy takes ASCII and possible dates only, and would repeat the name of a Jörg in its complaint.
    """
    changed = bytearray(head)
    struct.pack_into("<I", changed, _N_BSCANS_AT, 0)
    for place in _PRIVATE:
        changed[place] = bytes(place.stop - place.start)
    return bytes(changed)


def _find_blocks(
    path: Path, stream: Any, ends: tuple[int, int], declared: int, plane: tuple[int, int]
) -> list[_Block]:
    """Walk through the B-scans; each says itself how long its header is."""
    size, start = ends
    data_bytes = 4 * plane[0] * plane[1]
    if data_bytes > LARGEST_PLANE:
        raise InputError(
            f"{path}: declares B-scans of {plane[0]} x {plane[1]} pixels; the file is probably "
            "damaged"
        )
    if declared == 0 or data_bytes == 0:
        raise InputError(f"{path}: contains no B-scans; export it from HEYEX again")
    blocks: list[_Block] = []
    for number in range(declared):
        stream.seek(start)
        head = stream.read(_BLOCK_BYTES)
        if len(head) < _BLOCK_BYTES:
            raise _cut_off(path, f"B-scan {number} (0 to {declared - 1})")
        length, *position, n_boundaries, offset, quality = _BSCAN_HEADER.unpack_from(head)
        shift = _SHIFT.unpack_from(head, _SHIFT_AT)
        if length < _BLOCK_BYTES or offset + 4 * n_boundaries * plane[1] > length:
            raise InputError(f"{path}: B-scan {number} has a damaged header; export it again")
        if start + length + data_bytes > size:
            raise _cut_off(path, f"B-scan {number} (0 to {declared - 1})")
        where = cast("tuple[float, float, float, float]", tuple(position))
        blocks.append(_Block(start + length, start + offset, n_boundaries, quality, where, shift))
        start += length + data_bytes
    return blocks


def _read_boundaries(
    stream: Any, blocks: list[_Block], width: int
) -> dict[str, NDArray[np.float32]]:
    """Rows of the device's boundaries, shape (bscan, width) each, NaN where it found none."""
    n_found = min(max(block.n_boundaries for block in blocks), len(NAMES))
    rows = np.full((n_found, len(blocks), width), np.nan, np.float32)
    for number, block in enumerate(blocks):
        stream.seek(block.boundaries_at)
        count = min(block.n_boundaries, n_found)
        found = np.frombuffer(stream.read(4 * count * width), "<f4").reshape(count, width)
        rows[:count, number] = np.where(np.abs(found) < _INVALID, found, np.nan)
    return dict(zip(NAMES, rows, strict=False))


def _geometry_notes(pattern: str, blocks: list[_Block]) -> Iterator[str]:
    """What the B-scans' own headers say that the user should know."""
    if len(blocks) > 1 and pattern in ("circle", "radial"):
        yield f"the B-scans of a {pattern} scan are not parallel"
    if any(block.shift not in _NO_SHIFT for block in blocks):
        yield "the shifts between B-scans that the device stored are not applied"


def _contradictions(
    pattern: str,
    places: tuple[Place, ...],
    raster: Raster,
    spacing: tuple[float | None, ...],
    width: int,
) -> Iterator[str]:
    """What the places of the B-scans say against the header, or against each other."""
    yield from raster.contradictions
    yield from compare_distance(spacing[0], raster)
    if pattern != "circle":  # its places are a point and the centre
        yield from compare_lengths(places, width, spacing[-1])


def _known(value: float) -> float | None:
    """A value that is there: where it is not, the device writes a large one."""
    return value if abs(value) < _INVALID else None


def _spacing(header: Any) -> tuple[float | None, ...]:
    """(bscan, depth, width) in um; the file has 0 between B-scans where there is only one."""
    return tuple(to_um(size, "mm") for size in (header.distance, header.scale_y, header.scale_x))


def _laterality(eye: str) -> Laterality | None:
    return cast("Laterality", eye) if eye in ("OD", "OS") else None


def _read_person(head: bytes) -> Person:
    number, text, *_ = _PATIENT.unpack_from(head, _PATIENT_AT)
    return Person(number=number, patient_id=_text(text))


def _text(raw: bytes) -> str:
    return raw.decode("latin-1").partition("\0")[0].strip()


def _cut_off(path: Path, where: str) -> InputError:
    return InputError(f"{path}: truncated in {where}; copy it or export it from HEYEX again")
