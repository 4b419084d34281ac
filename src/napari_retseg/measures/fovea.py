"""Find the fovea: where the inner retina is much thinner than around it.

At each place near the middle of the field the mean thickness of a small disc is compared with that
of a ring around it. The fovea is where the disc is thinnest compared with the ring. It is doubtful
where the pit is shallow or one-sided, another place is nearly as good, or too little is measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, next_fast_len, rfft2
from scipy.ndimage import maximum_filter

from napari_retseg.measures.enface import EnfaceGrid
from napari_retseg.measures.sectors import Place
from napari_retseg.measures.thickness import Map

#: How far from the middle of the field it is looked for.
SEARCH_MM = 1.5
_STEP_MM = 0.03
_DISC_MM, _RING_MM = 0.3, (0.7, 1.2)
#: A pit is at least so deep below its ring, in the mean of the disc, as part of the ring's own
#: thickness: of healthy inner retinas it is about half.
_SHALLOW = 0.2
#: Part of the best pit's depth that another one, so far away, may have.
_RIVAL = 0.75
_APART_MM = 0.5
#: Part of disc and ring that is measured.
_MEASURED = 0.7
#: The lowest eighth of the ring rises so far above the disc, as part of the mean: a pit has a
#: wall all around.
_LOWEST_WALL = 0.3
#: How far from that of the inner retina the pits of GCC and of the whole retina may lie. Of 140
#: simulated eyes with edema, the pit was more than 50 um off in 20, and farther than this in all.
_GCC_MM, _RETINA_MM = 0.025, 0.06

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Fovea:
    """Where the fovea is.

    Attributes
    ----------
    place_mm
        On the fundus, x and y.
    doubts
        Why it may not be there; empty where the pit is clear.
    """

    place_mm: Place
    doubts: tuple[str, ...] = ()

    @property
    def is_doubtful(self) -> bool:
        """Whether somebody should look."""
        return bool(self.doubts)


def find_fovea(
    thickness: Map, grid: EnfaceGrid, *, gcc: Map | None = None, retina: Map | None = None
) -> Fovea:
    """Find the fovea on a map of the inner retina, or of the whole one.

    Parameters
    ----------
    thickness
        ``(bscan, width)``, in any unit, NaN where unknown.
    grid
        Where its A-scans lie.
    gcc, retina
        Maps of GCC and of the whole retina, as far as there are any. Where their pits are
        elsewhere, as with edema, the fovea is doubtful.

    Returns
    -------
    Fovea
        Where no place can be compared with its ring, the middle of the field, doubtful.
    """
    along, across, values = _resample(thickness, grid)
    pit, relative, measured = _compare(values)
    middle = np.hypot(along[np.newaxis], across[:, np.newaxis])
    pit[(middle > SEARCH_MM) | (measured < _MEASURED / 2)] = np.nan
    if not np.isfinite(pit).any():
        x, y = grid.centre_mm
        return Fovea((float(x), float(y)), ("too little around the middle is measured",))
    down, right = _find_top(pit)
    offset = (along[0] + right * _STEP_MM) * grid.step_mm / grid.lateral_mm
    offset = offset + (across[0] + down * _STEP_MM) * grid.normal
    x, y = (float(one) for one in grid.centre_mm + offset)
    at = round(down), round(right)
    doubts = list(_doubt(values, pit, at, relative[at], measured[at]))
    if middle[at] > SEARCH_MM - 2 * _STEP_MM:
        doubts.append("it lies at the end of the area that was searched")
    others = ((gcc, _GCC_MM), (retina, _RETINA_MM))
    if any(_is_elsewhere(one, grid, (x, y), most) for one, most in others if one is not None):
        doubts.append("the pits of different layers do not lie at one place")
    return Fovea((x, y), tuple(doubts))


def _is_elsewhere(thickness: Map, grid: EnfaceGrid, place_mm: Place, most_mm: float) -> bool:
    x, y = find_fovea(thickness, grid).place_mm
    return bool(np.hypot(x - place_mm[0], y - place_mm[1]) > most_mm)


def _resample(thickness: Map, grid: EnfaceGrid) -> tuple[Floats, Floats, Floats]:
    """Bring a map to an even grid around the middle: places along and across, values."""
    reach = SEARCH_MM + _RING_MM[1]
    count = round(reach / _STEP_MM)
    places: Floats = np.arange(-count, count + 1, dtype=np.float64) * _STEP_MM
    away = grid.middles_mm - grid.centre_mm
    across, begin = away @ grid.normal, away @ grid.step_mm / grid.lateral_mm
    lines = np.stack(
        [_bin(line, grid, one, places) for line, one in zip(thickness, begin, strict=True)]
    )
    order = np.argsort(across, kind="stable")
    values = _interpolate(places, across[order], lines[order], _farthest(grid))
    return places, places, values


def _farthest(grid: EnfaceGrid) -> float:
    return 2.5 * grid.between_um / 1000


def _bin(line: Map, grid: EnfaceGrid, begin: float, places: Floats) -> Floats:
    """Mean of the A-scans around each place; NaN where there are none."""
    own = begin + (np.arange(grid.width) - (grid.width - 1) / 2) * grid.lateral_mm
    known = np.isfinite(line)
    if known.sum() < 2:
        return np.full(len(places), np.nan)
    values: Floats = np.interp(places, own[known], line[known], left=np.nan, right=np.nan)
    nearest = np.clip(np.searchsorted(own, places), 0, grid.width - 1)
    before = np.clip(nearest - 1, 0, None)
    values[~(known[nearest] | known[before])] = np.nan
    return values


def _interpolate(places: Floats, across: Floats, lines: Floats, farthest: float) -> Floats:
    """Interpolate between B-scans, not farther apart than a distance."""
    upper = np.clip(np.searchsorted(across, places), 1, len(across) - 1)
    lower = upper - 1
    gap = across[upper] - across[lower]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(gap > 0, (places - across[lower]) / gap, 0)
    outside = (share < 0) | (share > 1) | (gap > farthest)
    share = share[:, np.newaxis]
    values: Floats = (1 - share) * lines[lower] + share * lines[upper]
    values[outside] = np.nan
    return values


def _kernel(inner_mm: float, outer_mm: float) -> Floats:
    count = int(np.ceil(outer_mm / _STEP_MM))
    places = np.arange(-count, count + 1) * _STEP_MM
    away = np.hypot(places[np.newaxis], places[:, np.newaxis])
    inside = (away >= inner_mm) & (away <= outer_mm)
    kernel: Floats = inside / inside.sum()
    return kernel


def _compare(values: Floats) -> tuple[Floats, Floats, Floats]:
    """How much thinner each disc is than its ring, also as part of it, and how much is measured."""
    known = np.isfinite(values)
    filled = np.where(known, values, 0)
    means, shares = [], []
    for inner, outer in ((0.0, _DISC_MM), _RING_MM):
        kernel = _kernel(inner, outer)
        share = _convolve(known.astype(float), kernel)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = _convolve(filled, kernel) / share
        means.append(np.where(share > 0.05, mean, np.nan))
        shares.append(share)
    pit = means[1] - means[0]
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = pit / means[1]
    return pit, relative, np.minimum(*shares)


def _find_top(pit: Floats) -> tuple[float, float]:
    """Row and column of the largest value, or near it of the top of a paraboloid."""
    row, column = np.unravel_index(int(np.nanargmax(pit)), pit.shape)
    down, right = _refine(pit, int(row), int(column))
    return float(row + down), float(column + right)


def _refine(pit: Floats, row: int, column: int) -> tuple[float, float]:
    """Where a paraboloid through the neighbours has its top, in steps down and right."""
    reach = 3
    part = pit[
        max(row - reach, 0) : row + reach + 1,
        max(column - reach, 0) : column + reach + 1,
    ]
    if part.shape != (2 * reach + 1, 2 * reach + 1) or not np.isfinite(part).all():
        return 0.0, 0.0
    y, x = (one.ravel().astype(float) for one in np.mgrid[-reach : reach + 1, -reach : reach + 1])
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    _, b, c, d, e, f = np.linalg.lstsq(terms, part.ravel(), rcond=None)[0]
    curve = np.array([[2 * d, e], [e, 2 * f]])
    if not (np.linalg.eigvalsh(curve) < 0).all():
        return 0.0, 0.0
    right, down = np.linalg.solve(curve, [-b, -c])
    return float(np.clip(down, -reach, reach)), float(np.clip(right, -reach, reach))


def _doubt(
    values: Floats, pit: Floats, at: tuple[int, int], relative: float, measured: float
) -> Iterator[str]:
    if measured < _MEASURED:
        yield "too little around it is measured"
    # a comparison with NaN is false
    if not relative >= _SHALLOW:
        yield "the pit is shallow"
    elif not _lowest_wall(values, at) >= _LOWEST_WALL * pit[at]:
        yield "the pit is open on one side"
    if _has_rival(pit, at):
        yield "another place looks like a fovea, too"


def _lowest_wall(values: Floats, at: tuple[int, int]) -> float:
    """Height of the ring's lowest eighth above the disc."""
    rows, columns = np.indices(values.shape)
    down, right = (rows - at[0]) * _STEP_MM, (columns - at[1]) * _STEP_MM
    away, angle = np.hypot(down, right), np.arctan2(down, right)
    disc = values[(away <= _DISC_MM)]
    ring = (away >= _RING_MM[0]) & (away <= _RING_MM[1]) & np.isfinite(values)
    eighth = np.floor((angle + np.pi) / (np.pi / 4)).astype(int) % 8
    walls = [values[ring & (eighth == k)] for k in range(8)]
    means = [wall.mean() for wall in walls if wall.size]
    return float(min(means) - np.nanmean(disc)) if means else 0.0


def _has_rival(pit: Floats, at: tuple[int, int]) -> bool:
    filled = np.where(np.isfinite(pit), pit, -np.inf)
    tops = (filled == maximum_filter(filled, size=5)) & np.isfinite(pit)
    rows, columns = np.nonzero(tops)
    far = np.hypot(rows - at[0], columns - at[1]) * _STEP_MM > _APART_MM
    return bool((pit[rows[far], columns[far]] > _RIVAL * pit[at]).any())


def _convolve(image: NDArray[np.float64], kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convolve by the Fourier transform, to the image's size; scipy.signal is slow to import."""
    full = [a + b - 1 for a, b in zip(image.shape, kernel.shape, strict=True)]
    fast = [next_fast_len(one, real=True) for one in full]
    whole = irfft2(rfft2(image, fast) * rfft2(kernel, fast), fast)
    (top, left) = ((one - 1) // 2 for one in kernel.shape)
    found: NDArray[np.float64] = whole[top : top + image.shape[0], left : left + image.shape[1]]
    return found
