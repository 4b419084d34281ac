"""What the places of B-scans tell: their distance, which are missing or twice, what disagrees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.acquisition import Place
from napari_retseg.plural import list_first

#: B-scans whose directions differ by less are parallel (cosine of 3 degrees).
_PARALLEL = 0.9986
#: Steps between B-scans that differ by less of a step, or by less than the last digit of positions
#: in mm with three decimals, are even.
_EVEN = 0.25
_LAST_DIGIT_UM = 1.5
#: A step of so many others: a B-scan is missing.
_GAP = 1.75
#: Share by which two statements of one length may differ.
_TOLERANCE = 0.03


@dataclass(frozen=True)
class Raster:
    """What the places of parallel B-scans tell.

    Parameters
    ----------
    distance_um
        Mean distance of neighbours; None where they are not parallel and in order, or not evenly
        spaced but for gaps.
    repeated
        B-scans at a place where an earlier one lies.
    contradictions
        One line each.
    """

    distance_um: float | None = None
    repeated: tuple[int, ...] = ()
    contradictions: tuple[str, ...] = ()


def read_raster(places: Sequence[Place]) -> Raster:
    """Tell the distance of B-scans beside each other from their places, and what is odd."""
    values = np.asarray(places, float).reshape(-1, 4)
    known = np.isfinite(values).all(axis=1)
    if not known.all():
        lines = ("the positions of some B-scans are unknown",) if known.any() else ()
        return Raster(contradictions=lines)
    along = values[:, 2:] - values[:, :2]
    length = np.hypot(*along.T)
    if len(values) < 2 or not length.all():
        return Raster()
    unit = along / length[:, np.newaxis]
    if (unit @ unit[0] < _PARALLEL).any():
        return Raster(contradictions=("the B-scans are not parallel",))
    middles = (values[:, :2] + values[:, 2:]) / 2
    heights = 1000 * middles @ np.array([-unit[0, 1], unit[0, 0]])
    return _read_heights(heights)


def _read_heights(heights: NDArray[np.float64]) -> Raster:
    """The same from places across the B-scans, in um."""
    steps = np.diff(heights)
    moving = np.abs(steps[np.abs(steps) > 0])
    typical = float(np.quantile(moving, 0.5, method="lower")) if moving.size else 0.0
    repeated = _find_repeated(heights, typical / 10)
    if not typical:
        return Raster(repeated=repeated)
    lines = list(_describe_steps(steps, typical))
    even = np.abs(np.abs(steps) - typical) <= max(_EVEN * typical, _LAST_DIGIT_UM)
    gaps = np.abs(steps) >= _GAP * typical
    in_order = (np.sign(steps) == np.sign(steps[0])).all()
    distance = None
    if in_order and even.all():
        distance = float(np.abs(steps).mean())
    elif in_order and (even | gaps).all():
        distance = typical
    elif in_order:
        lines.append("the B-scans are not evenly spaced")
    return Raster(distance, repeated, tuple(lines))


def _find_repeated(heights: NDArray[np.float64], tolerance: float) -> tuple[int, ...]:
    order = np.argsort(heights, kind="stable")
    same = np.diff(heights[order]) <= tolerance
    return tuple(sorted(max(int(order[k]), int(order[k + 1])) for k in np.flatnonzero(same)))


def _describe_steps(steps: NDArray[np.float64], typical: float) -> Iterator[str]:
    turned = np.flatnonzero(np.sign(steps) == -np.sign(steps[np.flatnonzero(steps)[0]]))
    gaps = np.flatnonzero(np.abs(steps) >= _GAP * typical)
    if turned.size:
        k = int(turned[0])
        yield f"the positions of the B-scans are not in order (B-scans {k} and {k + 1} of the file)"
    elif gaps.size:
        k = int(gaps[0])
        yield (
            f"B-scans {k} and {k + 1} of the file are {abs(steps[k]):.4g} µm apart, others "
            f"{typical:.4g} µm; is a B-scan missing?"
        )


def compare_distance(stored_um: float | None, raster: Raster) -> Iterator[str]:
    """Say where the stored distance of B-scans is not that of their places."""
    found = raster.distance_um
    if stored_um is not None and found is not None and _differ(stored_um, found):
        yield (
            f"the header says {stored_um:.4g} µm between B-scans, their positions say "
            f"{found:.4g} µm"
        )


def compare_lengths(places: Sequence[Place], width: int, lateral_um: float | None) -> Iterator[str]:
    """Say where straight B-scans are not as long as their A-scans, or not all of one length."""
    values = np.asarray(places, float).reshape(-1, 4)
    values = values[np.isfinite(values).all(axis=1)]
    length = np.hypot(values[:, 2] - values[:, 0], values[:, 3] - values[:, 1])
    if not length.size or not length.max() > 0:
        return
    if _differ(float(length.min()), float(length.max())):
        yield f"the B-scans are {length.min():.4g} to {length.max():.4g} mm long"
        return
    expected = None if lateral_um is None else width * lateral_um / 1000
    if expected is not None and _differ(expected, float(length.mean())):
        yield (
            f"the B-scans are {length.mean():.4g} mm long by their positions, {expected:.4g} mm "
            "by their pixel size"
        )


def is_circle(place: Place, width: int, lateral_um: float | None) -> bool:
    """Whether a B-scan is a circle, whose place is a point on it and its centre."""
    if lateral_um is None or not np.isfinite(place).all():
        return False
    around = 2 * np.pi * np.hypot(place[2] - place[0], place[3] - place[1])
    return not _differ(around, width * lateral_um / 1000)


def describe_lost(missing: Sequence[int], repeated: Sequence[int]) -> Iterator[str]:
    """Notes on B-scans that are declared and not there, and on those that are there twice."""
    for numbers, what in ((missing, "missing"), (repeated, "there more than once")):
        if numbers:
            noun = "B-scan" if len(numbers) == 1 else "B-scans"
            verb = "is" if len(numbers) == 1 else "are"
            yield f"{noun} {list_first(numbers, 5)} of the file {verb} {what}"


def _differ(one: Any, other: Any) -> bool:
    return bool(abs(one - other) > _TOLERANCE * max(abs(one), abs(other)))
