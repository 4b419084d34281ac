"""HEYEX XML exports: an ``.xml`` file with root HEDX beside an image file for each B-scan.

The XML says where each B-scan lies, in which file it is, and what the device found. Image files
are looked for beside it by their bare names: the paths are those of the exporting computer. Names,
birth dates and times are not taken over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.acquisition import NOT_RASTERS, Acquisition, Place
from napari_retseg.errors import InputError
from napari_retseg.io.bscan_folder import FolderPixels, open_bscan
from napari_retseg.io.bscan_places import (
    Raster,
    compare_lengths,
    describe_lost,
    is_circle,
    read_raster,
)
from napari_retseg.io.heyex_files import find_files, find_image, index_files
from napari_retseg.io.heyex_person import keep_known
from napari_retseg.io.heyex_series import (
    ExportedImage,
    Series,
    read_date,
    read_person,
    read_series,
)
from napari_retseg.io.limits import MOST_PLANES, check_shape, held_bytes
from napari_retseg.io.volumes import choose_volume, describe_volume
from napari_retseg.io.xmltree import parse_xml, text_of, walk_texts
from napari_retseg.plural import count_noun
from napari_retseg.scan import BOUNDARIES, FUNDUS_KIND, FUNDUS_UM, Laterality, OctScan

#: Key of `OctScan.metadata`: the device's own ETDRS grid, see `heyex_series.read_grid`.
ETDRS = "etdrs"

_MOST_BOUNDARIES = 64
_ADVICE = "copy or export the whole folder again"
_NO_PLACE: Place = (float("nan"),) * 4
#: Pixel sizes that may be wrong by more of themselves are noted.
_COARSE = 0.005
#: Depth of a pixel of every Spectralis, as its raw exports (.vol) have it.
_AXIAL_UM = 3.87167


@dataclass(frozen=True)
class _Found:
    """A B-scan whose file is there: its number in the export, and its pixels."""

    number: int
    image: ExportedImage
    pixels: Any


def read(path: Path, volume: int | None = None) -> OctScan:
    """Read a HEYEX XML export.

    Parameters
    ----------
    path
        The ``.xml`` file, or the folder that holds it.
    volume
        Number of the series with B-scans, from 0, where there are several.

    Returns
    -------
    OctScan
        Axes (bscan, depth, width), with the localizer as `fundus`. The distance of B-scans is
        derived from their positions. `metadata` has the device's boundaries and its ETDRS grid.

    Raises
    ------
    SeveralVolumesError
        Where there are several series with B-scans and none was named.
    InputError
        Where it cannot be read, with the reason.
    """
    all_series = [
        (file, series) for file in find_files(path) for series in read_series(file, parse_xml(file))
    ]
    with_bscans = [(file, series) for file, series in all_series if series.of_kind("OCT")]
    if not with_bscans:
        raise InputError(f"{path}: contains no B-scans; export it from HEYEX again")
    lines = [_describe(series) for _, series in with_bscans]
    file, series = with_bscans[choose_volume(path, lines, volume)]
    empty = len(all_series) - len(with_bscans)
    left_out = (f"{empty} series without B-scans",) if empty else ()
    return _make_scan(path, file, series, left_out)


def read_identifiers(path: Path) -> Mapping[str, str]:
    """Read who was examined and by whom, for ``info --show-identifiers`` alone.

    Raises
    ------
    InputError
        Where it cannot be read, with the reason.
    """
    found: dict[str, dict[str, None]] = {}

    def add(name: str, text: str) -> None:
        found.setdefault(name, {})[text] = None

    for file in find_files(path):
        for patient in parse_xml(file).iter("Patient"):
            person = read_person(patient)
            add("patient name", person.name)
            add("patient id", person.patient_id)
            add("patient number", text_of(patient, "ID"))
            add("birth date", person.birth_date)
            add("sex", text_of(patient, "Sex"))
            for date in patient.iterfind("Study/StudyDate/Date"):
                add("examination date", read_date(date))
            for name, where in (("operator", "Operator"), ("physician", "ReferringPhysician")):
                for text in walk_texts(patient, f"Study/{where}"):
                    add(name, text)
    return keep_known({name: "; ".join(filter(None, texts)) for name, texts in found.items()})


def _describe(series: Series) -> str:
    bscans = series.of_kind("OCT")
    eye, _ = _find_eye(series)
    return describe_volume(eye, len(bscans), bscans[0].shape, series.pattern)


def _make_scan(path: Path, file: Path, series: Series, left_out: tuple[str, ...]) -> OctScan:
    declared = series.of_kind("OCT")
    names = index_files(file)
    found = [
        _Found(number, image, open_bscan(where, "grey").pixels)
        for number, image in enumerate(declared)
        if (where := find_image(file, image.file, names)) is not None
    ]
    shape = _check_images(file, declared, found)
    series = _find_pattern(series, shape[1])
    eye, eye_from = _find_eye(series)
    key, notes = series.person.make_key()
    raster, said = _find_spacing(series, declared, shape)
    spacing, derived = _undo_rounding(series, declared[0], said)
    missing = tuple(sorted({*range(len(declared))} - {one.number for one in found}))
    repeated = _find_repeated(declared, raster)
    fundus, fundus_um, fundus_notes = _read_fundus(file, series, names)
    others = len(series.images) - len(declared) - len(series.of_kind("LOCALIZER"))
    return OctScan(
        pixels=FolderPixels(path, [one.pixels for one in found]),
        axes=("bscan", "depth", "width"),
        spacing_um=spacing,
        spacing_source="file" if any(spacing[1:]) else "unknown",
        source=path,
        laterality=eye,
        device=series.device,
        scan_pattern=series.pattern,
        patient_key=key,
        fundus=fundus,
        bscans_declared=len(declared),
        notes=(
            *notes,
            *describe_lost(missing, repeated),
            *_describe_digits(declared[0], spacing, derived),
            *fundus_notes,
        ),
        acquisition=Acquisition(
            positions_mm=_places(found),
            quality=tuple(one.image.quality for one in found),
            averaged=tuple(one.image.averaged for one in found),
            missing=missing,
            repeated=repeated,
            laterality_from=eye_from,
            derived=derived,
            left_out=(*((count_noun(others, "other image"),) if others else ()), *left_out),
            contradictions=tuple(_contradictions(series, declared, raster, shape)),
        ),
        metadata={
            BOUNDARIES: _join_boundaries(found, shape[1]),
            FUNDUS_UM: fundus_um,
            FUNDUS_KIND: "SLO",
            **({} if series.etdrs is None else {ETDRS: series.etdrs}),
        },
    )


def _check_images(
    file: Path, declared: Sequence[ExportedImage], found: Sequence[_Found]
) -> tuple[int, int]:
    """The one shape of all B-scans, as their files have it."""
    if len(declared) > MOST_PLANES:
        raise InputError(f"{file}: declares {len(declared)} B-scans, more than {MOST_PLANES:,}")
    if not found:
        raise InputError(
            f"{file}: none of the {count_noun(len(declared), 'B-scan')} that it names lies beside "
            f"it; {_ADVICE}"
        )
    first = found[0].pixels
    for one in found:
        if one.pixels.ndim != 2:
            raise InputError(f"{one.pixels.source}: not a single B-scan; {_ADVICE}")
        if one.pixels.shape != first.shape or one.pixels.dtype != first.dtype:
            raise InputError(
                f"{file}: B-scans have different sizes or types: {first.shape} {first.dtype} and "
                f"{one.pixels.shape} {one.pixels.dtype} ({one.image.file}); {_ADVICE}"
            )
    held = sum(held_bytes(one.pixels.source) for one in found)
    check_shape(file, (len(found), *first.shape), first.dtype.itemsize, held=held)
    return int(first.shape[0]), int(first.shape[1])


def _find_pattern(series: Series, width: int) -> Series:
    """Tell a circle by its place, where the XML does not name the pattern."""
    first, *others = series.of_kind("OCT")
    is_named = series.pattern != "unknown" or others or first.place is None
    if is_named or not is_circle(first.place or _NO_PLACE, width, first.spacing_um[1]):
        return series
    return replace(series, pattern="circle")


def _find_eye(series: Series) -> tuple[Laterality | None, str]:
    """The eye, where all that the series says agrees, and where it says so."""
    images = {image.eye for image in series.images if image.eye is not None}
    eyes = images | ({series.eye} if series.eye is not None else set())
    where = "XML (Laterality of the series)" if series.eye else "XML (Laterality of the images)"
    return (eyes.pop(), where) if len(eyes) == 1 else (None, "")


def _find_spacing(
    series: Series, declared: Sequence[ExportedImage], shape: tuple[int, int]
) -> tuple[Raster, tuple[float | None, float | None, float | None]]:
    """Pixel sizes that hold for all B-scans; none of a picture that has another size."""
    known = [image.place for image in declared if image.place is not None]
    is_raster = series.pattern not in NOT_RASTERS and len(known) == len(declared)
    raster = read_raster(known) if is_raster else Raster()
    sizes: list[float | None] = []
    for axis in range(2):
        found = {image.spacing_um[axis] for image in declared}
        fits = all(image.shape in (None, shape) for image in declared)
        sizes.append(found.pop() if len(found) == 1 and fits else None)
    distance = raster.distance_um
    return raster, (None if distance is None else float(f"{distance:.9g}"), sizes[0], sizes[1])


def _undo_rounding(
    series: Series, image: ExportedImage, said: tuple[float | None, float | None, float | None]
) -> tuple[tuple[float | None, float | None, float | None], dict[str, str]]:
    """Pixel sizes, and how those were found that the file does not say.

    Older exports round the axial one to two digits: all lengths were 0.7 % too large.
    """
    between, axial, lateral = said
    derived = {} if between is None else {"bscan": "mean distance of their positions"}
    half = image.digits_um[0]
    if axial is None or "spectralis" not in (series.device or "").casefold():
        return said, derived
    if not (half > _COARSE * axial and abs(axial - _AXIAL_UM) <= half):
        return said, derived
    how = f"the Spectralis's; rounded to {axial:g} µm in the file"
    return (between, _AXIAL_UM, lateral), {**derived, "depth": how}


def _find_repeated(declared: Sequence[ExportedImage], raster: Raster) -> tuple[int, ...]:
    """Later ones of those that have one file, or lie at one place."""
    seen: set[str] = set()
    again = set(raster.repeated)
    for number, image in enumerate(declared):
        if image.file and image.file.casefold() in seen:
            again.add(number)
        seen.add(image.file.casefold())
    return tuple(sorted(again))


def _places(found: Sequence[_Found]) -> tuple[Place, ...]:
    places = [one.image.place or _NO_PLACE for one in found]
    return tuple(places) if any(one.image.place for one in found) else ()


def _join_boundaries(found: Sequence[_Found], width: int) -> dict[str, NDArray[np.float32]]:
    """Rows by name, shape (bscan, width) each, NaN where there are none."""
    names = list(dict.fromkeys(name for one in found for name in one.image.boundaries))
    if len(names) > _MOST_BOUNDARIES:
        raise InputError(f"{found[0].pixels.source.parent}: the XML has {len(names)} boundaries")
    joined = {name: np.full((len(found), width), np.nan, np.float32) for name in names}
    for number, one in enumerate(found):
        for name, rows in one.image.boundaries.items():
            if len(rows) == width:
                joined[name][number] = rows
    return joined


def _read_fundus(
    file: Path, series: Series, names: Mapping[str, Path]
) -> tuple[NDArray[Any] | None, tuple[float | None, float | None], tuple[str, ...]]:
    """The localizer with its pixel size, and a note where it cannot be read."""
    for image in series.of_kind("LOCALIZER")[:1]:
        where = find_image(file, image.file, names)
        if where is None:
            return None, image.spacing_um, ("the fundus image is missing",)
        try:
            pixels = np.asarray(open_bscan(where, "grey").pixels)
        except InputError as error:
            # without its path: notes go where scans go
            why = str(error).removeprefix(f"{where}: ")
            return None, image.spacing_um, (f"the fundus image is left out: {why}",)
        if pixels.ndim != 2:
            return None, image.spacing_um, ("the fundus image is left out: not a single picture",)
        fits = image.shape in (None, pixels.shape)
        return pixels, image.spacing_um if fits else (None, None), ()
    return None, (None, None), ()


def _describe_digits(
    image: ExportedImage, spacing: tuple[float | None, ...], derived: Mapping[str, str]
) -> Iterator[str]:
    """Say how coarsely the file rounds pixel sizes, where that matters for lengths."""
    named = zip(("axial", "lateral"), spacing[1:], image.digits_um, strict=True)
    for name, size, half in named:
        is_files = name != "axial" or "depth" not in derived
        if size is not None and is_files and half > _COARSE * size:
            percent = 100 * half / size
            yield (
                f"the {name} pixel size is rounded in the file: {size:.4g} ± {half:.2g} µm "
                f"({percent:.2g} %)"
            )


def _contradictions(
    series: Series, declared: Sequence[ExportedImage], raster: Raster, shape: tuple[int, int]
) -> Iterator[str]:
    """What does not agree within the export, one line each."""
    eyes = Counter(image.eye for image in series.images if image.eye is not None)
    if len(eyes) > 1:
        found = " and ".join(f"{eye} for {count}" for eye, count in sorted(eyes.items()))
        yield f"the laterality of the images differs ({found})"
    elif series.eye is not None and eyes and series.eye not in eyes:
        yield f"the laterality is {series.eye} for the series, {next(iter(eyes))} for its images"
    if series.declared is not None and series.declared != len(series.images):
        yield (
            f"the XML says {count_noun(series.declared, 'image')} and describes "
            f"{len(series.images)}"
        )
    for image in declared:
        if image.shape is not None and image.shape != shape:
            yield (
                f"the XML says B-scans of {image.shape[0]} x {image.shape[1]} pixels, the files "
                f"have {shape[0]} x {shape[1]}; their pixel size is not taken over"
            )
            break
    if len({image.spacing_um for image in declared}) > 1:
        yield "the pixel size differs between B-scans"
    yield from raster.contradictions
    if series.pattern not in NOT_RASTERS:
        places = [image.place for image in declared if image.place is not None]
        yield from compare_lengths(places, shape[1], declared[0].spacing_um[1])
