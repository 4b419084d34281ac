"""Who is held out is seen before a training, and chosen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_retseg.dataset import Side
from napari_retseg.io import read_scan, write_scan
from napari_retseg.ui.workbench.control.holding import Holding, name_heldout
from napari_retseg.ui.workbench.dialogs.heldout_window import HeldoutWindow
from tests.ui.workbench.playedbench import PlayedBench

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


def side(group: str, use: str = "train", *, heldout: int = 0) -> Side:
    return Side(group, use, 1, 3, heldout, 0, is_chosen=False, reason=f"why {group}")  # type: ignore[arg-type]


@pytest.fixture
def played(tmp_path: Path, volume: Path, own_models: Path) -> Iterator[PlayedBench]:
    """Three patients with two confirmed B-scans each."""
    made = PlayedBench()
    copies = [tmp_path / f"P{number}.tif" for number in range(3)]
    scan = read_scan(volume)
    for number, copy in enumerate(copies):
        pixels = np.array(scan.pixels)
        pixels[0, 0, 0] = number + 1  # the same scan of two patients would count once
        write_scan(copy, replace(scan, pixels=pixels))
    made.start(tmp_path / "work", *copies)
    for index in range(3):
        made.bench.navigation.choose_scan(index)
        made.settle()
        made.bench.scan_import.describe(group=f"patient {index}")
        made.settle()
        for bscan in (0, 3):
            made.paint(bscan, slice(10, 20), 3)
            made.bench.correcting.confirm()
            made.settle()
    yield made
    made.close()


def uses(played: PlayedBench) -> dict[str, str]:
    played.settle()
    return {one.group: one.use for one in played.state.sides}


def test_the_held_out_patient_is_named_and_changed(played: PlayedBench) -> None:
    played.bench.training.describe()
    before = uses(played)
    assert sorted(before) == ["patient 0", "patient 1", "patient 2"]
    assert list(before.values()).count("val") == 1
    other = next(group for group, use in before.items() if use == "train")
    holding = Holding(played.bench)
    holding.hold_out([other])
    after = uses(played)
    assert after[other] == "val"
    assert list(after.values()).count("val") == 1
    assert name_heldout(played.state.sides) == f"held out: {other}"
    assert other in played.state.round_text
    holding.decide_by_name()
    assert uses(played) == before


def test_a_choice_that_leaves_nobody_is_refused_in_one_sentence(played: PlayedBench) -> None:
    Holding(played.bench).hold_out([f"patient {k}" for k in range(3)])
    played.settle()
    assert played.state.notice.level == "error"
    assert "you cannot hold out all patients" in played.state.notice.text


def test_that_a_result_says_little_is_said_before_the_training(played: PlayedBench) -> None:
    played.bench.training.describe()
    played.settle()
    assert played.state.round_warning  # two held-out B-scans of one patient
    assert played.state.round_warning not in played.state.round_text


def test_bscans_of_the_only_patient(tmp_path: Path, volume: Path, own_models: Path) -> None:
    alone = PlayedBench()
    alone.start(tmp_path / "alone", volume)
    for bscan in range(5):
        alone.paint(bscan, slice(10, 20), 3)
        alone.bench.correcting.confirm()
    alone.settle()
    Holding(alone.bench).hold_out_bscans(0, 1)
    alone.settle()
    assert set(alone.workspace.heldout("eye")) == {0, 1}
    assert [cell.bscan for cell in alone.state.strip if cell.is_heldout] == [0, 1]
    alone.close()


def test_the_window_offers_patients_and_says_why(qtbot: QtBot) -> None:
    window = HeldoutWindow(
        [side("A"), side("B", "val", heldout=2), side("C", "test")], n_bscans=9, can_change=True
    )
    qtbot.addWidget(window)
    window.show()
    assert window.checked() == ["B"]
    assert not window.places.isVisible()
    row = window.tree.topLevelItem(0)
    assert row is not None
    assert row.text(5) == "why A"
    row.setCheckState(0, Qt.CheckState.Checked)
    assert not window.take_button.isEnabled()  # nobody would be left
    second = window.tree.topLevelItem(1)
    assert second is not None
    second.setCheckState(0, Qt.CheckState.Unchecked)
    with qtbot.waitSignal(window.groups_chosen) as chosen:
        window.take_button.click()
    assert chosen.args == [["A"]]


def test_the_window_offers_bscans_where_one_patient_is_alone(qtbot: QtBot) -> None:
    window = HeldoutWindow([side("A", "both", heldout=2)], n_bscans=10, can_change=True)
    qtbot.addWidget(window)
    window.show()
    assert window.places.isVisible()
    window.first.setValue(2)
    window.last.setValue(4)
    with qtbot.waitSignal(window.bscans_chosen) as chosen:
        window.take_button.click()
    assert chosen.args == [2, 4]


def test_nothing_is_changed_where_it_cannot_be_written(qtbot: QtBot) -> None:
    window = HeldoutWindow([side("A"), side("B", "val")], n_bscans=9, can_change=False)
    qtbot.addWidget(window)
    assert not window.take_button.isEnabled()
    assert not window.names_button.isEnabled()
