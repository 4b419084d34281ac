"""Scans are switched faster than they are read: one is open, and only that one is painted on."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.ui.workbench.playedbench import PlayedBench


@pytest.fixture
def played(tmp_path: Path, volume: Path, own_models: Path) -> Iterator[PlayedBench]:
    made = PlayedBench()
    copies = []
    for name in ("eye", "other", "third"):
        copies.append(tmp_path / f"{name}.tif")
        copies[-1].write_bytes(volume.read_bytes())
    made.start(tmp_path / "work", *copies)
    yield made
    made.close()


def own_layers(played: PlayedBench) -> list[str]:
    return [layer.name for layer in played.viewer.layers]


@pytest.mark.parametrize("way", [[1, 0], [1, 2, 1], [1, 0, 1, 0], [2, 1, 0, 2, 2], [1, 1, 1]])
def test_only_the_last_choice_is_opened(played: PlayedBench, way: list[int]) -> None:
    first = played.opened.labels
    for index in way:
        played.bench.navigation.choose_scan(index)
    played.settle()
    wanted = played.state.scans[way[-1]].name
    assert played.state.scan == way[-1]
    assert played.opened.name == wanted
    assert own_layers(played) == [wanted, "prediction", "labels"]
    assert not first.editable
    played.opened.labels.paint((2, 30, 30), 5)
    assert played.written(2).any()


def test_no_stroke_is_lost_between_switches(played: PlayedBench) -> None:
    rng = random.Random(1)
    expected: dict[str, np.ndarray] = {}
    for _ in range(40):
        index = rng.randrange(3)
        played.bench.navigation.choose_scan(index)
        if rng.random() < 0.6:
            played.settle()
        opened = played.bench.session.opened
        if opened is not None:
            place = (rng.randrange(5), rng.randrange(64), rng.randrange(96))
            opened.go_to(place[0])
            opened.labels.paint(place, rng.randrange(1, 9))
            expected[opened.name] = np.array(opened.loaded.labels)
        layers = own_layers(played)
        assert layers.count("labels") == layers.count("prediction") <= 1
    played.settle()
    saver = played.bench.session.saver
    assert saver is not None
    assert saver.flush(20)
    for name, labels in expected.items():
        assert np.array_equal(played.workspace.read_labels(name), labels)


def test_a_scan_that_is_left_for_another_workspace_does_not_come_late(
    played: PlayedBench, tmp_path: Path
) -> None:
    played.bench.navigation.choose_scan(1)
    played.bench.create(tmp_path / "second")
    played.settle()
    assert own_layers(played) == []
    assert played.bench.session.opened is None


def test_choosing_the_open_scan_again_keeps_its_layers(played: PlayedBench) -> None:
    played.opened.labels.paint((1, 30, 30), 5)
    played.bench.correcting.confirm()
    before = list(played.viewer.layers)
    for _ in range(5):
        played.bench.navigation.choose_scan(0)
    played.settle()
    assert list(played.viewer.layers) == before
    played.bench.navigation.choose_scan(0, bscan=4)
    assert played.state.bscan == 4


def test_what_is_said_of_the_open_scan_keeps_its_layers(played: PlayedBench) -> None:
    before = list(played.viewer.layers)
    played.bench.scan_import.describe(spacing_um=(200.0, 4.0, 12.0), laterality="OD")
    played.bench.session.wait_for_files()
    played.opened.labels.paint((2, 30, 30), 5)  # in between
    played.settle()
    assert list(played.viewer.layers) == before
    for layer in before:
        assert list(layer.scale) == [1.0, 4.0, 12.0]  # B-scans are counted
    names = played.workspace.classes.names[1:]
    played.bench.scan_import.set_classes([*names, "drusen"])
    played.settle()
    assert list(played.viewer.layers) == before
    assert played.opened.loaded.classes.names[-1] == "drusen"
    assert "drusen" in list(played.opened.labels.features["class"])
    assert played.labels[2].any()
    assert np.array_equal(played.written(2), played.labels[2])
    played.bench.correcting.undo()
    assert not played.labels.any()
