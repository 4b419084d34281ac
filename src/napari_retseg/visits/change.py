"""What changed between two visits of one eye: sectors, lesions and maps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import IGNORE, LabelSet
from napari_retseg.errors import InputError
from napari_retseg.layers.anatomy import is_lesion
from napari_retseg.measures import (
    Centre,
    EnfaceGrid,
    Measures,
    Sectors,
    find_fluid,
    find_surfaces,
    make_etdrs,
    measure_fluid,
    measure_labels,
)
from napari_retseg.measures.pictures import interpolate
from napari_retseg.measures.spans import RETINA, is_raised
from napari_retseg.measures.thickness import Map
from napari_retseg.scan import FUNDUS_KIND, OctScan
from napari_retseg.visits.front import Front, has_fundus, look_at_fundus, look_at_projection
from napari_retseg.visits.registration import Registration, register
from napari_retseg.visits.repeatability import Repeatability
from napari_retseg.visits.rows import ChangeRow, make_row

#: Vessels of one eye correlate by 0.4 and more on drawn SLOs, those of two eyes by 0.12 and less.
LEAST_SIMILARITY = 0.15
#: Of one eye mostly 4 and more, of two eyes at most 3.2, though vessels were straight lines.
_LEAST_LEAD = 4.0
_LEAST_OVERLAP = 0.4
#: A scale farther from 1 is no pixel size of one eye.
_MOST_SCALE = 0.05


@dataclass(frozen=True, eq=False)
class Visit:
    """Labels of one visit with their scan.

    Attributes
    ----------
    name
        What messages call it.
    labels
        Class values of the scan's shape.
    is_doubtful
        A-scans whose layers are left out, ``(bscan, width)``.
    said_by
        Models that predicted the labels, by the hash of their weights; empty where a person has
        changed or confirmed any, or it is not known.
    """

    name: str
    scan: OctScan
    labels: NDArray[np.uint8]
    classes: LabelSet
    is_doubtful: NDArray[np.bool_] | None = None
    said_by: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class Change:
    """What changed between two visits.

    Attributes
    ----------
    rows
        All numbers.
    before, after
        Thickness of both visits in um, at the A-scans of the first, ``(bscan, width)``; NaN where
        it is unknown.
    maps
        The second minus the first.
    grid, sectors
        Of the first visit.
    moved
        The A-scans of the second visit on the fundus of the first.
    fronts
        Pictures of the fundus of both visits.
    registration
        Where each place of the first visit lies in the second.
    repeatability, basis
        What judged the changes, and where the smallest changes come from, as the user reads it.
    notes
        What the user should know.
    """

    rows: tuple[ChangeRow, ...]
    before: dict[str, Map]
    after: dict[str, Map]
    maps: dict[str, Map]
    grid: EnfaceGrid
    moved: EnfaceGrid
    sectors: Sectors
    fronts: tuple[Front, Front]
    registration: Registration
    repeatability: Repeatability
    basis: str
    notes: tuple[str, ...]

    def judge(self, repeatability: Repeatability) -> Change:
        """Return the same with other smallest changes."""
        rows, basis = repeatability.judge(self.rows)
        return replace(self, rows=rows, repeatability=repeatability, basis=basis)


def find_change(
    before: Visit,
    after: Visit,
    *,
    centre: Centre = "fovea",
    repeatability: Repeatability | None = None,
) -> Change:
    """Lay the second visit over the first and find what changed.

    Both are measured where both are known, in the ETDRS grid of the first visit.

    Parameters
    ----------
    centre
        Of the ETDRS grid, in the first visit.

    Raises
    ------
    InputError
        Where the eyes or patients differ, the scale is unknown, a scan is no volume of parallel
        B-scans, or the vessels of both do not match.
    """
    _check_eyes(before, after)
    both = _Both.measure(before, after, centre)
    fronts = both.look()
    found = register(*fronts, foveas_mm=both.list_foveas())
    registration = _check_match(before, after, found)
    pair = both.lay_over(registration)
    earlier, later = pair.list_maps()
    repeatability = repeatability or Repeatability()
    rows, basis = repeatability.judge(pair.list_rows())
    return Change(
        rows=rows,
        before=earlier,
        after=later,
        maps={name: later[name] - one for name, one in earlier.items()},
        grid=pair.sectors.grid,
        moved=pair.moved.grid,
        sectors=pair.sectors,
        fronts=fronts,
        registration=registration,
        repeatability=repeatability,
        basis=basis,
        notes=tuple(both.list_notes(registration)),
    )


def measure_changes(
    before: Visit, after: Visit, registration: Registration
) -> tuple[ChangeRow, ...]:
    """Measure two visits whose registration is known, as :func:`find_change` does.

    Raises
    ------
    InputError
        Where the scale is unknown, or a scan is no volume of parallel B-scans.
    """
    return tuple(_Both.measure(before, after, "fovea").lay_over(registration).list_rows())


def _check_eyes(before: Visit, after: Visit) -> None:
    eyes = before.scan.laterality, after.scan.laterality
    if None not in eyes and eyes[0] != eyes[1]:
        raise InputError(
            f"{before.name} is of the {eyes[0]}, {after.name} of the {eyes[1]}; choose two scans "
            "of one eye"
        )
    patients = before.scan.patient_key, after.scan.patient_key
    if None not in patients and patients[0] != patients[1]:
        raise InputError(
            f"{before.name} and {after.name} are of different patients; choose two scans of one eye"
        )


def _measure(visit: Visit, centre: Centre) -> Measures:
    if visit.scan.spacing_um[-2] is None:
        raise InputError(f"{visit.name}: the axial pixel size is unknown; give it for the scan")
    try:
        return measure_labels(
            visit.labels, visit.classes, visit.scan, centre=centre, is_doubtful=visit.is_doubtful
        )
    except InputError as error:
        raise InputError(f"{visit.name}: {error}") from error


def _project(visit: Visit, grid: EnfaceGrid) -> Front:
    surfaces = find_surfaces(visit.labels, visit.classes, is_doubtful=visit.is_doubtful)
    if surfaces is None:
        raise InputError(
            f"{visit.name}: the labels have no layers; they are needed to find the vessels where a "
            "file has no SLO"
        )
    lower = surfaces.spans[RETINA][1] if RETINA in surfaces.spans else -1
    return look_at_projection(visit.scan, surfaces.rows[lower], grid)


def _check_match(before: Visit, after: Visit, found: Registration | None) -> Registration:
    """Refuse a registration that may be wrong."""
    names = f"{before.name} and {after.name}"
    if found is None or found.overlap < _LEAST_OVERLAP:
        raise InputError(
            f"{names}: too little of the eye is in both scans; choose scans of one field"
        )
    if found.similarity < LEAST_SIMILARITY or found.lead < _LEAST_LEAD:
        raise InputError(
            f"{names}: the vessels do not match (correlation {found.similarity:.2f}, elsewhere "
            f"{found.rival:.2f}); check that both are of one eye and of good quality"
        )
    if abs(found.scale - 1) > _MOST_SCALE:
        raise InputError(
            f"{names}: lengths differ by {100 * (found.scale - 1):+.0f} %; check the pixel sizes"
        )
    return found


@dataclass(frozen=True, eq=False)
class _Both:
    """Two visits, each measured on its own."""

    visits: tuple[Visit, Visit]
    first: Measures
    second: Measures
    grid: EnfaceGrid
    other: EnfaceGrid
    sectors: Sectors

    @classmethod
    def measure(cls, before: Visit, after: Visit, centre: Centre) -> _Both:
        first, second = _measure(before, centre), _measure(after, "fovea")
        grid, other, sectors = first.grid, second.grid, first.sectors
        if grid is None or other is None or sectors is None:
            poor = after if other is None else before
            raise InputError(
                f"{poor.name}: two visits need volumes of parallel B-scans of known pixel size"
            )
        return cls((before, after), first, second, grid, other, sectors)

    def list_foveas(self) -> tuple[tuple[float, float], tuple[float, float]] | None:
        one, other = self.first.fovea, self.second.fovea
        if one is None or other is None or one.is_doubtful or other.is_doubtful:
            return None
        return one.place_mm, other.place_mm

    def look(self) -> tuple[Front, Front]:
        """Pictures of one kind of both visits."""
        before, after = self.visits
        kinds = {one.scan.metadata.get(FUNDUS_KIND) for one in self.visits}
        if len(kinds) == 1 and all(has_fundus(one.scan) for one in self.visits):
            return look_at_fundus(before.scan), look_at_fundus(after.scan)
        return _project(before, self.grid), _project(after, self.other)

    def lay_over(self, registration: Registration) -> _Pair:
        """Lay the second visit over the first."""
        before, after = self.visits
        eye = before.scan.laterality or after.scan.laterality
        centre_mm = self.sectors.centre_mm
        return _Pair(
            visits=self.visits,
            first=self.first,
            second=self.second,
            sectors=make_etdrs(self.grid, centre_mm, eye),
            moved=make_etdrs(registration.return_grid(self.other), centre_mm, eye),
        )

    def list_notes(self, found: Registration) -> Iterator[str]:
        for visit, measures in zip(self.visits, (self.first, self.second), strict=True):
            for note in measures.notes:
                yield f"{visit.name}: {note}"
        if self.list_foveas() is None:
            yield "a fovea is doubtful: the visits are registered on the vessels alone"
        if abs(found.scale - 1) > 0.02:
            yield (
                f"lengths differ by {100 * (found.scale - 1):+.1f} %: a pixel size is wrong, or "
                "the focus was another one"
            )
        if None in {one.scan.laterality for one in self.visits}:
            yield "the eye (OD or OS) is not known of both scans"
        if None in {one.scan.patient_key for one in self.visits}:
            yield "the files do not both say which patient they are of"


@dataclass(frozen=True, eq=False)
class _Pair:
    """Both visits on the fundus of the first."""

    visits: tuple[Visit, Visit]
    first: Measures
    second: Measures
    sectors: Sectors
    moved: Sectors

    def _shared(self) -> Iterator[tuple[str, Map, Map]]:
        for name, before in self.first.maps.items():
            if name in self.second.maps:
                yield name, before, self.second.maps[name]

    def list_maps(self) -> tuple[dict[str, Map], dict[str, Map]]:
        """The maps of both at the A-scans of the first."""
        places = self.sectors.grid.places_mm()
        shared = list(self._shared())
        return {name: before for name, before, _ in shared}, {
            name: interpolate(after, self.moved.grid, places) for name, _, after in shared
        }

    def list_rows(self) -> Iterator[ChangeRow]:
        """All numbers of both visits."""
        yield from self._list_thickness()
        yield from self._list_lesions(*self.visits)

    def _list_thickness(self) -> Iterator[ChangeRow]:
        here, there = self.sectors.grid, self.moved.grid
        for name, before, after in self._shared():
            # both only where both are known
            known_here = np.isfinite(interpolate(after, there, here.places_mm()))
            known_there = np.isfinite(interpolate(before, here, there.places_mm()))
            one = self.sectors.measure(np.where(known_here, before, np.float32(np.nan)))
            other = self.moved.measure(np.where(known_there, after, np.float32(np.nan)))
            for sector in self.sectors.names:
                a, b = one[sector], other[sector]
                valid = min(a.valid, b.valid)
                yield make_row("mean thickness", name, sector, (a.mean, b.mean), "um", valid)

    def _list_lesions(self, before: Visit, after: Visit) -> Iterator[ChangeRow]:
        """Volumes in the sectors, where both visits are annotated."""
        theirs = {one.name: one.value for one in after.classes.foreground}
        seen, seen_after = _find_annotated(before), _find_annotated(after)
        here, there = self.sectors.grid, self.moved.grid
        seen_here = np.isfinite(interpolate(seen_after, there, here.places_mm()) + seen)
        seen_there = np.isfinite(interpolate(seen, here, there.places_mm()) + seen_after)
        for one in before.classes.foreground:
            if not (is_lesion(one.name) or is_raised(one.name)) or one.name not in theirs:
                continue
            ours = _find_volumes(before, one.value, self.sectors, seen_here)
            others = _find_volumes(after, theirs[one.name], self.moved, seen_there)
            for sector in self.sectors.names:
                (a, valid), (b, other) = ours[sector], others[sector]
                valid = min(valid, other)
                yield make_row("volume", one.name, sector, (a, b), "nl", valid)


def _find_annotated(visit: Visit) -> Map:
    """1 where an A-scan is annotated, else NaN."""
    volume = visit.labels.reshape(-1, *visit.labels.shape[-2:])
    return np.where((volume == IGNORE).any(axis=1), np.nan, 1).astype(np.float32)


def _find_volumes(
    visit: Visit, value: int, sectors: Sectors, is_seen: NDArray[np.bool_]
) -> dict[str, tuple[float, float]]:
    """Volume in nl and valid fraction of each sector."""
    fluid = find_fluid(visit.labels.reshape(-1, *visit.labels.shape[-2:]), [value])
    fluid = replace(fluid, heights_px=np.where(is_seen, fluid.heights_px, 0))
    axial_um = visit.scan.spacing_um[-2] or 1.0
    found = measure_fluid(fluid, sectors.grid, axial_um, sectors)
    shares = sectors.measure(np.where(is_seen, 1, np.nan).astype(np.float32))
    return {name: (found[name].volume_nl, shares[name].valid) for name in sectors.names}
