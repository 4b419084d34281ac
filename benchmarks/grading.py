"""A grader that corrects the layers of a B-scan towards a reference with one set of tools."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.hand import CLICK_S, DECIDE_S, KEY_S, Hand, move_s, stroke_s
from napari_retseg.decode.edges import find_edges
from napari_retseg.decode.editing import (
    Drag,
    drag_boundary,
    draw_boundary,
    lift_boundary,
    remove_layer,
    restore_layer,
)
from napari_retseg.decode.snapping import Clues
from napari_retseg.layers import boundaries_of_labels, labels_of_boundaries

#: It is done where each boundary is so near on average, in rows.
NEAR = 1.0
#: The workbench's brush, in pixels, and how far a stroke of it goes before the hand is put anew.
BRUSH, _STROKE = 8, 64
#: A layer that is absent over fewer A-scans is not seen.
_SEEN = 5
#: Soft widths of a drag, and targets: where nothing snaps, within a row; with snapping, two.
_WIDTHS = (16, 32, 64, 128, 256)
EXACT, _SNAPPED = 2.0, 4.0
#: Actions on one boundary after which the rest is drawn by free strokes, whatever snaps, and after
#: which the grader gives up.
_PATIENCE, _MOST = 15, 40
#: Pixels of a stroke from one event of the mouse to the next.
_EVENTS = 4
#: Actions on one boundary after which absent layers are looked at once more.
_LOOK_AGAIN = 4

Rows = NDArray[np.float32]
#: Seconds, the rows that come of it, and what the hand does.
Offer = tuple[float, Rows, Callable[[], None]]


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


def correct_layers(bscan: Bscan, tools: Tools, hand: Hand) -> bool:
    """Correct the layers until they are right; False where that does not succeed."""
    edges = find_edges(bscan.grey) if tools.snapping else None
    if tools.curves:
        _settle_layers(bscan, hand)
    tries: dict[int, int] = {}
    while (boundary := bscan.find_worst()) >= 0:
        tries[boundary] = tries.get(boundary, 0) + 1
        if tries[boundary] > _MOST:
            return False
        if tools.curves and tries[boundary] % _LOOK_AGAIN == 0:
            _settle_layers(bscan, hand)
        # painting and curves can be mixed
        offers = [_offer_brush(bscan, boundary, hand)]
        if tools.curves:
            snaps = tools.snapping and tries[boundary] <= _PATIENCE
            gain = None if bscan.gains is None else bscan.gains[boundary]
            clues = Clues(gain, edges) if snaps else None
            offers += _offer_curves(bscan, boundary, hand, clues)
        _take_best(bscan, boundary, offers)
    return True


def _settle_layers(bscan: Bscan, hand: Hand) -> None:
    """Click where a layer is absent and should not be, and the other way round."""
    for layer in range(len(bscan.layers)):
        for is_back, change in ((True, restore_layer), (False, remove_layer)):
            now = np.diff(bscan.rows[layer : layer + 2], axis=0)[0]
            there = np.diff(bscan.truth[layer : layer + 2], axis=0)[0]
            wrong = (now <= 0) & (there >= 1) if is_back else (now >= 2) & (there < 1)
            # a layer that comes and goes is one range
            closed = ndimage.binary_closing(np.pad(wrong, 9), np.ones(9, np.bool_))
            parts, n = ndimage.label(closed[9:-9])
            for (run,) in ndimage.find_objects(parts, n):
                length = run.stop - run.start
                if length < _SEEN:
                    continue
                places = run.start + np.flatnonzero(wrong[run])
                column = int(places[np.abs(places - (run.start + run.stop) / 2).argmin()])
                width = length // 2 + 8 * is_back
                hand.click(float(bscan.rows[layer, column]), float(column), 6.0)
                hand.press()
                bscan.rows = change(bscan.rows, layer, column, width)


def _find_runs(error: Rows) -> list[tuple[int, int]]:
    """Stretches in which a boundary is more than a row off, the largest area first."""
    parts, n = ndimage.label(np.nan_to_num(np.abs(error)) > NEAR)
    found = [(int(s[0].start), int(s[0].stop)) for s in ndimage.find_objects(parts, n)]
    return sorted(found, key=lambda run: -float(np.nansum(np.abs(error[run[0] : run[1]]))))


def _offer_brush(bscan: Bscan, boundary: int, hand: Hand) -> Offer:
    """Paint one stroke along a boundary: it moves to the true place, by one brush at most.

    The brush is no wider than the layer that is painted, since it would cover the next one.
    """
    error = bscan.errors()[boundary]
    first, last = _find_runs(error)[0]
    last = min(last, first + _STROKE)
    span = slice(first, last)
    layer = boundary if np.nanmean(error[span]) > 0 else boundary - 1
    size = _choose_size(bscan, layer, span)
    start = (float(bscan.rows[boundary, first]), float(first))
    slips = hand.slip(last - first, EXACT) * np.isfinite(error[span])
    rows = bscan.rows.copy()
    rows[boundary, span] += np.clip(-np.nan_to_num(error[span]), -size, size) + slips
    _push(rows, boundary)

    def act() -> None:
        hand.choose_class(layer)
        hand.choose_size(size)
        hand.stroke(start, last - first, EXACT)

    seconds = DECIDE_S + CLICK_S + move_s(150, EXACT) + stroke_s(last - first, EXACT)
    return seconds, rows, act


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


def _offer_curves(bscan: Bscan, boundary: int, hand: Hand, clues: Clues | None) -> list[Offer]:
    """What drags, strokes and keys could do."""
    offers = [_offer_lift(bscan, boundary, hand)]
    # with the modifier nothing snaps
    ways = [(None, EXACT)] if clues is None else [(None, EXACT), (clues, _SNAPPED)]
    runs = _find_runs(bscan.errors()[boundary])
    for way, width in ways:
        for run in runs[:3]:
            offers += _offer_drags(bscan, boundary, run, width, hand, way)
        for stretch in _join_runs(runs):
            offers.append(_offer_stroke(bscan, boundary, stretch, width, hand, way))
    return offers


def _take_best(bscan: Bscan, boundary: int, offers: list[Offer]) -> None:
    """Do what mends most for its time."""
    before = _measure(bscan, boundary, bscan.rows)
    rated = [((before - _measure(bscan, boundary, rows)) / s, rows, do) for s, rows, do in offers]
    _, rows, act = max(rated, key=lambda offer: offer[0])
    act()
    bscan.rows = rows


def _join_runs(runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The worst run, and with it the nearest other one, the two nearest, and so on."""
    first, last = runs[0]
    joined = [(first, last)]
    for run in sorted(runs[1:], key=lambda run: max(first - run[1], run[0] - last)):
        first, last = min(first, run[0]), max(last, run[1])
        joined.append((first, last))
    return joined[:8]


def _offer_lift(bscan: Bscan, boundary: int, hand: Hand) -> Offer:
    """Choose a boundary by a click, and lift or lower all of it by half pixels with the keys."""
    error = bscan.errors()[boundary]
    steps = int(np.rint(2 * np.nanmedian(error)))
    rows = lift_boundary(bscan.rows, boundary, steps / 2)
    column = int(np.nanargmin(np.abs(error)))

    def act() -> None:
        hand.click(float(bscan.rows[boundary, column]), float(column), 6.0)
        hand.press(abs(steps))

    return DECIDE_S + CLICK_S + move_s(150, 6) + KEY_S * abs(steps), rows, act


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
) -> list[Offer]:
    first, last = run
    error = np.nan_to_num(bscan.errors()[boundary, first:last])
    places = {first + int(np.abs(error).argmax()), (first + last) // 2}
    offers: list[Offer] = []
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
) -> Offer:
    first, last = run
    slips = hand.slip(last - first, target)
    columns = [c for c in range(first, last) if np.isfinite(bscan.truth[boundary, c])]
    kept = sorted({*columns[::_EVENTS], columns[-1]})
    places = [(c, float(bscan.truth[boundary, c]) + float(slips[c - first]) + 0.5) for c in kept]
    rows = draw_boundary(bscan.rows + np.float32(0.5), boundary, places, clues) - np.float32(0.5)
    length, start = float(last - first), (places[0][1], float(first))
    seconds = DECIDE_S + move_s(150, target) + stroke_s(length, target)
    return seconds, rows, lambda: hand.stroke(start, length, target)
