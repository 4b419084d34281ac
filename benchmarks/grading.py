"""A grader that corrects a B-scan towards a reference with one set of tools."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.hand import DECIDE_S, Hand, move_s, stroke_s
from napari_retseg.decode.edges import find_edges
from napari_retseg.decode.editing import (
    Drag,
    drag_boundary,
    draw_boundary,
    remove_layer,
    restore_layer,
)
from napari_retseg.decode.pocket_click import propose_pocket
from napari_retseg.decode.snapping import Clues
from napari_retseg.layers import boundaries_of_labels, labels_of_boundaries

#: It is done where each boundary is so near on average, in rows, and fluid has this Dice.
NEAR, DICE = 1.0, 0.9
#: The workbench's brush, in pixels, and how far a stroke of it goes before the hand is put anew.
BRUSH, _STROKE = 8, 64
#: A layer that is absent over fewer A-scans is not seen.
_SEEN = 5
#: Soft widths of a drag, and targets: where nothing snaps, within a row; with snapping, two.
_WIDTHS = (16, 32, 64, 128, 256)
_EXACT, _SNAPPED = 2.0, 4.0
#: Actions on one boundary after which the rest is drawn by free strokes, whatever snaps, and after
#: which the grader gives up.
_PATIENCE, _MOST = 15, 40

Rows = NDArray[np.float32]


@dataclass(frozen=True)
class Tools:
    """What the grader uses."""

    curves: bool = False
    snapping: bool = False
    clicks: bool = False


@dataclass
class Bscan:
    """A B-scan on the way to its reference.

    Attributes
    ----------
    grey
        ``(depth, width)``.
    labels, reference
        Class values.
    gains
        Log-odds of each boundary from a model, ``(boundary, depth + 1, width)``; None without one.
    """

    grey: NDArray[np.float32]
    labels: NDArray[np.uint8]
    reference: NDArray[np.uint8]
    layers: Sequence[int]
    fluid: int
    gains: NDArray[np.float32] | None = None
    probability: NDArray[np.float32] | None = None
    rows: Rows = field(init=False)
    rest: NDArray[np.uint8] = field(init=False)
    truth: Rows = field(init=False)

    def __post_init__(self) -> None:
        found = boundaries_of_labels(self.labels, self.layers)
        reference = boundaries_of_labels(self.reference, self.layers)
        self.rows, self.rest = found.rows.copy(), found.rest.copy()
        seen = np.where(reference.is_ordered, reference.visible_rows(), np.nan)
        # where fluid hides a boundary in the prediction, it may lie anywhere in the pocket
        nearest = np.clip(seen, found.highest_rows(), found.rows)
        hidden = (found.rest == self.fluid).any(axis=0) & (nearest != found.rows)
        at_top = seen < 0  # of a layer that goes on beyond the picture
        self.truth = np.where(hidden | at_top, np.nan, seen).astype(np.float32)

    def errors(self) -> Rows:
        """Rows by which each boundary lies too deep; NaN where nobody knows."""
        return self.rows - self.truth

    def find_worst(self) -> int:
        """The boundary that is farthest off on average; -1: all are near."""
        errors = np.abs(self.errors())
        known = np.isfinite(errors)
        means = np.where(known, errors, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
        worst = int(means.argmax())
        return worst if means[worst] > NEAR else -1

    def draw(self) -> NDArray[np.uint8]:
        """The labels as they are now."""
        rows = np.maximum.accumulate(np.rint(self.rows), axis=0)
        return labels_of_boundaries(rows, self.layers, depth=len(self.grey), rest=self.rest)


def correct(bscan: Bscan, tools: Tools, hand: Hand) -> bool:
    """Correct a B-scan until it is right; False where that does not succeed."""
    edges = find_edges(bscan.grey) if tools.snapping else None
    if tools.curves:
        _settle_layers(bscan, hand)
    tries: dict[int, int] = {}
    while (boundary := bscan.find_worst()) >= 0:
        tries[boundary] = tries.get(boundary, 0) + 1
        if tries[boundary] > _MOST:
            return False
        if not tools.curves:
            _brush_boundary(bscan, boundary, hand)
        else:
            snaps = tools.snapping and tries[boundary] <= _PATIENCE
            gain = None if bscan.gains is None else bscan.gains[boundary]
            clues = Clues(gain, edges) if snaps else None
            _bend_boundary(bscan, boundary, hand, clues)
    if tools.clicks:
        _click_pockets(bscan, hand)
    _brush_pockets(bscan, hand)
    return True


def _settle_layers(bscan: Bscan, hand: Hand) -> None:
    """Click where a layer is absent and should not be, and the other way round."""
    for layer in range(len(bscan.layers)):
        for is_back, change in ((True, restore_layer), (False, remove_layer)):
            now = np.diff(bscan.rows[layer : layer + 2], axis=0)[0]
            there = np.diff(bscan.truth[layer : layer + 2], axis=0)[0]
            wrong = (now < 1) & (there >= 2) if is_back else (now >= 2) & (there < 1)
            parts, n = ndimage.label(wrong)
            for (run,) in ndimage.find_objects(parts, n):
                length = run.stop - run.start
                if length < _SEEN:
                    continue
                column, width = (run.start + run.stop) // 2, length // 2 + 8 * is_back
                hand.click(float(bscan.rows[layer, column]), float(column), 6.0)
                hand.press()
                bscan.rows = change(bscan.rows, layer, column, width)


def _find_runs(error: Rows) -> list[tuple[int, int]]:
    """Stretches in which a boundary is more than a row off, the largest area first."""
    parts, n = ndimage.label(np.nan_to_num(np.abs(error)) > NEAR)
    found = [(int(s[0].start), int(s[0].stop)) for s in ndimage.find_objects(parts, n)]
    return sorted(found, key=lambda run: -float(np.nansum(np.abs(error[run[0] : run[1]]))))


def _brush_boundary(bscan: Bscan, boundary: int, hand: Hand) -> None:
    """Paint one stroke along a boundary: it moves to the true place, by one brush at most.

    The brush is no wider than the layer that is painted, since it would cover the next one.
    """
    error = bscan.errors()[boundary]
    runs = _find_runs(error)
    first, last = runs[0]
    last = min(last, first + _STROKE)
    span = slice(first, last)
    known = np.isfinite(error[span])
    layer = boundary if np.nanmean(error[span]) > 0 else boundary - 1
    size = _choose_size(bscan, layer, span)
    hand.choose_class(layer)
    hand.choose_size(size)
    hand.stroke((float(bscan.rows[boundary, first]), float(first)), last - first, _EXACT)
    move = np.clip(-np.nan_to_num(error[span]), -size, size) + hand.err(_EXACT) * known
    bscan.rows[boundary, span] += move
    _push(bscan.rows, boundary)


def _choose_size(bscan: Bscan, layer: int, span: slice) -> int:
    """The brush for a layer, counted from above; for what lies outside the retina, the widest."""
    if not 0 <= layer < len(bscan.layers):
        return BRUSH
    thickness = np.nanmin(np.diff(bscan.truth[layer : layer + 2, span], axis=0), initial=BRUSH)
    return int(np.clip(thickness, 1, BRUSH))


def _push(rows: Rows, boundary: int) -> None:
    """What is painted over goes: the other boundaries make way."""
    rows[:boundary] = np.minimum(rows[:boundary], rows[boundary])
    rows[boundary + 1 :] = np.maximum(rows[boundary + 1 :], rows[boundary])


def _bend_boundary(bscan: Bscan, boundary: int, hand: Hand, clues: Clues | None) -> None:
    """Drag or draw where that mends most for its time."""
    offers: list[tuple[float, Rows, Callable[[], None]]] = []
    before = _measure(bscan, boundary, bscan.rows)
    # with the modifier nothing snaps
    ways = [(None, _EXACT)] if clues is None else [(None, _EXACT), (clues, _SNAPPED)]
    for run in _find_runs(bscan.errors()[boundary])[:3]:
        for way, width in ways:
            offers += _offer_drags(bscan, boundary, run, width, hand, way)
            offers.append(_offer_stroke(bscan, boundary, run, width, hand, way))
    rated = [((before - _measure(bscan, boundary, rows)) / s, rows, do) for s, rows, do in offers]
    _, rows, do = max(rated, key=lambda offer: offer[0])
    do()
    bscan.rows = rows


def _measure(bscan: Bscan, boundary: int, rows: Rows) -> float:
    """Error of a boundary; what pushed ones have counts less, as they are mended next."""
    error = np.nansum(np.abs(rows - bscan.truth), axis=1)
    return float(error[boundary] + 0.3 * (error.sum() - error[boundary]))


def _offer_drags(
    bscan: Bscan,
    boundary: int,
    run: tuple[int, int],
    target: float,
    hand: Hand,
    clues: Clues | None,
) -> list[tuple[float, Rows, Callable[[], None]]]:
    first, last = run
    error = np.nan_to_num(bscan.errors()[boundary, first:last])
    places = {first + int(np.abs(error).argmax()), (first + last) // 2}
    offers: list[tuple[float, Rows, Callable[[], None]]] = []
    for column in sorted(places):
        truth = float(bscan.truth[boundary, column])
        if not np.isfinite(truth):
            continue
        start = (float(bscan.rows[boundary, column]), float(column))
        end = (truth + hand.err(target), float(column))
        for width in _WIDTHS:
            drag = Drag(boundary, column, end[0] + 0.5, width)
            rows = drag_boundary(bscan.rows + np.float32(0.5), drag, clues) - np.float32(0.5)
            seconds = DECIDE_S + move_s(150, 6) + move_s(abs(end[0] - start[0]), target)
            offers.append((seconds, rows, partial(hand.drag, start, end, target)))
    return offers


def _offer_stroke(
    bscan: Bscan,
    boundary: int,
    run: tuple[int, int],
    target: float,
    hand: Hand,
    clues: Clues | None,
) -> tuple[float, Rows, Callable[[], None]]:
    first, last = run
    columns = [c for c in range(first, last) if np.isfinite(bscan.truth[boundary, c])]
    kept = columns[:: max(len(columns) // max((last - first) // 12, 2), 1)]
    kept = sorted({*kept, columns[-1]})
    places = [(float(c), float(bscan.truth[boundary, c]) + hand.err(target) + 0.5) for c in kept]
    rows = draw_boundary(bscan.rows + np.float32(0.5), boundary, places, clues) - np.float32(0.5)
    length, start = float(last - first), (places[0][1], float(first))
    seconds = DECIDE_S + move_s(150, target) + stroke_s(length, target)
    return seconds, rows, lambda: hand.stroke(start, length, target)


def measure_dice(bscan: Bscan) -> float:
    """Dice of the fluid; 1 where there is none."""
    annotated = bscan.reference != 255
    found = (bscan.rest == bscan.fluid) & annotated
    there = bscan.reference == bscan.fluid
    total = int(found.sum() + there.sum())
    return 2 * int((found & there).sum()) / total if total else 1.0


def _list_wrong(bscan: Bscan) -> list[tuple[NDArray[np.bool_], bool]]:
    """Wrong parts of the fluid, the largest first, and whether each is missing."""
    annotated = bscan.reference != 255
    found, there = bscan.rest == bscan.fluid, bscan.reference == bscan.fluid
    parts = []
    for mask, is_missing in ((there & ~found, True), (found & ~there & annotated, False)):
        marked, n = ndimage.label(mask)
        parts += [(marked == k, is_missing) for k in range(1, n + 1)]
    return sorted(parts, key=lambda part: -int(part[0].sum()))


def _set(bscan: Bscan, mask: NDArray[np.bool_], *, is_fluid: bool) -> None:
    bscan.rest[mask] = bscan.fluid if is_fluid else 0


def _brush_pockets(bscan: Bscan, hand: Hand) -> None:
    """Paint what is missing and what is too much, row of strokes by row of strokes."""
    while measure_dice(bscan) < DICE:
        mask, is_missing = _list_wrong(bscan)[0]
        rows = np.flatnonzero(mask.any(axis=1))
        hand.choose_class(bscan.fluid if is_missing else 100)
        for top in range(rows[0], rows[-1] + 1, BRUSH):
            band = np.flatnonzero(mask[top : top + BRUSH].any(axis=0))
            if band.size:
                hand.stroke((float(top), float(band[0])), float(np.ptp(band)) + 1, _EXACT)
        _set(bscan, mask, is_fluid=is_missing)


def _click_pockets(bscan: Bscan, hand: Hand) -> None:
    """Click into pockets that are missing or too much, as long as that helps."""
    tried = np.zeros(bscan.rest.shape, bool)
    while measure_dice(bscan) < DICE:
        left = [part for part in _list_wrong(bscan) if not (part[0] & tried).any()]
        if not left:
            return
        mask, is_missing = left[0]
        tried |= mask
        if not is_missing:
            _click_away(bscan, mask, hand)
        else:
            _click_in(bscan, mask, hand)


def _deepest(mask: NDArray[np.bool_]) -> tuple[int, int, float]:
    depth = ndimage.distance_transform_edt(mask)
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(row), int(column), float(depth.max())


def _click_away(bscan: Bscan, mask: NDArray[np.bool_], hand: Hand) -> None:
    """Take a labelled pocket out, where most of it is wrong."""
    row, column, depth = _deepest(mask)
    parts, _ = ndimage.label(bscan.rest == bscan.fluid)
    pocket = parts == parts[row, column]
    if 2 * mask[pocket].sum() > pocket.sum():
        hand.click(row, column, max(2 * depth, 2))
        _set(bscan, pocket, is_fluid=False)


def _click_in(bscan: Bscan, mask: NDArray[np.bool_], hand: Hand) -> None:
    """Have a region proposed, turn the wheel to the best one, and take it if it helps."""
    row, column, depth = _deepest(mask)
    hand.click(row, column, max(2 * depth, 2))
    found = propose_pocket(
        bscan.grey,
        (row, column),
        labels=bscan.draw(),
        layers=list(bscan.layers),
        probability=bscan.probability,
    )
    if found is None:
        return
    there = bscan.reference == bscan.fluid
    regions = [found.region(k, mask.shape) for k in range(found.n_regions)]
    gains = [int((r & mask).sum()) - int((r & ~there & (bscan.rest == 0)).sum()) for r in regions]
    best = int(np.argmax(gains))
    hand.turn(abs(best - found.best))
    hand.press()
    if gains[best] > 0:
        _set(bscan, regions[best] & (bscan.rest == 0), is_fluid=True)
