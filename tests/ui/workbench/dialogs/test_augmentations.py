"""Drawn samples: what is asked for, and what is painted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_retseg.classes import LabelSet
from napari_retseg.ui.widgets.theme import MARGIN
from napari_retseg.ui.workbench.dialogs.augmentations import AugmentPreview, Sample, draw_outlines

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

LEFT = Qt.MouseButton.LeftButton
CLASSES = LabelSet.from_names(["NFL", "INL"])
RED, GREEN = (c.color for c in CLASSES.foreground)


def sample(value: int = 1) -> Sample:
    grey = np.linspace(0, 100, 64 * 96).reshape(64, 96)
    labels = np.zeros((64, 96), dtype=np.uint8)
    labels[20:40] = value
    return grey, labels


@pytest.fixture
def preview(qtbot: QtBot) -> AugmentPreview:
    preview = AugmentPreview(CLASSES)
    qtbot.addWidget(preview)
    preview.resize(284 + 2 * MARGIN, 500)
    return preview


def test_samples_are_asked_for_when_first_seen_and_on_the_button(
    preview: AugmentPreview, qtbot: QtBot
) -> None:
    with qtbot.waitSignal(preview.wanted):
        preview.show()
    preview.hide()
    with qtbot.assertNotEmitted(preview.wanted):
        preview.show()
    with qtbot.waitSignal(preview.wanted):
        qtbot.mouseClick(preview.again_button, LEFT)


def test_samples_that_are_there_are_not_asked_for(preview: AugmentPreview, qtbot: QtBot) -> None:
    preview.set_samples([sample()])
    with qtbot.assertNotEmitted(preview.wanted):
        preview.show()


def test_eight_samples_at_most_are_shown(preview: AugmentPreview) -> None:
    assert preview.notice.text() == "No samples"
    preview.show()
    preview.set_samples([sample()] * 10)
    assert len(preview.tiles.samples) == 8
    assert preview.notice.text() == "8 training samples with augmentation"
    preview.set_notice("Confirm a B-scan first.")
    assert preview.notice.text() == "Confirm a B-scan first."


def test_pictures_keep_their_proportions_at_any_width(preview: AugmentPreview) -> None:
    preview.set_samples([sample()] * 8)
    tiles = preview.tiles
    for width, columns in ((284, 2), (600, 4)):
        rows = 8 // columns
        tile = (width - 3 * (columns - 1)) // columns
        assert tiles.heightForWidth(width) == rows * round(tile * 64 / 96) + 3 * (rows - 1)
    preview.set_samples([])
    assert tiles.heightForWidth(284) == 0


def test_all_tiles_are_painted(preview: AugmentPreview, qtbot: QtBot) -> None:
    preview.show()
    preview.set_samples([sample(1), sample(2)] * 4)
    qtbot.waitUntil(lambda: preview.tiles.height() == preview.tiles.heightForWidth(284))
    image = preview.tiles.grab().toImage()
    for left, color in ((40, RED), (180, GREEN)):
        column = [image.pixelColor(left, y).name() for y in range(image.height())]
        # two edges in each of four rows of tiles
        assert column.count(color) == 8


@pytest.mark.parametrize("size", [(64, 96), (31, 47), (128, 192)])
def test_outlines_are_one_pixel_thin_and_in_the_class_color(size: tuple[int, int]) -> None:
    image = draw_outlines(*sample(2), CLASSES, height=size[0], width=size[1])
    assert (image.height(), image.width()) == size
    column = [image.pixelColor(size[1] // 2, y).name() for y in range(size[0])]
    assert column.count(GREEN) == 2
    grey = [c for c in column if c != GREEN]
    assert all(c[1:3] == c[3:5] == c[5:7] for c in grey)


def test_not_annotated_and_background_have_no_outline() -> None:
    grey, labels = sample(0)
    labels[:, :30] = 255
    image = draw_outlines(grey, labels, CLASSES, height=64, width=96)
    colors = {image.pixelColor(x, y).name() for x in range(96) for y in range(64)}
    assert all(c[1:3] == c[3:5] == c[5:7] for c in colors)


def test_outlines_have_the_colors_of_the_classes(qtbot: QtBot) -> None:
    other = LabelSet.from_names({1: "vessel", 2: "x"})
    other = other.model_copy(
        update={
            "classes": (other.classes[0], other.classes[1].model_copy(update={"color": "#123456"}))
        }
    )
    preview = AugmentPreview(other)
    qtbot.addWidget(preview)
    preview.resize(284 + 2 * MARGIN, 500)
    preview.show()
    preview.set_samples([sample(1)])
    image = preview.tiles.grab().toImage()
    column = [image.pixelColor(40, y).name() for y in range(image.height())]
    assert column.count("#123456") == 2


def test_labels_of_another_shape_are_refused(preview: AugmentPreview) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        preview.set_samples([(np.zeros((5, 5)), np.zeros((5, 6), dtype=np.uint8))])
