"""What is kept of a run's scores says the same, in less."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from napari_retseg.classes import LabelSet
from napari_retseg.scores import ScoreCounter, confusion_matrix
from napari_retseg.study.schema import slim_scores, slim_start


@pytest.fixture
def scores() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    classes = LabelSet.from_names(["IRF", "SRF"])
    counter = ScoreCounter(classes)
    for number in range(4):
        reference = rng.integers(0, 3, (16, 16)).astype(np.uint8)
        predicted = rng.integers(0, 3, (16, 16)).astype(np.uint8)
        counter.add(confusion_matrix(reference, predicted, 3), name=f"eye:{number}", group="P1")
    return counter.scores().to_json()


def test_each_bscan_keeps_the_counts_that_its_scores_follow_from(scores: dict[str, Any]) -> None:
    slim = slim_scores(scores)
    assert len(json.dumps(slim)) < 0.7 * len(json.dumps(scores))
    assert slim["classes"] == scores["classes"]
    for before, after in zip(scores["bscans"], slim["bscans"], strict=True):
        assert (after["name"], after["group"]) == (before["name"], "P1")
        for name, own in after["classes"].items():
            hits = own["predicted_pixels"] - own["false_positive_pixels"]
            dice = 2 * hits / (own["predicted_pixels"] + own["reference_pixels"])
            assert dice == pytest.approx(before["classes"][name]["dice"])


def test_it_may_be_done_twice(scores: dict[str, Any]) -> None:
    assert slim_scores(slim_scores(scores)) == slim_scores(scores)
    assert slim_start(slim_start(scores)) == slim_start(scores)


def test_a_starting_model_has_its_scores_alone(scores: dict[str, Any]) -> None:
    slim = slim_start(scores)
    assert slim is not None
    assert slim["mean_foreground_dice"] == scores["mean_foreground_dice"]
    assert "bscans" not in slim
    assert slim_start(None) is None
