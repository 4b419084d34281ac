"""Boundary errors are measured beside the GUI's thread, and again after a stroke."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from napari_retseg.classes import RETINA, LabelSet
from napari_retseg.layers import BoundaryErrors, count_boundaries
from napari_retseg.ui.scores.live_boundaries import LiveBoundaries

N = 20
LAYERS = range(1, 8)


def make_volume(shift: int) -> np.ndarray:
    labels = np.zeros((N, 60, 8), np.int32)  # napari's own type for new labels
    for layer in LAYERS:
        labels[:, 4 * layer + shift : 4 * layer + shift + 4] = layer
    return labels


def expect(reference: np.ndarray, predicted: np.ndarray) -> BoundaryErrors:
    counter = count_boundaries(RETINA)
    assert counter is not None
    counter.add_labels(reference.astype(np.uint8), predicted.astype(np.uint8), LAYERS)
    return counter.errors()


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(max_workers=1) as made:
        yield made


def settle(executor: ThreadPoolExecutor) -> None:
    for _ in range(N):  # a piece of work hands in the next one
        executor.submit(lambda: None).result()


def test_all_are_measured_and_changed_ones_again(executor: ThreadPoolExecutor) -> None:
    reference, predicted, told = make_volume(0), make_volume(1), list[int]()
    live = LiveBoundaries.of(
        RETINA, lambda b: (reference[b], predicted[b]), executor, lambda: told.append(0)
    )
    assert live is not None
    first = live.errors(range(N))
    assert first.mean_px in (None, 1)
    settle(executor)
    assert told
    assert live.errors(range(N)) == expect(reference, predicted)
    predicted[3] = reference[3]
    live.measure_again((3,))
    settle(executor)
    found = live.errors(range(N))
    assert found == expect(reference, predicted)
    assert found.mean_px == pytest.approx(0.95)
    assert live.errors([3]).mean_px == 0


def test_bscans_that_nobody_asked_for_are_left_alone(executor: ThreadPoolExecutor) -> None:
    asked = []

    def planes(bscan: int) -> tuple[np.ndarray, np.ndarray]:
        asked.append(bscan)
        return make_volume(0)[bscan], make_volume(0)[bscan]

    live = LiveBoundaries(RETINA, planes, executor, lambda: None)
    live.measure_again(range(N))
    live.errors([4])
    settle(executor)
    live.errors([4])
    settle(executor)
    assert asked == [4]
    live.close()
    live.errors([5])
    settle(executor)
    assert asked == [4]


def test_what_cannot_be_measured_does_not_end_the_others(executor: ThreadPoolExecutor) -> None:
    volume = make_volume(0)

    def planes(bscan: int) -> tuple[np.ndarray, np.ndarray]:
        if bscan == 1:
            raise ValueError("gone")
        return volume[bscan], volume[bscan]

    live = LiveBoundaries(RETINA, planes, executor, lambda: None)
    live.errors([1, 2])
    settle(executor)
    assert live.errors([2]).mean_px == 0


def test_other_classes_have_none(executor: ThreadPoolExecutor) -> None:
    classes = LabelSet.from_names(["vessel", "lesion"])
    assert LiveBoundaries.of(classes, lambda _: (), executor, lambda: None) is None  # type: ignore[arg-type, return-value]
