"""The legend: which classes there are, which one is painted with, and which are seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from napari.utils.colormaps import DirectLabelColormap
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt

from napari_retseg.classes import IGNORE, LabelSet
from napari_retseg.ui.workbench.control.bench_state import BenchState
from napari_retseg.ui.workbench.panels.legend import ClassLegend
from tests.ui.workbench.conftest import Theme
from tests.ui.workbench.playedbench import PlayedBench

LEFT = Qt.MouseButton.LeftButton
MANY = LabelSet.from_names([f"layer {k}" for k in range(1, 15)])
FEW = LabelSet.from_names(["NFL", "GCL & IPL", "<b>fluid</b>"])


@pytest.fixture
def legend(qtbot: QtBot) -> ClassLegend:
    made = ClassLegend(BenchState())
    qtbot.addWidget(made)
    return made


@pytest.fixture
def played(tmp_path: Path, volume: Path, own_models: Path) -> Iterator[PlayedBench]:
    made = PlayedBench()
    made.start(tmp_path / "work", volume)
    yield made
    made.close()


def show(legend: ClassLegend, qtbot: QtBot, classes: LabelSet | None) -> None:
    legend._state.classes = classes
    legend.resize(320, 200)
    legend.show()
    qtbot.waitExposed(legend)


@pytest.mark.parametrize("classes", [FEW, MANY])
def test_each_class_has_a_row_with_its_name_colour_and_key(
    legend: ClassLegend, qtbot: QtBot, classes: LabelSet
) -> None:
    show(legend, qtbot, classes)
    assert list(legend.rows) == [*(c.value for c in classes.foreground), IGNORE]
    for number, label_class in enumerate(classes.foreground, 1):
        row = legend.rows[label_class.value]
        assert row.pick_button.text().replace("&&", "&") == label_class.name
        key = f"[Ctrl+{number}]" if number < 10 else ""
        assert key in row.pick_button.toolTip()
        picture = row.pick_button.icon().pixmap(16, 16).toImage()
        places = np.ndindex(picture.width(), picture.height())
        colors = Counter(picture.pixelColor(*place).name() for place in places)
        assert colors.most_common(1)[0][0] == label_class.color
    assert "[Q]" in legend.rows[IGNORE].pick_button.toolTip()


def test_other_classes_take_the_place_of_those_before(legend: ClassLegend, qtbot: QtBot) -> None:
    show(legend, qtbot, MANY)
    legend._state.classes = FEW
    assert len(legend.rows) == len(FEW.foreground) + 1
    legend._state.classes = None
    assert legend.isHidden()


def test_clicks_pick_hide_and_isolate(legend: ClassLegend, qtbot: QtBot) -> None:
    show(legend, qtbot, FEW)
    row = legend.rows[2]
    for button, signal in (
        (row.pick_button, legend.class_picked),
        (row.eye_button, legend.hiding_toggled),
        (row.solo_button, legend.solo_toggled),
    ):
        with qtbot.waitSignal(signal) as heard:
            qtbot.mouseClick(button, LEFT)
        assert heard.args == [2]


@pytest.mark.parametrize("name", ["dark", "light"])
def test_what_is_picked_and_hidden_is_seen_in_both_themes(
    legend: ClassLegend, qtbot: QtBot, theme: Theme, name: str
) -> None:
    show(legend, qtbot, FEW)
    theme(legend, name)
    plain = legend.grab().toImage()
    legend._state.picked = 2
    picked = legend.grab().toImage()
    legend._state.hidden = frozenset({1})
    hidden = legend.grab().toImage()
    assert plain != picked != hidden


def test_hiding_and_solo_change_both_layers(played: PlayedBench) -> None:
    played.predict(3)
    opened, correcting = played.opened, played.bench.correcting
    values = [c.value for c in opened.loaded.classes.foreground]

    def seen() -> set[int]:
        found = []
        for layer in (opened.labels, opened.prediction):
            assert isinstance(layer.colormap, DirectLabelColormap)
            colors = layer.colormap.color_dict
            found.append({value for value in [*values, IGNORE] if colors[value][3] > 0})
        assert found[0] == found[1]
        return found[0]

    everything = {*values, IGNORE}
    assert played.state.classes == opened.loaded.classes
    assert seen() == everything
    correcting.hide_class(values[0])
    assert seen() == everything - {values[0]}
    correcting.show_class_alone(values[1])
    assert seen() == {values[1]}
    correcting.show_class_alone(values[1])
    assert seen() == everything
    correcting.hide_class(values[2])
    correcting.pick_class(2)  # nobody paints what is not seen
    assert seen() == everything


def test_what_is_painted_with_is_marked(played: PlayedBench) -> None:
    opened = played.opened
    for value in (3, 5):
        played.bench.correcting.paint_class(value)
        assert played.state.picked == value
    opened.labels.selected_label = 2  # in napari's own controls
    assert played.state.picked == 2
    played.bench.correcting.paint_not_annotated()
    assert played.state.picked == IGNORE
    played.bench.navigation.close_scan()
    assert played.state.classes is None


@pytest.mark.parametrize("mode", ["paint", "fill", "polygon"])
def test_picking_a_class_keeps_the_tool(played: PlayedBench, mode: str) -> None:
    played.opened.labels.mode = mode
    played.bench.correcting.pick_class(1)
    assert played.opened.labels.mode == mode
    played.opened.labels.mode = "erase"
    played.bench.correcting.pick_class(1)
    assert played.opened.labels.mode == "paint"
