"""Scores follow strokes, undo, predictions and the choice of layers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from napari.layers import Labels

from napari_retseg.classes import LabelSet
from napari_retseg.layers import count_boundaries, layer_order
from napari_retseg.scores import Overlap, ScoreCounter, confusion_matrix
from napari_retseg.ui.comparing import find_fault
from napari_retseg.ui.scores.heldout_scores import name_models
from napari_retseg.ui.scores.scoring import Scoring
from napari_retseg.workspace import PredictedBscan
from tests.ui.workbench.playedbench import PlayedBench

FLUID_OF_MODEL, FLUID = 3, 8


@pytest.fixture
def played(tmp_path: Path, volume: Path, own_models: Path) -> Iterator[PlayedBench]:
    made = PlayedBench()
    made.start(tmp_path / "work", volume)
    yield made
    made.close()


@pytest.fixture
def scoring(played: PlayedBench) -> Iterator[Scoring]:
    made = Scoring(played.bench.session.viewer, post=played.bench.session.post, bench=played.bench)
    played.scorings.append(made)
    yield made
    made.close()


def expect(
    classes: LabelSet, reference: np.ndarray, predicted: np.ndarray, bscans: list[int]
) -> Overlap:
    """Count from all pixels, as the command line does."""
    counter = ScoreCounter(classes)
    for bscan in bscans:
        planes = classes.to_indices(reference[bscan]), classes.to_indices(predicted[bscan])
        counter.add(confusion_matrix(*planes, len(classes)), name=str(bscan), group="eye")
    return Overlap(counter.scores().classes)


def check(played: PlayedBench, scoring: Scoring, bscans: list[int]) -> None:
    loaded = played.opened.loaded
    labels, prediction = np.asarray(loaded.labels), np.asarray(loaded.prediction)
    expected = expect(loaded.classes, labels, prediction, bscans)
    assert scoring.state.scores == expected


def test_only_bscans_with_labels_count(played: PlayedBench, scoring: Scoring) -> None:
    played.predict(FLUID_OF_MODEL)
    assert "No B-scan of this scan has labels yet" in scoring.state.notice
    played.bench.correcting.accept_bscan()
    played.settle()
    check(played, scoring, [2])
    assert scoring.state.scores is not None
    assert scoring.state.scores.classes["fluid"].dice == 1


def test_scores_name_the_model_that_predicted(played: PlayedBench, scoring: Scoring) -> None:
    assert scoring.state.model == ""
    played.predict(FLUID_OF_MODEL)
    played.settle()
    assert scoring.state.model == "tiny"
    labels = Labels(np.zeros((5, 64, 96), np.uint8), name="other")
    played.viewer.layers.append(labels)
    names = list(scoring.state.layers)
    scoring.choose(reference=names.index("labels"), predicted=names.index("other"))
    assert scoring.state.model == ""


def test_several_models_are_told_apart() -> None:
    def made(model: str, weights: str) -> PredictedBscan:
        return PredictedBscan(model=model, weights_id=weights)

    assert name_models([]) == ""
    assert name_models([made("tiny", "aaaaaaaa")] * 3) == "tiny"
    both = [made("tiny", "aaaaaaaa"), *[made("other", "bbbbbbbb")] * 2]
    assert name_models(both) == "other (2 B-scans), tiny (1 B-scan)"
    twice = [made("tiny", "aaaaaaaa"), made("tiny", "bbbbbbbb")]
    assert name_models(twice) == "tiny aaaaaa (1 B-scan), tiny bbbbbb (1 B-scan)"


def test_strokes_and_undo_are_counted(played: PlayedBench, scoring: Scoring) -> None:
    played.predict(FLUID_OF_MODEL)
    played.show(1)
    played.bench.correcting.accept_bscan()
    played.settle()
    played.paint(1, slice(35, 50), 2)
    played.settle()
    check(played, scoring, [1])
    played.paint(3, slice(5, 9), 255)
    played.settle()
    check(played, scoring, [1, 3])
    played.opened.labels.undo()  # with the prediction that the stroke began with
    played.settle()
    check(played, scoring, [1])


def test_boundaries_are_measured_when_they_are_shown(played: PlayedBench, scoring: Scoring) -> None:
    played.predict(4)
    played.show(1)
    played.bench.correcting.accept_bscan()
    played.paint(1, slice(20, 64), 5)
    played.settle()
    assert scoring.state.boundaries is None
    scoring.choose_measure("boundaries")
    played.settle()
    loaded = played.opened.loaded
    for again in (False, True):
        if again:
            played.paint(1, slice(40, 64), 6)
            played.settle()
        counter = count_boundaries(loaded.classes)
        assert counter is not None
        layers = [loaded.classes.classes[k].value for k in layer_order(loaded.classes)]
        counter.add_labels(loaded.labels[1], loaded.prediction[1], layers)
        assert scoring.state.boundaries == counter.errors()
    assert scoring.state.um_per_px == loaded.scan.spacing_um[-2]
    scoring.choose_measure("classes")
    assert scoring.state.boundaries is None


def test_strokes_count_while_the_volume_is_being_segmented(
    played: PlayedBench, scoring: Scoring
) -> None:
    played.paint(1, slice(35, 50), 2)
    played.settle()
    played.bench.predicting.segment_volume()
    played.send(3, FLUID_OF_MODEL)
    played.take_posts()
    check(played, scoring, [1])
    played.paint(3, slice(30, 50), 8)
    played.settle()
    check(played, scoring, [1, 3])
    played.paint(3, slice(25, 35), 2)
    played.send(2, FLUID_OF_MODEL)  # before any timer has seen the stroke
    played.take_posts()
    played.settle()
    check(played, scoring, [1, 3])
    played.send(3, 1)  # the B-scan that is painted on
    played.paint(3, slice(20, 30), 4)
    played.take_posts()
    played.settle()
    check(played, scoring, [1, 3])
    played.job.end()
    played.settle()
    check(played, scoring, [1, 3])


def test_the_bscan_in_view_can_be_scored_alone(played: PlayedBench, scoring: Scoring) -> None:
    played.predict(FLUID_OF_MODEL)
    played.paint(1, slice(20, 30), FLUID)
    played.paint(3, slice(20, 40), FLUID)
    played.settle()
    scoring.choose_scope("bscan")
    check(played, scoring, [3])
    played.show(1)
    check(played, scoring, [1])
    played.show(0)
    assert scoring.state.scores is None


def test_a_new_prediction_is_compared_with_the_one_before(
    played: PlayedBench, scoring: Scoring
) -> None:
    played.predict(2)
    played.paint(1, slice(20, 40), FLUID)
    played.settle()
    played.predict(FLUID_OF_MODEL)
    played.settle()
    check(played, scoring, [1])
    assert scoring.state.before is not None
    assert scoring.state.before.classes["fluid"].dice == 0
    assert scoring.state.scores is not None
    assert scoring.state.scores.classes["fluid"].dice == 1


def test_the_worst_bscans_are_listed_and_shown(played: PlayedBench, scoring: Scoring) -> None:
    played.predict(FLUID_OF_MODEL)
    played.paint(1, slice(20, 40), FLUID)
    played.paint(3, slice(25, 45), FLUID)
    played.settle()
    assert [bscan for bscan, _ in scoring.state.worst] == [3, 1]
    scoring.go_to(3)
    assert played.state.bscan == 3


def test_undo_from_a_restore_point_is_counted(played: PlayedBench, scoring: Scoring) -> None:
    played.predict(FLUID_OF_MODEL)
    played.bench.correcting.accept_volume()
    played.settle()
    check(played, scoring, [0, 1, 2, 3, 4])
    played.paint(0, slice(0, 64), 1)
    played.written(0)
    played.bench.correcting.undo()
    played.settle()
    check(played, scoring, [0, 1, 2, 3, 4])


def test_any_two_layers_can_be_compared(played: PlayedBench, scoring: Scoring) -> None:
    other = np.zeros((5, 64, 96), np.int32)
    other[:, 10:20] = 1
    played.viewer.layers.append(Labels(other, name="other grader"))
    names = list(scoring.state.layers)
    scoring.choose(reference=names.index("labels"), predicted=names.index("other grader"))
    played.paint(0, slice(10, 20), 1)
    played.settle()
    assert scoring.state.scores is not None
    assert scoring.state.scores.classes["NFL"].dice == 1
    small = Labels(np.zeros((2, 3, 4), np.uint8), name="small")
    played.viewer.layers.append(small)
    names = list(scoring.state.layers)
    scoring.choose(reference=names.index("labels"), predicted=names.index("small"))
    assert "have different shapes" in scoring.state.notice
    assert scoring.state.scores is None


def test_held_out_bscans_are_scored_from_disk(played: PlayedBench, scoring: Scoring) -> None:
    scoring.choose_scope("heldout")
    played.settle()
    assert "No held-out B-scan is confirmed yet" in scoring.state.notice
    played.predict(FLUID_OF_MODEL)
    for bscan in range(5):
        played.paint(bscan, slice(20, 40), FLUID)
        played.bench.correcting.confirm()
        played.written(bscan)
    played.workspace.pin()
    heldout = played.workspace.heldout("eye")
    assert heldout
    scoring.choose_scope("heldout")
    played.settle()
    assert scoring.state.notice.startswith(f"{len(heldout)} B-scan")
    assert scoring.state.scores is not None
    assert scoring.state.scores.classes["fluid"].dice == 1


def test_it_works_without_a_workbench(played: PlayedBench) -> None:
    alone = Scoring(played.bench.session.viewer, post=played.bench.session.post)
    played.scorings.append(alone)
    played.paint(2, slice(0, 10), 1)
    played.settle()
    assert alone.state.scores is not None
    assert alone.state.scores.classes["NFL"].dice == 0
    alone.choose_scope("heldout")
    assert "Open a workspace first" in alone.state.notice
    alone.close()


def test_layers_that_are_mirrored_are_not_compared() -> None:
    """Their arrays have the same shape, and their pixels are not those of the same places."""
    labels = np.zeros((3, 4, 5), np.uint8)
    here = Labels(labels, scale=(120, 3.87, 11.5))
    assert find_fault(here, Labels(labels, scale=(120, 3.87, 11.5), translate=(1, 2, 3))) == ""
    assert find_fault(here, Labels(labels)) == ""
    mirror, swap = np.diag([1.0, 1, -1, 1]), np.eye(4)[[0, 2, 1, 3]]
    for affine in (mirror, swap):
        assert "different orientations" in find_fault(here, Labels(labels, affine=affine))
