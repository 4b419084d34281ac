"""What a TIFF says about its axes and pixel sizes: OME, ImageJ, resolution tags."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import tifffile

from napari_retseg.io.marks import NAME
from napari_retseg.io.scale import believe_density, density_to_um, to_um

#: Letters of tifffile for the axes of ours, in files that name them.
LETTERS = {"channel": "C", "bscan": "Z", "z": "Z", "depth": "Y", "y": "Y", "width": "X", "x": "X"}

_CENTIMETRE = 3
_INCH = 2


@dataclass(frozen=True)
class TiffFacts:
    """What the metadata of a TIFF say.

    Parameters
    ----------
    spacing_um
        Pixel size for the letters X, Y and Z, where known.
    axes
        Names of the axes, in files that this package wrote.
    laterality
        OD or OS, in files that this package wrote.
    mark
        Which scan its labels belong to, in files that this package wrote.
    calibration
        Slope and intercept that ImageJ takes stored values through.
    notes
        What of it is not applied.
    """

    spacing_um: dict[str, float]
    axes: tuple[str, ...] = ()
    laterality: str | None = None
    mark: str = ""
    calibration: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()


def read_facts(tif: tifffile.TiffFile) -> TiffFacts:
    """Read the metadata; OME goes before ImageJ, and both before the resolution tags."""
    if tif.ome_metadata:
        return _read_ome(tif.ome_metadata)
    if tif.imagej_metadata is not None:
        calibration, notes = _read_calibration(tif.imagej_metadata)
        spacing = _read_imagej(tif, tif.imagej_metadata)
        return TiffFacts(spacing, calibration=calibration, notes=notes)
    return TiffFacts(_read_resolution(tif))


def _read_ome(xml: str) -> TiffFacts:
    ome = tifffile.xml2dict(xml).get("OME", {})
    images = ome.get("Image", {})
    image = images[0] if isinstance(images, list) else images
    pixels = image.get("Pixels", {})
    sizes = {
        letter: to_um(
            pixels.get(f"PhysicalSize{letter}"), pixels.get(f"PhysicalSize{letter}Unit", "um")
        )
        for letter in "XYZ"
    }
    spacing = {letter: size for letter, size in sizes.items() if size is not None}
    marks = _read_marks(ome)
    axes = tuple(str(marks.get("axes", "")).split())
    if not all(name in LETTERS for name in axes):
        axes = ()
    return TiffFacts(spacing, axes, marks.get("laterality"), marks.get(NAME, ""))


def _read_marks(ome: dict[str, Any]) -> dict[str, str]:
    """The key-value pairs of this package's annotation, if the file has it."""
    notes = ome.get("StructuredAnnotations") or {}
    maps = notes.get("MapAnnotation", [])
    for entry in maps if isinstance(maps, list) else [maps]:
        if entry.get("Namespace") == NAMESPACE:
            pairs = entry.get("Value", {}).get("M", [])
            pairs = pairs if isinstance(pairs, list) else [pairs]
            return {str(pair.get("K")): str(pair.get("value")) for pair in pairs}
    return {}


#: Marks the annotation in which this package keeps the names of the axes.
NAMESPACE = "napari-retseg"


def _read_imagej(tif: tifffile.TiffFile, about: dict[str, Any]) -> dict[str, float]:
    unit = about.get("unit", "")
    spacing: dict[str, float] = {}
    if (density := _density(tif)) is not None:
        down, across = density
        found: tuple[float | None, float | None]
        if str(unit).lower() in ("inch", "in"):
            # ImageJ takes 72 or 96 dpi of a screenshot for a scale
            found = believe_density((down, across), "inch")
        else:
            found = density_to_um(down, about.get("yunit", unit)), density_to_um(across, unit)
        spacing = {k: v for k, v in zip("YX", found, strict=True) if v is not None}
    between = to_um(about.get("spacing"), about.get("zunit", unit))
    if between is not None and spacing:
        spacing["Z"] = between
    return spacing


def _read_calibration(about: dict[str, Any]) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """Slope and intercept of ImageJ's calibration of values, and a note on any other function.

    ij.measure.Calibration: function 0 is the straight line c0 + c1 * value.
    """
    if "cf" not in about:
        return None, ()
    try:
        intercept, slope = float(about.get("c0", 0)), float(about.get("c1", 1))
        is_line = int(about["cf"]) == 0
    except (TypeError, ValueError):
        is_line = False
    if not is_line or not math.isfinite(slope) or not math.isfinite(intercept) or slope == 0:
        return None, (f"ImageJ's calibration of values ({about['cf']!s:.20}) is not applied",)
    return (None, ()) if (slope, intercept) == (1.0, 0.0) else ((slope, intercept), ())


def _read_resolution(tif: tifffile.TiffFile) -> dict[str, float]:
    unit = tif.pages.first.tags.valueof("ResolutionUnit", 0)
    name = {_INCH: "inch", _CENTIMETRE: "cm"}.get(int(unit))
    density = _density(tif)
    if name is None or density is None:
        return {}
    found = believe_density(density, name)
    return {k: v for k, v in zip("YX", found, strict=True) if v is not None}


def _density(tif: tifffile.TiffFile) -> tuple[float, float] | None:
    """Pixels in a unit, (down, across)."""
    numbers = []
    for tag in ("YResolution", "XResolution"):
        value = tif.pages.first.tags.valueof(tag)
        if not isinstance(value, tuple) or 0 in value:
            return None
        numbers.append(value[0] / value[1])
    return numbers[0], numbers[1]
