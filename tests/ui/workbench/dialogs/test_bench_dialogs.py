"""The workbench's dialogs, and failures that are one sentence wherever they come from."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QApplication,
    QInputDialog,
    QLabel,
    QMessageBox,
    QWidget,
)

from napari_retseg.classes import RETINA
from napari_retseg.errors import InputError
from napari_retseg.io import read_scan
from napari_retseg.models import CARD
from napari_retseg.ui import model_list
from napari_retseg.ui.widgets.keys import CURVE_KEYS, KEYS, POCKET_HAND, POINTER_KEYS
from napari_retseg.ui.widgets.text_card import KeysCard, ModelCard
from napari_retseg.ui.workbench.control.session import TrustQuestion
from napari_retseg.ui.workbench.dialogs.bench_dialogs import BenchDialogs
from napari_retseg.ui.workbench.dialogs.choice_window import PointsWindow, VersionsWindow
from napari_retseg.ui.workbench.workbench_dock import WorkbenchDock
from napari_retseg.workspace import Workspace
from tests.ui.playing import PlayedEngine
from tests.ui.workbench.playedbench import PlayedBench

#: A dock at the right of a small screen has about so much room.
NARROW, HIGH = 310, 640
TABS = ("Correct", "Scan", "Model", "Training")


@pytest.fixture
def played(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PlayedBench]:
    shutil.copytree(models, tmp_path / "models")
    monkeypatch.setenv("NAPARI_RETSEG_MODELS", str(tmp_path / "models"))
    made = PlayedBench()
    yield made
    made.close()


@pytest.fixture
def parent(qapp: QApplication) -> Iterator[QWidget]:
    widget = QWidget()
    yield widget
    widget.close()
    widget.deleteLater()


@pytest.fixture
def dialogs(played: PlayedBench, parent: QWidget) -> BenchDialogs:
    return BenchDialogs(parent, played.bench)


@pytest.fixture
def dock(
    played: PlayedBench, volume: Path, tmp_path: Path, qapp: QApplication
) -> Iterator[WorkbenchDock]:
    """A dock in napari's model of a viewer, with a scan that is open."""
    with Workspace.create(tmp_path / "work") as workspace:
        workspace.add_scan(read_scan(volume))
    widget = WorkbenchDock(played.viewer, engine=PlayedEngine())  # type: ignore[arg-type]
    widget.bench.open(tmp_path / "work")
    deadline(qapp, lambda: widget.bench.state.n_bscans > 0)
    widget.resize(NARROW, HIGH)
    widget.show()
    yield widget
    widget.bench.close()
    widget.close()
    widget.deleteLater()


def deadline(qapp: QApplication, until: Callable[[], bool]) -> None:
    """Let the dock work until something has come."""
    end = time.monotonic() + 20
    while not until():
        assert time.monotonic() < end
        qapp.processEvents()
        time.sleep(0.01)


def find(parent: QWidget, kind: type[Any]) -> Any:
    (found,) = parent.findChildren(kind)
    return found


def test_the_card_of_the_chosen_model_is_shown(
    played: PlayedBench, dialogs: BenchDialogs, parent: QWidget
) -> None:
    dialogs.show_card()
    played.settle()
    assert "tiny" in find(parent, ModelCard).text


def test_a_card_that_cannot_be_read_is_one_sentence(
    played: PlayedBench, dialogs: BenchDialogs, parent: QWidget
) -> None:
    choice = played.state.chosen_model
    assert choice is not None
    (choice.folder / CARD).unlink()
    (choice.folder / CARD).mkdir()
    dialogs.show_card()
    played.settle()
    assert played.state.notice.level == "error"
    assert str(choice.folder / CARD) in played.state.notice.text
    assert not parent.findChildren(ModelCard)


def test_a_model_without_a_card_says_so(
    played: PlayedBench, dialogs: BenchDialogs, parent: QWidget
) -> None:
    choice = played.state.chosen_model
    assert choice is not None
    (choice.folder / CARD).unlink()
    dialogs.show_card()
    played.settle()
    assert find(parent, ModelCard).text == "This model has no model card."


def test_the_keys_are_all_on_their_card_which_is_no_higher_than_they_are(
    dialogs: BenchDialogs, parent: QWidget, qapp: QApplication
) -> None:
    dialogs.show_keys()
    card = find(parent, KeysCard)
    qapp.processEvents()
    assert all(key in card.text for key in [*KEYS.values(), *CURVE_KEYS.values()])
    assert all(what in card.text for _, what in (*POCKET_HAND, *POINTER_KEYS))
    bar = card.view.verticalScrollBar()
    assert bar is not None
    assert bar.maximum() == 0
    assert card.height() < 600
    assert card.width() <= 1366


def test_histories_are_listed_and_gone_back_in(
    played: PlayedBench, dialogs: BenchDialogs, parent: QWidget, tmp_path: Path, volume: Path
) -> None:
    played.start(tmp_path / "work", volume)
    played.paint(2, slice(20, 40), 3)
    played.settle()
    played.bench.correcting.clear()
    played.settle()
    assert not played.labels[2].any()
    dialogs.show_points()
    played.settle()
    window = find(parent, PointsWindow)
    window.list.setCurrentRow(0)
    window.take_button.click()
    played.settle()
    assert (played.labels[2, 20:40] == 3).all()
    dialogs.show_models()
    played.settle()
    models = find(parent, VersionsWindow)
    assert "no model of its own yet" in models.hint.text()
    (row,) = [models.list.item(k) for k in range(models.list.count())]
    assert row is not None
    assert row.text().startswith("starter")
    models.list.setCurrentRow(0)
    models.take_button.click()
    played.settle()
    chosen = played.state.chosen_model
    assert chosen is not None
    assert chosen.name == "starter"


def test_restore_points_that_cannot_be_read_are_shown_but_not_chosen(parent: QWidget) -> None:
    why = "/a/restore/000003/point.json: cannot be read as JSON (<b>x</b>)"
    window = PointsWindow([], [why], parent=parent)
    chosen: list[object] = []
    window.chosen.connect(chosen.append)
    item = window.list.item(0)
    assert item is not None
    assert item.text() == f"Cannot be read: {why}"
    assert not item.flags() & Qt.ItemFlag.ItemIsSelectable
    window.show()
    assert not window.take_button.isEnabled()
    assert chosen == []
    window.close()


def test_an_address_is_asked_for_and_a_wrong_one_is_one_sentence(
    played: PlayedBench, dialogs: BenchDialogs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QInputDialog, "getText", lambda *_, **__: (" host:8786 ", True))
    dialogs.ask_for_address()
    assert played.state.notice.level == "error"
    assert "tcp://host:8786" in played.state.notice.text


@pytest.mark.parametrize(("press", "expected"), [("Allow", "yes"), ("Do not open", "no")])
def test_trust_is_asked_for_with_the_folder_and_what_it_names(
    dialogs: BenchDialogs, monkeypatch: pytest.MonkeyPatch, press: str, expected: str
) -> None:
    texts, answers = [], []

    def exec_(box: QMessageBox) -> int:
        texts.append(box.text() + box.informativeText())
        (button,) = [b for b in box.buttons() if b.text() == press]
        button.click()
        return 0

    monkeypatch.setattr(QMessageBox, "exec", exec_)
    question = TrustQuestion(
        Path("/data/theirs"),
        "../../secret/eye.tif",
        lambda: answers.append("yes"),
        lambda: answers.append("no"),
    )
    dialogs.ask_for_trust(question)
    assert answers == [expected]
    assert str(Path("/data/theirs")) in texts[0]
    assert "../../secret/eye.tif" in texts[0]


def test_a_training_whose_run_is_damaged_is_not_resumed_but_one_sentence(
    played: PlayedBench, tmp_path: Path, volume: Path
) -> None:
    played.start(tmp_path / "work", volume)
    run = played.workspace.new_round()
    (run / "config.yaml").write_text("{")
    played.state.resumable = run
    played.bench.training.resume()
    played.settle()
    assert played.state.notice.level == "error"
    assert str(run) in played.state.notice.text
    assert not played.state.is_training
    assert not played.engine.jobs


def test_models_that_cannot_be_listed_are_one_sentence(
    played: PlayedBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> list[Path]:
        raise InputError("the built-in samples are missing; reinstall napari-retseg")

    monkeypatch.setattr(model_list, "list_models", refuse)
    played.bench.predicting.refresh_models()
    assert played.state.models == ()
    assert "reinstall" in played.state.notice.text


def test_what_was_open_shows_no_more_when_another_workspace_is_opened(
    played: PlayedBench, tmp_path: Path, volume: Path
) -> None:
    played.start(tmp_path / "work", volume)
    played.bench.navigation.go_next()
    played.settle()
    assert played.state.next_text
    played.bench.create(tmp_path / "other")
    played.settle()
    assert played.state.next_text == ""
    assert played.state.verdict is None


def test_a_wrong_folder_leaves_the_open_workspace_open(
    played: PlayedBench, tmp_path: Path, volume: Path
) -> None:
    played.start(tmp_path / "work", volume)
    played.bench.open(tmp_path / "nothing")
    played.settle()
    assert played.state.notice.level == "error"
    assert played.state.folder == tmp_path / "work"
    played.bench.open(tmp_path / "work")
    played.settle()
    assert not played.state.is_read_only
    assert played.state.n_bscans == 5


def test_next_skips_the_gap_beside_held_out_bscans(
    played: PlayedBench, tmp_path: Path, volume: Path
) -> None:
    played.start(tmp_path / "work", volume)
    for bscan in range(5):
        played.paint(bscan, slice(20, 40), 3)
        played.settle()
        played.bench.correcting.confirm()
        played.settle()
    played.workspace.pin()
    unused = played.workspace.unused("eye")
    assert unused
    for bscan in sorted(unused):
        played.show(bscan)
        played.bench.correcting.clear()
        played.settle()
    played.show(0)
    played.bench.navigation.go_next()
    played.settle()
    assert played.state.notice.text == "No more B-scans to label."


def test_a_wrong_form_cannot_be_trained_with_and_a_scan_can_be_previewed(
    dock: WorkbenchDock, qapp: QApplication
) -> None:
    panel = dock.retrain_panel
    assert panel.preview_button.isEnabled()
    dock.bench.state.round_problem = ""
    deadline(qapp, lambda: True)
    panel.form.fields["lr"].set_value(0.001)
    panel.form.changed.emit()
    field = panel.form.fields["lr"].focused
    field.setText("fast")  # type: ignore[attr-defined]
    field.textEdited.emit("fast")  # type: ignore[attr-defined]
    assert panel.form.error()
    assert not panel.retrain_button.isEnabled()


def test_the_verdict_lies_above_the_plots(dock: WorkbenchDock, qapp: QApplication) -> None:
    panel = dock.progress_panel
    dock.tabs.show_tab("Training")
    panel.plot.show()
    for widget in (panel.verdict_text, panel.new_button):
        widget.show()
    qapp.processEvents()
    top = panel.plot.mapTo(panel, QPoint(0, 0)).y()
    assert panel.new_button.mapTo(panel, QPoint(0, 0)).y() < top


def shown(dock: WorkbenchDock, kind: type[Any]) -> list[Any]:
    return [w for w in dock.findChildren(kind) if w.isVisibleTo(dock) and w.width() > 0]


@pytest.mark.parametrize("title", TABS)
def test_nothing_is_cut_at_the_side_of_a_narrow_dock(
    dock: WorkbenchDock, qapp: QApplication, title: str
) -> None:
    dock.tabs.show_tab(title)
    dock.retrain_panel.form.more.set_open(True)
    dock.retrain_panel.stop_button.show()
    dock.retrain_panel.resume_button.show()
    dock.progress_panel.new_button.show()
    dock.progress_panel.old_button.show()
    qapp.processEvents()
    assert dock.width() == NARROW
    for widget in shown(dock, QAbstractButton) + shown(dock, QLabel):
        right = widget.mapTo(dock, QPoint(widget.width(), 0)).x()
        assert right <= NARROW, widget
        if not isinstance(widget, QLabel):
            least = widget.fontMetrics().horizontalAdvance(widget.text())
            assert widget.width() >= least, widget.text()


@pytest.mark.parametrize("title", TABS)
def test_tab_goes_down_the_dock(dock: WorkbenchDock, qapp: QApplication, title: str) -> None:
    dock.tabs.show_tab(title)
    qapp.processEvents()
    dock.tabs.focus_first()
    first = dock.focusWidget()
    assert first is not None
    places: list[QPoint] = []
    widget: QWidget | None = first
    while widget is not None:
        if dock.isAncestorOf(widget) and widget.isVisibleTo(dock) and widget.isEnabled():
            takes = widget.focusPolicy() & Qt.FocusPolicy.TabFocus
            buttons = isinstance(widget, QAbstractButton)
            if takes and buttons:
                places.append(widget.mapTo(dock, QPoint(0, 0)))
        widget = widget.nextInFocusChain()
        if widget is first:
            break
    tops = [place.y() for place in places]
    wrapped = sum(b < a - 5 for a, b in pairwise(tops))
    assert wrapped <= 1, tops  # the chain is a ring: it begins again once


def test_the_tooltips_of_buttons_show_their_keys(dock: WorkbenchDock) -> None:
    tips = " ".join(button.toolTip() for button in dock.findChildren(QAbstractButton))
    tips += " ".join(dock.tabs.tabToolTip(k) for k in range(dock.tabs.count()))
    # who goes by keys alone has no button to find these by: they are on the card
    for key in {*KEYS.values()} - {KEYS["pointer"], KEYS["strip"]}:
        assert f"[{key}]" in tips, key


def test_two_workspaces_of_the_same_classes_follow_each_other_in_the_scores(
    played: PlayedBench, tmp_path: Path, volume: Path
) -> None:
    played.start(tmp_path / "work", volume)
    first = played.workspace.classes
    played.start(tmp_path / "other", volume)
    second = played.workspace.classes
    assert len(first.values) == len(second.values)  # from then on both have them at hand
    assert first == second
    assert hash(first) == hash(second)
    assert first != RETINA.model_copy(update={"classes": first.classes[:3]})
