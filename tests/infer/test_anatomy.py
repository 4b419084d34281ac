"""Labels that no eye can have are told from those of graders and simulated eyes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_retseg.classes import IGNORE, RETINA, LabelSet
from napari_retseg.dataset import load_dataset
from napari_retseg.infer.anatomy import IMPOSSIBLE, Anatomy
from napari_retseg.io import read_labels
from napari_retseg.simulate import SimulatorConfig, simulate_dataset

DEPTH, WIDTH = 200, 64
FLUID = 8


@pytest.fixture
def retina() -> NDArray[np.uint8]:
    """Seven layers of ten pixels, from row 60 on."""
    labels = np.zeros((DEPTH, WIDTH), np.uint8)
    for layer in range(1, 8):
        labels[50 + 10 * layer : 60 + 10 * layer] = layer
    return labels


def measure(labels: NDArray[np.uint8], classes: LabelSet = RETINA) -> float:
    return Anatomy(classes).misplaced(labels)


def test_a_retina_with_fluid_and_a_missing_layer_is_possible(retina: NDArray[np.uint8]) -> None:
    retina[80:100, 20:40] = FLUID
    retina[retina == 3] = 4
    retina[:, 50:] = IGNORE
    assert measure(retina) == 0


def _second_retina(labels: NDArray[np.uint8]) -> None:
    labels[135:195] = labels[60:120]


def _speck_in_the_vitreous(labels: NDArray[np.uint8]) -> None:
    labels[10:25, 20:50] = 1


def _speck_in_the_choroid(labels: NDArray[np.uint8]) -> None:
    labels[160:175, 20:50] = 7


def _layers_out_of_order(labels: NDArray[np.uint8]) -> None:
    labels[70:80], labels[110:120] = 6, 2


def _upside_down(labels: NDArray[np.uint8]) -> None:
    labels[:] = labels[::-1].copy()


def _hole(labels: NDArray[np.uint8]) -> None:
    labels[85:105, 20:40] = 0


def _fluid_in_the_vitreous(labels: NDArray[np.uint8]) -> None:
    labels[10:30, 20:50] = FLUID


@pytest.mark.parametrize(
    "harm",
    [
        _second_retina,
        _speck_in_the_vitreous,
        _speck_in_the_choroid,
        _layers_out_of_order,
        _upside_down,
        _hole,
        _fluid_in_the_vitreous,
    ],
)
def test_what_no_eye_has_is_impossible(retina: NDArray[np.uint8], harm: object) -> None:
    assert callable(harm)
    harm(retina)
    assert IMPOSSIBLE < measure(retina) <= 1


def test_a_few_pixels_at_a_boundary_are_nothing(
    retina: NDArray[np.uint8], rng: np.random.Generator
) -> None:
    columns = rng.choice(WIDTH, 20, replace=False)
    retina[69, columns], retina[70, columns] = 2, 1
    assert 0 < measure(retina) < IMPOSSIBLE


def test_without_layers_or_foreground_nothing_is_said(
    retina: NDArray[np.uint8], rng: np.random.Generator
) -> None:
    lesions = LabelSet.from_names(["fluid", "scar"])
    assert measure(rng.integers(0, 3, (40, 40), dtype=np.uint8), lesions) == 0
    assert measure(np.zeros_like(retina)) == 0
    assert measure(np.full_like(retina, IGNORE)) == 0


def test_simulated_eyes_of_all_kinds_are_possible(tmp_path: Path) -> None:
    config = SimulatorConfig(n_bscans=1)
    eyes = simulate_dataset(tmp_path / "eyes", count=12, seed=7, config=config, file_format="png")
    found = []
    for case in eyes.cases:
        assert case.label is not None
        found.append(measure(eyes.labels.to_indices(read_labels(case.label)), eyes.labels))
    assert max(found) < IMPOSSIBLE / 4


@pytest.mark.parametrize("grader", ["labels", "labels_grader2"])
def test_what_graders_draw_is_possible(shared_data: Path, grader: str) -> None:
    folder = shared_data / "chiu2015"
    classes = load_dataset(folder).labels
    paths = sorted((folder / grader).glob("*.png"))[::8]
    assert len(paths) >= 10
    found = [measure(classes.to_indices(read_labels(path)), classes) for path in paths]
    assert max(found) < IMPOSSIBLE / 4
