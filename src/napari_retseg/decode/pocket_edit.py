"""A labelled pocket is taken out or cut in two: the layers around it come back in its place."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.draw import line

from napari_retseg.classes import BACKGROUND, IGNORE
from napari_retseg.layers import HOLE, boundaries_of_labels, labels_of_boundaries

#: A-scans beside a pocket that say where the boundaries go in and come out.
_BESIDE = 16
_TOUCHING = np.ones((3, 3), np.bool_)


def find_pocket(labels: NDArray[np.uint8], place: tuple[int, int]) -> NDArray[np.bool_]:
    """Find the pixels that hang together with one pixel and are of its class.

    Parameters
    ----------
    labels
        Class values of a B-scan, ``(depth, width)``.
    place
        Row and column of the pixel.
    """
    parts, _ = ndimage.label(labels == labels[place], _TOUCHING)
    pocket: NDArray[np.bool_] = parts == parts[place]
    return pocket


def take_out(
    labels: NDArray[np.uint8], pocket: NDArray[np.bool_], layers: Sequence[int]
) -> NDArray[np.uint8]:
    """Draw the layers around a pocket in its place.

    Parameters
    ----------
    labels
        Class values of a B-scan, ``(depth, width)``.
    pocket
        Its pixels.
    layers
        Values of the layers, from the vitreous to the sclera.

    Returns
    -------
    ndarray of uint8
        Other labels; background where no layer is around the pocket.
    """
    return _restore(labels, pocket, pocket, layers)


def cut(
    labels: NDArray[np.uint8],
    path: Sequence[tuple[int, int]],
    layers: Sequence[int],
) -> NDArray[np.uint8] | None:
    """Cut pockets in two along a path, which becomes the layers around them.

    Parameters
    ----------
    labels
        Class values of a B-scan, ``(depth, width)``.
    path
        Rows and columns, joined by straight lines; what lies outside of the B-scan is left out.
    layers
        Values of the layers, from the vitreous to the sclera. All classes but these, background
        and "not annotated" make pockets.

    Returns
    -------
    ndarray of uint8 or None
        Other labels; None where the path cuts no pocket into parts.
    """
    trace = _draw_path(path, labels.shape)
    result = labels
    for value in _list_crossed(labels[trace], layers):
        is_class = labels == value
        pocket = _join_crossed(is_class, trace)
        whole, remaining = (ndimage.label(m, _TOUCHING)[1] for m in (pocket, pocket & ~trace))
        if remaining > whole:
            result = _restore(result, pocket & trace, pocket, layers)
    return None if result is labels else result


def _list_crossed(crossed: NDArray[np.uint8], layers: Sequence[int]) -> list[int]:
    """Values of the pockets under a path."""
    others = {BACKGROUND, IGNORE, *layers}
    return [int(value) for value in np.unique(crossed) if int(value) not in others]


def _join_crossed(is_class: NDArray[np.bool_], trace: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """All pockets of a class that a path runs through."""
    parts, n = ndimage.label(is_class, _TOUCHING)
    chosen = np.zeros(n + 1, np.bool_)
    chosen[parts[trace]] = True
    chosen[0] = False
    joined: NDArray[np.bool_] = chosen[parts]
    return joined


def _draw_path(path: Sequence[tuple[int, int]], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Pixels of a path; where it runs askew, wide enough that no corner joins what it parts."""
    drawn = np.zeros(shape, np.bool_)
    for (row, column), (next_row, next_column) in pairwise(path):
        rows, columns = line(row, column, next_row, next_column)  # type: ignore[no-untyped-call]
        _mark(drawn, rows, columns)
        _mark(drawn, rows[:-1], columns[1:])
    return drawn


def _mark(drawn: NDArray[np.bool_], rows: NDArray[np.intp], columns: NDArray[np.intp]) -> None:
    is_inside = (rows >= 0) & (rows < drawn.shape[0]) & (columns >= 0) & (columns < drawn.shape[1])
    drawn[rows[is_inside], columns[is_inside]] = True


def _restore(
    labels: NDArray[np.uint8],
    where: NDArray[np.bool_],
    pocket: NDArray[np.bool_],
    layers: Sequence[int],
) -> NDArray[np.uint8]:
    """Draw layers at some pixels of a pocket, with boundaries that go straight through it."""
    result = labels.copy()
    result[where] = BACKGROUND
    if not layers:
        return result
    columns = np.flatnonzero(pocket.any(axis=0))
    part = np.s_[:, max(0, columns[0] - _BESIDE) : columns[-1] + 1 + _BESIDE]
    found = boundaries_of_labels(labels[part], layers)
    rows = found.rows
    _lead_through(rows, (found.rest != 0) & (found.rest != HOLE))
    drawn = labels_of_boundaries(rows, layers, depth=len(labels))
    result[part][where[part]] = drawn[where[part]]
    return result


def _lead_through(rows: NDArray[np.float32], hidden: NDArray[np.bool_]) -> None:
    """Move the boundaries that pockets hide, in place: straight from where they are seen."""
    highest, lowest = _find_ends(rows, hidden)
    at = np.arange(rows.shape[1])
    for boundary, high, low in zip(rows, highest, lowest, strict=True):
        is_seen, is_hidden = high == low, high < low
        if is_seen.any():
            straight = np.interp(at, at[is_seen], boundary[is_seen])
            boundary[is_hidden] = np.clip(straight, high, low)[is_hidden]
    np.fmax.accumulate(rows, axis=0, out=rows)


def _find_ends(
    rows: NDArray[np.float32], hidden: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Find the highest and the lowest row at which each boundary may lie.

    Where it touches a pocket, that is anywhere from the upper to the lower end of the pocket; in
    an A-scan without any layer, anywhere in its pockets; NaN in one without pockets, too.
    """
    depth, width = hidden.shape
    at, columns = np.arange(depth)[:, np.newaxis], np.arange(width)
    # of each pixel in a pocket: the row above the pocket, and the last row within it
    above = np.maximum.accumulate(np.where(hidden, -1, at), axis=0)
    below = np.minimum.accumulate(np.where(hidden, depth, at)[::-1], axis=0)[::-1] - 1
    pixel = np.floor(np.nan_to_num(rows)).astype(np.intp)
    upper, lower = np.clip(pixel, 0, depth - 1), np.clip(pixel + 1, 0, depth - 1)
    highest = np.where(hidden[upper, columns], above[upper, columns], rows)
    lowest = np.where(hidden[lower, columns], below[lower, columns], rows)
    is_bare = np.isnan(rows).all(axis=0)
    is_pocket = hidden.any(axis=0)
    first, last = hidden.argmax(axis=0) - 1, depth - 1 - hidden[::-1].argmax(axis=0)
    highest[:, is_bare] = np.where(is_pocket, first, np.nan)[is_bare]
    lowest[:, is_bare] = np.where(is_pocket, last, np.nan)[is_bare]
    return highest.astype(np.float32), lowest.astype(np.float32)
