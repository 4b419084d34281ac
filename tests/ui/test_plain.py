"""Text from files is shown letter by letter: in every widget that we make, not only in some."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QLabel,
    QListWidget,
    QMenu,
    QTableView,
    QWidget,
)

import napari_retseg.ui
from napari_retseg.classes import LabelSet
from napari_retseg.config import NetworkConfig, PreprocessConfig
from napari_retseg.models import ModelInfo
from napari_retseg.scan import OctScan
from napari_retseg.ui.dock_state import ModelChoice, Notice, SegmentState
from napari_retseg.ui.layers import make_labels_layer
from napari_retseg.ui.plain import PlainLabel, escape_text, make_caption, make_question, make_tip
from napari_retseg.ui.readers import layers_of_scan
from napari_retseg.ui.scores.table import ScoreTable
from napari_retseg.ui.segment_panel import SegmentPanel
from napari_retseg.ui.widgets.section import CollapsibleSection
from napari_retseg.ui.workbench.control.bench_state import BenchState
from napari_retseg.ui.workbench.dialogs.choice_window import ChoiceWindow
from napari_retseg.ui.workbench.panels.model_panel import ModelPanel
from napari_retseg.ui.workbench.panels.review_panel import ReviewPanel
from napari_retseg.ui.workbench.panels.scan_panel import ScanPanel
from napari_retseg.ui.workbench.panels.train_panels import ProgressPanel, RetrainPanel
from napari_retseg.workspace import ScanEntry

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

SOURCES = sorted(Path(napari_retseg.ui.__file__).parent.rglob("*.py"))
#: What Qt would load, what it would underline, and what terminals would obey.
HOSTILE = '<img src="file:///x.png"> \x1b[2J R&D \u202egnp'
CLASSES = LabelSet.from_names([HOSTILE, "fluid"])


def hostile_model() -> ModelChoice:
    info = ModelInfo(
        name=HOSTILE, network=NetworkConfig(), classes=CLASSES, preprocess=PreprocessConfig()
    )
    return ModelChoice(Path("models") / HOSTILE.replace("/", "_"), info)


def hostile_bench() -> BenchState:
    folder = Path("/work") / HOSTILE.replace("/", "_")
    return BenchState(
        folder=folder,
        recent=(folder,),
        scans=(ScanEntry(name=HOSTILE, path=folder, group=HOSTILE),),
        scan=0,
        scan_text=HOSTILE,
        n_bscans=5,
        models=(hostile_model(),),
        model=0,
        next_text=HOSTILE,
        round_text=HOSTILE,
        round_problem=HOSTILE,
        verdict=SimpleNamespace(text=HOSTILE, remarks=(HOSTILE,), promoted=None),  # type: ignore[arg-type]
        notice=Notice(HOSTILE, "error"),
    )


def make_segment_panel() -> QWidget:
    state = SegmentState(
        scans=(HOSTILE,), scan=0, scan_text=HOSTILE, models=(hostile_model(),), model=0
    )
    state.notice = Notice(HOSTILE, "error")
    return SegmentPanel(state)


def make_scan_panel() -> QWidget:
    panel = ScanPanel(hostile_bench())
    panel.recent_menu.aboutToShow.emit()
    panel.add_menu.aboutToShow.emit()
    panel.offer_layers([HOSTILE])
    return panel


def make_review_panel() -> QWidget:
    panel = ReviewPanel(hostile_bench())
    panel.offer_classes(CLASSES)
    return panel


def make_progress_panel() -> QWidget:
    panel = ProgressPanel(hostile_bench())
    panel.set_classes(CLASSES)
    return panel


def make_score_table() -> QWidget:
    table = ScoreTable(CLASSES)
    table.set_notice(HOSTILE)
    return table


def make_section() -> QWidget:
    section = CollapsibleSection("Section")
    section.set_summary(HOSTILE)
    return section


MAKERS: tuple[Callable[[], QWidget], ...] = (
    make_segment_panel,
    make_scan_panel,
    make_review_panel,
    make_progress_panel,
    make_score_table,
    make_section,
    lambda: ModelPanel(hostile_bench()),
    lambda: RetrainPanel(hostile_bench()),
    lambda: ChoiceWindow(HOSTILE, HOSTILE, [(HOSTILE, 1)], verb=HOSTILE),
    lambda: make_question(None, HOSTILE, HOSTILE, HOSTILE),
)


def texts_of(widget: QWidget) -> Iterator[str]:
    """All that a widget and those in it say, but for what users type themselves."""
    for one in (widget, *widget.findChildren(QWidget)):
        yield from _own_texts(one)
        for action in one.actions() if isinstance(one, QMenu) else ():
            yield action.text()


def _own_texts(one: QWidget) -> Iterator[str]:
    yield one.toolTip()
    if isinstance(one, (QLabel, QAbstractButton)):
        yield one.text()
    if isinstance(one, QComboBox):
        for row in range(one.count()):
            yield one.itemText(row)
            yield str(one.itemData(row, Qt.ItemDataRole.ToolTipRole) or "")
    if isinstance(one, QListWidget):
        yield from (one.item(row).text() for row in range(one.count()))  # type: ignore[union-attr]
    if isinstance(one, QTableView):
        yield from _cells(one)


def _cells(table: QTableView) -> Iterator[str]:
    model = table.model()
    assert model is not None
    for row in range(model.rowCount()):
        for column in range(model.columnCount()):
            index = model.index(row, column)
            for role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
                yield str(model.data(index, role) or "")


@pytest.mark.parametrize("make", MAKERS)
def test_nothing_of_a_hostile_text_acts(make: Callable[[], QWidget], qtbot: QtBot) -> None:
    widget = make()
    qtbot.addWidget(widget)
    texts = list(texts_of(widget))
    # it is shown somewhere, with its control characters as escapes
    assert any("\\x1b" in text for text in texts)
    for text in texts:
        assert not any(char in text for char in "\x1b\u202e"), text
    for label in widget.findChildren(QLabel):
        is_plain = label.textFormat() == Qt.TextFormat.PlainText
        assert is_plain or "<img" not in label.text(), label.text()
        is_ours = not label.objectName().startswith("qt_")
        assert is_plain or label.textFormat() == Qt.TextFormat.RichText or not is_ours
    for one in widget.findChildren(QWidget):
        assert "<img" not in one.toolTip()
    for text in captions_of(widget):
        assert "&" not in text.replace("&&", ""), text


def captions_of(widget: QWidget) -> Iterator[str]:
    """Texts in which one ``&`` would be a key."""
    yield from (button.text() for button in widget.findChildren(QAbstractButton))
    for menu in widget.findChildren(QMenu):
        yield from (action.text() for action in menu.actions())


def test_plain_labels_and_tips_show_markup_as_it_is() -> None:
    assert make_tip("line <b>one</b>\nR&D") == "<qt>line &lt;b&gt;one&lt;/b&gt;<br>R&amp;D</qt>"
    assert make_tip("two\nlines") == "two\nlines"
    assert make_caption("R&D\x07") == "R&&D\\x07"
    assert escape_text("<i>\x1b") == "&lt;i&gt;\\x1b"


def test_a_label_stays_plain_when_its_text_changes(qtbot: QtBot) -> None:
    label = PlainLabel("first")
    qtbot.addWidget(label)
    label.setText(HOSTILE)
    assert label.textFormat() == Qt.TextFormat.PlainText
    assert label.text().startswith("<img")
    assert "\\x1b" in label.text()


def test_what_napari_shows_of_a_file_is_no_markup() -> None:
    scan = OctScan(
        pixels=np.zeros((4, 6), np.uint8),
        axes=("depth", "width"),
        source=Path("/x") / f"{HOSTILE.replace('/', '_')}.png",
    )
    image = layers_of_scan(scan)[-1]
    from napari.layers import Image

    layer = Image(image[0], **image[1])
    labels = make_labels_layer(
        np.zeros((4, 6), np.uint8), name=HOSTILE, scan=scan, source=layer, classes=CLASSES
    )
    shown = [layer.name, labels.name, *labels.features["class"]]
    assert not any(char in text for text in shown for char in "<\x1b\u202e")


# Nobody makes such widgets elsewhere.

#: Widgets that take rich text by guess.
_GUESSING = {"QLabel", "QMessageBox", "QErrorMessage", "QWhatsThis", "QSplashScreen"}
#: What must make the text, by the method or class that takes it, and where it takes it.
_MAKERS = {
    "setToolTip": ("make_tip", 0),
    "setWhatsThis": ("make_tip", 0),
    "setStatusTip": ("make_tip", 0),
    "showText": ("make_tip", 1),
    "addAction": ("make_caption", 0),
    "addMenu": ("make_caption", 0),
    "addTab": ("make_caption", 1),
    "QPushButton": ("make_caption", 0),
    "QToolButton": ("make_caption", 0),
    "QCheckBox": ("make_caption", 0),
    "QRadioButton": ("make_caption", 0),
}


@pytest.mark.parametrize("source", SOURCES, ids=lambda p: p.stem)
def test_texts_are_made_in_one_place(source: Path) -> None:
    if source.name == "plain.py":
        return
    tree = ast.parse(source.read_text(encoding="utf-8"))
    made = {
        target.id: node.value.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name, place = _name_of(call), f"{source.name}:{call.lineno}"
        assert name not in _GUESSING, f"{place}: make the widget in plain.py"
        if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
            owner = call.func.value.id
            assert owner != "QMessageBox", f"{place}: use make_question"
        maker, index = _MAKERS.get(name, ("", 0))
        if maker and len(call.args) > index:
            given = call.args[index]
            is_made = isinstance(given, ast.Call) and _name_of(given) == maker
            is_named = isinstance(given, ast.Name) and made.get(given.id) == maker
            assert isinstance(given, ast.Constant) or is_made or is_named, (
                f"{place}: make the text with {maker}"
            )


def _name_of(call: ast.Call) -> str:
    function: Any = call.func
    return str(getattr(function, "id", getattr(function, "attr", "")))
