from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_retseg.classes import LabelSet
from napari_retseg.errors import UsageError
from napari_retseg.infer.layer_order import repair_layers, repair_order


def in_order(labels: list[int], order: list[int]) -> bool:
    """Whether an A-scan is background, layers in order with fluid between them, background."""
    layers = [row for row, k in enumerate(labels) if k in order]
    if not layers:
        return not any(labels)
    places = [order.index(labels[row]) for row in layers]
    outside = [not layers[0] < row < layers[-1] for row in range(len(labels))]
    others = [(k == 0) == out for k, out in zip(labels, outside, strict=True) if k not in order]
    return places == sorted(places) and all(others)


@pytest.mark.parametrize(
    ("n_classes", "order", "depth"),
    [(3, [1, 2], 6), (4, [1, 2], 5), (5, [3, 1, 2], 5), (5, [4, 2], 5), (4, [1, 3], 1)],
)
def test_the_best_of_all_ordered_labellings_is_found(
    rng: np.random.Generator, n_classes: int, order: list[int], depth: int
) -> None:
    scores = rng.normal(0, 2, (n_classes, depth, 20)).astype(np.float32)
    allowed = [
        labels
        for labels in itertools.product(range(n_classes), repeat=depth)
        if in_order(list(labels), order)
    ]
    found = repair_layers(scores, order)
    rows = np.arange(depth)
    for column in range(scores.shape[-1]):
        sums = [scores[list(labels), rows, column].sum() for labels in allowed]
        assert tuple(found[:, column]) == allowed[int(np.argmax(sums))]


@given(seed=st.integers(0, 2**32 - 1), constant=st.floats(-50, 50))
@settings(max_examples=30, deadline=None)
def test_every_result_is_in_order_and_repairing_it_again_changes_nothing(
    seed: int, constant: float
) -> None:
    scores = np.random.default_rng(seed).normal(0, 3, (5, 9, 7)).astype(np.float32)
    order = [2, 1, 4]
    found = repair_layers(scores, order)
    assert all(in_order(list(column), order) for column in found.T)
    sure = np.eye(5, dtype=np.float32)[found].transpose(2, 0, 1) * 10 + np.float32(constant)
    assert np.array_equal(repair_layers(sure, order), found)


def test_a_stray_layer_goes_and_fluid_in_the_retina_stays() -> None:
    wrong = [1, 0, 1, 2, 3, 2, 1, 3, 3, 2, 0, 3]
    scores = np.full((4, len(wrong), 1), -4, np.float32)
    scores[wrong, np.arange(len(wrong))] = 0
    repaired = repair_layers(scores, [1, 2])[:, 0].tolist()
    # the first pixel, background within the retina, a layer above itself, fluid below the retina
    assert repaired == [0, 0, 1, 2, 3, 2, 2, 3, 3, 2, 0, 0]


def test_without_layers_the_classes_are_named() -> None:
    with pytest.raises(UsageError, match=r"\(drusen, fluid\).*remove --repair"):
        repair_order(LabelSet.from_names(["drusen", "fluid"]))
