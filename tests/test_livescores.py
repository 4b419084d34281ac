from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_retseg.classes import IGNORE, LabelSet
from napari_retseg.label_diff import PlaneWatch
from napari_retseg.livescores import LiveScores, Side
from napari_retseg.scores import ScoreCounter, Scores, confusion_matrix, score_counts

#: Values that are not their indices.
CLASSES = LabelSet.from_names({2: "layer", 5: "fluid"})
SHAPE = (4, 6, 7)
#: Classes, not annotated, and two values that are no class.
VALUES = [0, 2, 5, IGNORE, 3, 254]
#: No time limit for an example: the machine may be busy.
quick = settings(deadline=None, max_examples=60)

Volume = NDArray[np.uint8]
#: Side, B-scan, box in the plane, value.
strokes = st.lists(
    st.tuples(
        st.sampled_from(["reference", "predicted"]),
        st.integers(0, 3),
        st.tuples(st.integers(0, 5), st.integers(1, 6), st.integers(0, 6), st.integers(1, 7)),
        st.sampled_from(VALUES),
    ),
    max_size=12,
)


def count_anew(reference: Volume, predicted: Volume) -> Scores:
    """Score with the counter of predictions, which knows class indices only."""
    table = np.zeros(256, dtype=np.uint8)
    table[CLASSES.values] = np.arange(len(CLASSES))
    table[IGNORE] = IGNORE
    counter = ScoreCounter(CLASSES)
    for number, planes in enumerate(zip(reference, predicted, strict=True)):
        wanted, found = (table[plane] for plane in planes)
        wanted = np.where(found == IGNORE, IGNORE, wanted).astype(np.uint8)
        matrix = confusion_matrix(wanted, np.where(found == IGNORE, 0, found), len(CLASSES))
        counter.add(matrix, name=str(number), group="P")
    return counter.scores()


def check_equal(live: LiveScores, reference: Volume, predicted: Volume) -> None:
    wanted = count_anew(reference, predicted)
    assert live.scores().classes == wanted.classes
    assert live.scores(range(len(reference))).classes == wanted.classes
    some = count_anew(reference[[0, 2]], predicted[[0, 2]])
    assert live.scores([0, 2, 2]).classes == some.classes
    for number, bscan in enumerate(wanted.bscans):
        assert live.bscan_scores(number) == bscan.overlap
    means = [(b.overlap.mean_foreground_dice, k) for k, b in enumerate(wanted.bscans)]
    ordered = sorted((dice, k) for dice, k in means if dice is not None)
    assert live.worst(99) == [(k, dice) for dice, k in ordered]
    assert live.unknown_values == {
        side: {v: int((labels == v).sum()) for v in (3, 254) if (labels == v).any()}
        for side, labels in (("reference", reference), ("predicted", predicted))
    }


def make_pair(seed: int) -> dict[Side, Volume]:
    rng = np.random.default_rng(seed)
    weights = [0.3, 0.3, 0.2, 0.1, 0.05, 0.05]
    return {
        "reference": rng.choice(VALUES, SHAPE, p=weights).astype(np.uint8),
        "predicted": rng.choice(VALUES, SHAPE, p=weights).astype(np.uint8),
    }


@quick
@given(st.integers(0, 1000), strokes)
def test_after_any_strokes_scores_are_those_of_a_new_count(seed: int, strokes: list[Any]) -> None:
    sides = make_pair(seed)
    live = LiveScores(CLASSES, SHAPE)
    live.count_rest(sides["reference"], sides["predicted"])
    check_equal(live, sides["reference"], sides["predicted"])
    for side, bscan, (top, height, left, width), value in strokes:
        plane = sides[side][bscan]
        watch = PlaneWatch(plane)
        plane[top : top + height, left : left + width] = value
        found = watch.changes(plane)
        if found is not None:
            other = sides["predicted" if side == "reference" else "reference"][bscan]
            live.repaint(
                bscan,
                side=side,
                flat=found.flat,
                before=found.before,
                after=found.after,
                other=other,
            )
    check_equal(live, sides["reference"], sides["predicted"])


def test_a_bscan_is_counted_anew() -> None:
    sides, other = make_pair(1), make_pair(2)
    live = LiveScores(CLASSES, SHAPE)
    live.count_rest(sides["reference"], sides["predicted"])
    for labels in sides.values():
        labels[2] = other["reference"][2] if labels is sides["reference"] else labels[0]
    live.set_bscan(2, sides["reference"][2], sides["predicted"][2])
    check_equal(live, sides["reference"], sides["predicted"])


def test_counts_of_several_scans_add_up() -> None:
    pairs, lives = [make_pair(8), make_pair(9)], []
    for sides in pairs:
        live = LiveScores(CLASSES, SHAPE)
        live.count_rest(sides["reference"], sides["predicted"])
        lives.append(live)
    whole, part = lives[0].counts(), lives[1].counts([0, 3])
    found = score_counts(CLASSES.names, whole[0] + part[0], whole[1] + part[1])
    joined = {side: np.concatenate([pairs[0][side], pairs[1][side][[0, 3]]]) for side in pairs[0]}
    assert found.classes == count_anew(joined["reference"], joined["predicted"]).classes
    # what was given out is not the count itself
    whole[0][:] = 0
    check_equal(lives[0], pairs[0]["reference"], pairs[0]["predicted"])


def test_a_single_bscan_and_other_dtypes() -> None:
    sides = make_pair(3)
    wide = {side: labels[0].astype(np.int32) for side, labels in sides.items()}
    live, plain = LiveScores(CLASSES, SHAPE[1:]), LiveScores(CLASSES, SHAPE[1:])
    live.count_rest(wide["reference"], wide["predicted"])
    plain.count_rest(sides["reference"][0], sides["predicted"][0])
    assert live.scores() == plain.scores()
    assert live.n_bscans == 1
    # what 8 bits do not hold must not become a class by losing its upper bits
    wide["predicted"][:] = [[256 + 2, -1, 2, 2, 2, 2, 2]]
    wide["reference"][:] = 2
    live.set_bscan(0, wide["reference"], wide["predicted"])
    assert live.unknown_values == {"reference": {}, "predicted": {254: 12}}
    assert live.scores().classes["layer"].predicted_pixels == 30


def test_the_worst_leave_out_bscans_without_a_class() -> None:
    reference, predicted = np.zeros((2, *SHAPE), np.uint8)
    reference[0, 0], predicted[0, 0, :3] = 5, 5
    reference[2, :2], predicted[2, 0] = 2, 2
    reference[3, 0], predicted[3, 0] = 5, 5
    live = LiveScores(CLASSES, SHAPE)
    live.count_rest(reference, predicted)
    assert live.worst(1) == [(0, 2 * 3 / 10)]
    assert [bscan for bscan, _ in live.worst(5)] == [0, 2, 3]


def test_a_stroke_that_does_not_fit_leaves_the_counts() -> None:
    sides = make_pair(4)
    live = LiveScores(CLASSES, SHAPE)
    live.count_rest(sides["reference"], sides["predicted"])
    flat = np.arange(42)

    def repaint(value: int, n_after: int = 42, bscan: int = 1) -> None:
        live.repaint(
            bscan,
            side="reference",
            flat=flat,
            before=np.full(42, value, np.uint8),
            after=np.full(n_after, 2, np.uint8),
            other=sides["predicted"][1],
        )

    with pytest.raises(ValueError, match="B-scan 1 did not hold what was painted over"):
        repaint(5)
    with pytest.raises(ValueError, match="42 places, 42 values before, 41 after"):
        repaint(5, 41)
    with pytest.raises(IndexError, match="no B-scan 4 among 4"):
        repaint(5, bscan=4)
    with pytest.raises(ValueError, match="reference plane"):
        live.set_bscan(0, sides["reference"], sides["predicted"][0])
    with pytest.raises(ValueError, match="predicted labels"):
        live.count_rest(sides["reference"], sides["predicted"][:3])
    with pytest.raises(IndexError, match="no B-scan -1"):
        live.scores([-1])
    check_equal(live, sides["reference"], sides["predicted"])


def test_a_bscan_is_counted_before_it_is_painted_on() -> None:
    sides = make_pair(5)
    live = LiveScores(CLASSES, SHAPE)
    none = np.array([], dtype=np.uint8)
    places = np.array([], dtype=np.intp)
    with pytest.raises(ValueError, match="B-scan 2 is not counted yet"):
        live.repaint(
            2, side="predicted", flat=places, before=none, after=none, other=sides["reference"][2]
        )
    assert not live.is_counted(2)
    assert live.scores().mean_dice_with_background is None
    assert live.worst(3) == []
    live.set_bscan(2, sides["reference"][2], sides["predicted"][2])
    assert (live.is_counted(2), live.n_counted) == (True, 1)


class Waiting:
    """Labels whose B-scans can be read up to a number only, until they are let go."""

    def __init__(self, labels: Volume, stop_at: int) -> None:
        self.shape = labels.shape
        self._labels, self._stop_at = labels, stop_at
        self.reached, self.go = threading.Event(), threading.Event()

    def __getitem__(self, bscan: int) -> Volume:
        plane: Volume = self._labels[bscan].copy()
        if bscan == self._stop_at:
            self.reached.set()
            assert self.go.wait(30)
        return plane


def count_in_thread(
    live: LiveScores, reference: Volume, predicted: Waiting
) -> tuple[Callable[[], None], list[bool]]:
    done: list[bool] = []
    labels: Any = predicted
    thread = threading.Thread(target=lambda: done.append(live.count_rest(reference, labels)))
    thread.start()
    return thread.join, done


def test_strokes_while_the_volume_is_counted_in_a_thread_are_kept() -> None:
    sides = make_pair(6)
    reference, predicted = sides["reference"], sides["predicted"]
    live = LiveScores(CLASSES, SHAPE)
    waiting = Waiting(predicted, stop_at=2)
    join, done = count_in_thread(live, reference, waiting)
    assert waiting.reached.wait(30)
    # the thread holds the old pixels of B-scan 2, which is now counted here and painted on
    live.set_bscan(2, reference[2], predicted[2])
    watch = PlaneWatch(predicted[2])
    predicted[2, :3] = 5
    found = watch.changes(predicted[2])
    assert found is not None
    live.repaint(
        2,
        side="predicted",
        flat=found.flat,
        before=found.before,
        after=found.after,
        other=reference[2],
    )
    waiting.go.set()
    join()
    assert done == [True]
    assert live.n_counted == 4
    check_equal(live, reference, predicted)


def test_counting_ends_when_the_counts_are_cleared() -> None:
    sides = make_pair(7)
    live = LiveScores(CLASSES, SHAPE)
    waiting = Waiting(sides["predicted"], stop_at=1)
    join, done = count_in_thread(live, sides["reference"], waiting)
    assert waiting.reached.wait(30)
    live.clear()
    waiting.go.set()
    join()
    assert done == [False]
    assert live.n_counted == 0
    assert live.scores().classes["layer"].reference_pixels == 0


def test_labels_have_two_or_three_axes() -> None:
    with pytest.raises(ValueError, match="not 4"):
        LiveScores(CLASSES, (1, 2, 3, 4))
