"""Small windows of text: they show it, load nothing, and close."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from qtpy.QtCore import Qt

from napari_retseg.ui.widgets.text_card import KeysCard, ModelCard, split_groups

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

KEYS = {"Review": [("Shift+A", "accept"), ("<", "previous")], "Paint": [("Alt+1", "class 1")]}


def test_keys_are_listed_in_their_groups(qtbot: QtBot) -> None:
    card = KeysCard(KEYS)
    qtbot.addWidget(card)
    card.show()
    assert card.windowTitle() == "Keys"
    lines = [line for line in card.text.split("\n") if line.strip()]
    assert lines == ["Review", "Shift+A", "accept", "<", "previous", "Paint", "Alt+1", "class 1"]
    assert not card.isModal()


def test_many_keys_stand_in_two_columns(qtbot: QtBot) -> None:
    many = {f"group {k}": [(f"F{k}", f"action {k} {n}") for n in range(6)] for k in range(4)}
    high, low = KeysCard(KEYS), KeysCard(many)
    for card in (high, low):
        qtbot.addWidget(card)
        card.show()
    assert low.width() == 2 * high.width()
    assert all(f"action {k} {n}" in low.text for k in range(4) for n in range(6))
    assert low.height() < 500
    single = {"all": [("A", "action")] * 30}
    assert split_groups(single) == [single]


def test_escape_and_the_button_close(qtbot: QtBot) -> None:
    card = KeysCard(KEYS)
    qtbot.addWidget(card)
    card.show()
    qtbot.keyClick(card, Qt.Key.Key_Escape)
    assert not card.isVisible()
    card.show()
    qtbot.mouseClick(card.close_button, Qt.MouseButton.LeftButton)
    assert not card.isVisible()


def test_a_model_card_is_laid_out_and_read_only(qtbot: QtBot) -> None:
    card = ModelCard("starter", "# Starter\n\nTrained on **simulated** scans.")
    qtbot.addWidget(card)
    card.show()
    assert card.windowTitle() == "Model starter"
    assert card.text.split("\n") == ["Starter", "Trained on simulated scans."]
    qtbot.keyClicks(card.view, "x")
    assert "x" not in card.text
    empty = ModelCard("mine", "")
    qtbot.addWidget(empty)
    assert empty.text == "This model has no model card."


def test_a_card_loads_no_picture(qtbot: QtBot, tmp_path: Path) -> None:
    picture = tmp_path / "red.png"
    Image.fromarray(np.full((40, 40, 3), (255, 0, 0), dtype=np.uint8)).save(picture)
    card = ModelCard("strange", f"![x]({picture.as_uri()})\n\n<img src='{picture}'>")
    qtbot.addWidget(card)
    card.show()
    image = card.grab().toImage()
    pixels = {image.pixelColor(x, y).name() for x in range(0, 200, 4) for y in range(0, 200, 4)}
    assert "#ff0000" not in pixels


def test_a_link_is_not_followed(qtbot: QtBot) -> None:
    card = ModelCard("strange", "[here](file:///)")
    qtbot.addWidget(card)
    card.show()
    before = card.text
    cursor = card.view.cursorRect().center()
    qtbot.mouseClick(card.view.viewport(), Qt.MouseButton.LeftButton, pos=cursor)
    assert card.text == before
