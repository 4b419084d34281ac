"""The viewer's keys work after everything that is done in the dock."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from pytestqt.exceptions import TimeoutError as QtBotTimeoutError
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDialog,
    QLineEdit,
    QMenu,
    QPlainTextEdit,
    QPushButton,
    QSpinBox,
    QTextEdit,
    QWidget,
)

from napari_retseg.ui.widgets.section import CollapsibleSection
from napari_retseg.ui.workbench.focus import find_canvas
from napari_retseg.ui.workbench.workbench_dock import WorkbenchDock
from tests.ui.workbench.clicking import Clicker, show_section

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

LEFT = Qt.MouseButton.LeftButton
_TYPED = (QLineEdit, QAbstractSpinBox, QPlainTextEdit, QTextEdit)


@pytest.fixture
def dock(clicker: Clicker, qtbot: QtBot) -> WorkbenchDock:
    window = clicker.dock.window()
    assert window is not None
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow, timeout=20_000)
    for section in clicker.dock.findChildren(CollapsibleSection):
        section.set_open(True)
    clicker.dock.tabs.show_tab("Correct")
    return clicker.dock


def canvas_of(dock: WorkbenchDock) -> QWidget:
    canvas = find_canvas(dock)
    assert canvas is not None
    return canvas


def usable(dock: WorkbenchDock) -> list[QWidget]:
    """Return what can be used in the dock and opens no window."""
    found = []
    for title in ("Scan", "Model", "Training", "Correct"):
        dock.tabs.show_tab(title)
        QApplication.processEvents()
        found += [w for w in dock.findChildren(QWidget) if w.isVisible() and w.isEnabled()]
    kept = []
    for widget in found:
        if isinstance(widget, QPushButton) and (widget.text().endswith("…") or widget.menu()):
            continue
        if isinstance(widget, (QAbstractButton, QComboBox)) or (
            widget.focusPolicy() != Qt.FocusPolicy.NoFocus
        ):
            kept.append(widget)
    return kept


def use(qtbot: QtBot, widget: QWidget) -> None:
    """Click it, or use it with the keyboard once Tab has come to it."""
    if isinstance(widget, QComboBox):
        widget.setFocus(Qt.FocusReason.TabFocusReason)
        # of a single entry none can be chosen
        qtbot.keyClick(widget, Qt.Key.Key_Down if widget.count() > 1 else Qt.Key.Key_Escape)
    elif isinstance(widget, _TYPED):
        widget.setFocus(Qt.FocusReason.MouseFocusReason)
        qtbot.keyClick(widget, Qt.Key.Key_Return)
    else:
        qtbot.mouseClick(widget, LEFT)


def test_the_focus_comes_back_from_every_widget(
    clicker: Clicker, dock: WorkbenchDock, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clicker.dock.bench.training, "retrain", lambda: None)
    canvas = canvas_of(dock)
    widgets = usable(dock)
    assert len(widgets) > 25
    for widget in widgets:
        try:
            show_section(widget)
            if not widget.isVisible() or not widget.isEnabled():
                continue
        except RuntimeError:  # the list of models, say, was made anew
            continue
        name = f"{type(widget).__name__} {getattr(widget, 'text', str)()!r} {widget.toolTip()}"
        use(qtbot, widget)
        with suppress(QtBotTimeoutError):
            qtbot.waitUntil(canvas.hasFocus, timeout=5000)
        assert canvas.hasFocus(), f"{name}, then {QApplication.focusWidget()}"


def test_keys_work_after_a_scan_is_chosen_in_the_box(
    clicker: Clicker, dock: WorkbenchDock, qtbot: QtBot
) -> None:
    canvas = canvas_of(dock)
    canvas.setFocus()
    box = dock.scan_panel.scan_box
    qtbot.mouseClick(box, LEFT)
    view = box.view()
    assert view is not None
    qtbot.waitUntil(view.isVisible)
    qtbot.keyClick(view, Qt.Key.Key_Return)
    with suppress(QtBotTimeoutError):
        qtbot.waitUntil(canvas.hasFocus, timeout=5000)
    assert canvas.hasFocus(), f"{QApplication.focusWidget()}, {QApplication.activeWindow()}"
    opened = clicker.dock.bench.session.opened
    assert opened is not None
    before = opened.prediction.visible
    focused = QApplication.focusWidget()
    assert focused is not None
    qtbot.keyClick(focused, Qt.Key.Key_H)
    assert opened.prediction.visible != before


def test_a_text_keeps_the_focus_until_it_is_done(dock: WorkbenchDock, qtbot: QtBot) -> None:
    field = QSpinBox()
    layout = dock.review_panel.layout()
    assert layout is not None
    layout.addWidget(field)
    qtbot.waitUntil(field.isVisible)
    field.setFocus(Qt.FocusReason.MouseFocusReason)
    qtbot.wait(50)
    assert field.hasFocus()
    qtbot.keyClicks(field, "1")
    qtbot.wait(50)
    assert field.hasFocus()
    qtbot.keyClick(field, Qt.Key.Key_Return)
    qtbot.waitUntil(canvas_of(dock).hasFocus, timeout=5000)


@pytest.mark.parametrize("kind", ["button that comes later", "menu", "dialog"])
def test_what_comes_into_the_dock_later_is_looked_after(
    dock: WorkbenchDock, qtbot: QtBot, kind: str
) -> None:
    canvas = canvas_of(dock)
    canvas.setFocus()
    host = dock.review_panel
    layout = host.layout()
    assert layout is not None
    button = QPushButton("late", host)
    layout.addWidget(button)
    qtbot.waitUntil(button.isVisible)
    if kind == "menu":
        menu = QMenu(button)
        menu.addAction("one")
        button.setMenu(menu)
        dock.focus.learn()
        menu.popup(button.mapToGlobal(button.rect().center()))
        qtbot.waitUntil(menu.isVisible)
        qtbot.keyClick(menu, Qt.Key.Key_Escape)
    elif kind == "dialog":
        dialog = QDialog(dock)
        dialog.open()
        qtbot.waitUntil(dialog.isVisible)
        dialog.reject()
        dialog.deleteLater()
    else:
        qtbot.mouseClick(button, LEFT)
    qtbot.waitUntil(canvas.hasFocus, timeout=5000)


def test_another_part_of_the_viewer_keeps_the_focus(dock: WorkbenchDock, qtbot: QtBot) -> None:
    window = dock.window()
    other = QLineEdit(window)
    other.show()
    other.setFocus()
    dock.focus.give_back()
    qtbot.wait(50)
    assert other.hasFocus()
    other.deleteLater()
