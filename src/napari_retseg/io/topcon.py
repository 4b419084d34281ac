"""Topcon ``.fda`` and ``.fds``, read here; tried on files of a 3D OCT-1000.

OCT-Converter is the library for these files. It needs an older numpy, reads everything at once,
and brings OpenCV, which redirects Qt's plugins. The structure is that of the wiki of uocte
("Topcon File Format"), of OCT-Converter, LibOctData and RETIMAT, compared with two real files.

B-scans are stored upright (vitreous at the top), from the highest on the fundus to the lowest. Rows
of en-face data (boundaries, projection) begin at the lowest: boundaries are stored in the reverse
order of the B-scans. In the real file, the one B-scan that was kept is the first row of both (its
columns correlate with it by 0.97), and the device's thumbnail shows the projection upside down.

A boundary is stored as a number of pixels above the lowest row, counted from 0. OCT-Converter
subtracts it from the depth, and its rows are greater by one; in the real file the brightness
changes at the rows that are given here.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.acquisition import Acquisition, Place
from napari_retseg.errors import InputError
from napari_retseg.io.patient import make_patient_key
from napari_retseg.io.scale import to_um
from napari_retseg.io.topcon_chunks import TopconFile, open_topcon
from napari_retseg.io.topcon_images import (
    SHIFTED,
    EnFace,
    StoredScan,
    list_other_images,
    read_en_face,
    read_scan_block,
)
from napari_retseg.io.volumes import choose_volume
from napari_retseg.plural import count_noun
from napari_retseg.scan import BOUNDARIES, FUNDUS_KIND, FUNDUS_UM, Laterality, OctScan

_VOLUME = 2
_CIRCLE = 1
#: Names of the scan patterns (uocte, LibOctData).
_PATTERNS = {0: "line", 1: "circle", 2: "volume", 3: "radial", 4: "cross", 7: "7 lines"}
#: Patterns whose B-scans are all as long as the file says.
_STRAIGHT = (0, 2, 3, 7)

#: Boundaries by the name in the file: named by the layer above (ISM and OS: the myoid of the inner
#: segments and the outer segments, which end at the ellipsoid zone and at the pigment epithelium),
#: but for ILM, ELM, BM and CSI, the lower end of the choroid.
#: MULTILAYERS: RETIMAT and OCT-Converter (APOSTEL's names). RETINA: LibOctData; RETIMAT has 2 and 3
#: the other way round, but in the real file RETINA_2 lies above RETINA_3.
NAMES = {
    "MULTILAYERS_1": "ILM", "MULTILAYERS_2": "RNFL", "MULTILAYERS_3": "GCL",
    "MULTILAYERS_4": "IPL", "MULTILAYERS_8": "INL", "MULTILAYERS_9": "ELM",
    "MULTILAYERS_5": "ISM", "MULTILAYERS_6": "OS", "MULTILAYERS_7": "BM",
    "MULTILAYERS_10": "CSI",
    "RETINA_1": "ILM", "RETINA_2": "ISM", "RETINA_3": "OS", "RETINA_4": "BM",
}  # fmt: skip
#: Name, format, number of A-scans and of B-scans, bytes.
_CONTOUR = struct.Struct("<20sH3I")
_CONTOUR_TYPES: dict[int, np.dtype[Any]] = {0: np.dtype("<u2"), 0x100: np.dtype("<f8")}
_MOST_CONTOURS = 64

#: Width and height in mm, depth of a pixel in um.
_SCAN_SIZES = {"@PARAM_SCAN_04": "<12x3d", "@PARAM_SCAN_02": "<21x3d"}
_PATIENT = struct.Struct("<32s32s32s8sB3H")
_SEXES = {1: "M", 2: "F", 3: "O"}


@dataclass(frozen=True)
class _Field:
    """Width and height of the scanned field in mm, and the depth of a pixel in um."""

    width: float | None = None
    height: float | None = None
    depth_um: float | None = None


def read(path: Path, volume: int | None = None) -> OctScan:
    """Read a Topcon file.

    Returns
    -------
    OctScan
        Axes (bscan, depth, width); 8 bits where B-scans are compressed, else as stored. Scale
        across is the file's length of the scan by the number of A-scans or B-scans. `fundus` is
        the first of photograph, grey image and projection on which the place of the scan is known.

    Raises
    ------
    InputError
        Where the file is missing, empty, cut off, something else, or has no B-scans that can be
        read.
    """
    choose_volume(path, ["the volume"], volume)
    with open_topcon(path) as file:
        stored = read_scan_block(file)
        boundaries, counts, contradictions = _read_boundaries(file, stored)
        field = _read_field(file)
        en_face, left_out = read_en_face(file)
        left_out += tuple(list_other_images(file, stored.chunk))
        laterality, laterality_from = _read_laterality(file)
        device = _read_device(file)
        key, notes = _read_key(file)
    count = stored.pixels.shape[0]
    if counts - {count}:
        left_out += (f"boundaries of {count_noun(max(counts - {count}), 'B-scan')}",)
    if not file.has_end:
        contradictions += ("the mark of the end of the file is missing; it may be truncated",)
    # shifted B-scans can be a selection
    is_whole = not counts - {count} and (stored.chunk != SHIFTED or bool(counts))
    spacing, derived = _scale(stored, field, is_whole=is_whole)
    positions = _place(stored, field, en_face) if is_whole else ()
    if positions:
        derived["positions"] = "the first at the top of the scanned region, the last at its bottom"
    if stored.chunk == SHIFTED:
        notes += ("the B-scans are those that the device has shifted; the file has no others",)
    if en_face is not None and en_face.name.startswith("colour"):
        notes += ("the colour fundus photograph is converted to grey",)
    acquisition = Acquisition(
        positions_mm=positions,
        laterality_from=laterality_from,
        derived=derived,
        left_out=left_out,
        contradictions=contradictions,
    )
    return OctScan(
        pixels=stored.pixels,
        axes=("bscan", "depth", "width"),
        spacing_um=spacing,
        spacing_source="file" if any(spacing) else "unknown",
        source=path,
        laterality=laterality,
        device=device,
        scan_pattern=_PATTERNS.get(stored.pattern, "unknown"),
        patient_key=key,
        fundus=None if en_face is None else en_face.pixels,
        bscans_declared=count,
        notes=notes,
        acquisition=acquisition,
        metadata={BOUNDARIES: boundaries, **_describe_en_face(field, en_face)},
    )


def read_identifiers(path: Path) -> Mapping[str, str]:
    """Read who was examined and when.

    Raises
    ------
    InputError
        Where it is not a Topcon file.
    """
    with open_topcon(path) as file:
        return {**_read_patient(file), **_read_date(file)}


def _read_boundaries(
    file: TopconFile, stored: StoredScan
) -> tuple[dict[str, NDArray[np.float32]], set[int], tuple[str, ...]]:
    """Boundaries by name, the numbers of B-scans that the file has them for, contradictions."""
    count, depth, width = stored.pixels.shape
    found: dict[str, NDArray[np.float32]] = {}
    counts: set[int] = set()
    contradictions: dict[str, None] = {}
    for chunk in file.find_all("@CONTOUR_INFO")[:_MOST_CONTOURS]:
        text, kind, n_ascans, n_bscans, _ = file.unpack(chunk, _CONTOUR.format)
        stored_type = _CONTOUR_TYPES.get(kind)
        n_bytes = n_ascans * n_bscans * (stored_type.itemsize if stored_type else 0)
        if stored_type is None or n_bytes > chunk.size - _CONTOUR.size:
            contradictions["a boundary does not fit into its block"] = None
            continue
        counts.add(n_bscans)
        if (n_bscans, n_ascans) != (count, width):
            contradictions[
                f"boundaries are those of {count_noun(n_bscans, 'B-scan')} of {n_ascans} A-scans, "
                f"but the file contains {count_noun(count, 'B-scan')} of {width}"
            ] = None
            continue
        heights = np.frombuffer(file.read(chunk, _CONTOUR.size, n_bytes), stored_type)
        found[_name_boundary(text, found)] = _to_rows(heights.reshape(count, width), depth)
    return found, counts, tuple(contradictions)


def _name_boundary(text: bytes, taken: Mapping[str, Any]) -> str:
    own = text.partition(b"\0")[0].decode("ascii", "replace")
    own = "".join(c for c in own if c.isascii() and (c.isalnum() or c in "_-")) or "unnamed"
    name = NAMES.get(own, own)
    return own if name in taken else name


def _to_rows(heights: NDArray[Any], depth: int) -> NDArray[np.float32]:
    """Rows from the top, in the order of the B-scans; NaN where the device found no boundary."""
    with np.errstate(invalid="ignore", over="ignore"):
        is_valid = (heights > 0) & (heights < depth)
        rows = np.where(is_valid, depth - 1 - heights.astype(np.float64), np.nan)
    return np.ascontiguousarray(rows[::-1], np.float32)


def _read_field(file: TopconFile) -> _Field:
    for name, form in _SCAN_SIZES.items():
        chunk = file.find(name)
        if chunk is not None:
            return _Field(*(_positive(size) for size in file.unpack(chunk, form)))
    return _Field()


def _positive(value: float) -> float | None:
    return value if math.isfinite(value) and value > 0 else None


def _scale(
    stored: StoredScan, field: _Field, *, is_whole: bool
) -> tuple[tuple[float | None, ...], dict[str, str]]:
    """(bscan, depth, width) in um, and how they were derived."""
    count, _, width = stored.pixels.shape
    across = between = None
    derived = {}
    if field.width is not None and stored.pattern in (*_STRAIGHT, _CIRCLE):
        round_it = math.pi if stored.pattern == _CIRCLE else 1
        across = to_um(round_it * field.width / width, "mm")
        shown = "circle of diameter" if stored.pattern == _CIRCLE else "scan length of"
        derived["width"] = f"{shown} {field.width:g} mm in the file / {width} A-scans"
    if field.height is not None and stored.pattern == _VOLUME and count > 1 and is_whole:
        between = to_um(field.height / count, "mm")
        derived["bscan"] = f"scan height of {field.height:g} mm in the file / {count} B-scans"
    return (between, field.depth_um, across), derived


def _place(stored: StoredScan, field: _Field, en_face: EnFace | None) -> tuple[Place, ...]:
    """Where the B-scans of a volume lie: from top to bottom, as LibOctData has found.

    Without an en-face image, in mm from the corner of the scanned field.
    """
    count = stored.pixels.shape[0]
    if stored.pattern != _VOLUME or field.width is None or field.height is None or count < 2:
        return ()
    left = top = 0.0
    if en_face is not None:
        x0, y0, x1, y1 = en_face.region
        left, top = x0 * field.width / (x1 - x0), y0 * field.height / (y1 - y0)
    rows = [top + (k + 0.5) * field.height / count for k in range(count)]
    return tuple((left, y, left + field.width, y) for y in rows)


def _describe_en_face(field: _Field, en_face: EnFace | None) -> dict[str, Any]:
    """What the en-face image is, and its pixel size (down, across)."""
    if en_face is None:
        return {}
    kind = {FUNDUS_KIND: "fundus" if "fundus" in en_face.name else "en face"}
    if field.width is None or field.height is None:
        return kind
    x0, y0, x1, y1 = en_face.region
    down, across = to_um(field.height / (y1 - y0), "mm"), to_um(field.width / (x1 - x0), "mm")
    return kind if down is None or across is None else {**kind, FUNDUS_UM: (down, across)}


def _read_laterality(file: TopconFile) -> tuple[Laterality | None, str]:
    chunk = file.find("@CAPTURE_INFO_02", "@CAPTURE_INFO")
    if chunk is None:
        return None, ""
    (eye,) = file.unpack(chunk, "<B")
    eyes: dict[int, Laterality] = {0: "OD", 1: "OS"}
    return eyes.get(eye), f"header ({chunk.name})" if eye in eyes else ""


def _read_device(file: TopconFile) -> str:
    chunk = file.find("@HW_INFO_03", "@HW_INFO_02", "@HW_INFO_01")
    model = "" if chunk is None else _text(file.read(chunk, 0, 16))
    is_plain = model.isascii() and all(c.isalnum() or c in " -+./" for c in model)
    return f"Topcon {model}" if model and is_plain else "Topcon"


def _read_key(file: TopconFile) -> tuple[str | None, tuple[str, ...]]:
    """The patient's key, and a note where there is none although there is a patient."""
    patient = _read_patient(file)
    told = [patient.get(name, "") for name in ("patient id", "patient name", "birth date")]
    if not any(told):
        if file.find("@PATIENT_INFO_03") is None:
            return None, ()
        return None, ("no patient key: the file has the patient encrypted",)
    try:
        return make_patient_key(told[0] or ":".join(told[1:])), ()
    except InputError as error:
        return None, (f"no patient key: {error}",)


def _read_patient(file: TopconFile) -> dict[str, str]:
    chunk = file.find("@PATIENT_INFO_02")
    if chunk is None:
        return {}
    number, first, last, middle, sex, *birth = file.unpack(chunk, _PATIENT.format)
    names = (_text(part) for part in (last, first, middle))
    told = {
        "patient name": ", ".join(part for part in names if part),
        "patient id": _text(number),
        "birth date": _date(birth),
        "sex": _SEXES.get(sex, ""),
    }
    return {name: value for name, value in told.items() if value}


def _read_date(file: TopconFile) -> dict[str, str]:
    for name, offset in (("@CAPTURE_INFO_02", 106), ("@CAPTURE_INFO", 1)):
        chunk = file.find(name)
        if chunk is not None:
            told = _date(file.unpack(chunk, "<3H", offset))
            return {"examination date": told} if told else {}
    return {}


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("latin-1").strip()


def _date(numbers: Any) -> str:
    year, month, day = numbers
    is_date = 1800 < year < 2200 and 1 <= month <= 12 and 1 <= day <= 31
    return f"{year:04}-{month:02}-{day:02}" if is_date else ""
