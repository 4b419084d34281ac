"""What a network says of boundaries, brought to the scan's grid."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_retseg.classes import LabelSet
from napari_retseg.decode.evidence import Evidence, Placement

CLASSES = LabelSet.from_names(["NFL", "INL", "fluid", "RPE"])
LAYERS = ["NFL", "INL", "RPE"]


def make(rows: NDArray[np.floating], shape: tuple[int, int], scale: float = 1.0) -> Evidence:
    """Probabilities of layers between boundaries, on a grid of `shape`."""
    at = np.arange(shape[0])[:, None]
    above = np.clip(rows[:, None] - at + 0.5, 0, 1)
    nfl, inl, rpe = (b - a for a, b in itertools.pairwise(above))
    parts = np.array([1 - nfl - inl - rpe, nfl, inl, np.zeros_like(nfl), rpe])
    place = Placement(scale, 0.5 * scale - 0.5)
    return Evidence(CLASSES, parts.astype(np.float16), place, place)


def best_rows(gain: NDArray[np.float32]) -> NDArray[np.float64]:
    rows: NDArray[np.float64] = gain.argmax(axis=1) - 0.5
    return rows


def test_the_gain_is_largest_at_each_boundary() -> None:
    x = np.linspace(0, 3, 40)
    rows = np.array([10.5, 16.5, 22.5, 30.5])[:, None] + np.round(3 * np.sin(x))
    gain = make(rows, (50, 40)).gain(LAYERS, (50, 40))
    assert gain.shape == (4, 51, 40)
    assert gain.dtype == np.float32
    assert np.array_equal(best_rows(gain), rows)


def test_the_gain_lies_on_the_scans_own_grid() -> None:
    rows = np.repeat(np.array([[10.0], [16.0], [22.0], [30.0]]), 20, axis=1)
    gain = make(rows, (50, 20), scale=2.0).gain(LAYERS, (100, 40))
    assert np.abs(best_rows(gain) - (2 * rows[:, :1] + 0.5)).max() <= 1


def test_a_class_is_found_by_its_name() -> None:
    rows = np.repeat(np.array([[10.5], [16.5], [22.5], [30.5]]), 20, axis=1)
    evidence = make(rows, (50, 20))
    assert evidence.probability("INL", (50, 20))[17:23].min() == 1
    assert evidence.probability("fluid", (50, 20)).max() == 0
    assert evidence.probability("drusen", (50, 20)).shape == (50, 20)


def test_a_boundary_of_layers_that_the_model_lacks_has_no_evidence() -> None:
    rows = np.repeat(np.array([[10.5], [16.5], [22.5], [30.5]]), 20, axis=1)
    evidence = make(rows, (50, 20))
    gain = evidence.gain(["NFL", "INL", "RPE", "CC", "choroid"], (50, 20))
    assert np.array_equal(best_rows(gain[:3]), rows[:3])
    assert not gain[4:].any()


@pytest.mark.parametrize("share", [0.6, 1.0])
def test_fluid_has_no_say(share: float) -> None:
    rows = np.repeat(np.array([[10.5], [16.5], [22.5], [30.5]]), 20, axis=1)
    evidence = make(rows, (50, 20))
    probabilities = evidence.probabilities.copy()
    probabilities[:, 18:22, 5:9] = 0
    probabilities[3, 18:22, 5:9], probabilities[1, 18:22, 5:9] = share, 1 - share
    gain = Evidence(CLASSES, probabilities, evidence.rows, evidence.columns).gain(LAYERS, (50, 20))
    assert np.array_equal(best_rows(gain)[[0, 1, 3]], rows[[0, 1, 3]])
    assert not np.diff(gain[:, 18:23, 5:9], axis=1).any()
