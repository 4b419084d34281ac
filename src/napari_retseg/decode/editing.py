"""Boundaries changed by hand: each function takes rows and returns new ones, ordered like them.

Rows are float32, ``(boundary, width)``, in the coordinates of pixel centres: a boundary between
pixels r - 1 and r lies at r - 0.5. A-scans that are NaN have no layers and are never changed.
Layers that are absent stay so and go with their boundaries, and no layer becomes absent by being
pushed: one row of it is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_retseg.decode.snapping import Clues, snap_curve

Rows = NDArray[np.float32]

#: A-scans beside the ends of a stroke in which it runs into the boundary as it was.
JOIN = 16
#: Rows around a stroke that are looked at, and around a dragged curve besides the way it went.
_STROKE_REACH, _DRAG_REACH = 6, 3
_MOST_REACH = 40
#: What is left of a layer that is pushed together.
_LEAST = np.float32(1)
#: Thickness of a layer that is brought back where none is beside it, and how far beside is.
_THICKNESS, _BESIDE = 6.0, 32
#: Part of a range over which a layer thins out before it is absent.
_TAPER = 0.25


@dataclass(frozen=True, slots=True)
class Drag:
    """A place that a boundary is dragged to.

    Attributes
    ----------
    boundary
        Index of the boundary.
    column, row
        The place, as A-scan and row.
    width
        A-scans on either side that go with it, the less the further away.
    """

    boundary: int
    column: int
    row: float
    width: int


def drag_boundary(rows: Rows, drag: Drag, clues: Clues | None = None) -> Rows:
    """Drag a boundary to a place; its neighbours are pushed.

    Parameters
    ----------
    rows
        ``(boundary, width)``.
    clues
        What speaks for this boundary at each place of the B-scan: it passes the place, and is the
        best path in reach beside it. None: it follows in a smooth shape.

    Returns
    -------
    ndarray of float32
        As `rows`; the same where nothing is in reach.
    """
    span = _find_span(rows, drag.column, drag.width)
    if span is None:
        return rows
    old = rows[drag.boundary, span]
    at = np.arange(span.start, span.stop) - drag.column
    delta = np.float32(drag.row) - old[drag.column - span.start]
    window = 0.5 * (1 + np.cos(np.pi * at / drag.width))
    curve = (old + delta * window).astype(np.float32)
    curve[drag.column - span.start] = drag.row
    if clues is not None:
        reach = min(_MOST_REACH, _DRAG_REACH + int(abs(delta)))
        # near the place, the person shows what the boundary looks like
        weights = np.exp(-0.5 * (4 * at / drag.width) ** 2).astype(np.float32)
        found = clues.measure(curve, span, reach, weights)
        curve = _snap(rows, drag.boundary, span, curve, found, at == 0)
    return _replace(rows, drag.boundary, span, curve)


def draw_boundary(
    rows: Rows,
    boundary: int,
    places: Sequence[tuple[float, float]],
    clues: Clues | None = None,
) -> Rows:
    """Replace a boundary between the ends of a stroke.

    Parameters
    ----------
    places
        ``(column, row)`` in the order in which they were drawn; where a stroke goes back, what
        was drawn last counts. Between two places it is straight.
    clues
        As in :func:`drag_boundary`: the best path near the stroke. None: the stroke itself.
    """
    drawn = _follow(places, rows.shape[1])
    columns = np.flatnonzero(np.isfinite(drawn) & np.isfinite(rows[boundary]))
    if not columns.size:
        return rows
    span = _widen(rows, int(columns[0]), int(columns[-1]))
    old = rows[boundary, span]
    at = np.arange(span.start, span.stop)
    shift = np.interp(at, columns, drawn[columns] - rows[boundary, columns])
    beside = np.maximum(np.maximum(columns[0] - at, at - columns[-1]), 0)
    curve = (old + shift * 0.5 * (1 + np.cos(np.pi * beside / JOIN))).astype(np.float32)
    if clues is not None:
        weights = (np.isfinite(old) & (beside == 0)).astype(np.float32)
        found = clues.measure(_fill(curve), span, _STROKE_REACH, weights)
        curve = _snap(rows, boundary, span, curve, found, np.zeros(len(at), np.bool_))
    return _replace(rows, boundary, span, curve)


def lift_boundary(rows: Rows, boundary: int, by: float) -> Rows:
    """Lift a whole boundary by some rows, or lower it where `by` is negative."""
    return _replace(rows, boundary, slice(0, rows.shape[1]), rows[boundary] - np.float32(by))


def remove_layer(rows: Rows, layer: int, column: int, width: int) -> Rows:
    """Let a layer be absent around an A-scan: its two boundaries meet in their middle.

    Parameters
    ----------
    layer
        Index of the layer, from above.
    column, width
        A-scan in the middle of the range, and A-scans on either side; the layer thins out over
        the last quarter of these.
    """
    span = _find_span(rows, column, width)
    if span is None:
        return rows
    new, old = rows.copy(), rows[:, span]
    middle = (old[layer] + old[layer + 1]) / 2
    share = _taper(span, column, width)
    for boundary in (layer, layer + 1):
        near = old[boundary] + share * (middle - old[boundary])
        new[boundary, span] = np.where(share == 1, middle, near)
    _push_up(new[:, span], old, layer)
    _push_down(new[:, span], old, layer + 1)
    return new


def restore_layer(rows: Rows, layer: int, column: int, width: int) -> Rows:
    """Bring a layer back around an A-scan, as thick as it is beside the range where it is absent.

    Parameters
    ----------
    layer, column, width
        As in :func:`remove_layer`.
    """
    span = _find_span(rows, column, width)
    if span is None or rows[layer + 1, column] > rows[layer, column]:
        return rows
    new, old = rows.copy(), rows[:, span]
    now = old[layer + 1] - old[layer]
    thickness = _find_thickness(rows[layer + 1] - rows[layer], column)[span]
    more = _taper(span, column, width) * np.maximum(thickness - now, 0) / 2
    new[layer, span] = old[layer] - more
    new[layer + 1, span] = old[layer + 1] + more
    _push_up(new[:, span], old, layer)
    _push_down(new[:, span], old, layer + 1)
    return new


def find_absent(rows: Rows, column: int) -> list[int]:
    """List the layers that are absent in an A-scan, from above."""
    found: list[int] = np.flatnonzero(np.diff(rows[:, column]) <= 0).tolist()
    return found


def _find_span(rows: Rows, column: int, width: int) -> slice | None:
    """A-scans in reach of one, up to the first without layers; None where there are none."""
    n = rows.shape[1]
    if not 0 <= column < n or not np.isfinite(rows[0, column]):
        return None
    missing = np.flatnonzero(~np.isfinite(rows[0]))
    before, after = missing[missing < column], missing[missing > column]
    first = max(column - width + 1, int(before[-1]) + 1 if before.size else 0)
    end = min(column + width, int(after[0]) if after.size else n)
    return slice(first, end)


def _widen(rows: Rows, first: int, last: int) -> slice:
    """A-scans of a stroke and those in which it runs out."""
    left, right = _find_span(rows, first, JOIN), _find_span(rows, last, JOIN)
    assert left is not None
    assert right is not None
    return slice(left.start, right.stop)


def _snap(
    rows: Rows,
    boundary: int,
    span: slice,
    curve: Rows,
    clues: NDArray[np.float32],
    fixed: NDArray[np.bool_],
) -> Rows:
    """Solve a boundary again near a curve, between its neighbours as far as the curve is.

    The ends of the span are held where the boundary goes on beyond them: no step comes about.
    """
    known, there = np.isfinite(curve), np.isfinite(rows[0])
    fixed = fixed.copy()
    fixed[0] |= span.start > 0 and there[span.start - 1]
    fixed[-1] |= span.stop < len(there) and there[span.stop]
    far = np.full(len(curve), np.inf, np.float32)
    above = rows[boundary - 1, span] if boundary else -far
    below = rows[boundary + 1, span] if boundary + 1 < len(rows) else far
    found = snap_curve(
        _fill(curve),
        clues,
        fixed=fixed,
        above=np.where(known, np.minimum(above, curve), -far),
        below=np.where(known, np.maximum(below, curve), far),
    )
    return np.where(known, found, np.float32(np.nan))


def _fill(curve: Rows) -> Rows:
    """Go straight on over A-scans without layers."""
    known = np.isfinite(curve)
    at = np.arange(len(curve))
    return np.interp(at, at[known], curve[known]).astype(np.float32)


def _replace(rows: Rows, boundary: int, span: slice, curve: Rows) -> Rows:
    """Put a boundary in its place, and push the others out of its way."""
    new = rows.copy()
    new[boundary, span] = curve
    _push_up(new[:, span], rows[:, span], boundary)
    _push_down(new[:, span], rows[:, span], boundary)
    return new


def _push_up(new: Rows, old: Rows, boundary: int) -> None:
    """Move the boundaries above one that has moved, in place."""
    _push(new[boundary::-1], old[boundary::-1], -1)


def _push_down(new: Rows, old: Rows, boundary: int) -> None:
    """Move the boundaries below one that has moved, in place."""
    _push(new[boundary:], old[boundary:], 1)


def _push(new: Rows, old: Rows, way: int) -> None:
    """Move boundaries, the first of which has moved, in the order in which they are met."""
    goes_along = np.ones(new.shape[1], np.bool_)
    for k in range(1, len(new)):
        gap = np.abs(old[k] - old[k - 1])
        goes_along &= gap == 0
        nearest = new[k - 1] + way * np.minimum(gap, _LEAST)
        pushed = np.maximum(old[k], nearest) if way > 0 else np.minimum(old[k], nearest)
        new[k] = np.where(goes_along, new[k - 1], pushed)


def _follow(places: Sequence[tuple[float, float]], n: int) -> NDArray[np.float64]:
    """Row of a stroke in each of `n` A-scans; NaN where it did not come."""
    drawn = np.full(n, np.nan)
    x, y = np.array(places, np.float64).T
    for k in range(max(1, len(x) - 1)):
        ends = (x[k], y[k]), (x[min(k + 1, len(x) - 1)], y[min(k + 1, len(x) - 1)])
        (x0, y0), (x1, y1) = sorted(ends)
        columns = np.arange(max(round(x0), 0), min(round(x1), n - 1) + 1)
        drawn[columns] = np.interp(columns, [x0, x1], [y0, y1]) if x1 > x0 else ends[1][1]
    return drawn


def _taper(span: slice, column: int, width: int) -> NDArray[np.float32]:
    """1 around an A-scan, falling to 0 over the last part of its range."""
    outside = np.abs(np.arange(span.start, span.stop) - column) / width
    part = np.clip((1 - outside) / _TAPER, 0, 1)
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * part), np.float32)


def _find_thickness(thickness: Rows, column: int) -> NDArray[np.float32]:
    """Thickness over the range where a layer is absent, between those on both sides."""
    there = np.flatnonzero(thickness > 0)
    left, right = there[there < column], there[there > column]
    ends: list[tuple[float, float]] = []
    if left.size:
        at = int(left[-1])
        ends.append((at, float(np.nanmax(thickness[max(0, at - _BESIDE) : at + 1]))))
    if right.size:
        at = int(right[0])
        ends.append((at, float(np.nanmax(thickness[at : at + _BESIDE]))))
    places, found = zip(*(ends or [(float(column), _THICKNESS)]), strict=True)
    return np.asarray(np.interp(np.arange(len(thickness)), places, found), np.float32)
