"""All that is measured of a scan from its labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import IGNORE, LabelSet
from napari_retseg.errors import InputError
from napari_retseg.io.heidelberg_xml import ETDRS
from napari_retseg.measures.elevation import find_elevation
from napari_retseg.measures.enface import EnfaceGrid, lay_out
from napari_retseg.measures.fluid import find_fluid, find_raised
from napari_retseg.measures.fovea import Fovea
from napari_retseg.measures.maps import ELEVATION, list_lesions, locate_fovea, make_maps
from napari_retseg.measures.notes import note_centre, note_left_out, note_scan
from napari_retseg.measures.quantities import (
    SCAN,
    Measurement,
    list_arcs,
    list_lesion,
    list_pixels,
    list_scan,
    list_sectors,
)
from napari_retseg.measures.sectors import Place, Sectors, make_etdrs
from napari_retseg.measures.thickness import Map, Surfaces, find_surfaces
from napari_retseg.plural import list_first
from napari_retseg.scan import FUNDUS_UM, Laterality, OctScan

#: Where the ETDRS grid lies: on the fovea that is found, where the file's own grid lies, or on a
#: B-scan and A-scan, counted from 0.
Centre: TypeAlias = Literal["fovea", "file"] | tuple[float, float]


@dataclass(frozen=True, eq=False)
class Measures:
    """What is measured of a scan.

    Attributes
    ----------
    numbers
        All of them.
    maps
        Thickness by span of layers, ``(bscan, width)``, in `unit`; NaN where it is unknown.
    unit
        Of thickness: "um", or "px" where the axial pixel size is unknown.
    grid
        Where the A-scans lie; None where that is unknown, or the scan is no raster.
    fovea
        Where it was found; None where it was not looked for.
    sectors
        The ETDRS grid; None without a known scale.
    eye
        Whose nasal and temporal sides were taken; None where the eye is unknown.
    notes
        What the user should know.
    """

    numbers: tuple[Measurement, ...]
    maps: dict[str, Map]
    unit: str
    grid: EnfaceGrid | None
    fovea: Fovea | None
    sectors: Sectors | None
    eye: Laterality | None
    notes: tuple[str, ...]

    def find(self, measure: str, structure: str, sector: str = SCAN) -> Measurement:
        """Return one number.

        Raises
        ------
        KeyError
            Where it was not measured.
        """
        for one in self.numbers:
            if (one.measure, one.structure, one.sector) == (measure, structure, sector):
                return one
        raise KeyError((measure, structure, sector))


def measure_labels(
    labels: NDArray[np.uint8],
    classes: LabelSet,
    scan: OctScan,
    *,
    centre: Centre = "fovea",
    is_doubtful: NDArray[np.bool_] | None = None,
    rows: NDArray[np.floating[Any]] | None = None,
) -> Measures:
    """Measure the layers and lesions of a scan.

    Parameters
    ----------
    labels
        Class values of the scan's shape.
    classes
        Their names.
    centre
        Of the ETDRS grid.
    is_doubtful
        A-scans whose layers are left out, ``(bscan, width)``.
    rows
        Boundaries of the layers to parts of a pixel, ``(K + 1, bscan, width)``, NaN where those of
        the labels count.

    Raises
    ------
    InputError
        Where the scan is not OCT, the labels do not fit, no class can be measured, or there is no
        such centre.
    """
    _check(labels, classes, scan)
    volume = labels.reshape(-1, *labels.shape[-2:])
    surfaces = find_surfaces(volume, classes, is_doubtful=is_doubtful)
    if surfaces is not None and rows is not None:
        surfaces = surfaces.replace_rows(rows)
    lesions = list_lesions(classes)
    if surfaces is None and not lesions:
        names = list_first(list(classes.names[1:]), 8) or "none"
        raise InputError(
            f"no class is a retinal layer or a lesion (the classes are {names}); say what they are "
            "with --model MODEL, or in Python with classes="
        )
    return _Measuring(volume, scan, surfaces, lesions).measure(centre)


def _check(labels: NDArray[np.uint8], classes: LabelSet, scan: OctScan) -> None:
    if not scan.is_oct:
        raise InputError(f"{_name(scan)}: only OCT scans can be measured")
    if labels.shape != scan.spatial_shape:
        raise InputError(
            f"{_name(scan)}: labels of shape {labels.shape} do not fit a scan of "
            f"{scan.spatial_shape}"
        )
    unknown = classes.unknown_values(labels)
    if unknown:
        raise InputError(f"{_name(scan)}: label values {unknown} have no class; name all classes")


def _name(scan: OctScan) -> str:
    return str(scan.source or "the scan")


class _Measuring:
    """The work on one scan."""

    def __init__(
        self,
        volume: NDArray[np.uint8],
        scan: OctScan,
        surfaces: Surfaces | None,
        lesions: dict[str, list[int]],
    ) -> None:
        self._volume, self._scan, self._surfaces, self._lesions = volume, scan, surfaces, lesions
        self._axial_um = scan.spacing_um[-2]
        self._unit = "px" if self._axial_um is None else "um"
        self._grid = lay_out(scan)

    def measure(self, centre: Centre) -> Measures:
        maps = {} if self._surfaces is None else make_maps(self._surfaces, self._scan)
        fovea = None if self._grid is None else locate_fovea(maps, self._grid)
        place = self._find_centre(centre, fovea)
        eye = self._scan.laterality
        sectors = None
        if self._grid is not None and place is not None:
            sectors = make_etdrs(self._grid, place, eye)
        numbers = (
            *self._list_places(fovea, place),
            *self._list_left_out(),
            *self._list_thickness(maps, sectors),
            *self._list_lesions(maps, sectors, place),
        )
        return Measures(
            numbers=numbers,
            maps=maps,
            unit=self._unit,
            grid=self._grid,
            fovea=fovea,
            sectors=sectors,
            eye=eye,
            notes=tuple(self._list_notes(fovea if centre == "fovea" else None, sectors)),
        )

    def _find_centre(self, centre: Centre, fovea: Fovea | None) -> Place | None:
        if centre == "fovea":
            return None if fovea is None else fovea.place_mm
        if self._grid is None:
            raise InputError(
                f"{_name(self._scan)}: a grid needs a volume of parallel B-scans of known scale"
            )
        place = self._find_own() if centre == "file" else self._grid.place_of(*centre)
        if place is None or not self._grid.contains(place):
            raise InputError(
                f"{_name(self._scan)}: the centre of the grid lies outside the scan; choose another"
            )
        return place

    def _find_own(self) -> Place:
        """Where the file's own ETDRS grid lies."""
        metadata = self._scan.metadata
        pixels = metadata.get(ETDRS, {}).get("centre_px", (None, None))
        down_um, across_um = metadata.get(FUNDUS_UM, (None, None))
        has_places = bool(self._scan.acquisition.positions_mm)
        x, y = pixels
        if None in (x, y, down_um, across_um) or not has_places:
            raise InputError(
                f"{_name(self._scan)}: the file has no ETDRS grid of its own; leave the centre to "
                "the fovea, or give a B-scan and an A-scan"
            )
        return float(x * across_um / 1000), float(y * down_um / 1000)

    def _list_notes(self, fovea: Fovea | None, sectors: Sectors | None) -> Iterator[str]:
        yield from note_scan(self._scan, self._grid)
        if self._grid is not None:
            yield from note_centre(self._scan, fovea, sectors)
        if self._surfaces is not None:
            yield from note_left_out(self._surfaces)

    def _list_places(self, fovea: Fovea | None, place: Place | None) -> Iterator[Measurement]:
        for name, found in (
            ("fovea", None if fovea is None else fovea.place_mm),
            ("centre of the grid", place),
        ):
            if found is not None and self._grid is not None:
                bscan, ascan = self._grid.find_ascan(found)
                yield Measurement("B-scan", name, SCAN, float(bscan), "")
                yield Measurement("A-scan", name, SCAN, float(ascan), "")
        if fovea is not None:
            yield Measurement("doubtful", "fovea", SCAN, float(fovea.is_doubtful), "")

    def _list_left_out(self) -> Iterator[Measurement]:
        found = self._surfaces
        if found is None:
            return
        for why, which in (
            ("doubtful", found.is_doubtful),
            ("layers out of order", found.is_unordered),
            ("not annotated", found.is_unannotated),
        ):
            yield Measurement("A-scans left out", why, SCAN, float(which.sum()), "")

    def _list_thickness(
        self, maps: dict[str, Map], sectors: Sectors | None
    ) -> Iterator[Measurement]:
        for name, one in maps.items():
            if sectors is not None:
                yield from list_sectors(name, one, sectors, self._unit)
            elif self._scan.scan_pattern == "circle" and len(one) == 1:
                yield from list_arcs(name, one, self._unit)
            yield from list_scan(name, one, self._unit)

    def _list_lesions(
        self, maps: dict[str, Map], sectors: Sectors | None, place: Place | None
    ) -> Iterator[Measurement]:
        annotated = ~(self._volume == IGNORE).any(axis=1)
        found = {name: find_fluid(self._volume, values) for name, values in self._lesions.items()}
        if self._surfaces is not None and self._grid is not None:
            raised = find_elevation(self._surfaces, maps, self._scan)
            if raised is not None:
                found[ELEVATION] = find_raised(raised)
        for name, fluid in found.items():
            if self._grid is None or self._axial_um is None:
                area, valid = self._pixel_mm2(), float(annotated.mean())
                yield from list_pixels(name, fluid, pixel_mm2=area, valid=valid)
                continue
            yield from list_lesion(
                name,
                fluid,
                grid=self._grid,
                axial_um=self._axial_um,
                sectors=sectors,
                fovea_mm=place,
                valid=_share_annotated(annotated, sectors),
            )

    def _pixel_mm2(self) -> float | None:
        lateral = self._scan.spacing_um[-1]
        if self._scan.n_bscans > 1 or self._axial_um is None or lateral is None:
            return None
        return self._axial_um * lateral / 1e6


def _share_annotated(annotated: NDArray[np.bool_], sectors: Sectors | None) -> dict[str, float]:
    shares = {SCAN: float(annotated.mean())}
    if sectors is not None:
        covered = (sectors.weights[0] * annotated).sum(axis=(1, 2), dtype=np.float64)
        named: Sequence[str] = sectors.names
        for name, area, whole in zip(named, covered, sectors.areas_mm2, strict=True):
            shares[name] = min(1.0, float(area) / whole)
    return shares
