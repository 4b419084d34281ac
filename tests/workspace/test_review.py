from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from napari_retseg.workspace.cost import BscanCost
from napari_retseg.workspace.entry import PredictedBscan, State
from napari_retseg.workspace.review import (
    BscanStatus,
    NextBscan,
    ScanReview,
    StripCell,
    choose_next,
    make_strip,
)

CONFIRMED: State = "confirmed"


def confirm(*bscans: int) -> dict[int, State]:
    return dict.fromkeys(bscans, CONFIRMED)


def say(
    scores: Mapping[int, float | None],
    points: Mapping[int, tuple[float, ...]] | None = None,
    *,
    weights: str = "w1",
) -> dict[int, PredictedBscan]:
    """Predict: B-scans are unlike by their distance in the volume, unless `points` say else."""
    points = points or {i: (float(i), 1.0) for i in scores}
    return {
        i: PredictedBscan(score, points[i] if score is not None else (), weights, "model")
        for i, score in scores.items()
    }


def work(scans: list[ScanReview], n: int) -> list[tuple[str, int]]:
    """Confirm what is offered, `n` times."""
    order: list[tuple[str, int]] = []
    states = {scan.name: dict(scan.states) for scan in scans}
    for _ in range(n):
        now = [
            ScanReview(
                s.name, s.group, s.n_bscans, states[s.name], s.predicted, s.heldout, s.unused
            )
            for s in scans
        ]
        found = choose_next(now, current=order[-1] if order else None)
        if found is None:
            break
        order.append((found.name, found.bscan))
        states[found.name][found.bscan] = CONFIRMED
    return order


def choose(*scans: ScanReview, current: tuple[str, int] | None = None) -> NextBscan:
    found = choose_next(scans, current=current)
    assert found is not None
    return found


def test_a_strip_has_a_cell_for_each_bscan() -> None:
    strip = make_strip(
        5,
        states={1: "corrected", 2: "confirmed", 9: "confirmed"},
        predicted={0: 0.4, 1: 0.3, 3: None},
        heldout={3, 4},
    )
    assert strip == (
        StripCell(0, "predicted", False, 0.4),
        StripCell(1, "corrected", False, 0.3),
        StripCell(2, "confirmed", False, None),
        StripCell(3, "predicted", True, None),
        StripCell(4, "untouched", True, None),
    )
    assert {cell.status for cell in strip} == set(get_args(BscanStatus))


def test_the_most_uncertain_comes_first() -> None:
    scan = ScanReview("A", "P1", 5, predicted=say({0: 0.1, 1: 0.41, 2: 0.4, 3: 0.2, 4: 0.3}))
    assert choose(scan) == NextBscan("A", 1, "most uncertain of 5 (uncertainty 0.41)")


def test_then_uncertain_ones_that_are_unlike_the_confirmed() -> None:
    said = say({0: 0.1, 1: 0.41, 2: 0.4, 3: 0.2, 4: 0.3})
    # 4 is 3 away: 0.3 x 3 beats 0.4 x 1 and 0.2 x 2
    found = choose(ScanReview("A", "P1", 5, confirm(1), said))
    why = "number 2 of 4 in uncertainty (0.30), unlike the one confirmed B-scan"
    assert found == NextBscan("A", 4, why)
    found = choose(ScanReview("A", "P1", 5, confirm(1, 4), said))
    why = "most uncertain of 3 (uncertainty 0.40), unlike the 2 confirmed B-scans"
    assert found == NextBscan("A", 2, why)


def test_confirmed_bscans_of_other_scans_count_too() -> None:
    first = ScanReview("A", "P1", 1, confirm(0), say({0: 0.9}, {0: (0.0,)}))
    other = ScanReview("B", "P2", 2, predicted=say({0: 0.5, 1: 0.4}, {0: (0.0,), 1: (1.0,)}))
    assert choose(first, other).bscan == 1
    assert choose(other).bscan == 0


def test_it_agrees_with_the_ranking_by_hand(rng: np.random.Generator) -> None:
    points = {i: tuple(rng.random(6).tolist()) for i in range(30)}
    scores = {i: float(rng.random()) for i in range(30)}
    states = confirm(3, 8, 21)
    gains = {
        i: scores[i] * min(float(np.linalg.norm(np.subtract(points[i], points[j]))) for j in states)
        for i in set(range(30)) - set(states)
    }
    found = choose(ScanReview("A", "P1", 30, states, say(scores, points)))
    assert found.bscan == max(gains, key=lambda i: gains[i])


def test_alike_bscans_are_not_said_to_be_unlike() -> None:
    said = say({0: 0.5, 1: 0.5}, {0: (1.0,), 1: (1.0,)})
    found = choose(ScanReview("A", "P1", 2, confirm(0), said))
    assert found.why == "the last one with a prediction (uncertainty 0.50)"


def test_it_says_what_it_could_not_compare() -> None:
    scan = ScanReview("A", "P1", 61, {7: "corrected"}, say({6: 0.1, 7: 0.3}))
    why = "most uncertain of 2 (uncertainty 0.30), corrected but not confirmed"
    assert choose(scan).why == f"{why}; 59 more have no prediction"


def test_scores_of_two_models_are_not_compared() -> None:
    said = say({0: 0.9}, weights="old") | say({1: 0.2, 2: 0.3}, weights="new")
    assert choose(ScanReview("A", "P1", 3, predicted=said)).bscan == 2
    # one that was confirmed with the old model has a descriptor that means something else
    said = say({0: 0.9}, {0: (2.0, 1.0)}, weights="old") | say({1: 0.2, 2: 0.3}, weights="new")
    found = choose(ScanReview("A", "P1", 3, confirm(0), said))
    assert found == NextBscan("A", 2, "most uncertain of 2 (uncertainty 0.30)")


def test_predictions_without_uncertainty_are_no_help() -> None:
    scan = ScanReview("A", "P1", 3, predicted=say({0: None, 1: None}))
    assert choose(scan) == NextBscan("A", 1, "no prediction yet; in the middle of 3 B-scans")


def test_scores_without_descriptors_decide_alone() -> None:
    said = say({0: 0.1, 1: 0.4, 2: 0.3}, {0: (), 1: (), 2: ()})
    assert (
        choose(ScanReview("A", "P1", 3, confirm(1), said)).why
        == "most uncertain of 2 (uncertainty 0.30)"
    )


def test_without_predictions_bscans_are_spread() -> None:
    scan = ScanReview("A", "P1", 61)
    assert work([scan], 5) == [("A", 30), ("A", 0), ("A", 60), ("A", 15), ("A", 45)]
    why = "no prediction yet; 30 B-scans from the one confirmed B-scan"
    assert choose(ScanReview("A", "P1", 61, confirm(30))).why == why
    why = "no prediction yet; 15 B-scans from the nearest of the 3 confirmed B-scans"
    assert choose(ScanReview("A", "P1", 61, confirm(0, 30, 60))).why == why
    assert len(set(work([scan], 99))) == 61


def test_without_predictions_the_patient_with_the_least_comes_first() -> None:
    scans = [ScanReview("A", "P1", 9), ScanReview("B", "P1", 9), ScanReview("C", "P2", 9)]
    assert work(scans, 4) == [("A", 4), ("C", 4), ("B", 4), ("C", 0)]
    # in a tie one stays where one is
    assert choose(*scans, current=("C", 8)).name == "C"


def test_single_bscans_of_their_own_files() -> None:
    scans = [ScanReview("A", "P1", 1), ScanReview("B", "P2", 1)]
    assert work(scans, 5) == [("A", 0), ("B", 0)]
    assert choose(*scans).why == "no prediction yet; the only B-scan of this scan"


def test_next_never_stays_and_walks_through_all_before_it_comes_back() -> None:
    scan = ScanReview("A", "P1", 6, predicted=say({i: 0.1 * (i + 1) for i in range(6)}))
    current: tuple[str, int] | None = None
    seen: list[tuple[str, int]] = []
    for _ in range(6):
        found = choose_next([scan], current=current, seen=seen)
        assert found is not None
        current = found.name, found.bscan
        assert current not in seen
        seen.append(current)
    again = choose_next([scan], current=current, seen=seen)
    assert again is not None
    assert (again.name, again.bscan) != current


def test_what_was_looked_at_is_not_called_confirmed() -> None:
    scan = ScanReview("A", "P1", 61)
    why = "no prediction yet; 30 B-scans from the one confirmed or viewed B-scan"
    assert choose(scan, current=("A", 30)) == NextBscan("A", 0, why)


def test_nothing_is_left() -> None:
    assert choose_next([]) is None
    assert choose_next([ScanReview("A", "P1", 2, confirm(0, 1))]) is None
    assert choose_next([ScanReview("A", "P1", 2, confirm(0))], current=("A", 1)) is None
    assert choose_next([ScanReview("A", "P1", 2, unused={0, 1})]) is None


def test_held_out_patients_come_after_three_and_get_three() -> None:
    scans = [
        ScanReview("A", "P1", 20, predicted=say(dict.fromkeys(range(20), 0.5))),
        ScanReview("B", "P2", 20, predicted=say({5: 0.99}), heldout=range(20)),
    ]
    order = work(scans, 12)
    assert [name for name, _ in order] == list("AAABBBAAAAAA")
    # by place, and not where the model is unsure
    assert [bscan for name, bscan in order if name == "B"] == [10, 0, 19]
    found = choose(ScanReview("A", "P1", 9, confirm(0, 1, 2)), scans[1])
    assert found.why == "held out: P2 has 0 confirmed, scores need 3; in the middle of 20 B-scans"


def test_held_out_bscans_are_not_more_than_those_to_train_on() -> None:
    scans = [ScanReview("A", "P0", 40)]
    scans += [ScanReview(f"H{k}", f"P{k}", 10, heldout=range(10)) for k in range(1, 5)]
    order = work(scans, 99)
    n_training = 0
    for k, (name, _) in enumerate(order[:24]):
        n_training += name == "A"
        assert k + 1 - n_training <= n_training
    # every held-out patient gets one before any gets two
    assert [name for name, _ in order if name != "A"][:4] == ["H1", "H2", "H3", "H4"]
    assert Counter(name for name, _ in order) == {"A": 40} | {f"H{k}": 3 for k in range(1, 5)}


def test_held_out_patients_are_offered_where_nothing_else_is_left() -> None:
    training = ScanReview("A", "P1", 1, confirm(0))
    heldout = ScanReview("B", "P2", 9, confirm(4), heldout=range(9))
    why = "held out: P2 has 1 confirmed, scores need 3; 4 B-scans from the one confirmed B-scan"
    assert choose(training, heldout) == NextBscan("B", 0, why)
    assert choose_next([training, ScanReview("B", "P2", 9, confirm(1, 4, 5), {}, range(9))]) is None


def test_confirmed_bscans_of_all_the_patients_scans_count() -> None:
    training = ScanReview("A", "P1", 9, confirm(0, 1, 2, 3, 4))
    done = ScanReview("B", "P2", 2, confirm(0, 1), heldout=range(2))
    more = ScanReview("C", "P2", 5, heldout=range(5))
    assert "P2 has 2 confirmed" in choose(training, done, more).why


def test_the_only_patient_has_held_out_bscans_and_a_gap() -> None:
    scan = ScanReview("A", "P1", 20, heldout=range(15, 20), unused={14})
    order = work([scan], 99)
    assert [bscan for _, bscan in order[:6]] == [7, 0, 13, 17, 15, 19]
    assert {bscan for _, bscan in order} == {*range(14), 15, 17, 19}


@pytest.mark.parametrize("n_confirmed", [0, 60])
def test_a_large_workspace_is_chosen_from_at_once(
    n_confirmed: int, rng: np.random.Generator
) -> None:
    points = {i: tuple(rng.random(80).tolist()) for i in range(244)}
    said = say({i: float(rng.random()) for i in range(244)}, points)
    scans = [ScanReview(f"S{k}", f"P{k}", 244, {}, said) for k in range(10)]
    scans.append(ScanReview("done", "P10", n_confirmed, confirm(*range(n_confirmed)), said))
    seconds = []
    for _ in range(3):
        began = time.process_time()
        assert "of 2440" in choose(*scans).why
        seconds.append(time.process_time() - began)
    assert min(seconds) < 0.3


def test_seconds_that_were_measured_order_what_is_left() -> None:
    # the model is least sure of 4, but B-scans like 3 took longest
    points = {0: (0.0, 0.0), 1: (0.0, 0.0), 2: (0.0, 0.0), 3: (0.0, 5.0), 4: (0.0, -5.0)}
    said = say({0: 0.1, 1: 0.5, 2: 0.9, 3: 0.45, 4: 0.95}, points)
    scan = ScanReview("A", "P1", 5, confirm(0, 1, 2), said)
    costs = [
        BscanCost("A", bscan, seconds, 3, 0, said[bscan].score, "w1")
        for bscan, seconds in ((0, 20.0), (1, 200.0), (2, 10.0))
    ]
    assert choose(scan).bscan == 4
    found = choose_next([scan], costs=costs)
    assert found is not None
    assert found.bscan == 3
    assert " to correct, most of 2, unlike the 3 confirmed B-scans" in found.why
    # what another model was unsure of says nothing of this one
    others = [replace(one, weights_id="w0") for one in costs]
    assert choose_next([scan], costs=others) == choose(scan)
    assert choose_next([scan], costs=costs[:2]) == choose(scan)
