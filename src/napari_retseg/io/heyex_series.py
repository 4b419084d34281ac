"""What a HEYEX XML export says of its series: images, places, boundaries, the ETDRS grid."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from napari_retseg.acquisition import Place
from napari_retseg.errors import InputError
from napari_retseg.io.heyex_person import Person
from napari_retseg.io.scale import to_um
from napari_retseg.io.suffixes import EXPORT_ROOT
from napari_retseg.io.xmltree import text_of
from napari_retseg.plaintext import make_visible
from napari_retseg.scan import Laterality

_EYES: dict[str, Laterality] = {"R": "OD", "L": "OS", "OD": "OD", "OS": "OS"}
#: Scan patterns by a word in their name.
_PATTERNS = {
    **dict.fromkeys(("circle", "circ"), "circle"),
    **dict.fromkeys(("star", "radial"), "radial"),
    "volume": "volume",
    **dict.fromkeys(("line", "section", "b-scan", "single"), "line"),
}
_SEPARATORS = re.compile(r"[\\/]")
_MODEL = re.compile(r"[A-Za-z0-9 +._-]{1,40}")
_NAME = re.compile(r"[A-Za-z0-9+_-]{1,20}")
_ENDS = ("Start", "End")
#: What the vendor writes where a boundary was not found.
_INVALID = 3.0e38
#: Characters of a number in a list.
_LONGEST_NUMBER = 40
_LARGEST_COUNT = 100_000


@dataclass(frozen=True)
class ExportedImage:
    """One image of a series.

    Parameters
    ----------
    kind
        ``"OCT"``, ``"LOCALIZER"`` or another.
    file
        Bare name of its file; empty where it has none.
    shape
        (height, width) as the XML says; None where it does not.
    spacing_um
        (down, across), as the XML says.
    digits_um
        Half of the last digit in which `spacing_um` is given, (down, across).
    place
        On the fundus, in mm.
    boundaries
        Rows by name, NaN where there are none.
    """

    kind: str
    file: str
    shape: tuple[int, int] | None
    spacing_um: tuple[float | None, float | None]
    digits_um: tuple[float, float]
    eye: Laterality | None
    averaged: int | None
    quality: float | None
    place: Place | None
    boundaries: dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Series:
    """One series: a volume, and its localizer.

    Parameters
    ----------
    images
        In the order of the file.
    declared
        How many images the file says there are; None where it does not.
    eye
        What the series itself says.
    etdrs
        See :func:`read_grid`.
    """

    person: Person
    images: tuple[ExportedImage, ...]
    declared: int | None
    eye: Laterality | None
    pattern: str
    device: str
    etdrs: dict[str, Any] | None

    def of_kind(self, kind: str) -> tuple[ExportedImage, ...]:
        """The images of a kind, in the order of the file."""
        return tuple(image for image in self.images if image.kind == kind)


def read_series(path: Path, root: Element) -> list[Series]:
    """Read the series of an export.

    Raises
    ------
    InputError
        Where the root element is another one, or boundaries are damaged.
    """
    if root.tag != EXPORT_ROOT:
        raise InputError(
            f"{path}: not an XML export of HEYEX (surfaces of OCTExplorer are read with the scan "
            "beside them)"
        )
    return [
        Series(
            person=read_person(patient),
            images=tuple(_read_image(path, image) for image in series.iterfind("Image")),
            declared=_count(text_of(series, "NumImages")),
            eye=_EYES.get(text_of(series, "Laterality")),
            pattern=name_pattern(text_of(series, "Type")),
            device=_read_device(series),
            etdrs=read_grid(series.find("ThicknessGrid")),
        )
        for patient in root.iter("Patient")
        for series in patient.iterfind("Study/Series")
    ]


def list_names(root: Element) -> list[str]:
    """List the bare names of all image files that an export names, in its order."""
    return [name for image in root.iter("Image") if (name := _name_file(image))]


def name_pattern(text: str) -> str:
    """The scan pattern that a text of the vendor names; ``"unknown"`` where it names none."""
    words = text.lower()
    return next((name for word, name in _PATTERNS.items() if word in words), "unknown")


def read_person(patient: Element) -> Person:
    """Who was examined."""
    number = text_of(patient, "ID")
    names = (text_of(patient, "LastName"), text_of(patient, "FirstNames"))
    return Person(
        number=number.lstrip("0"),
        patient_id=text_of(patient, "PatientID"),
        name=", ".join(name for name in names if name),
        birth_date=read_date(patient.find("Birthdate/Date")),
    )


def read_date(date: Element | None) -> str:
    """A date as ISO writes it; empty where there is none."""
    year, month, day = (_count(text_of(date, name)) for name in ("Year", "Month", "Day"))
    if year is None or month is None or day is None:
        return ""
    return f"{year:04d}-{month:02d}-{day:02d}"


def read_grid(grid: Element | None) -> dict[str, Any] | None:
    """The device's own ETDRS grid: plain values.

    Returns
    -------
    dict or None
        ``name``; ``diameters_mm`` (inner, middle, outer); ``centre_px``, (across, down) in pixels
        of the localizer; ``central_um``, ``least_central_um`` and ``greatest_central_um``,
        thickness at the centre; ``total_mm3``; and ``zones``: for each name (C0, N1, N2, S1, S2,
        T1, T2, I1, I2) its mean thickness ``um``, volume ``mm3`` and, where the file has it, the
        share ``valid_percent``. None for values that the file lacks; None where there is no grid.
    """
    if grid is None:
        return None
    zones = {
        name: {
            "um": to_um(_number(text_of(zone, "AvgThickness")), "mm"),
            "mm3": _number(text_of(zone, "Volume")),
            "valid_percent": _number(text_of(zone, "ValidPixelPercentage")),
        }
        for zone in grid.iterfind("Zone")
        if _NAME.fullmatch(name := text_of(zone, "Name"))
    }
    if not zones:
        return None
    return {
        "name": make_visible(text_of(grid, "Name")[:60]),
        "diameters_mm": tuple(_number(text_of(grid, f"Diameter{k}")) for k in (1, 2, 3)),
        "centre_px": tuple(_number(text_of(grid, f"CenterPos/Coord/{k}")) for k in "XY"),
        "central_um": to_um(_number(text_of(grid, "CentralThickness")), "mm"),
        "least_central_um": to_um(_number(text_of(grid, "MinCentralThickness")), "mm"),
        "greatest_central_um": to_um(_number(text_of(grid, "MaxCentralThickness")), "mm"),
        "total_mm3": _number(text_of(grid, "TotalVolume")),
        "zones": zones,
    }


def _read_image(path: Path, image: Element) -> ExportedImage:
    about = image.find("OphthalmicAcquisitionContext")
    sizes = [_count(text_of(about, name)) for name in ("Height", "Width")]
    scales = [text_of(about, name) for name in ("ScaleY", "ScaleX")]
    ends = [_number(text_of(about, f"{end}/Coord/{axis}")) for end in _ENDS for axis in "XY"]
    return ExportedImage(
        kind=text_of(image, "ImageType/Type"),
        file=_name_file(image),
        shape=None if None in sizes else cast("tuple[int, int]", tuple(sizes)),
        spacing_um=(to_um(_number(scales[0]), "mm"), to_um(_number(scales[1]), "mm")),
        digits_um=(_half_digit_um(scales[0]), _half_digit_um(scales[1])),
        eye=_EYES.get(text_of(image, "Laterality")),
        averaged=_count(text_of(about, "NumAve")),
        quality=_number(text_of(about, "ImageQuality")),
        place=None if None in ends else cast("Place", tuple(ends)),
        boundaries=dict(_read_boundaries(path, image, sizes[1])),
    )


def _name_file(image: Element) -> str:
    return _SEPARATORS.split(text_of(image, "ImageData/ExamURL"))[-1].strip()


def _read_boundaries(
    path: Path, image: Element, width: int | None
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Names and rows; lines that are not as wide as the B-scan are left out."""
    for line in image.iterfind("Segmentation/SegLine"):
        text, name = text_of(line, "Array"), text_of(line, "Name")
        if width is None or not text or not _NAME.fullmatch(name):
            continue
        if len(text) > _LONGEST_NUMBER * width:
            raise InputError(f"{path}: a boundary is longer than its B-scan is wide")
        try:
            rows = np.array(text.split(), np.float64)
        except ValueError as error:
            raise InputError(f"{path}: a boundary contains text that is no number") from error
        if len(rows) == width:
            found = np.abs(rows) < _INVALID
            yield name, np.where(found, rows, np.nan).astype(np.float32)


def _read_device(series: Element) -> str:
    equipment = series.find("GeneralEquipment")
    model = text_of(equipment, "ManufacturerModelName")
    return f"Heidelberg {model}" if _MODEL.fullmatch(model) else "Heidelberg"


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _count(text: str) -> int | None:
    """A number of things; None where the text is none, or an impossible one."""
    value = _number(text)
    if value is None or value != int(value) or not 0 <= value <= _LARGEST_COUNT:
        return None
    return int(value)


def _half_digit_um(text: str) -> float:
    """Half of the last decimal of a number in mm, in um."""
    decimals = len(text.partition(".")[2]) if re.fullmatch(r"\d*\.\d{1,12}", text) else 12
    return float(500 * 10.0**-decimals)
