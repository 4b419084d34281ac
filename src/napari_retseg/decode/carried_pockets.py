"""Pockets of fluid that were added or taken out, carried to a B-scan that shares the error.

A pocket's shape is laid into the other retina by the rows of its inner and outer boundary. What is
as dark there, compared with the layer that it lies in, as the pocket is in its own B-scan becomes
the pocket. All constants were chosen on simulated volumes with seeds 1 to 30, so that no pocket
is added that is not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_retseg.decode.corrections import SMALLEST_POCKET, Correction, split_pockets
from napari_retseg.layers import labels_of_boundaries

#: Pixels around the shape that was carried over in which a pocket is looked for.
_SEARCH = 6
#: Grey values are averaged over so many pixels, and those of a layer over so many A-scans;
#: standard deviations.
_GRAIN, _ALONG = 1.5, 40.0
#: A pocket that is hardly darker than its layer cannot be found again.
_LEAST_CONTRAST = 0.12
#: Limits of a pocket's area, in areas of the shape that was carried over, and the share of the
#: smaller of both that must lie in the other.
_AREA, _OVERLAP = (0.35, 2.0), 0.6
#: So much of its edge may end at the limit of the search: more, and it runs out into the tissue.
_OPEN_EDGE = 0.35
#: What the carried shape must show: a share of the pocket's own contrast, and how many standard
#: deviations of the tissue around it that is; one of these is enough.
_DEMANDS = ((0.7, 1.2), (0.4, 2.2))
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
    """

    grey: NDArray[np.float32]
    rows: NDArray[np.float32]
    layers: Sequence[int]

    def draw(self) -> NDArray[np.uint8]:
        """The layers without anything in them, ``(depth, width)``."""
        return labels_of_boundaries(self.rows, self.layers, depth=len(self.grey))

    def relate(self, but: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Grey values as a share of what their layer has beside them.

        Parameters
        ----------
        but
            What does not count as the layer, ``(depth, width)``.
        """
        smooth = ndimage.gaussian_filter(self.grey, _GRAIN)
        drawn, related = self.draw(), np.ones_like(smooth)
        for value in self.layers:
            layer = drawn == value
            counted = layer & ~but
            size = ndimage.gaussian_filter1d(counted.sum(axis=0).astype(np.float32), _ALONG)
            total = ndimage.gaussian_filter1d((smooth * counted).sum(axis=0), _ALONG)
            usual = np.maximum(total, 1e-6) / np.maximum(size, 1e-6)
            related = np.where(layer, smooth / usual, related)
        return related.astype(np.float32)


def carry_shape(
    pocket: NDArray[np.bool_], source: NDArray[np.float32], target: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Lay a shape into another retina.

    Parameters
    ----------
    pocket
        ``(depth, width)``.
    source, target
        Inner and outer boundary of both B-scans, ``(2, width)``.
    """
    depth, width = pocket.shape
    rows = np.arange(depth, dtype=np.float32)[:, np.newaxis]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (rows - target[0]) / (target[1] - target[0])
        at = source[0] + share * (source[1] - source[0])
    inside = np.isfinite(at) & (share > 0) & (share < 1)
    near = np.clip(np.rint(np.where(inside, at, 0)), 0, depth - 1).astype(int)
    carried: NDArray[np.bool_] = pocket[near, np.arange(width)] & inside
    return carried


def find_added(
    pocket: NDArray[np.bool_], source: Correction, ground: Ground, taken: NDArray[np.bool_]
) -> NDArray[np.bool_] | None:
    """Find on another B-scan a pocket that was added beside it.

    Parameters
    ----------
    pocket
        The added one, on its own B-scan.
    source
        That B-scan.
    ground
        The other B-scan.
    taken
        Where pockets are on it already.

    Returns
    -------
    ndarray of bool or None
        ``(depth, width)``; None where nothing there is like it.
    """
    contrast = _measure_own(pocket, source)
    shape = carry_shape(pocket, source.confirmed.rows[[0, -1]], ground.rows[[0, -1]])
    near = ndimage.binary_dilation(shape, iterations=_SEARCH)
    if contrast < _LEAST_CONTRAST or shape.sum() < SMALLEST_POCKET or (near & taken).any():
        return None  # a pocket that is there already may be this one
    drawn = ground.draw()
    search = near & (drawn > 0)
    related = ground.relate(search | taken)
    around = _find_around(shape, drawn, search | taken)
    if around.sum() < SMALLEST_POCKET:
        return None
    there = 1 - float(related[shape].mean())
    spread = float(related[around].std())
    if not any(there >= q * contrast and there >= z * spread for q, z in _DEMANDS):
        return None
    dark = search & (related < 1 - contrast / 2) & ~taken
    found = _choose_part(ndimage.binary_opening(dark), shape)
    return found if found is not None and _fits(found, shape, search) else None


def find_removed(
    pocket: NDArray[np.bool_], source: Correction, ground: Ground, predicted: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Find predicted pockets on another B-scan that are like one that was taken out beside it.

    Parameters
    ----------
    pocket
        The predicted one, on its own B-scan, where it was taken out.
    source, ground
        As in :func:`find_added`.
    predicted
        Where the class is predicted on the other B-scan.
    """
    found = np.zeros(predicted.shape, bool)
    shape = carry_shape(pocket, source.confirmed.rows[[0, -1]], ground.rows[[0, -1]])
    if not (shape & predicted).any():
        return found
    contrast = _measure_own(pocket, source)
    related = ground.relate(predicted)
    for part in split_pockets(predicted):
        there = 1 - float(related[part].mean())
        if _is_alike(part, shape) and there <= contrast + _DARKER:
            found |= part
    return found


def _measure_own(pocket: NDArray[np.bool_], source: Correction) -> float:
    """How much darker a pocket is than the layer that it lies in, as a share of that."""
    own = Ground(source.grey, source.confirmed.rows, source.layers)
    but = ndimage.binary_dilation(pocket, iterations=3) | (source.confirmed.rest > 0)
    return 1 - float(own.relate(but)[pocket].mean())


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
