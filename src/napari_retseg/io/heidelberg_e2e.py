"""Heidelberg ``.E2E`` (the database export of HEYEX): several volumes in a file.

The structure is not published by the vendor. It is read as far as others have described it, chunk
by chunk; the grey values are those of eyepy. B-scans stay in the file. Names, birth dates and times
are not taken over.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.acquisition import NOT_RASTERS, Acquisition, Place
from napari_retseg.errors import InputError
from napari_retseg.io.bscan_places import Raster, compare_lengths, describe_lost, read_raster
from napari_retseg.io.e2e_patient import read_person, read_who
from napari_retseg.io.e2e_series import (
    BscanFacts,
    Contents,
    StoredSeries,
    check_images,
    read_contents,
)
from napari_retseg.io.eyepy_functions import import_eyepy
from napari_retseg.io.file_errors import check_file, reading
from napari_retseg.io.heidelberg_vol import NAMES, PATTERNS
from napari_retseg.io.heyex_person import Person
from napari_retseg.io.heyex_series import name_pattern
from napari_retseg.io.lazy import PagedPixels
from napari_retseg.io.limits import MOST_PLANES, check_shape, held_bytes
from napari_retseg.io.scale import to_um
from napari_retseg.io.volumes import choose_volume, describe_volume
from napari_retseg.plural import count_noun
from napari_retseg.scan import BOUNDARIES, FUNDUS_KIND, FUNDUS_UM, Laterality, OctScan

_KIND = "a Heidelberg .E2E file"
#: Length on the fundus of one degree, in mm, of an eye of usual length.
MM_PER_DEGREE = 4.4 / 15
#: Field of the fundus image, which no known part of the file has.
_FIELD_DEGREES = 30.0
_SCALE = "degrees x 4.4/15 mm"
_NO_PLACE: Place = (float("nan"),) * 4


class E2ePixels(PagedPixels):
    """B-scans of an ``.E2E`` file as 8-bit grey values. Shape (bscan, depth, width)."""

    def __init__(self, path: Path, plane: tuple[int, int], starts: tuple[int, ...]) -> None:
        self._starts = starts
        super().__init__(path, (len(starts), *plane), np.uint8)

    def _read(self, leading: tuple[int, ...]) -> NDArray[Any]:
        height, width = self.shape[-2:]
        with reading(self.source, _KIND), self.source.open("rb") as stream:
            stream.seek(self._starts[leading[0]])
            raw = np.frombuffer(stream.read(2 * height * width), "<u2").reshape(height, width)
        return np.asarray(make_grey_table(self.source)[raw])


def make_grey_table(path: Path) -> NDArray[np.uint8]:
    """The grey value of each of the 65,536 stored values.

    They are floats without sign: six bits of exponent, then ten of mantissa. eyepy takes the bits
    of the mantissa in reversed order, and so is done here, so that both give the same pixels.

    Raises
    ------
    InputError
        Where eyepy is not installed; `path` is named then.
    """
    return _make_grey_table(import_eyepy(path).e2e_to_grey)


@functools.cache
def _make_grey_table(to_grey: Callable[[NDArray[Any]], NDArray[Any]]) -> NDArray[np.uint8]:
    stored = np.arange(2**16)
    mantissa = np.zeros(2**16)
    for bit in range(10):
        mantissa += (stored >> bit & 1) * 2.0 ** (-1 - bit)
    values = (1 + mantissa) * np.exp2((stored >> 10) - 63.0)
    return np.asarray(to_grey(values.astype(np.float32)))


def read(path: Path, volume: int | None = None) -> OctScan:
    """Read one volume of a Heidelberg ``.E2E`` file.

    Parameters
    ----------
    path
        The file.
    volume
        Number of the series with B-scans, from 0, in the order of their numbers in HEYEX.

    Returns
    -------
    OctScan
        Axes (bscan, depth, width), 8-bit. The lateral pixel size and the distance of B-scans are
        derived from degrees.

    Raises
    ------
    SeveralVolumesError
        Where there are several volumes and none was named.
    InputError
        Where the file is missing, empty, cut off, something else, or eyepy is not installed.
    """
    size = check_file(path)
    make_grey_table(path)
    with reading(path, _KIND, struct.error), path.open("rb") as stream:
        contents = read_contents(path, stream, size)
        if not contents.series:
            raise InputError(f"{path}: contains no B-scans; export it from HEYEX again")
        lines = [_describe(series) for series in contents.series]
        series = contents.series[choose_volume(path, lines, volume)]
        person = read_person(stream, contents.patients, series.number[0])
        plane = check_images(path, ((n, series.images[n]) for n in sorted(series.images)))
        check_shape(path, (len(series.images), *plane), 1, held=held_bytes(path))
        fundus = _read_fundus(stream, series)
        boundaries = _read_boundaries(stream, series)
    return _make_scan(path, series, person, (fundus, boundaries), contents)


def read_identifiers(path: Path) -> Mapping[str, str]:
    """Read who was examined, for ``info --show-identifiers`` alone.

    Raises
    ------
    InputError
        Where the file cannot be read, with the reason.
    """
    size = check_file(path)
    with reading(path, _KIND, struct.error), path.open("rb") as stream:
        contents = read_contents(path, stream, size)
        return read_who(stream, contents.patients, contents.exam_times)


def _describe(series: StoredSeries) -> str:
    first = next(iter(series.images.values()))
    return describe_volume(
        _find_eye(series), len(series.images), first.shape, _find_pattern(series)
    )


def _make_scan(
    path: Path,
    series: StoredSeries,
    person: Person,
    images: tuple[NDArray[np.uint8] | None, dict[str, NDArray[np.float32]]],
    contents: Contents,
) -> OctScan:
    fundus, boundaries = images
    numbers = sorted(series.images)
    plane = series.images[numbers[0]].shape
    facts = [series.facts.get(number) for number in numbers]
    pattern = _find_pattern(series)
    places = tuple(_find_place(one) for one in facts)
    are_known = not np.isnan(places).all()
    raster = read_raster(places) if are_known and pattern not in NOT_RASTERS else Raster()
    spacing, derived = _find_spacing(facts, plane[1], raster)
    declared = _find_declared(facts)
    missing = _find_missing(numbers, declared)
    repeated = tuple(sorted(series.repeated | set(raster.repeated)))
    key, notes = person.make_key()
    if are_known:
        derived["positions"] = _SCALE
    if fundus is not None:
        derived["fundus"] = f"a field of {_FIELD_DEGREES:g} degrees is assumed, {_SCALE}"
    return OctScan(
        pixels=E2ePixels(path, plane, tuple(series.images[number].at for number in numbers)),
        axes=("bscan", "depth", "width"),
        spacing_um=spacing,
        spacing_source="file" if any(spacing) else "unknown",
        source=path,
        laterality=_find_eye(series),
        device=f"Heidelberg{' Spectralis' if series.number[:2] in contents.spectralis else ''}",
        scan_pattern=pattern,
        patient_key=key,
        fundus=fundus,
        bscans_declared=declared,
        notes=(*notes, *describe_lost(missing, repeated)),
        acquisition=Acquisition(
            positions_mm=places if are_known else (),
            quality=_keep(tuple(None if one is None else one.quality for one in facts)),
            averaged=_keep(tuple(None if one is None else one.averaged for one in facts)),
            missing=missing,
            repeated=repeated,
            laterality_from="record of the series" if len(series.eyes) == 1 else "",
            derived=derived,
            left_out=tuple(_list_left_out(series, contents)),
            contradictions=tuple(_contradictions(series, facts, places, plane[1], raster)),
        ),
        metadata={
            BOUNDARIES: boundaries,
            FUNDUS_UM: _fundus_um(fundus),
            FUNDUS_KIND: "SLO",
        },
    )


def _find_eye(series: StoredSeries) -> Laterality | None:
    return next(iter(series.eyes)) if len(series.eyes) == 1 else None


def _find_pattern(series: StoredSeries) -> str:
    """The scan pattern from its number; its name tells where the number does not."""
    for facts in series.facts.values():
        if 0 < facts.pattern < len(PATTERNS):
            return PATTERNS[facts.pattern]
    return name_pattern(series.pattern)


def _find_place(facts: BscanFacts | None) -> Place:
    """Where a B-scan lies on the fundus image, in mm from its corner."""
    if facts is None or facts.place_deg is None:
        return _NO_PLACE
    x0, y0, x1, y1 = ((n + _FIELD_DEGREES / 2) * MM_PER_DEGREE for n in facts.place_deg)
    return x0, y0, x1, y1


def _find_spacing(
    facts: Sequence[BscanFacts | None], width: int, raster: Raster
) -> tuple[tuple[float | None, float | None, float | None], dict[str, str]]:
    """Pixel sizes in um, and how those were derived that the file does not have."""
    derived: dict[str, str] = {}
    depths = {None if one is None else to_um(one.depth_mm, "mm") for one in facts}
    depth = depths.pop() if len(depths) == 1 else None
    laterals = {_lateral_um(one, width) for one in facts}
    lateral = laterals.pop() if len(laterals) == 1 else None
    between = None if raster.distance_um is None else float(f"{raster.distance_um:.9g}")
    if lateral is not None:
        derived["width"] = _SCALE
    if between is not None:
        derived["bscan"] = f"mean distance of their positions, {_SCALE}"
    # the file keeps 32-bit floats
    return (between, None if depth is None else float(f"{depth:.7g}"), lateral), derived


def _lateral_um(facts: BscanFacts | None, width: int) -> float | None:
    """Size of a pixel across; None of a circle, whose angle is not known."""
    if facts is None or facts.place_deg is None or PATTERNS.index("circle") == facts.pattern:
        return None
    x0, y0, x1, y1 = facts.place_deg
    filled = facts.filled if 0 < facts.filled <= width else width
    return to_um(float(f"{np.hypot(x1 - x0, y1 - y0) * MM_PER_DEGREE / filled:.6g}"), "mm")


def _find_declared(facts: Sequence[BscanFacts | None]) -> int | None:
    declared = {one.declared for one in facts if one is not None and one.declared > 0}
    found = declared.pop() if len(declared) == 1 else None
    return found if found is not None and found <= MOST_PLANES else None


def _find_missing(numbers: Sequence[int], declared: int | None) -> tuple[int, ...]:
    """B-scans whose number is left out; where one was declared, its number does not matter."""
    if declared == len(numbers) == 1:
        return ()
    end = max(numbers[-1] + 1, declared or 0)
    return tuple(sorted(set(range(end)) - set(numbers)))


def _read_boundaries(stream: Any, series: StoredSeries) -> dict[str, NDArray[np.float32]]:
    """Rows by name, shape (bscan, width) each, NaN where there are none."""
    numbers = sorted(series.images)
    width = series.images[numbers[0]].shape[1]
    known = {
        contour
        for number in numbers
        for contour, line in series.contours.get(number, {}).items()
        if contour < len(NAMES) and line.width == width
    }
    joined = {k: np.full((len(numbers), width), np.nan, np.float32) for k in sorted(known)}
    for place, number in enumerate(numbers):
        for contour, line in series.contours.get(number, {}).items():
            if contour in joined and line.width == width:
                joined[contour][place] = line.read(stream)
    return {NAMES[contour]: rows for contour, rows in joined.items()}


def _read_fundus(stream: Any, series: StoredSeries) -> NDArray[np.uint8] | None:
    for image in series.slo[:1]:
        stream.seek(image.at)
        height, width = image.shape
        return np.frombuffer(stream.read(height * width), np.uint8).reshape(height, width)
    return None


def _fundus_um(fundus: NDArray[Any] | None) -> tuple[float | None, float | None]:
    if fundus is None:
        return None, None
    down, across = (to_um(_FIELD_DEGREES * MM_PER_DEGREE / n, "mm") for n in fundus.shape)
    return down, across


def _list_left_out(series: StoredSeries, contents: Contents) -> Iterator[str]:
    if series.has_cut_slo and not series.slo:
        yield "the fundus image, which is truncated"
    others = series.n_other_images + max(len(series.slo) - 1, 0)
    if others:
        yield count_noun(others, "other image")
    names = {contour for lines in series.contours.values() for contour in lines}
    if unknown := sorted(n for n in names if n >= len(NAMES)):
        yield f"{count_noun(len(unknown), 'contour')} of unknown name"
    if contents.n_empty:
        yield f"{contents.n_empty} series without B-scans"


def _contradictions(
    series: StoredSeries,
    facts: Sequence[BscanFacts | None],
    places: Sequence[Place],
    width: int,
    raster: Raster,
) -> Iterator[str]:
    """What does not agree within the file, one line each."""
    if len(series.eyes) > 1:
        yield "the file says right and left eye for the same series"
    said = [one for one in facts if one is not None]
    if said and len(said) < len(facts):
        yield f"the file describes {len(said)} of {len(facts)} B-scans"
    if len({one.declared for one in said}) > 1:
        yield "the number of B-scans of the volume differs between B-scans"
    if any(one.filled != width for one in said):
        yield f"the file says that not all of the {width} A-scans are filled"
    yield from raster.contradictions
    if _find_pattern(series) not in NOT_RASTERS:
        yield from compare_lengths(places, width, None)


def _keep(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Values of all B-scans; empty where none is known."""
    return values if any(value is not None for value in values) else ()
