"""Colours: text can be read and marks can be seen in every theme."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from napari.utils.theme import get_theme
from qtpy.QtWidgets import QWidget

from napari_retseg.classes import PALETTE
from napari_retseg.ui.plain import make_text
from napari_retseg.ui.widgets.theme import (
    MARK_CONTRAST,
    STATUSES,
    TEXT_CONTRAST,
    Look,
    color_text,
    make_look,
    make_readable,
    make_swatch,
    measure_contrast,
    mix,
    read_look,
)

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

Theme = Callable[[QWidget, str], None]

COLORS = st.integers(0, 0xFFFFFF).map(lambda value: f"#{value:06x}")


def napari_look(name: str) -> Look:
    theme = get_theme(name)
    return make_look(theme.background.as_hex("long"), theme.text.as_hex("long"))


@pytest.mark.parametrize(
    ("one", "other", "contrast"),
    [("#000000", "#ffffff", 21.0), ("#777777", "#ffffff", 4.48), ("#ff0000", "#ff0000", 1.0)],
)
def test_contrast_is_that_of_the_guidelines(one: str, other: str, contrast: float) -> None:
    assert measure_contrast(one, other) == pytest.approx(contrast, abs=0.01)
    assert measure_contrast(other, one) == measure_contrast(one, other)


@pytest.mark.parametrize("name", ["dark", "light"])
def test_text_is_read_in_napari_themes(name: str) -> None:
    look = napari_look(name)
    for color in (look.text, look.faint, look.better, look.warning, look.error):
        for surface in (look.background, look.raised):
            assert measure_contrast(color, surface) >= TEXT_CONTRAST, (color, surface)
    assert measure_contrast(look.text, look.pressed) >= TEXT_CONTRAST


@pytest.mark.parametrize("name", ["dark", "light"])
def test_marks_are_seen_in_napari_themes(name: str) -> None:
    look = napari_look(name)
    marks = [look.accent, look.uncertain, *map(look.status, STATUSES[1:])]
    marks += [look.mark(color) for color in PALETTE]
    for color in marks:
        assert measure_contrast(color, look.background) >= MARK_CONTRAST, color
    # the cells of B-scans that nobody touched are there, but do not stand out
    assert 1.3 < measure_contrast(look.untouched, look.background) < MARK_CONTRAST
    assert len({look.status(status) for status in STATUSES}) == len(STATUSES)


@given(color=COLORS, background=COLORS)
def test_any_color_becomes_readable_on_any_background(color: str, background: str) -> None:
    changed = make_readable(color, background, minimum=TEXT_CONTRAST)
    assert measure_contrast(changed, background) >= TEXT_CONTRAST
    if measure_contrast(color, background) >= TEXT_CONTRAST:
        assert changed == color


def test_mixing_goes_from_one_color_to_the_other() -> None:
    assert mix("#000000", "#ff8000", 0) == "#000000"
    assert mix("#000000", "#ff8000", 1) == "#ff8000"
    assert mix("#000000", "#ffffff", 0.5) == "#808080"


@pytest.mark.parametrize("name", ["dark", "light"])
def test_a_widget_takes_its_colors_from_the_theme(qtbot: QtBot, name: str, theme: Theme) -> None:
    window, inner = QWidget(), QWidget()
    qtbot.addWidget(window)
    inner.setParent(window)
    window.show()
    theme(window, name)
    assert read_look(inner) == napari_look(name)


def test_swatch_shows_the_color_and_its_frame(qtbot: QtBot) -> None:
    image = make_swatch("#0080ff", "#ffffff").pixmap(12, 12).toImage()
    assert image.pixelColor(6, 6).name() == "#0080ff"
    assert image.pixelColor(6, 0).name() == "#ffffff"


def test_colored_text_keeps_its_color_in_a_theme(qtbot: QtBot, theme: Theme) -> None:
    label = make_text("no space left")
    qtbot.addWidget(label)
    window = QWidget()
    qtbot.addWidget(window)
    label.setParent(window)
    window.show()
    theme(window, "dark")
    color_text(label, "#f0525f")
    assert label.palette().windowText().color().name() == "#f0525f"
