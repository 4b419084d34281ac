"""Scores as text."""

from __future__ import annotations

import numpy as np

from napari_retseg.classes import RETINA, LabelSet
from napari_retseg.scores import ScoreCounter, Scores
from napari_retseg.scoretable import format_boundaries, format_table


def score(reference: list[int], predicted: list[int]) -> Scores:
    counter = ScoreCounter(LabelSet.from_names(["layer", "fluid"]))
    planes = (np.array([one], np.uint8) for one in (reference, predicted))
    counter.compare(*planes, name="B", group="P")
    return counter.scores()


def test_a_table_has_a_row_for_each_foreground_class() -> None:
    found = score([0, 1, 1], [0, 1, 0]).to_json()
    assert format_table(found).splitlines() == [
        "class             Dice    IoU  B-scans",
        "layer            0.667  0.500        1",
        "fluid                -      -        0",
        "mean foreground  0.667  0.500        1",
    ]


def test_a_table_compares_before_and_after() -> None:
    before = score([0, 1, 1], [0, 1, 0]).to_json()
    after = score([0, 1, 1], [2, 1, 1]).to_json(per_bscan=False)
    lines = format_table(after, before=before).splitlines()
    assert lines[0].split("  ")[0] == "class"
    assert lines[1].split() == [
        "layer",
        "0.667",
        "1.000",
        "+0.333",
        "0.500",
        "1.000",
        "+0.500",
        "1",
    ]
    assert lines[2].split()[:7] == ["fluid", "-", "0.000", "-", "-", "0.000", "-"]
    assert lines[2].endswith("not in the reference, 1 pixels predicted")
    assert lines[3].split()[2:5] == ["0.667", "1.000", "+0.333"]


def test_a_table_compares_with_scores_of_other_classes() -> None:
    after = score([0, 1], [0, 1]).to_json()
    lines = format_table(after, before={"classes": {}}).splitlines()
    assert lines[1].split()[:4] == ["layer", "-", "1.000", "-"]


def score_layers(predicted: list[int], um_per_px: float | None) -> Scores:
    """Two A-scans, of which the second is not predicted."""
    counter = ScoreCounter(LabelSet.from_names(["NFL", "INL"]))
    reference = np.array([[0, 1, 1, 2, 0, 0], [0, 1, 1, 2, 0, 0]], np.uint8).T
    found = np.array([predicted, [0] * 6], np.uint8).T
    counter.compare(reference, found, name="B", group="P", um_per_px=um_per_px)
    return counter.scores()


def test_a_table_of_boundaries() -> None:
    found = score_layers([0, 1, 2, 2, 2, 0], None).to_json()
    assert format_boundaries(found).splitlines() == [
        "boundary                error px  95 % px  bias px  A-scans",
        "inner boundary of NFL       0.00     0.00    +0.00        1  not predicted in 1 more",
        "NFL / INL                   1.00     1.00    -1.00        1  not predicted in 1 more",
        "outer boundary of INL       1.00     1.00    +1.00        1  not predicted in 1 more",
        "mean of the boundaries      0.67     0.67",
    ]


def test_a_table_of_boundaries_in_um_where_the_scale_is_known() -> None:
    found = score_layers([0, 1, 2, 2, 2, 0], 4).to_json()
    lines = format_boundaries(found).splitlines()
    assert lines[0].split("  ")[-3:] == ["95 % um", "bias um", "A-scans"]
    assert lines[2].split()[3:10] == ["1.00", "1.00", "-1.00", "4.00", "4.00", "-4.00", "1"]


def test_without_boundaries_there_is_no_table() -> None:
    assert format_boundaries(score([0, 1], [0, 1]).to_json()) == ""
    assert format_boundaries(ScoreCounter(RETINA).scores().to_json()) == ""
