"""Sections fold, by click and by key, and stay as they were left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QPushButton, QWidget

from napari_retseg.ui.widgets.section import CollapsibleSection

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

LEFT = Qt.MouseButton.LeftButton


def make(qtbot: QtBot, title: str = "Review", *, is_open: bool = True) -> CollapsibleSection:
    section = CollapsibleSection(title, is_open=is_open)
    section.add(QLabel("inside"))
    qtbot.addWidget(section)
    section.show()
    return section


def test_a_click_closes_and_opens(qtbot: QtBot) -> None:
    section = make(qtbot)
    assert section.is_open
    assert section.header.text() == "Review"
    with qtbot.waitSignal(section.header.toggled) as toggled:
        qtbot.mouseClick(section.header, LEFT)
    assert toggled.args == [False]
    assert not section.content.isVisible()
    qtbot.mouseClick(section.header, LEFT)
    assert section.content.isVisible()


@pytest.mark.parametrize("key", [Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter])
def test_keys_close_and_open(qtbot: QtBot, key: Qt.Key) -> None:
    section = make(qtbot)
    for is_open in (False, True):
        qtbot.keyClick(section.header, key)
        assert section.is_open is is_open


def test_arrows_open_and_close_but_never_the_other_way(qtbot: QtBot) -> None:
    section = make(qtbot)
    for key, is_open in (
        (Qt.Key.Key_Right, True),
        (Qt.Key.Key_Left, False),
        (Qt.Key.Key_Left, False),
        (Qt.Key.Key_Right, True),
    ):
        qtbot.keyClick(section.header, key)
        assert section.content.isVisible() is is_open


def test_the_keyboard_reaches_the_header(qtbot: QtBot) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    first, section = QPushButton("first", window), CollapsibleSection("Scan")
    section.setParent(window)
    section.move(0, 60)
    window.show()
    first.setFocus()
    qtbot.keyClick(first, Qt.Key.Key_Tab)
    assert window.focusWidget() is section.header


def test_what_the_user_left_is_remembered(qtbot: QtBot) -> None:
    review, more = make(qtbot), make(qtbot, "More", is_open=False)
    qtbot.mouseClick(review.header, LEFT)
    qtbot.keyClick(more.header, Qt.Key.Key_Return)
    assert not make(qtbot).is_open
    assert make(qtbot, "More", is_open=False).is_open
    assert make(qtbot, "Scan").is_open


def test_what_a_program_opens_is_not_remembered(qtbot: QtBot) -> None:
    section = make(qtbot, is_open=False)
    section.set_open(True)
    assert section.content.isVisible()
    assert not make(qtbot, is_open=False).is_open


def test_a_section_follows_the_work_until_the_user_decides(qtbot: QtBot) -> None:
    section = make(qtbot)
    section.suggest_open(False)
    assert not section.is_open
    section.suggest_open(True)
    assert section.is_open
    qtbot.mouseClick(section.header, LEFT)
    section.suggest_open(True)
    assert not section.is_open


def test_summary_is_painted_and_can_be_read_in_full(qtbot: QtBot) -> None:
    section = make(qtbot)
    before = section.header.grab().toImage()
    section.set_summary("3 of 61 confirmed")
    assert section.header.toolTip() == "3 of 61 confirmed"
    assert section.header.grab().toImage() != before
