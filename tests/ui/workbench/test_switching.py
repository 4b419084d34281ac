"""Scans are switched faster than they are read: one is open, and only that one is painted on."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.ui.workbench.session import Session


@pytest.fixture
def session(tmp_path: Path, volume: Path, own_models: Path) -> Iterator[Session]:
    made = Session()
    copies = []
    for name in ("eye", "other", "third"):
        copies.append(tmp_path / f"{name}.tif")
        copies[-1].write_bytes(volume.read_bytes())
    made.start(tmp_path / "work", *copies)
    yield made
    made.close()


def own_layers(session: Session) -> list[str]:
    return [layer.name for layer in session.viewer.layers]


@pytest.mark.parametrize("way", [[1, 0], [1, 2, 1], [1, 0, 1, 0], [2, 1, 0, 2, 2], [1, 1, 1]])
def test_only_the_last_choice_is_opened(session: Session, way: list[int]) -> None:
    first = session.opened.labels
    for index in way:
        session.bench.scans.choose_scan(index)
    session.settle()
    wanted = session.state.scans[way[-1]].name
    assert session.state.scan == way[-1]
    assert session.opened.name == wanted
    assert own_layers(session) == [wanted, "prediction", "labels"]
    assert not first.editable
    session.opened.labels.paint((2, 30, 30), 5)
    assert session.written(2).any()


def test_no_stroke_is_lost_between_switches(session: Session) -> None:
    rng = random.Random(1)
    expected: dict[str, np.ndarray] = {}
    for _ in range(40):
        index = rng.randrange(3)
        session.bench.scans.choose_scan(index)
        if rng.random() < 0.6:
            session.settle()
        opened = session.bench.desk.opened
        if opened is not None:
            place = (rng.randrange(5), rng.randrange(64), rng.randrange(96))
            opened.go_to(place[0])
            opened.labels.paint(place, rng.randrange(1, 9))
            expected[opened.name] = opened.loaded.labels.copy()
        layers = own_layers(session)
        assert layers.count("labels") == layers.count("prediction") <= 1
    session.settle()
    saver = session.bench.desk.saver
    assert saver is not None
    assert saver.flush(20)
    for name, labels in expected.items():
        assert np.array_equal(session.workspace.read_labels(name), labels)


def test_a_scan_that_is_left_for_another_workspace_does_not_come_late(
    session: Session, tmp_path: Path
) -> None:
    session.bench.scans.choose_scan(1)
    session.bench.create(tmp_path / "second")
    session.settle()
    assert own_layers(session) == []
    assert session.bench.desk.opened is None


def test_choosing_the_open_scan_again_keeps_its_layers(session: Session) -> None:
    session.opened.labels.paint((1, 30, 30), 5)
    session.bench.correcting.confirm()
    before = list(session.viewer.layers)
    for _ in range(5):
        session.bench.scans.choose_scan(0)
    session.settle()
    assert list(session.viewer.layers) == before
    session.bench.scans.choose_scan(0, bscan=4)
    assert session.state.bscan == 4


def test_what_is_said_of_the_open_scan_keeps_its_layers(session: Session) -> None:
    before = list(session.viewer.layers)
    session.bench.adding.describe(spacing_um=(200.0, 4.0, 12.0), laterality="OD")
    session.bench.desk.wait_for_files()
    session.opened.labels.paint((2, 30, 30), 5)  # in between
    session.settle()
    assert list(session.viewer.layers) == before
    for layer in before:
        assert list(layer.scale) == [1.0, 4.0, 12.0]  # B-scans are counted
    names = session.workspace.classes.names[1:]
    session.bench.adding.set_classes([*names, "drusen"])
    session.settle()
    assert list(session.viewer.layers) == before
    assert session.opened.loaded.classes.names[-1] == "drusen"
    assert "drusen" in list(session.opened.labels.features["class"])
    assert session.labels[2].any()
    assert np.array_equal(session.written(2), session.labels[2])
    session.bench.correcting.undo()
    assert not session.labels.any()
