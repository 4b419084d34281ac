"""The workbench's windows, and failures that are one sentence wherever they come from."""

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
from napari_retseg.ui import modellist
from napari_retseg.ui.widgets.card import KeysCard, ModelCard
from napari_retseg.ui.widgets.keys import KEYS
from napari_retseg.ui.workbench.control.session import TrustQuestion
from napari_retseg.ui.workbench.dialogs.history import PointsWindow, VersionsWindow
from napari_retseg.ui.workbench.dialogs.windows import Windows
from napari_retseg.ui.workbench.dock import WorkbenchDock
from napari_retseg.workspace import Workspace
from tests.ui.playing import PlayedEngine
from tests.ui.workbench.session import Session

#: A dock at the right of a small screen has about so much room.
NARROW, HIGH = 330, 640


@pytest.fixture
def session(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    shutil.copytree(models, tmp_path / "models")
    monkeypatch.setenv("NAPARI_RETSEG_MODELS", str(tmp_path / "models"))
    made = Session()
    yield made
    made.close()


@pytest.fixture
def parent(qapp: QApplication) -> Iterator[QWidget]:
    widget = QWidget()
    yield widget
    widget.close()
    widget.deleteLater()


@pytest.fixture
def windows(session: Session, parent: QWidget) -> Windows:
    return Windows(parent, session.bench)


@pytest.fixture
def dock(
    session: Session, volume: Path, tmp_path: Path, qapp: QApplication
) -> Iterator[WorkbenchDock]:
    """A dock in napari's model of a viewer, with a scan that is open."""
    with Workspace.create(tmp_path / "work") as workspace:
        workspace.add_scan(read_scan(volume))
    widget = WorkbenchDock(session.viewer, engine=PlayedEngine())  # type: ignore[arg-type]
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
    session: Session, windows: Windows, parent: QWidget
) -> None:
    windows.show_card()
    session.settle()
    assert "tiny" in find(parent, ModelCard).text


def test_a_card_that_cannot_be_read_is_one_sentence(
    session: Session, windows: Windows, parent: QWidget
) -> None:
    choice = session.state.chosen_model
    assert choice is not None
    (choice.folder / CARD).unlink()
    (choice.folder / CARD).mkdir()
    windows.show_card()
    session.settle()
    assert session.state.notice.level == "error"
    assert str(choice.folder / CARD) in session.state.notice.text
    assert not parent.findChildren(ModelCard)


def test_a_model_without_a_card_says_so(
    session: Session, windows: Windows, parent: QWidget
) -> None:
    choice = session.state.chosen_model
    assert choice is not None
    (choice.folder / CARD).unlink()
    windows.show_card()
    session.settle()
    assert find(parent, ModelCard).text == "This model has no model card."


def test_the_keys_are_all_on_their_card_which_is_no_higher_than_they_are(
    windows: Windows, parent: QWidget, qapp: QApplication
) -> None:
    windows.show_keys()
    card = find(parent, KeysCard)
    qapp.processEvents()
    assert all(key in card.text for key in KEYS.values())
    bar = card.view.verticalScrollBar()
    assert bar is not None
    assert bar.maximum() == 0
    assert card.height() < 400


def test_histories_are_listed_and_gone_back_in(
    session: Session, windows: Windows, parent: QWidget, tmp_path: Path, volume: Path
) -> None:
    session.start(tmp_path / "work", volume)
    session.paint(2, slice(20, 40), 3)
    session.settle()
    session.bench.correcting.clear()
    session.settle()
    assert not session.labels[2].any()
    windows.show_points()
    session.settle()
    window = find(parent, PointsWindow)
    window.list.setCurrentRow(0)
    window.take_button.click()
    session.settle()
    assert (session.labels[2, 20:40] == 3).all()
    windows.show_models()
    session.settle()
    models = find(parent, VersionsWindow)
    assert "no model of its own yet" in models.hint.text()
    (row,) = [models.list.item(k) for k in range(models.list.count())]
    assert row is not None
    assert row.text().startswith("starter")
    models.list.setCurrentRow(0)
    models.take_button.click()
    session.settle()
    chosen = session.state.chosen_model
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
    session: Session, windows: Windows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QInputDialog, "getText", lambda *_, **__: (" host:8786 ", True))
    windows.ask_for_address()
    assert session.state.notice.level == "error"
    assert "tcp://host:8786" in session.state.notice.text


@pytest.mark.parametrize(("press", "expected"), [("Allow", "yes"), ("Do not open", "no")])
def test_trust_is_asked_for_with_the_folder_and_what_it_names(
    windows: Windows, monkeypatch: pytest.MonkeyPatch, press: str, expected: str
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
    windows.ask_for_trust(question)
    assert answers == [expected]
    assert str(Path("/data/theirs")) in texts[0]
    assert "../../secret/eye.tif" in texts[0]


def test_a_training_whose_run_is_damaged_is_not_resumed_but_one_sentence(
    session: Session, tmp_path: Path, volume: Path
) -> None:
    session.start(tmp_path / "work", volume)
    run = session.workspace.new_round()
    (run / "config.yaml").write_text("{")
    session.state.resumable = run
    session.bench.training.resume()
    session.settle()
    assert session.state.notice.level == "error"
    assert str(run) in session.state.notice.text
    assert not session.state.is_training
    assert not session.engine.jobs


def test_models_that_cannot_be_listed_are_one_sentence(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> list[Path]:
        raise InputError("the built-in samples are missing; reinstall napari-retseg")

    monkeypatch.setattr(modellist, "list_models", refuse)
    session.bench.predicting.refresh_models()
    assert session.state.models == ()
    assert "reinstall" in session.state.notice.text


def test_what_was_open_shows_no_more_when_another_workspace_is_opened(
    session: Session, tmp_path: Path, volume: Path
) -> None:
    session.start(tmp_path / "work", volume)
    session.bench.scans.go_next()
    session.settle()
    assert session.state.next_text
    session.bench.create(tmp_path / "other")
    session.settle()
    assert session.state.next_text == ""
    assert session.state.verdict is None


def test_a_wrong_folder_leaves_the_open_workspace_open(
    session: Session, tmp_path: Path, volume: Path
) -> None:
    session.start(tmp_path / "work", volume)
    session.bench.open(tmp_path / "nothing")
    session.settle()
    assert session.state.notice.level == "error"
    assert session.state.folder == tmp_path / "work"
    session.bench.open(tmp_path / "work")
    session.settle()
    assert not session.state.is_read_only
    assert session.state.n_bscans == 5


def test_next_skips_the_gap_beside_held_out_bscans(
    session: Session, tmp_path: Path, volume: Path
) -> None:
    session.start(tmp_path / "work", volume)
    for bscan in range(5):
        session.paint(bscan, slice(20, 40), 3)
        session.settle()
        session.bench.correcting.confirm()
        session.settle()
    session.workspace.pin()
    unused = session.workspace.unused("eye")
    assert unused
    for bscan in sorted(unused):
        session.show(bscan)
        session.bench.correcting.clear()
        session.settle()
    session.show(0)
    session.bench.scans.go_next()
    session.settle()
    assert session.state.notice.text == "No more B-scans to label."


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
    dock.sections["Progress"].set_open(True)
    for widget in (panel.verdict_text, panel.new_button):
        widget.show()
    qapp.processEvents()
    top = panel.plot.mapTo(panel, QPoint(0, 0)).y()
    assert panel.new_button.mapTo(panel, QPoint(0, 0)).y() < top


def shown(dock: WorkbenchDock, kind: type[Any]) -> list[Any]:
    return [w for w in dock.findChildren(kind) if w.isVisibleTo(dock) and w.width() > 0]


def test_nothing_is_cut_at_the_side_of_a_narrow_dock(
    dock: WorkbenchDock, qapp: QApplication
) -> None:
    for section in dock.sections.values():
        section.set_open(True)
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


def test_tab_goes_down_the_dock(dock: WorkbenchDock, qapp: QApplication) -> None:
    for section in dock.sections.values():
        section.set_open(True)
    qapp.processEvents()
    places: list[QPoint] = []
    widget: QWidget | None = dock.scan_panel.new_button
    while widget is not None:
        if dock.isAncestorOf(widget) and widget.isVisibleTo(dock) and widget.isEnabled():
            takes = widget.focusPolicy() & Qt.FocusPolicy.TabFocus
            buttons = isinstance(widget, QAbstractButton)
            if takes and buttons:
                places.append(widget.mapTo(dock, QPoint(0, 0)))
        widget = widget.nextInFocusChain()
        if widget is dock.scan_panel.new_button:
            break
    tops = [place.y() for place in places]
    wrapped = sum(b < a - 5 for a, b in pairwise(tops))
    assert wrapped <= 1, tops  # the chain is a ring: it begins again once


def test_the_tooltips_of_buttons_show_their_keys(dock: WorkbenchDock) -> None:
    tips = " ".join(button.toolTip() for button in dock.findChildren(QAbstractButton))
    for key in KEYS.values():
        assert f"[{key}]" in tips, key


def test_two_workspaces_of_the_same_classes_follow_each_other_in_the_scores(
    session: Session, tmp_path: Path, volume: Path
) -> None:
    session.start(tmp_path / "work", volume)
    first = session.workspace.classes
    session.start(tmp_path / "other", volume)
    second = session.workspace.classes
    assert len(first.values) == len(second.values)  # from then on both have them at hand
    assert first == second
    assert hash(first) == hash(second)
    assert first != RETINA.model_copy(update={"classes": first.classes[:3]})
