"""Where the frames of a DICOM volume lie: pixel sizes, order, places on the fundus."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_retseg.acquisition import Place
from napari_retseg.io.dicom_header import Instance
from napari_retseg.io.scale import to_um
from napari_retseg.plural import list_first

#: How much distances between frames may differ from each other, and from what the file says.
_TOLERANCE = 0.1


class Plane(NamedTuple):
    """One frame of a volume."""

    instance: Instance
    frame: int

    def find(self, sequence: str, keyword: str) -> Any:
        """A value of the frame: its own, that of all frames, or that of the file; else None."""
        header = self.instance.header
        per_frame = header.get("PerFrameFunctionalGroupsSequence") or ()
        groups = [per_frame[self.frame]] if self.frame < len(per_frame) else []
        groups += list(header.get("SharedFunctionalGroupsSequence") or ())[:1]
        for place in groups:
            for item in list(place.get(sequence) or ())[:1]:
                if item.get(keyword) is not None:
                    return item.get(keyword)
        return header.get(keyword)

    def numbers(self, sequence: str, keyword: str, count: int) -> tuple[float, ...] | None:
        """So many finite numbers of the frame; None where there are not."""
        found = self.find(sequence, keyword)
        values = found if isinstance(found, Sequence) or hasattr(found, "__iter__") else [found]
        try:
            numbers = tuple(float(value) for value in values)
        except (TypeError, ValueError):
            return None
        return numbers if len(numbers) == count and all(map(math.isfinite, numbers)) else None


@dataclass
class Geometry:
    """Pixel sizes in um (between frames, down, across), how known, and where the frames lie."""

    spacing_um: tuple[float | None, float | None, float | None]
    derived: dict[str, str] = field(default_factory=dict)
    positions_mm: tuple[Place, ...] = ()
    repeated: tuple[int, ...] = ()
    contradictions: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def find_depths(planes: Sequence[Plane]) -> list[float] | None:
    """Distance of each frame along their common normal, in mm, by Image Position (Patient)."""
    found = [
        (
            plane.numbers("PlanePositionSequence", "ImagePositionPatient", 3),
            plane.numbers("PlaneOrientationSequence", "ImageOrientationPatient", 6),
        )
        for plane in planes
    ]
    places = [place for place, _ in found if place is not None]
    axes = [axis for _, axis in found if axis is not None]
    if min(len(places), len(axes)) < len(planes) or not np.allclose(axes, axes[0], atol=1e-3):
        return None
    first = np.asarray(axes[0])
    normal = np.cross(first[:3], first[3:])
    if not 0.9 < np.linalg.norm(normal) < 1.1:
        return None
    return [float(depth) for depth in np.asarray(places) @ normal]


def find_lines(planes: Sequence[Plane]) -> NDArray[np.float64] | None:
    """Start x, y and end x, y of each B-scan in pixels of the reference image, shape (n, 4).

    The file has (row, column) pairs; PS3.3, Ophthalmic Frame Location Macro.
    """
    key = "OphthalmicFrameLocationSequence"
    found = [plane.numbers(key, "ReferenceCoordinates", 4) for plane in planes]
    if None in found:
        found = [_own_line(plane) for plane in planes]
    if None in found:
        return None
    return np.asarray(found, float)[:, [1, 0, 3, 2]]


def _own_line(plane: Plane) -> tuple[float, ...] | None:
    """The line of a file with one frame, where it stands outside the functional groups."""
    for item in list(plane.instance.header.get("OphthalmicFrameLocationSequence") or ())[:1]:
        values = item.get("ReferenceCoordinates") or ()
        if plane.instance.n_frames == 1 and len(values) == 4:
            return tuple(float(value) for value in values)
    return None


def find_reference(plane: Plane) -> str:
    """SOP instance of the reference image on which a B-scan lies; empty where unknown."""
    key = "OphthalmicFrameLocationSequence"
    found = plane.find(key, "ReferencedSOPInstanceUID")
    if found is None:
        for item in list(plane.instance.header.get(key) or ())[:1]:
            found = item.get("ReferencedSOPInstanceUID")
    return str(found or "")


def measure(planes: Sequence[Plane], fundus_um: tuple[float | None, ...] = ()) -> Geometry:
    """Measure a volume.

    Parameters
    ----------
    planes
        Its frames, in order.
    fundus_um
        Pixel size of the reference image, (down, across), where it is known.
    """
    is_oct = planes[0].instance.is_oct
    down, across, contradictions = _measure_plane(planes)
    geometry = Geometry((None, down, across), contradictions=contradictions)
    lines = find_lines(planes) if is_oct else None
    if lines is not None:
        _place(geometry, lines, fundus_um, planes[0].instance)
    depths = find_depths(planes) if len(planes) > 1 else None
    if len(planes) > 1:
        between = _measure_between(geometry, planes, depths)
        geometry.spacing_um = (between, down, across)
    return geometry


def _measure_plane(planes: Sequence[Plane]) -> tuple[float | None, float | None, list[str]]:
    """Pixel sizes down and across, where all frames have the same."""
    sizes = {p.numbers("PixelMeasuresSequence", "PixelSpacing", 2) for p in planes}
    if len(sizes) > 1:
        return None, None, ["the frames have different pixel sizes"]
    size = sizes.pop() or (None, None)
    return to_um(size[0], "mm"), to_um(size[1], "mm"), []


def _place(
    geometry: Geometry,
    lines: NDArray[np.float64],
    fundus_um: tuple[float | None, ...],
    instance: Instance,
) -> None:
    """Places in mm: through the pixel size of the reference image, or the width of the B-scans."""
    across = geometry.spacing_um[2]
    down_mm, across_mm = (um and um / 1000 for um in fundus_um) if fundus_um else (None, None)
    if not down_mm or not across_mm:
        lengths = np.hypot(*(lines[:, 2:] - lines[:, :2]).T)
        width_mm = across and across * int(instance.header.get("Columns") or 0) / 1000
        if not width_mm or lengths.min() <= 0:
            geometry.notes.append(
                "the B-scans' places are in pixels of a reference image without a known pixel size"
            )
            return
        down_mm = across_mm = width_mm / float(np.median(lengths))
        geometry.derived["positions"] = "their scale from the width of the B-scans"
    # the file has 32-bit numbers
    places = np.round(lines * [across_mm, down_mm, across_mm, down_mm], 6)
    geometry.positions_mm = tuple((a, b, c, d) for a, b, c, d in places.tolist())


def _measure_between(
    geometry: Geometry, planes: Sequence[Plane], depths: list[float] | None
) -> float | None:
    """Distance between frames: stored, or derived from their places (or, not in OCT, thickness)."""
    axis = "bscan" if planes[0].instance.is_oct else "z"
    sizes = {p.numbers("PixelMeasuresSequence", "SpacingBetweenSlices", 1) for p in planes}
    (stored,) = sizes.pop() or (None,) if len(sizes) == 1 else (None,)
    stored_um = to_um(abs(stored), "mm") if stored is not None else None
    where = "Image Position (Patient)"
    steps = None if depths is None else 1000 * np.diff(depths)
    if steps is None and geometry.positions_mm:
        where, steps = "Ophthalmic Frame Location", _find_steps(geometry.positions_mm)
    if steps is not None:
        median = float(np.median(np.abs(steps)))
        geometry.contradictions += list(_check_steps(steps, median, stored_um))
        geometry.repeated = tuple(int(k) + 1 for k in np.flatnonzero(np.abs(steps) < median / 100))
        if stored_um is None and median > 0:
            geometry.derived[axis] = f"from the places of the frames ({where})"
            return float(f"{median:.6g}")
    if stored_um is not None:
        return stored_um
    # in ophthalmic tomography it is that of the beam
    thickness = planes[0].numbers("PixelMeasuresSequence", "SliceThickness", 1)
    if axis == "z" and thickness is not None:
        geometry.derived[axis] = "slice thickness, taken as the distance"
        return to_um(thickness[0], "mm")
    return None


def _find_steps(positions_mm: Sequence[Place]) -> NDArray[np.float64] | None:
    """Distances between the centres of neighbouring parallel lines, in um, signed."""
    places = np.asarray(positions_mm)
    along = places[:, 2:] - places[:, :2]
    lengths = np.hypot(*along.T)
    if lengths.min() <= 0:
        return None
    along /= lengths[:, None]
    if (along @ along[0] < 0.99).any():
        return None
    centres = (places[:, :2] + places[:, 2:]) / 2
    return np.asarray(1000 * np.diff(centres @ [-along[0, 1], along[0, 0]]))


def _check_steps(
    steps: NDArray[np.float64], median: float, stored_um: float | None
) -> Iterator[str]:
    if median <= 0:
        yield "the frames lie at one place"
        return
    if (np.sign(steps) != np.sign(steps[0])).any():
        yield "the positions of the frames go forth and back"
    odd = np.flatnonzero(np.abs(np.abs(steps) - median) > _TOLERANCE * median)
    if odd.size:
        shown = list_first([f"{k} and {k + 1}" for k in odd], 3)
        yield f"the distance between frames {shown} is not that of the others ({median:.4g} µm)"
    if stored_um is not None and abs(median - stored_um) > _TOLERANCE * stored_um:
        yield (
            f"the frames are {median:.4g} µm apart by their positions, but the header says "
            f"{stored_um:.4g}"
        )
