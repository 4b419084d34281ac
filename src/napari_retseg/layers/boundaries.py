"""Label maps as boundaries, and back: the rows between which each layer lies.

A pixel belongs to the layer below boundary j where its row is greater than ``b[j]``: with
``b[j] = 159`` the layer begins in row 160. Two boundaries of one row say that the layer between
them is absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import BACKGROUND, IGNORE
from napari_retseg.layers.fitting import NEUTRAL, fit_ordered

#: In `LayerMap.rest`: background between two layers. No class has this value.
HOLE = 254


@dataclass(frozen=True, slots=True)
class LayerMap:
    """A label map, taken apart into boundaries and all that they do not say.

    Attributes
    ----------
    rows
        Boundaries of the K layers, ``(..., K + 1, width)``, float32, never going back. NaN in an
        A-scan without any layer. Otherwise finite, also below pixels that are not annotated and
        in pockets of fluid, so that the same labels can be drawn again.
    rest
        What lies over the layers, ``(..., depth, width)``, uint8: values of classes that are not
        layers, 255 where not annotated, :data:`HOLE` for background between two layers, 0
        elsewhere.
    is_ordered
        Whether the layers of each A-scan follow each other, ``(..., width)``. Where they do not,
        no boundaries can draw the same labels: `rows` then draw those that differ in the fewest
        pixels.
    """

    rows: NDArray[np.float32]
    rest: NDArray[np.uint8]
    is_ordered: NDArray[np.bool_]

    def annotated_rows(self) -> NDArray[np.float32]:
        """Return `rows` with NaN, too, where a boundary touches pixels that are not annotated."""
        return np.where(_touches(self.rows, self.rest == IGNORE), np.float32(np.nan), self.rows)

    def visible_rows(self) -> NDArray[np.float32]:
        """Return `annotated_rows` with NaN, too, where fluid hides the place of a boundary.

        Between two layers a boundary may lie anywhere in a pocket that touches both.
        """
        rows = self.annotated_rows()
        inner = rows[..., 1:-1, :]
        inner[_touches(inner, self._is_pocket())] = np.nan
        return rows

    def highest_rows(self) -> NDArray[np.float32]:
        """Return `rows` with each inner boundary at the upper end of the pocket that hides it.

        The place of such a boundary is anywhere from there to its place in `rows`.
        """
        rows = self.rows.copy()
        is_pocket = self._is_pocket()
        inner = rows[..., 1:-1, :]
        hidden = _take(is_pocket, inner) & np.isfinite(inner)
        chosen = hidden.any(axis=-2)
        pockets = np.moveaxis(is_pocket, -2, 0)[:, chosen]
        grid = np.arange(len(pockets), dtype=np.float32)[:, np.newaxis]
        tops = np.maximum.accumulate(np.where(pockets, np.float32(-1), grid))
        lifted = np.moveaxis(inner, -2, 0)[:, chosen]
        lifted = np.where(_take(pockets, lifted), _take(tops, lifted), lifted)
        np.moveaxis(inner, -2, 0)[:, chosen] = lifted
        return rows

    def _is_pocket(self) -> NDArray[np.bool_]:
        """Whether a pixel is of a class that is not a layer; not annotated counts, too."""
        is_pocket: NDArray[np.bool_] = (self.rest != 0) & (self.rest != HOLE)
        return is_pocket


def boundaries_of_labels(labels: NDArray[np.uint8], layers: Sequence[int]) -> LayerMap:
    """Find the boundaries of ordered layers.

    What is no layer (fluid) between two layers counts to the upper one, and lies in
    :attr:`LayerMap.rest`. :func:`labels_of_boundaries` draws the same labels again in all A-scans
    that are ordered.

    Parameters
    ----------
    labels
        Class values, ``(..., depth, width)``.
    layers
        Values of the K layers, one or more, from the vitreous to the sclera.
    """
    depth = labels.shape[-2]
    place = _tabulate(layers)[labels]  # 0 of what is no layer, 1 to K
    is_layer = place > 0
    deepest = np.maximum.accumulate(place, axis=-2)
    last = depth - is_layer[..., ::-1, :].argmax(axis=-2)
    begins = [(deepest <= k).sum(axis=-2, dtype=np.int16) for k in range(len(layers))]
    # a layer that is absent at the end begins where the last one ends
    rows = np.minimum(np.stack([*begins, last], axis=-2), last[..., np.newaxis, :])
    rows = rows.astype(np.float32) - 1
    is_ordered: NDArray[np.bool_] = np.all((place == deepest) | ~is_layer, axis=-2)
    if not is_ordered.all():
        _fit(rows, labels, place, ~is_ordered)
    np.moveaxis(rows, -2, 0)[:, deepest[..., -1, :] == 0] = np.nan
    rest = np.where(is_layer, np.uint8(0), labels)
    ends = np.where(is_ordered, last, 0)[..., np.newaxis, :]
    is_within = np.arange(depth)[:, np.newaxis] < ends
    rest[(labels == BACKGROUND) & (deepest > 0) & is_within] = HOLE
    return LayerMap(rows=rows, rest=rest, is_ordered=is_ordered)


def labels_of_boundaries(
    rows: NDArray[np.floating[Any]],
    layers: Sequence[int],
    *,
    depth: int,
    rest: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """Draw layers between their boundaries.

    Parameters
    ----------
    rows
        ``(..., K + 1, width)``. A boundary that lies above the one before it is taken to be
        equal to it. In an A-scan that is all NaN there is no layer. Where only some are NaN, the
        pixels that depend on them are not annotated (255).
    layers
        Values of the K layers, from the vitreous to the sclera.
    depth
        Number of rows.
    rest
        :attr:`LayerMap.rest`, laid over the layers.

    Returns
    -------
    ndarray of uint8
        Class values, ``(..., depth, width)``.
    """
    highest = np.fmax.accumulate(rows, axis=-2)
    is_known = np.isfinite(rows)
    partial = is_known.any(axis=-2) & ~is_known.all(axis=-2)
    if not partial.any():
        labels = _draw(highest, layers, depth)
    else:
        labels = _draw_partial(highest, is_known, layers, depth)
    if rest is not None:
        np.copyto(labels, rest, where=rest > 0)
        labels[rest == HOLE] = BACKGROUND
    return labels


def _draw(rows: NDArray[np.floating[Any]], layers: Sequence[int], depth: int) -> NDArray[np.uint8]:
    begins = np.clip(np.nan_to_num(np.floor(rows) + 1, nan=depth), 0, depth).astype(np.int32)
    grid = np.arange(depth, dtype=np.int32)[:, np.newaxis]
    n_above = np.zeros((*rows.shape[:-2], depth, rows.shape[-1]), np.uint8)
    for k in range(rows.shape[-2]):
        n_above += grid >= begins[..., k, np.newaxis, :]
    table = np.array([BACKGROUND, *layers, BACKGROUND], np.uint8)
    labels: NDArray[np.uint8] = table[n_above]
    return labels


def _draw_partial(
    highest: NDArray[np.floating[Any]],
    is_known: NDArray[np.bool_],
    layers: Sequence[int],
    depth: int,
) -> NDArray[np.uint8]:
    """Draw with each unknown boundary as high, and as low, as it can be; 255 where they differ."""
    there = is_known.any(axis=-2, keepdims=True)
    known = np.where(is_known, highest, np.nan)
    lowest = np.fmin.accumulate(known[..., ::-1, :], axis=-2)[..., ::-1, :]
    labels = _draw(np.where(np.isnan(highest) & there, -1, highest), layers, depth)
    labels[labels != _draw(lowest, layers, depth)] = IGNORE
    return labels


def _tabulate(layers: Sequence[int]) -> NDArray[np.uint8]:
    """Place of each class value among the layers, from 1; 0 of what is no layer."""
    table = np.zeros(256, np.uint8)
    table[list(layers)] = np.arange(1, len(layers) + 1)
    return table


def _touches(rows: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether the pixel above or below each boundary is in a mask ``(..., depth, width)``."""
    touched: NDArray[np.bool_] = _take(mask, rows) | _take(mask, rows + 1)
    return touched


def _take(values: NDArray[Any], rows: NDArray[np.float32]) -> NDArray[Any]:
    """Values ``(..., depth, width)`` at the pixel above each boundary."""
    depth = values.shape[-2]
    pixel = np.clip(np.nan_to_num(np.floor(rows), nan=0), 0, depth - 1).astype(np.int64)
    return np.take_along_axis(values, pixel, axis=-2)


def _fit(
    rows: NDArray[np.float32],
    labels: NDArray[np.uint8],
    place: NDArray[np.uint8],
    chosen: NDArray[np.bool_],
) -> None:
    """Replace the boundaries of the chosen A-scans by those of :func:`fit_ordered`."""
    states = np.where((place == 0) & (labels != BACKGROUND), NEUTRAL, place)
    columns = np.moveaxis(states, -2, 0)[:, chosen]
    np.moveaxis(rows, -2, 0)[:, chosen] = fit_ordered(columns, rows.shape[-2] - 1)
