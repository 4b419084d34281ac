"""A grader that corrects the fluid of a B-scan towards a reference."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import find_contours

from benchmarks.grading import BRUSH, EXACT, Bscan
from benchmarks.hand import CLICK_S, DECIDE_S, KEY_S, NOTCH_S, Hand, move_s, stroke_s
from napari_retseg.decode.pocket_click import propose_pocket
from napari_retseg.decode.pocket_outline import propose_inside
from napari_retseg.decode.pocket_regions import PocketProposal

#: It is done where fluid has this Dice.
DICE = 0.9
#: A line around a pocket runs so far outside of it, and may err by as much; a place each so many
#: pixels of it.
_AROUND, _PLACES = 4, 8

Mask = NDArray[np.bool_]


class Offer(NamedTuple):
    """What a hand could do: pixels that it mends, seconds, and the deed itself."""

    gain: int
    seconds: float
    act: Callable[[], None]


def correct_pockets(bscan: Bscan, hand: Hand, *, clicks: bool) -> None:
    """Mend the largest wrong part, until the fluid is right."""
    while measure_dice(bscan) < DICE:
        mask, is_missing = _list_wrong(bscan)[0]
        offers = [_offer_brush(bscan, mask, hand, is_missing=is_missing)]
        if clicks:
            offers += _offer_clicks(bscan, mask, hand, is_missing=is_missing)
        max(offers, key=lambda offer: offer.gain / offer.seconds).act()


def measure_dice(bscan: Bscan) -> float:
    """Dice of the fluid; 1 where there is none."""
    annotated = bscan.reference != 255
    found = (bscan.rest == bscan.fluid) & annotated
    there = bscan.reference == bscan.fluid
    total = int(found.sum() + there.sum())
    return 2 * int((found & there).sum()) / total if total else 1.0


def _list_wrong(bscan: Bscan) -> list[tuple[Mask, bool]]:
    """Wrong parts of the fluid, the largest first, and whether each is missing."""
    annotated = bscan.reference != 255
    found, there = bscan.rest == bscan.fluid, bscan.reference == bscan.fluid
    parts = []
    for mask, is_missing in ((there & ~found, True), (found & ~there & annotated, False)):
        marked, n = ndimage.label(mask)
        parts += [(marked == k, is_missing) for k in range(1, n + 1)]
    return sorted(parts, key=lambda part: -int(part[0].sum()))


def _set(bscan: Bscan, mask: Mask, *, is_fluid: bool) -> None:
    bscan.rest[mask] = bscan.fluid if is_fluid else 0


def _offer_brush(bscan: Bscan, mask: Mask, hand: Hand, *, is_missing: bool) -> Offer:
    """Paint a part, row of strokes by row of strokes."""
    rows = np.flatnonzero(mask.any(axis=1))
    bands = [
        (top, np.flatnonzero(mask[top : top + BRUSH].any(axis=0)))
        for top in range(rows[0], rows[-1] + 1, BRUSH)
    ]
    strokes = [(float(top), float(band[0]), float(np.ptp(band)) + 1) for top, band in bands]

    def act() -> None:
        hand.choose_class(bscan.fluid if is_missing else 100)
        for top, left, length in strokes:
            hand.stroke((top, left), length, EXACT)
        _set(bscan, mask, is_fluid=is_missing)

    each = DECIDE_S + CLICK_S + move_s(60, EXACT)
    return Offer(int(mask.sum()), sum(each + stroke_s(s[2], EXACT) for s in strokes), act)


def _offer_clicks(bscan: Bscan, mask: Mask, hand: Hand, *, is_missing: bool) -> list[Offer]:
    if not is_missing:
        return _offer_removal(bscan, mask, hand)
    offers = [_offer_click(bscan, mask, hand)]
    offers += [_offer_line(bscan, mask, hand, exact=exact) for exact in (False, True)]
    return [offer for offer in offers if offer is not None and offer.gain > 0]


def _offer_removal(bscan: Bscan, mask: Mask, hand: Hand) -> list[Offer]:
    """Take a labelled pocket out by a click, where most of it is wrong."""
    row, column, depth = _deepest(mask)
    parts, _ = ndimage.label(bscan.rest == bscan.fluid)
    pocket = parts == parts[row, column]
    gain = int(2 * mask[pocket].sum() - pocket.sum())

    def act() -> None:
        hand.click(row, column, max(2 * depth, 2))
        _set(bscan, pocket, is_fluid=False)

    seconds = DECIDE_S + CLICK_S + move_s(100, max(2 * depth, 2))
    return [Offer(gain, seconds, act)] if gain > 0 else []


def _offer_click(bscan: Bscan, mask: Mask, hand: Hand) -> Offer | None:
    """Click in the middle of a pocket, and turn the wheel to the best region."""
    row, column, depth = _deepest(mask)
    width = max(2 * depth, 2)
    found = propose_pocket(
        bscan.grey,
        (row, column),
        labels=bscan.draw(),
        layers=list(bscan.layers),
        probability=bscan.probability,
    )
    point = partial(hand.click, row, column, width)
    return _take(bscan, found, hand, point, DECIDE_S + CLICK_S + move_s(100, width))


def _offer_line(bscan: Bscan, mask: Mask, hand: Hand, *, exact: bool) -> Offer | None:
    """Draw around a pocket: roughly, and turn the wheel; or exactly, which takes what is inside."""
    around = mask if exact else ndimage.binary_dilation(mask, iterations=_AROUND)
    lines = find_contours(np.pad(around, 1).astype(np.float32), 0.5)  # type: ignore[no-untyped-call]
    line = max(lines, key=len) - 1
    length = float(np.hypot(*np.diff(line, axis=0).T).sum())
    target = EXACT if exact else 2.0 * _AROUND
    places = line[:: max(len(line) * _PLACES // max(int(length), 1), 1)]
    places = places + np.array([[hand.err(target), hand.err(target)] for _ in places])
    found = propose_inside(
        bscan.grey,
        places,
        labels=bscan.draw(),
        layers=list(bscan.layers),
        probability=bscan.probability,
    )
    point = partial(hand.stroke, (float(line[0, 0]), float(line[0, 1])), length, target)
    seconds = DECIDE_S + CLICK_S + move_s(100, target) + stroke_s(length, target)
    return _take(bscan, found, hand, point, seconds, whole=exact)


def _take(
    bscan: Bscan,
    found: PocketProposal | None,
    hand: Hand,
    point: Callable[[], None],
    seconds: float,
    *,
    whole: bool = False,
) -> Offer | None:
    """Choose the region that mends most, and take it by a key."""
    if found is None:
        return None
    there, free = bscan.reference == bscan.fluid, bscan.rest == 0
    counts = bscan.reference != 255
    regions = [found.region(k, there.shape) & free for k in range(found.n_regions)]
    gains = [int((r & there).sum()) - int((r & ~there & counts).sum()) for r in regions]
    best = len(gains) - 1 if whole else int(np.argmax(gains))
    notches = 0 if whole else abs(best - found.best)

    def act() -> None:
        point()
        hand.turn(notches)
        hand.press()
        _set(bscan, regions[best], is_fluid=True)

    return Offer(gains[best], seconds + NOTCH_S * notches + KEY_S, act)


def _deepest(mask: Mask) -> tuple[int, int, float]:
    depth = ndimage.distance_transform_edt(mask)
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(row), int(column), float(depth.max())
