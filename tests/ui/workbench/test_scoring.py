"""Scores follow strokes, undo, predictions and the choice of layers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from napari.layers import Labels

from napari_retseg.classes import LabelSet
from napari_retseg.scores import Overlap, ScoreCounter, confusion_matrix
from napari_retseg.ui.scores.comparing import find_fault
from napari_retseg.ui.scores.scoring import Scoring
from napari_retseg.ui.workbench.control.heldout import name_models
from napari_retseg.workspace import PredictedBscan
from tests.ui.workbench.session import Session

FLUID_OF_MODEL, FLUID = 3, 8


@pytest.fixture
def session(tmp_path: Path, volume: Path, own_models: Path) -> Iterator[Session]:
    made = Session()
    made.start(tmp_path / "work", volume)
    yield made
    made.close()


@pytest.fixture
def scoring(session: Session) -> Iterator[Scoring]:
    made = Scoring(session.bench.desk.viewer, post=session.bench.desk.post, bench=session.bench)
    session.scorings.append(made)
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
    return counter.scores().overlap


def check(session: Session, scoring: Scoring, bscans: list[int]) -> None:
    loaded = session.opened.loaded
    expected = expect(loaded.classes, loaded.labels, loaded.prediction, bscans)
    assert scoring.state.scores == expected


def test_only_bscans_with_labels_count(session: Session, scoring: Scoring) -> None:
    session.predict(FLUID_OF_MODEL)
    assert "No B-scan of this scan has labels yet" in scoring.state.notice
    session.bench.correcting.accept_bscan()
    session.settle()
    check(session, scoring, [2])
    assert scoring.state.scores is not None
    assert scoring.state.scores.classes["fluid"].dice == 1


def test_scores_name_the_model_that_predicted(session: Session, scoring: Scoring) -> None:
    assert scoring.state.model == ""
    session.predict(FLUID_OF_MODEL)
    session.settle()
    assert scoring.state.model == "tiny"
    labels = Labels(np.zeros((5, 64, 96), np.uint8), name="other")
    session.viewer.layers.append(labels)
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


def test_strokes_and_undo_are_counted(session: Session, scoring: Scoring) -> None:
    session.predict(FLUID_OF_MODEL)
    session.show(1)
    session.bench.correcting.accept_bscan()
    session.settle()
    session.paint(1, slice(35, 50), 2)
    session.settle()
    check(session, scoring, [1])
    session.paint(3, slice(5, 9), 255)
    session.settle()
    check(session, scoring, [1, 3])
    session.opened.labels.undo()  # with the prediction that the stroke began with
    session.settle()
    check(session, scoring, [1])


def test_strokes_count_while_the_volume_is_being_segmented(
    session: Session, scoring: Scoring
) -> None:
    session.paint(1, slice(35, 50), 2)
    session.settle()
    session.bench.predicting.segment_volume()
    session.send(3, FLUID_OF_MODEL)
    session.take_posts()
    check(session, scoring, [1])
    session.paint(3, slice(30, 50), 8)
    session.settle()
    check(session, scoring, [1, 3])
    session.paint(3, slice(25, 35), 2)
    session.send(2, FLUID_OF_MODEL)  # before any timer has seen the stroke
    session.take_posts()
    session.settle()
    check(session, scoring, [1, 3])
    session.send(3, 1)  # the B-scan that is painted on
    session.paint(3, slice(20, 30), 4)
    session.take_posts()
    session.settle()
    check(session, scoring, [1, 3])
    session.job.end()
    session.settle()
    check(session, scoring, [1, 3])


def test_the_bscan_in_view_can_be_scored_alone(session: Session, scoring: Scoring) -> None:
    session.predict(FLUID_OF_MODEL)
    session.paint(1, slice(20, 30), FLUID)
    session.paint(3, slice(20, 40), FLUID)
    session.settle()
    scoring.choose_scope("bscan")
    check(session, scoring, [3])
    session.show(1)
    check(session, scoring, [1])
    session.show(0)
    assert scoring.state.scores is None


def test_a_new_prediction_is_compared_with_the_one_before(
    session: Session, scoring: Scoring
) -> None:
    session.predict(2)
    session.paint(1, slice(20, 40), FLUID)
    session.settle()
    session.predict(FLUID_OF_MODEL)
    session.settle()
    check(session, scoring, [1])
    assert scoring.state.before is not None
    assert scoring.state.before.classes["fluid"].dice == 0
    assert scoring.state.scores is not None
    assert scoring.state.scores.classes["fluid"].dice == 1


def test_the_worst_bscans_are_listed_and_shown(session: Session, scoring: Scoring) -> None:
    session.predict(FLUID_OF_MODEL)
    session.paint(1, slice(20, 40), FLUID)
    session.paint(3, slice(25, 45), FLUID)
    session.settle()
    assert [bscan for bscan, _ in scoring.state.worst] == [3, 1]
    scoring.go_to(3)
    assert session.state.bscan == 3


def test_undo_from_a_restore_point_is_counted(session: Session, scoring: Scoring) -> None:
    session.predict(FLUID_OF_MODEL)
    session.bench.correcting.accept_volume()
    session.settle()
    check(session, scoring, [0, 1, 2, 3, 4])
    session.paint(0, slice(0, 64), 1)
    session.written(0)
    session.bench.correcting.undo()
    session.settle()
    check(session, scoring, [0, 1, 2, 3, 4])


def test_any_two_layers_can_be_compared(session: Session, scoring: Scoring) -> None:
    other = np.zeros((5, 64, 96), np.int32)
    other[:, 10:20] = 1
    session.viewer.layers.append(Labels(other, name="other grader"))
    names = list(scoring.state.layers)
    scoring.choose(reference=names.index("labels"), predicted=names.index("other grader"))
    session.paint(0, slice(10, 20), 1)
    session.settle()
    assert scoring.state.scores is not None
    assert scoring.state.scores.classes["NFL"].dice == 1
    small = Labels(np.zeros((2, 3, 4), np.uint8), name="small")
    session.viewer.layers.append(small)
    names = list(scoring.state.layers)
    scoring.choose(reference=names.index("labels"), predicted=names.index("small"))
    assert "have different shapes" in scoring.state.notice
    assert scoring.state.scores is None


def test_held_out_bscans_are_scored_from_disk(session: Session, scoring: Scoring) -> None:
    scoring.choose_scope("heldout")
    session.settle()
    assert "No held-out B-scan is confirmed yet" in scoring.state.notice
    session.predict(FLUID_OF_MODEL)
    for bscan in range(5):
        session.paint(bscan, slice(20, 40), FLUID)
        session.bench.correcting.confirm()
        session.written(bscan)
    session.workspace.pin()
    heldout = session.workspace.heldout("eye")
    assert heldout
    scoring.choose_scope("heldout")
    session.settle()
    assert scoring.state.notice.startswith(f"{len(heldout)} B-scan")
    assert scoring.state.scores is not None
    assert scoring.state.scores.classes["fluid"].dice == 1


def test_it_works_without_a_workbench(session: Session) -> None:
    alone = Scoring(session.bench.desk.viewer, post=session.bench.desk.post)
    session.scorings.append(alone)
    session.paint(2, slice(0, 10), 1)
    session.settle()
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
