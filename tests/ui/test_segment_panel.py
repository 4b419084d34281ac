"""The widgets alone: what they show of a state, and what they say when they are used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QStandardItemModel
from qtpy.QtWidgets import QFileDialog

from napari_retseg.classes import LabelSet
from napari_retseg.config import NetworkConfig, PreprocessConfig
from napari_retseg.models import ModelInfo
from napari_retseg.ui.dock_state import BadModel, ModelChoice, Notice, SegmentState, Work
from napari_retseg.ui.segment_panel import SegmentPanel
from napari_retseg.ui.workbench.control.bench_state import BenchState
from napari_retseg.ui.workbench.panels.model_panel import ModelPanel

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

LEFT = Qt.MouseButton.LeftButton


def choice(name: str) -> ModelChoice:
    info = ModelInfo(
        name=name,
        network=NetworkConfig(),
        classes=LabelSet.from_names(["NFL", "<fluid>"]),
        preprocess=PreprocessConfig(),
        scores={
            "classes": {},
            "mean_foreground_dice": 0.8125,
            "mean_foreground_iou": 0.7,
            "n_bscans": 4,
            "n_groups": 1,
        },
    )
    return ModelChoice(Path("models") / name, info)


@pytest.fixture
def panel(qtbot: QtBot) -> SegmentPanel:
    panel = SegmentPanel(SegmentState())
    qtbot.addWidget(panel)
    panel.show()
    return panel


@pytest.fixture
def state(panel: SegmentPanel) -> SegmentState:
    """The panel's state, with a volume and two models."""
    state = panel._state
    state.scans, state.scan = ("left", "right"), 1
    state.n_bscans, state.bscan = 61, 30
    state.models, state.model = (choice("one"), choice("two")), 0
    return state


def test_without_scan_and_model_nothing_can_be_pressed(panel: SegmentPanel) -> None:
    assert panel.scan_box.placeholderText() == "open a scan first"
    assert panel.model_box.placeholderText() == "no model"
    for widget in (panel.scan_box, panel.model_box, panel.bscan_button, panel.volume_button):
        assert not widget.isEnabled()
    assert panel.browse_button.isEnabled()
    assert not panel.cancel_button.isVisible()


def test_choices_are_shown(panel: SegmentPanel, state: SegmentState) -> None:
    assert panel.scan_box.currentText() == "right"
    assert panel.model_box.currentText() == "one"
    assert "NFL" in panel.model_text.text()
    assert "&lt;fluid&gt;" in panel.model_text.text()
    tip = panel.model_box.itemData(0, Qt.ItemDataRole.ToolTipRole)
    assert "mean Dice on its held-out scans: 0.812" in tip
    assert panel.volume_button.text() == "Segment all 61"
    assert panel.bscan_button.isEnabled()
    assert panel.volume_button.isEnabled()


def test_models_that_cannot_be_read_are_listed_with_why(
    panel: SegmentPanel, state: SegmentState, qtbot: QtBot
) -> None:
    bad = (BadModel("strange", "model.json: scores: no <b>dictionary</b>"),)
    bench = BenchState(models=state.models, model=0, bad_models=bad)
    workbench = ModelPanel(bench)
    qtbot.addWidget(workbench)
    state.bad_models = bad
    for shown, box in ((state, panel.model_box), (bench, workbench.model_box)):
        n = len(shown.models)
        assert [box.itemText(k) for k in range(n, box.count())] == ["strange (cannot be read)"]
        assert "&lt;b&gt;" in box.itemData(n, Qt.ItemDataRole.ToolTipRole)
        rows = box.model()
        assert isinstance(rows, QStandardItemModel)
        item = rows.item(n)
        assert item is not None
        assert not item.isEnabled()
        assert box.currentIndex() == 0
        shown.models, shown.model = (), -1
        assert box.currentText() != "strange (cannot be read)"
        shown.bad_models = ()
        assert "strange (cannot be read)" not in [box.itemText(k) for k in range(box.count())]


def test_single_bscan_has_one_button(panel: SegmentPanel, state: SegmentState) -> None:
    state.n_bscans, state.bscan = 1, 0
    assert panel.bscan_button.isEnabled()
    assert not panel.volume_button.isVisible()


def test_work_shows_progress_and_only_cancel_can_be_pressed(
    panel: SegmentPanel, state: SegmentState
) -> None:
    state.work = Work(0, 61)
    assert panel.bar.isVisible()
    assert (panel.bar.value(), panel.bar.maximum()) == (0, 61)
    assert panel.cancel_button.isEnabled()
    assert not panel.bscan_button.isEnabled()
    assert not panel.volume_button.isEnabled()
    state.work = Work(12, 61, 75.2)
    assert (panel.bar.value(), panel.bar.maximum()) == (12, 61)
    assert panel.work_text.text() == "12 of 61 B-scans, about 1 min 15 s left"
    state.work = Work(60, 61, 0.4)
    assert panel.work_text.text() == "60 of 61 B-scans, about 0 s left"
    state.work = None
    assert not panel.bar.isVisible()
    assert panel.bscan_button.isEnabled()


def test_notice_is_shown_and_goes(panel: SegmentPanel, state: SegmentState) -> None:
    state.notice = Notice("scan.tif: is empty", "error")
    assert panel.notice_text.text() == "⚠ scan.tif: is empty"
    assert panel.notice_text.isVisible()
    state.notice = Notice()
    assert not panel.notice_text.isVisible()


def test_showing_a_state_says_nothing(
    panel: SegmentPanel, state: SegmentState, qtbot: QtBot
) -> None:
    with qtbot.assertNotEmitted(panel.scan_chosen), qtbot.assertNotEmitted(panel.model_chosen):
        state.scan = 0
        state.model = 1
    assert panel.scan_box.currentText() == "left"
    assert panel.model_box.currentText() == "two"


def test_keys_choose(panel: SegmentPanel, state: SegmentState, qtbot: QtBot) -> None:
    with qtbot.waitSignal(panel.scan_chosen) as chosen:
        qtbot.keyClick(panel.scan_box, Qt.Key.Key_Up)
    assert chosen.args == [0]
    with qtbot.waitSignal(panel.model_chosen) as chosen:
        qtbot.keyClick(panel.model_box, Qt.Key.Key_Down)
    assert chosen.args == [1]


def test_browse_tells_the_folder_unless_it_was_cancelled(
    panel: SegmentPanel, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = ["", "/models/mine"]
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: answers.pop(0))
    with qtbot.assertNotEmitted(panel.model_browsed):
        qtbot.mouseClick(panel.browse_button, LEFT)
    with qtbot.waitSignal(panel.model_browsed) as browsed:
        qtbot.mouseClick(panel.browse_button, LEFT)
    assert browsed.args == [Path("/models/mine")]
