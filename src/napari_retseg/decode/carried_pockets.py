"""Pockets of fluid that were added or taken out, looked for on a B-scan that shares the error.

A pocket's shape is laid into the other retina by the rows of its inner and outer boundary. What is
as dark there as the pocket was, compared with the layer that it lies in and with the vitreous,
becomes the pocket. Below a vessel all layers are dark: there grey values are raised by what light
is missing in the last layers. All constants were chosen on simulated volumes (seeds 1 to 30, and
20000 to 20059), so that no pocket is added that is not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_retseg.decode.corrections import SMALLEST_POCKET, Correction, split_pockets
from napari_retseg.layers import labels_of_boundaries

#: Pixels around the shape that was carried over in which a pocket is looked for.
_SEARCH = 6
#: Grey values are averaged over this share of half a pocket's thickness, with these limits in
#: pixels, and those of a layer over so many A-scans; standard deviations.
_GRAIN, _GRAINS, _ALONG = 0.25, (1.5, 4.0), 40.0
#: Light is measured down to so many pixels below the retina and averaged over so many A-scans, a
#: standard deviation. A-scans with less than this share of it lie in a shadow; it is no less than
#: the other one.
_DEEP, _NARROW, _SHADED, _DARKEST = 30, 2.0, 0.7, 0.2
#: A pocket that is hardly darker than its layer, in units of what the retina is brighter than the
#: vitreous, cannot be found again.
_LEAST_CONTRAST = 0.12
#: Limits of a pocket's area, in areas of the shape that was carried over, and the share of the
#: smaller of both that must lie in the other.
_AREA, _OVERLAP = (0.35, 2.0), 0.6
#: So much of its edge may end at the limit of the search: more, and it runs out into the tissue.
_OPEN_EDGE = 0.35
#: What the carried shape must show: a share of the pocket's own contrast, and how many standard
#: deviations of the tissue around it that is; one of these is enough.
_DEMANDS = ((0.7, 1.2), (0.55, 1.9), (0.4, 2.2))
#: A-scans on each side of a shape that are the tissue around it.
_BESIDE = 60
#: A predicted pocket goes where it is no darker than the one that was taken out, but for so much.
_DARKER = 0.05


@dataclass(frozen=True)
class Ground:
    """A B-scan on which pockets are looked for.

    Attributes
    ----------
    grey
        Grey values, ``(depth, width)``.
    rows
        Its boundaries, ``(boundary, width)``.
    layers
        Values of the layers between them.
    pockets
        Class values of the pockets that are predicted in them, ``(depth, width)``.
    """

    grey: NDArray[np.float32]
    rows: NDArray[np.float32]
    layers: Sequence[int]
    pockets: NDArray[np.uint8]

    @cached_property
    def drawn(self) -> NDArray[np.uint8]:
        """The layers without anything in them, ``(depth, width)``."""
        return labels_of_boundaries(self.rows, self.layers, depth=len(self.grey))

    @cached_property
    def _limits(self) -> tuple[float, float]:
        """Grey values of the vitreous and of the retina."""
        rows = np.arange(len(self.grey))[:, np.newaxis]
        with np.errstate(invalid="ignore"):
            vitreous = rows < self.rows[0] - _SEARCH
        retina = self.drawn > 0
        dark = float(self.grey[vitreous].mean()) if vitreous.any() else 0.0
        bright = float(self.grey[retina].mean()) if retina.any() else dark + 1
        return dark, max(bright, dark + 1e-6)

    def measure_grey(self, grain: float) -> NDArray[np.float32]:
        """Grey values, 0 as in the vitreous and 1 as the mean of the retina; shadows brightened.

        Parameters
        ----------
        grain
            Pixels over which they are averaged, a standard deviation.
        """
        dark, bright = self._limits
        smooth: NDArray[np.float32] = ndimage.gaussian_filter(self.grey, grain)
        return ((smooth - dark) / (bright - dark) / self.lit).astype(np.float32)

    @cached_property
    def lit(self) -> NDArray[np.float32]:
        """The share of light that is left in each A-scan, ``(width,)``: less below a vessel.

        As bright as the last layers and what lies below them are, compared with those beside.
        """
        rows = np.arange(len(self.grey))[:, np.newaxis]
        with np.errstate(invalid="ignore"):
            deep = (rows > self.rows[-2]) & (rows < self.rows[-1] + _DEEP) & (self.pockets == 0)
        count = np.maximum(deep.sum(axis=0), 1)
        mean = ((self.grey - self._limits[0]) * deep).sum(axis=0) / count
        bright = ndimage.gaussian_filter1d(mean.astype(np.float32), _NARROW)
        usual = np.maximum(ndimage.median_filter(bright, 2 * int(_ALONG) + 1), 1e-6)
        share = np.clip(bright / usual, _DARKEST, 1)
        return np.where((share > _SHADED) | ~deep.any(axis=0), 1, share).astype(np.float32)

    def darken(self, smooth: NDArray[np.float32], but: NDArray[np.bool_]) -> NDArray[np.float32]:
        """How much darker each place is than its layer beside it.

        Parameters
        ----------
        smooth
            Of :meth:`measure_grey`.
        but
            What does not count as the layer, ``(depth, width)``.
        """
        darker = np.zeros_like(smooth)
        for value in self.layers:
            layer = self.drawn == value
            counted = layer & ~but & (self.lit == 1)
            size = ndimage.gaussian_filter1d(counted.sum(axis=0).astype(np.float32), _ALONG)
            total = ndimage.gaussian_filter1d((smooth * counted).sum(axis=0), _ALONG)
            usual = np.maximum(total, 1e-6) / np.maximum(size, 1e-6)
            darker = np.where(layer, usual - smooth, darker)
        return darker.astype(np.float32)


@dataclass(frozen=True)
class Pocket:
    """A pocket as it was seen last.

    Attributes
    ----------
    region
        On the B-scan where it was seen, ``(depth, width)``.
    rows
        The inner and the outer boundary of that B-scan, ``(2, width)``.
    half
        Half of its thickness there, in pixels.
    contrast
        How much darker it is on the confirmed B-scan than the layer that it lies in.
    least
        How much darker each of its pixels must be.
    brightest
        The largest grey value of its pixels.
    """

    region: NDArray[np.bool_]
    rows: NDArray[np.float32]
    half: float
    contrast: float
    least: float
    brightest: float

    @property
    def grain(self) -> float:
        """Pixels over which grey values are averaged to see it, a standard deviation."""
        return _choose_grain(self.half)

    @property
    def search(self) -> int:
        """Pixels around its shape in which it is looked for."""
        return min(_SEARCH, 2 + int(self.half))

    @classmethod
    def of_correction(cls, region: NDArray[np.bool_], source: Correction) -> Pocket:
        """A pocket that was corrected on a confirmed B-scan."""
        own = Ground(source.grey, source.confirmed.rows, source.layers, source.confirmed.rest)
        but = ndimage.binary_dilation(region, iterations=3) | (own.pockets > 0)
        half = float(ndimage.distance_transform_edt(region).max())
        smooth = own.measure_grey(_choose_grain(half))
        darker = own.darken(smooth, but)
        contrast = float(darker[region].mean())
        edge = ndimage.binary_dilation(region) & ~ndimage.binary_erosion(region)
        beside = ndimage.binary_dilation(region, iterations=_SEARCH) & ~but
        parts = [beside & (own.drawn == value) for value in own.layers]
        tissue = [float(smooth[p].mean()) for p in parts if p.sum() >= SMALLEST_POCKET]
        half_way = (float(smooth[region].mean()) + min(tissue, default=np.inf)) / 2
        brightest = min(float(smooth[edge].mean()), half_way)
        least = max(float(darker[edge].mean()), contrast / 2)
        return cls(region, own.rows[[0, -1]], half, contrast, least, brightest)

    def lay_into(self, ground: Ground) -> NDArray[np.bool_]:
        """Lay its shape into the retina of another B-scan."""
        depth, width = self.region.shape
        rows = np.arange(depth, dtype=np.float32)[:, np.newaxis]
        top, bottom = ground.rows[0], ground.rows[-1]
        with np.errstate(invalid="ignore", divide="ignore"):
            share = (rows - top) / (bottom - top)
            at = self.rows[0] + share * (self.rows[1] - self.rows[0])
        inside = np.isfinite(at) & (share > 0) & (share < 1)
        near = np.clip(np.rint(np.where(inside, at, 0)), 0, depth - 1).astype(int)
        laid: NDArray[np.bool_] = self.region[near, np.arange(width)] & inside
        return laid


def find_added(pocket: Pocket, ground: Ground) -> NDArray[np.bool_] | None:
    """Find on another B-scan a pocket that was added beside it.

    Returns
    -------
    ndarray of bool or None
        ``(depth, width)``; None where nothing there is like it.
    """
    taken = ground.pockets > 0
    shape = pocket.lay_into(ground)
    near = ndimage.binary_dilation(shape, iterations=pocket.search)
    if (
        pocket.contrast < _LEAST_CONTRAST
        or shape.sum() < SMALLEST_POCKET
        or (near & taken).any()  # a pocket that is there already may be this one
    ):
        return None
    search = near & (ground.drawn > 0)
    smooth = ground.measure_grey(pocket.grain)
    darker = ground.darken(smooth, search | taken)
    around = _find_around(shape, ground.drawn, search | taken | (ground.lit < 1))
    if around.sum() < SMALLEST_POCKET:
        return None
    there = float(darker[shape].mean())
    spread = float(darker[around].std())
    if not any(there >= q * pocket.contrast and there >= z * spread for q, z in _DEMANDS):
        return None
    dark = search & ~taken & (darker > pocket.least) & (smooth < pocket.brightest)
    found = _choose_part(ndimage.binary_opening(dark, iterations=int(pocket.grain)), shape)
    return found if found is not None and _fits(found, shape, search) else None


def find_removed(pocket: Pocket, ground: Ground, value: int) -> NDArray[np.bool_] | None:
    """Find predicted pockets on another B-scan that are like one that was taken out beside it."""
    predicted = ground.pockets == value
    shape = pocket.lay_into(ground)
    if not (shape & predicted).any():
        return None
    darker = ground.darken(ground.measure_grey(pocket.grain), predicted)
    found = np.zeros(predicted.shape, bool)
    for part in split_pockets(predicted):
        there = float(darker[part].mean())
        if _is_alike(part, shape) and there <= pocket.contrast + _DARKER:
            found |= part
    return found if found.any() else None


def _choose_grain(half: float) -> float:
    return float(np.clip(half * _GRAIN, *_GRAINS))


def _find_around(
    shape: NDArray[np.bool_], drawn: NDArray[np.uint8], but: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Find the tissue beside a shape, in the same layers."""
    columns = np.flatnonzero(shape.any(axis=0))
    around: NDArray[np.bool_] = np.isin(drawn, np.unique(drawn[shape])) & ~but & (drawn > 0)
    around[:, : max(columns[0] - _BESIDE, 0)] = False
    around[:, columns[-1] + _BESIDE :] = False
    return around


def _choose_part(dark: NDArray[np.bool_], shape: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """The dark part that shares most with the shape, without holes."""
    parts, n = ndimage.label(dark)
    if not n:
        return None
    shared = np.bincount(parts[shape], minlength=n + 1)
    shared[0] = 0
    best = int(shared.argmax())
    if not shared[best]:
        return None
    filled: NDArray[np.bool_] = ndimage.binary_fill_holes(parts == best)
    return filled


def _fits(found: NDArray[np.bool_], shape: NDArray[np.bool_], search: NDArray[np.bool_]) -> bool:
    edge = found & ~ndimage.binary_erosion(found)
    limit = ~ndimage.binary_erosion(search)
    is_closed = (edge & limit).sum() <= _OPEN_EDGE * edge.sum()
    return bool(_is_alike(found, shape) and is_closed)


def _is_alike(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> bool:
    size, other_size = int(one.sum()), max(int(other.sum()), 1)
    shared = int((one & other).sum()) / max(min(size, other_size), 1)
    return _AREA[0] <= size / other_size <= _AREA[1] and shared >= _OVERLAP
