"""Lay the second visit of an eye over the first: shift, rotation and a small scale.

All rotations and shifts are tried on the vessels, by normalised correlation of what both pictures
show (Padfield, Masked object registration in the Fourier domain, IEEE TIP 21:2706, 2012); the best
is refined to parts of a pixel. Where both foveas are known, they must meet.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, next_fast_len, rfft2
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.optimize import minimize

from napari_retseg.measures import EnfaceGrid
from napari_retseg.measures.sectors import Place
from napari_retseg.visits.front import STEP_MM, Front

#: Rotations that are tried, in degrees.
_TURNS = np.arange(-12.0, 12.1, 1.0)
#: Pixels are so many times larger where all shifts are tried.
_COARSE = 2
#: How far apart the two foveas may lie.
_FOVEA_MM = 0.5
#: Another place that fits counts as another one from so far away.
_APART_MM = 0.4
#: Part of the smaller picture that both show.
_OVERLAP = 0.4
#: Correlations elsewhere vary at least by so much, and none counts as more than this.
_LEAST_SPREAD, _MOST_ALIKE = 0.01, 0.999

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Registration:
    """Where each place of the first visit lies in the second.

    Attributes
    ----------
    turn_deg
        Rotation, clockwise on the fundus image.
    scale
        Length in the second visit of 1 mm in the first.
    pivot_mm, moved_mm
        A place of the first visit, and where it lies in the second.
    similarity
        Correlation of the vessels of both, -1 to 1.
    rival
        The best correlation elsewhere.
    lead
        How much better it is than the best place elsewhere, in standard deviations of all
        correlations elsewhere, by Fisher's transformation (Biometrika 10:507, 1915). Vessels of
        another eye match by chance, and about as well in several places.
    overlap
        Part of the smaller picture that both show.
    kind
        Of the pictures.
    """

    turn_deg: float
    scale: float
    pivot_mm: Place
    moved_mm: Place
    similarity: float
    rival: float
    lead: float
    overlap: float
    kind: str

    def find(self, places_mm: Floats) -> Floats:
        """Return where places of the first visit, ``(2, ...)``, lie in the second."""
        pivot, moved = (_stand(one, places_mm.ndim) for one in (self.pivot_mm, self.moved_mm))
        found: Floats = moved + np.tensordot(self._matrix, places_mm - pivot, axes=1)
        return found

    def return_grid(self, grid: EnfaceGrid) -> EnfaceGrid:
        """Lay the A-scans of the second visit on the fundus of the first."""
        back = np.linalg.inv(self._matrix)
        return replace(
            grid,
            middles_mm=(grid.middles_mm - self.moved_mm) @ back.T + self.pivot_mm,
            step_mm=back @ grid.step_mm,
            normal=back @ grid.normal * self.scale,
            reach_mm=grid.reach_mm / self.scale,
        )

    def describe(self) -> str:
        """Say what was found and how good it is."""
        return (
            f"{self.kind}: rotation {self.turn_deg:+.1f}°, scale {self.scale:.3f}, correlation of "
            f"the vessels {self.similarity:.2f} (elsewhere {self.rival:.2f}), overlap "
            f"{100 * self.overlap:.0f} %"
        )

    @property
    def _matrix(self) -> Floats:
        return self.scale * _rotate(self.turn_deg)


def _stand(place: Place, ndim: int) -> Floats:
    return np.reshape(place, (2, *(1,) * (ndim - 1))).astype(np.float64)


def _rotate(turn_deg: float) -> Floats:
    cos, sin = np.cos(np.deg2rad(turn_deg)), np.sin(np.deg2rad(turn_deg))
    return np.array([[cos, -sin], [sin, cos]])


def register(
    before: Front, after: Front, foveas_mm: tuple[Place, Place] | None = None
) -> Registration | None:
    """Lay the second visit over the first.

    Parameters
    ----------
    foveas_mm
        Of the first and of the second visit, where both are known.

    Returns
    -------
    Registration or None
        The best one, good or not; None where the pictures have too little in common.
    """
    pivot = before.centre_mm
    anywhere = [_try_turn(before, after, turn) for turn in _TURNS]
    tried = anywhere
    if foveas_mm is not None:
        tried = [one.limit(before, after, foveas_mm) for one in anywhere]
    best = max(tried, key=lambda one: one.similarity)
    if not np.isfinite(best.similarity) or best.similarity <= 0:
        return None
    # also where the foveas do not meet: if vessels match as well there, they match by chance
    elsewhere = np.concatenate([one.list_away_from(best.shift_mm) for one in anywhere])
    rival = float(elsewhere.max(initial=0.0))
    refined, similarity = _refine(before, after, best, pivot)
    found = Registration(
        turn_deg=float(refined[2]),
        scale=float(np.exp(refined[3])),
        pivot_mm=_pair(pivot),
        moved_mm=_pair(refined[:2]),
        similarity=similarity,
        rival=rival,
        lead=_find_lead(best.similarity, elsewhere),
        overlap=0.0,
        kind=before.kind,
    )
    return replace(found, overlap=_share_seen(before, after, found))


def _find_lead(similarity: float, elsewhere: Floats) -> float:
    if not elsewhere.size:
        return 0.0
    others = np.arctanh(np.clip(elsewhere, -_MOST_ALIKE, _MOST_ALIKE))
    ahead = np.arctanh(min(similarity, _MOST_ALIKE)) - others.max()
    return float(ahead / max(np.sqrt(np.mean(others**2)), _LEAST_SPREAD))


def _pair(values: Floats) -> Place:
    return float(values[0]), float(values[1])


@dataclass(frozen=True, eq=False)
class _Tried:
    """Correlations of one rotation at all shifts."""

    turn_deg: float
    values: Floats
    right_mm: Floats
    down_mm: Floats

    @property
    def similarity(self) -> float:
        return float(self.values.max())

    @property
    def shift_mm(self) -> Floats:
        """The best shift, x and y."""
        row, column = np.unravel_index(int(self.values.argmax()), self.values.shape)
        return np.array([self.right_mm[column], self.down_mm[row]])

    def limit(self, before: Front, after: Front, foveas_mm: tuple[Place, Place]) -> _Tried:
        """Leave out the shifts where the foveas do not meet."""
        one, other = (np.asarray(place) for place in foveas_mm)
        x, y = _rotate(-self.turn_deg) @ (other - after.centre_mm) - (one - before.centre_mm)
        values = np.where(self._measure_from(x, y) < _FOVEA_MM, self.values, -np.inf)
        return replace(self, values=values)

    def list_away_from(self, shift_mm: Floats) -> Floats:
        """Correlations at all shifts that are far from one."""
        x, y = shift_mm
        away = (self._measure_from(x, y) > _APART_MM) & np.isfinite(self.values)
        return self.values[away]

    def _measure_from(self, x: float, y: float) -> Floats:
        found: Floats = np.hypot(self.right_mm - x, self.down_mm[:, np.newaxis] - y)
        return found


def _try_turn(before: Front, after: Front, turn_deg: float) -> _Tried:
    """Correlate at all shifts: the first picture with the second one, turned back."""
    step = STEP_MM * _COARSE
    first, first_seen, first_mm = _sample(before, 0.0, step)
    second, second_seen, second_mm = _sample(after, turn_deg, step)
    values = _correlate(first, first_seen, second, second_seen)
    height, width = first.shape
    # index 0: the last pixel of the second picture lies on the first pixel of the first one
    right = second_mm[0] - first_mm[0] + step * (np.arange(values.shape[1]) - (width - 1))
    down = second_mm[1] - first_mm[1] + step * (np.arange(values.shape[0]) - (height - 1))
    return _Tried(turn_deg, values, right, down)


def _sample(front: Front, turn_deg: float, step: float) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """Vessels around the picture's middle, turned back; and where the first pixel lies."""
    half = np.array(front.vessels.shape[::-1]) / 2 * STEP_MM
    if turn_deg:
        half = np.abs(_rotate(turn_deg)) @ half
    x, y = (np.arange(-np.floor(one / step), np.floor(one / step) + 1) * step for one in half)
    places = np.stack(np.meshgrid(x, y))
    places = np.tensordot(_rotate(turn_deg), places, axes=1) + _stand(_pair(front.centre_mm), 3)
    soft = gaussian_filter(front.vessels, _COARSE / 2)
    vessels, seen = _look_up(front, soft, places)
    return np.where(seen, vessels, 0), seen, np.array([x[0], y[0]])


def _look_up(front: Front, values: Floats, places: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    x, y = (places - _stand(front.origin_mm, places.ndim)) / STEP_MM
    found: Floats = map_coordinates(values, [y, x], order=1, mode="constant")
    seen = map_coordinates(front.is_seen.astype(np.float32), [y, x], order=1, mode="constant")
    return found, seen > 0.99


def _correlate(
    first: Floats, first_seen: NDArray[np.bool_], second: Floats, second_seen: NDArray[np.bool_]
) -> Floats:
    """Normalised correlation of what both show, at all shifts; -inf where that is too little."""
    size = [a + b - 1 for a, b in zip(first.shape, second.shape, strict=True)]
    fast = [next_fast_len(one, real=True) for one in size]

    def transform(image: Floats) -> NDArray[np.complex128]:
        result: NDArray[np.complex128] = rfft2(image, fast)
        return result

    # the first picture is reversed, so that a product of spectra is a correlation
    mask_1, mask_2 = first_seen[::-1, ::-1].astype(np.float64), second_seen.astype(np.float64)
    image_1 = first[::-1, ::-1]
    f_1, f_2, m_1, m_2 = (transform(one) for one in (image_1, second, mask_1, mask_2))
    s_1, s_2 = transform(image_1**2), transform(second**2)

    def back(spectrum: NDArray[np.complex128]) -> Floats:
        result: Floats = irfft2(spectrum, fast)[: size[0], : size[1]]
        return result

    count = np.maximum(back(m_1 * m_2), 1e-9)
    sum_1, sum_2 = back(f_1 * m_2), back(m_1 * f_2)
    product = back(f_1 * f_2) - sum_1 * sum_2 / count
    power = (back(s_1 * m_2) - sum_1**2 / count) * (back(m_1 * s_2) - sum_2**2 / count)
    enough = count >= _OVERLAP * min(first_seen.sum(), second_seen.sum())
    enough &= power > 1e-9 * max(float(power.max()), 1e-9)
    values: Floats = np.where(enough, product / np.sqrt(np.where(enough, power, 1)), -np.inf)
    return values


def _refine(before: Front, after: Front, best: _Tried, pivot: Floats) -> tuple[Floats, float]:
    """Climb to the top of the correlation: place of the pivot, degrees, logarithm of the scale."""
    # every second pixel: vessels are wider
    rows, columns = (2 * one for one in np.nonzero(before.is_seen[::2, ::2]))
    places = np.stack([columns, rows]) * STEP_MM + np.reshape(before.origin_mm, (2, 1))
    vessels = before.vessels[rows, columns]
    unit = np.array([0.02, 0.02, 0.5, 0.005])
    moved = after.centre_mm + _rotate(best.turn_deg) @ best.shift_mm
    start = np.array([*moved, best.turn_deg, 0.0])

    def disagree(steps: Floats) -> float:
        x, y, turn, scale = start + steps * unit
        matrix = np.exp(scale) * _rotate(turn)
        there = matrix @ (places - pivot[:, np.newaxis]) + np.array([[x], [y]])
        found, seen = _look_up(after, after.vessels, there)
        # of what does not vary there is no correlation
        if seen.sum() < 100 or not (np.ptp(found[seen]) > 0 and np.ptp(vessels[seen]) > 0):
            return 1.0
        return -float(np.corrcoef(vessels[seen], found[seen])[0, 1])

    simplex = np.vstack([np.zeros(4), 2 * np.eye(4)])
    result = minimize(
        disagree,
        np.zeros(4),
        method="Nelder-Mead",
        options={"initial_simplex": simplex, "xatol": 0.02, "fatol": 1e-6, "maxfev": 250},
    )
    return start + result.x * unit, -float(result.fun)


def _share_seen(before: Front, after: Front, found: Registration) -> float:
    rows, columns = np.nonzero(before.is_seen)
    places = np.stack([columns, rows]) * STEP_MM + np.reshape(before.origin_mm, (2, 1))
    _, seen = _look_up(after, after.vessels, found.find(places))
    return float(seen.sum() / max(min(before.is_seen.sum(), after.is_seen.sum()), 1))
