from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from pydantic import ValidationError

from napari_retseg.classes import IGNORE, LabelSet
from napari_retseg.errors import InputError
from napari_retseg.scorerecord import ScoresRecord
from napari_retseg.scores import ScoreCounter, Scores, confusion_matrix

CLASSES = LabelSet.from_names(["layer", "fluid"])
N = len(CLASSES)
CLASS_KEYS = {
    "dice",
    "iou",
    "precision",
    "recall",
    "bscans_present",
    "reference_pixels",
    "predicted_pixels",
    "false_positive_pixels",
}

references = arrays(np.uint8, (4, 5), elements=st.sampled_from([0, 1, 2, IGNORE]))
#: No time limit for an example: the machine may be busy.
quick = settings(deadline=None, max_examples=50)

predictions = arrays(np.uint8, (4, 5), elements=st.integers(0, N - 1))
pairs = st.lists(st.tuples(references, predictions), min_size=1, max_size=5)


def score(pairs: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]) -> Scores:
    counter = ScoreCounter(CLASSES)
    for number, (reference, predicted) in enumerate(pairs):
        matrix = confusion_matrix(reference, predicted, N)
        counter.add(matrix, name=f"B{number}", group=f"P{number % 2}")
    return counter.scores()


def labels(*rows: list[int]) -> NDArray[np.uint8]:
    return np.array(rows, dtype=np.uint8)


def test_a_case_counted_by_hand() -> None:
    reference = labels([0, 0, 1, 1], [1, 1, 2, IGNORE])
    predicted = labels([0, 1, 1, 1], [0, 1, 2, 2])
    matrix = confusion_matrix(reference, predicted, N)
    assert matrix.dtype == np.int64
    assert matrix.tolist() == [[1, 1, 0], [1, 3, 0], [0, 0, 1]]
    found = score([(reference, predicted)]).to_json()
    layer = found["classes"]["layer"]
    assert set(layer) == CLASS_KEYS
    assert layer["dice"] == pytest.approx(6 / 8)
    assert layer["iou"] == pytest.approx(3 / 5)
    assert layer["precision"] == pytest.approx(3 / 4)
    assert layer["recall"] == pytest.approx(3 / 4)
    assert layer["reference_pixels"] == 4
    assert layer["predicted_pixels"] == 4
    assert layer["false_positive_pixels"] == 1
    assert found["classes"]["fluid"]["dice"] == 1
    assert found["mean_foreground_dice"] == pytest.approx((6 / 8 + 1) / 2)
    assert found["mean_foreground_iou"] == pytest.approx((3 / 5 + 1) / 2)
    assert found["mean_dice_with_background"] == pytest.approx((2 / 4 + 6 / 8 + 1) / 3)
    assert found["mean_iou_with_background"] == pytest.approx((1 / 3 + 3 / 5 + 1) / 3)


def test_a_class_that_is_nowhere_has_no_value() -> None:
    reference = labels([0, 1])
    found = score([(reference, reference)])
    fluid = found.classes["fluid"]
    assert (fluid.dice, fluid.iou, fluid.precision, fluid.recall) == (None,) * 4
    assert (fluid.bscans_present, fluid.false_positive_pixels) == (0, 0)
    assert found.mean_foreground_dice == 1
    assert json.loads(json.dumps(found.to_json()))["classes"]["fluid"]["dice"] is None


def test_a_class_that_is_only_predicted_has_dice_0_and_is_not_in_the_means() -> None:
    found = score([(labels([0, 0, 1]), labels([2, 2, 1]))])
    fluid = found.classes["fluid"]
    assert (fluid.dice, fluid.iou, fluid.precision) == (0, 0, 0)
    assert fluid.recall is None
    assert fluid.false_positive_pixels == 2
    assert found.mean_foreground_dice == 1
    assert found.mean_dice_with_background == 0.5


def test_a_class_that_is_missed_has_no_precision() -> None:
    fluid = score([(labels([2, 0]), labels([0, 0]))]).classes["fluid"]
    assert (fluid.dice, fluid.iou, fluid.recall) == (0, 0, 0)
    assert fluid.precision is None


def test_nothing_annotated_has_no_value_at_all() -> None:
    found = score([(labels([IGNORE, IGNORE]), labels([0, 1]))])
    assert found.mean_foreground_dice is None
    assert found.mean_iou_with_background is None
    assert found.n_bscans == 1
    assert ScoreCounter(CLASSES).scores().mean_foreground_dice is None


def test_counts_are_pooled_and_not_averaged() -> None:
    large = (labels([1] * 9 + [0]), labels([1] * 9 + [0]))
    small = (labels([1] + [0] * 9), labels([0] * 10))
    found = score([large, small])
    assert found.classes["layer"].dice == pytest.approx(18 / 19)
    assert found.classes["layer"].bscans_present == 2
    assert [b.overlap.classes["layer"].dice for b in found.bscans] == [1, 0]


def test_bscans_that_hold_just_what_was_predicted_are_counted() -> None:
    accepted = labels([0, 1, 2, 1])
    corrected = labels([0, 1, 2, 2])
    in_part = labels([IGNORE, 1, 2, 1])
    empty = labels([0, 0, 0, 0])
    found = score(
        [(accepted, accepted), (corrected, accepted), (in_part, accepted), (empty, empty)]
    )
    assert [one.is_exact for one in found.bscans] == [True, False, True, False]
    assert found.n_exact == 2
    assert found.to_json()["n_exact"] == 2


def test_the_json_names_bscans_and_groups() -> None:
    one = labels([0, 1, 2])
    data = score([(one, one)] * 3).to_json()
    assert (data["n_bscans"], data["n_groups"]) == (3, 2)
    assert [b["name"] for b in data["bscans"]] == ["B0", "B1", "B2"]
    assert [b["group"] for b in data["bscans"]] == ["P0", "P1", "P0"]
    means = {key for key in data if key.startswith("mean_")}
    assert means == {
        "mean_foreground_dice",
        "mean_foreground_iou",
        "mean_dice_with_background",
        "mean_iou_with_background",
    }
    assert set(data["bscans"][0]) == {"name", "group", "classes", *means}
    assert set(data) == {"classes", "n_bscans", "n_exact", "n_groups", "bscans", *means}
    assert "bscans" not in score([(one, one)]).to_json(per_bscan=False)
    assert list(data["classes"]) == ["background", "layer", "fluid"]


@quick
@given(pairs, st.randoms(use_true_random=False))
def test_the_order_does_not_matter(
    pairs: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]], random: Any
) -> None:
    shuffled = list(pairs)
    random.shuffle(shuffled)
    assert score(pairs).classes == score(shuffled).classes


@quick
@given(pairs)
def test_counts_of_parts_add_up(
    pairs: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]],
) -> None:
    whole = confusion_matrix(
        np.concatenate([r for r, _ in pairs]), np.concatenate([p for _, p in pairs]), N
    )
    parts = sum(confusion_matrix(r, p, N) for r, p in pairs)
    np.testing.assert_array_equal(whole, parts)


@quick
@given(predictions, predictions)
def test_dice_and_iou_are_symmetric(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> None:
    there, back = score([(one, other)]).classes, score([(other, one)]).classes
    for name in CLASSES.names:
        assert (there[name].dice, there[name].iou) == (back[name].dice, back[name].iou)
        assert there[name].precision == back[name].recall


@quick
@given(references, predictions)
def test_they_agree_with_sets_of_pixels(
    reference: NDArray[np.uint8], predicted: NDArray[np.uint8]
) -> None:
    annotated = {tuple(p) for p in np.argwhere(reference != IGNORE).tolist()}
    found = score([(reference, predicted)]).classes
    for k, name in enumerate(CLASSES.names):
        wanted = {tuple(p) for p in np.argwhere(reference == k).tolist()}
        given = {tuple(p) for p in np.argwhere(predicted == k).tolist()} & annotated
        assert found[name].reference_pixels == len(wanted)
        assert found[name].predicted_pixels == len(given)
        assert found[name].false_positive_pixels == len(given - wanted)
        if wanted | given:
            iou = len(wanted & given) / len(wanted | given)
            assert found[name].iou == pytest.approx(iou)
            assert found[name].dice == pytest.approx(2 * iou / (1 + iou))
        else:
            assert found[name].dice is None


@quick
@given(references, predictions, predictions)
def test_pixels_that_are_not_annotated_never_count(
    reference: NDArray[np.uint8], predicted: NDArray[np.uint8], other: NDArray[np.uint8]
) -> None:
    changed = np.where(reference == IGNORE, other, predicted)
    np.testing.assert_array_equal(
        confusion_matrix(reference, predicted, N), confusion_matrix(reference, changed, N)
    )


def test_a_prediction_without_a_class_is_an_error() -> None:
    with pytest.raises(InputError, match="255 at 2 annotated pixels"):
        confusion_matrix(labels([0, 1, IGNORE]), labels([IGNORE] * 3), N)


def test_wrong_arrays_are_refused() -> None:
    with pytest.raises(ValueError, match="differ"):
        confusion_matrix(labels([0, 1]), labels([0, 1, 0]), N)
    with pytest.raises(ValueError, match="not below 3"):
        confusion_matrix(labels([3]), labels([0]), N)
    with pytest.raises(ValueError, match="does not fit 3 classes"):
        ScoreCounter(CLASSES).add(np.eye(2, dtype=np.int64), name="B", group="P")


def test_layers_come_with_the_errors_of_their_boundaries() -> None:
    classes = LabelSet.from_names(["NFL", "fluid", "INL"])
    counter = ScoreCounter(classes)
    reference = labels([0], [1], [3], [3], [0], [0])
    predicted = labels([0], [1], [1], [3], [3], [0])
    counter.compare(reference, predicted, name="B0", group="P0", um_per_px=4)
    counter.compare(reference, reference, name="B1", group="P0", um_per_px=4)
    found = counter.scores()
    assert found.classes["NFL"].dice == pytest.approx(4 / 5)
    assert found.boundaries is not None
    data = found.to_json(per_bscan=False)
    assert data["mean_boundary_error_um"] == pytest.approx(4 / 3)
    assert data["boundaries"]["NFL / INL"]["bias_px"] == 0.5
    assert list(data["boundaries"]) == [
        "inner boundary of NFL",
        "NFL / INL",
        "outer boundary of INL",
    ]
    ScoresRecord.model_validate(json.loads(json.dumps(data)))


def test_other_classes_have_no_boundaries() -> None:
    counter = ScoreCounter(CLASSES)
    counter.compare(labels([0, 1]), labels([0, 1]), name="B", group="P")
    found = counter.scores()
    assert found.boundaries is None
    assert "boundaries" not in found.to_json()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("boundaries", {"ILM": {"ascans": 1, "missing": 0, "bias_px": 0}}),
        ("boundaries", {"ILM": {"ascans": -1, "missing": 0}}),
        ("mean_boundary_error_px", -1.0),
        ("mean_boundary_error_um", float("nan")),
        ("p95_boundary_error_px", "2"),
    ],
)
def test_boundary_errors_of_a_file_are_checked(key: str, value: object) -> None:
    data = score([(labels([0, 1]), labels([0, 1]))]).to_json()
    ScoresRecord.model_validate(data)
    with pytest.raises(ValidationError):
        ScoresRecord.model_validate({**data, key: value})
