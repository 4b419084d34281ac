"""Zeiss Cirrus ``.img`` (cubes of the research export): grey values of 8 bits, without a header.

Number of A-scans and B-scans, and the eye, are in the file's name only, as in ``P1_Macular Cube
512x128_1-2-2020_9-8-7_OD_sn1_cube_z.img``; a B-scan has 1024 rows. Nothing is read whose name does
not fit its size. The size of the cube is not in the file: 6 x 6 x 2 mm is what the device scans.

The file has one B-scan after the other, row by row, from the lowest row to the highest and each
row from right to left; they are turned here. RETIMAT and OCTExplorer's readers turn them in the
same way, OCT-Converter does not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from napari_retseg.acquisition import FROM_NAME, Acquisition
from napari_retseg.errors import InputError
from napari_retseg.io.file_errors import check_file
from napari_retseg.io.lazy import PagedPixels, RawPixels
from napari_retseg.io.patient import make_patient_key
from napari_retseg.io.scale import to_um
from napari_retseg.io.volumes import choose_volume
from napari_retseg.scan import Laterality, OctScan

_DEPTH = 1024
_WIDTH_MM, _HEIGHT_MM, _DEPTH_MM = 6.0, 6.0, 2.0

_CUBE = re.compile(
    r"(?P<pattern>Macular|Optic Disc|Anterior Segment) ?Cube ?"
    r"(?P<ascans>\d{2,4})x(?P<bscans>\d{1,4})(?=_|\b)",
    re.IGNORECASE,
)
_EYE = re.compile(r"_(O[DS])(?=_|\.)")
_DATE = re.compile(r"_(\d{1,2})-(\d{1,2})-(\d{4})_")


@dataclass(frozen=True)
class _Name:
    """What a file's name says."""

    pattern: str
    shape: tuple[int, int, int]
    laterality: Laterality | None
    patient: str
    date: str


class CubePixels(PagedPixels):
    """B-scans of a cube, upright and from left to right. Shape (bscan, depth, width)."""

    def __init__(self, path: Path, shape: tuple[int, int, int]) -> None:
        self._stored = RawPixels(path, shape, stored="u1")
        super().__init__(path, shape, np.uint8)

    def _read(self, leading: tuple[int, ...]) -> NDArray[Any]:
        plane: NDArray[Any] = self._stored[leading]
        return np.ascontiguousarray(plane[::-1, ::-1])


def is_cube_name(name: str) -> bool:
    """Whether a file's name is that of a cube."""
    return _CUBE.search(name) is not None


def read(path: Path, volume: int | None = None) -> OctScan:
    """Read a cube.

    Returns
    -------
    OctScan
        Axes (bscan, depth, width), 8-bit. The pixel sizes are derived from the nominal size of the
        cube; the anterior segment has none.

    Raises
    ------
    InputError
        Where the file is missing or empty, or its name does not say a shape that fits its size.
    """
    size = check_file(path)
    choose_volume(path, ["the volume"], volume)
    name = _read_name(path)
    count, depth, width = name.shape
    if count * depth * width != size:
        raise InputError(
            f"{path}: the name says {count} B-scans of {depth} x {width} pixels "
            f"({count * depth * width} bytes), but the file has {size}; restore the name that the "
            "device gave, or export the file again"
        )
    key, notes = _make_key(name.patient)
    spacing, derived = _scale(name)
    return OctScan(
        pixels=CubePixels(path, name.shape),
        axes=("bscan", "depth", "width"),
        spacing_um=spacing,
        spacing_source="file" if any(spacing) else "unknown",
        source=path,
        laterality=name.laterality,
        device="Zeiss Cirrus",
        scan_pattern=f"{name.pattern} cube",
        patient_key=key,
        bscans_declared=count,
        notes=(*notes, "numbers of A-scans and B-scans are taken from the file name"),
        acquisition=Acquisition(
            laterality_from=FROM_NAME if name.laterality else "",
            derived={**derived, "scan_pattern": FROM_NAME},
        ),
    )


def read_identifiers(path: Path) -> Mapping[str, str]:
    """Read the patient's number and the date from the file's name.

    Raises
    ------
    InputError
        Where the file is missing or empty, or the name is not that of a cube.
    """
    check_file(path)
    name = _read_name(path)
    told = {"patient id": name.patient, "examination date": name.date}
    return {key: value for key, value in told.items() if value}


def _read_name(path: Path) -> _Name:
    found = _CUBE.search(path.name)
    if found is None or 0 in (int(found["ascans"]), int(found["bscans"])):
        raise InputError(
            f"{path}: a Zeiss .img file has no header, so its name must say what it is, as in "
            "'P1_Macular Cube 512x128_1-2-2020_9-8-7_OD_sn1_cube_z.img'; restore the name that "
            "the device gave"
        )
    shape = int(found["bscans"]), _DEPTH, int(found["ascans"])
    eye, date = _EYE.search(path.name), _DATE.search(path.name)
    return _Name(
        pattern=found["pattern"].lower(),
        shape=shape,
        laterality=cast("Laterality", eye[1]) if eye else None,
        patient=path.name[: found.start()].rstrip("_ "),
        date=f"{date[3]}-{int(date[1]):02}-{int(date[2]):02}" if date else "",
    )


def _scale(name: _Name) -> tuple[tuple[float | None, ...], dict[str, str]]:
    """(bscan, depth, width) in um by the nominal size of the cube, and how they were derived."""
    if name.pattern == "anterior segment":
        return (None, None, None), {}
    count, depth, width = name.shape
    nominal = {
        "bscan": (_HEIGHT_MM, count, "B-scans"),
        "depth": (_DEPTH_MM, depth, "rows"),
        "width": (_WIDTH_MM, width, "A-scans"),
    }
    derived = {
        axis: f"nominal {length:g} mm of a Cirrus cube / {n} {what}"
        for axis, (length, n, what) in nominal.items()
    }
    return tuple(to_um(length / n, "mm") for length, n, _ in nominal.values()), derived


def _make_key(patient: str) -> tuple[str | None, tuple[str, ...]]:
    if not patient:
        return None, ()
    try:
        return make_patient_key(patient), ()
    except InputError as error:
        return None, (f"no patient key: {error}",)
