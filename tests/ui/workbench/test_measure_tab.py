"""The tab "Measure" in a real viewer: clicks on the map, keys, corrections, table and files."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_retseg.classes import RETINA
from napari_retseg.io import write_scan
from napari_retseg.layers import labels_of_boundaries
from napari_retseg.measures import measure_labels
from napari_retseg.models import find_model, read_info
from napari_retseg.scan import OctScan
from napari_retseg.ui.workbench.control.map_picture import MapPicture
from tests.measures.eyes import simulate_rows
from tests.ui.workbench.clicking import LEFT, Clicker

if TYPE_CHECKING:
    from napari import Viewer
    from pytestqt.qtbot import QtBot

SHIFT = Qt.KeyboardModifier.ShiftModifier


class Measurer:
    """A user who looks at the tab."""

    def __init__(self, clicker: Clicker, qtbot: QtBot, scan: OctScan, labels: np.ndarray) -> None:
        self.clicker, self.qtbot, self.scan, self.labels = clicker, qtbot, scan, labels
        self.dock = clicker.dock
        self.measuring = clicker.dock.bench.measuring
        self.panel = clicker.dock.measure_panel
        self.view = self.panel.view
        opened = self.dock.bench.session.opened
        assert opened is not None
        self.opened = opened

    def begin(self) -> None:
        """Put the labels in, and open the tab by its key."""
        self.opened.labels.data_setitem(np.nonzero(self.labels), self.labels[self.labels > 0])
        self.dock.bench.correcting.check()
        QApplication.processEvents()
        self.dock.tabs.show_tab("Measure")
        self.settle(lambda: self.measuring.picture is not None)

    def settle(self, until: object = None) -> None:
        """Wait until nothing is measured any more."""
        if callable(until):
            self.clicker.wait(until)
        self.clicker.wait(lambda: not self.measuring.is_busy)
        QApplication.processEvents()

    @property
    def picture(self) -> MapPicture:
        assert self.measuring.picture is not None
        return self.measuring.picture

    def point(self, bscan: int, ascan: int) -> QPoint:
        """Where an A-scan is on the map."""
        line = self.picture.lines[bscan]
        share = ascan / (self.scan.spatial_shape[-1] - 1)
        place: QPointF = self.view.place_of(*(line[:2] * (1 - share) + line[2:] * share))
        return place.toPoint()


def make_labels(rows: np.ndarray, depth: int) -> np.ndarray:
    edges = np.ceil(rows.swapaxes(0, 1) - 0.5) - 1
    return labels_of_boundaries(edges, list(range(1, 8)), depth=depth)


@pytest.fixture
def measurer(
    viewer: Viewer, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Measurer:
    scan, rows, _ = simulate_rows(4, n_bscans=9, between_um=480.0, width=96)
    clicker = Clicker(viewer, qtbot, monkeypatch)
    clicker.start(tmp_path / "work", write_scan(tmp_path / "eye.tif", scan))
    made = Measurer(clicker, qtbot, scan, make_labels(rows, scan.spatial_shape[1]))
    made.begin()
    return made


def test_a_click_goes_to_the_bscan_and_the_ascan(measurer: Measurer) -> None:
    measurer.qtbot.mouseClick(measurer.view, LEFT, pos=measurer.point(6, 70))
    assert measurer.clicker.state.bscan == 6
    assert abs(measurer.measuring.ascan - 70) <= 1
    sheet = measurer.dock.ascan_view.sheet
    assert sheet is not None
    line, place = sheet.find_line(), sheet.find_transform()
    assert line is not None
    assert place is not None
    assert line[0].x() == pytest.approx(place.map(QPointF(measurer.measuring.ascan, 0)).x())
    assert 0 <= line[0].x() <= sheet.width()
    measurer.dock.tabs.show_tab("Correct")
    assert measurer.dock.ascan_view.sheet is None


def test_the_line_of_the_bscan_in_view_is_on_the_map(measurer: Measurer) -> None:
    measurer.dock.bench.navigation.go_to(2)
    at = measurer.point(2, 3)
    assert find_lightest(measurer, at) > 230
    measurer.dock.bench.navigation.go_to(5)
    assert find_lightest(measurer, at) < 200


def find_lightest(measurer: Measurer, at: QPoint) -> int:
    """How light the view is at a point, or one beside it."""
    seen = measurer.view.grab().toImage()
    return max(seen.pixelColor(at.x(), at.y() + k).lightness() for k in (-1, 0, 1))


def test_keys_go_on_and_lay_the_grid(measurer: Measurer) -> None:
    measurer.dock.bench.navigation.go_to(4)
    measurer.view.setFocus(Qt.FocusReason.TabFocusReason)
    top = measurer.point(4, 10).y()
    measurer.qtbot.keyClick(measurer.view, Qt.Key.Key_Down)
    measurer.qtbot.keyClick(measurer.view, Qt.Key.Key_Right)
    assert measurer.point(measurer.clicker.state.bscan, 10).y() > top
    mark = measurer.measuring.find_mark()
    measurer.qtbot.keyClick(measurer.view, Qt.Key.Key_Return)
    measurer.settle()
    assert measurer.picture.sectors is not None
    assert measurer.picture.sectors.centre_mm == pytest.approx(mark)


def test_a_grid_by_hand_and_on_the_fovea_again(measurer: Measurer) -> None:
    before = measurer.picture.facts
    where = measurer.point(6, 20)
    measurer.qtbot.mouseClick(measurer.view, LEFT, SHIFT, pos=where)
    measurer.settle(lambda: measurer.picture.facts != before)
    sectors = measurer.picture.sectors
    assert sectors is not None
    at = measurer.view.place_of(*sectors.centre_mm).toPoint()
    assert (at - where).manhattanLength() <= 2
    measurer.clicker.click(measurer.panel.fovea_button)
    measurer.settle(lambda: measurer.picture.facts == before)
    assert not measurer.panel.fovea_button.isEnabled()


def test_a_correction_is_followed_and_only_its_bscan_measured(
    measurer: Measurer, monkeypatch: pytest.MonkeyPatch
) -> None:
    updated: list[int] = []
    live = measurer.measuring.live
    assert live is not None
    update = live.update

    def follow(bscan: int, *found: np.ndarray) -> None:
        updated.append(bscan)
        update(bscan, *found)

    monkeypatch.setattr(live, "update", follow)
    before = measurer.picture.facts
    measurer.dock.bench.navigation.go_to(4)
    middle = int(np.flatnonzero(measurer.labels[4, :, 48] > 0)[0])
    rows, columns = np.mgrid[middle - 12 : middle + 2, 30:60].reshape(2, -1)
    measurer.opened.labels.data_setitem((np.full(len(rows), 4), rows, columns), 1)
    measurer.dock.bench.correcting.check()
    measurer.settle(lambda: measurer.picture.facts != before)
    assert set(updated) == {4}
    loaded = measurer.opened.loaded
    whole = measure_labels(np.asarray(loaded.labels), RETINA, loaded.scan)
    assert measurer.picture.facts[0] == ("CST", f"{whole.find('CST', 'retina', 'C0').value:.0f} µm")
    measurer.dock.bench.correcting.undo()
    measurer.settle(lambda: measurer.picture.facts == before)
    assert set(updated) == {4}


def test_nothing_is_measured_while_nobody_looks(measurer: Measurer) -> None:
    measurer.dock.tabs.show_tab("Correct")
    before = measurer.measuring.picture
    measurer.dock.bench.navigation.go_to(3)
    measurer.clicker.click(measurer.dock.review_panel.clear_button)
    measurer.settle()
    assert measurer.measuring.picture is before
    measurer.dock.tabs.show_tab("Measure")
    measurer.settle(lambda: measurer.measuring.picture is not before)
    assert any("without labels and prediction: 1" in note for note in measurer.picture.notes)


def test_another_layer_is_chosen(measurer: Measurer) -> None:
    before = measurer.picture
    box = measurer.panel.span_box
    box.setCurrentText("inner retina")
    box.activated.emit(box.currentIndex())
    measurer.settle(lambda: measurer.picture.span == "inner retina")
    assert measurer.picture.means["S1"] != before.means["S1"]
    assert measurer.picture.facts == before.facts


def test_the_table_is_copied(measurer: Measurer) -> None:
    measurer.clicker.click(measurer.panel.copy_button)
    clipboard = QApplication.clipboard()
    assert clipboard is not None
    measurer.clicker.wait(lambda: clipboard.text().startswith("mean thickness (um)\tC0"))
    lines = [line.split("\t") for line in clipboard.text().splitlines()]
    table = {line[0]: line[1:] for line in lines}
    assert f"{float(table['retina'][0]):.0f}" == measurer.picture.means["C0"]


def test_export_writes_what_the_command_writes(
    measurer: Measurer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert "no intervals: some labels are neither predicted nor confirmed" in measurer.picture.notes
    # as if they were the starter's, and corrected
    starter = read_info(find_model("starter")).weights_id
    measurer.opened.loaded.models.update(dict.fromkeys(range(9), starter))
    measurer.measuring.choose("NFL")
    measurer.settle(lambda: measurer.picture.span == "NFL")
    ((name, text),) = measurer.picture.facts
    assert name == "CST"
    assert re.fullmatch(r"\d+ µm \(\d+ to \d+\)", text)
    assert measurer.picture.notes[-1].startswith("90% intervals, calibrated on")
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_, **__: str(tmp_path))
    measurer.clicker.click(measurer.panel.export_button)
    measurer.clicker.wait(lambda: measurer.clicker.state.notice.text.startswith("Wrote"))
    folder = tmp_path / "eye"
    with (folder / "measures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    loaded = measurer.opened.loaded
    whole = measure_labels(np.asarray(loaded.labels), RETINA, loaded.scan)
    assert len(rows) == len(whole.numbers)
    cst = next(row for row in rows if row["measure"] == "CST")
    assert float(cst["value"]) == pytest.approx(whole.find("CST", "retina", "C0").value, rel=1e-5)
    assert cst["labels"] == "corrected"
    assert float(cst["low"]) < float(cst["value"]) < float(cst["high"])
    assert (folder / "thickness_retina.png").read_bytes().startswith(b"\x89PNG")
    assert read_tiff(folder / "thickness_retina.tif").shape == (9, 96)


def read_tiff(path: Path) -> np.ndarray:
    import tifffile

    return tifffile.imread(path)


def test_one_bscan_has_numbers_but_no_map(
    viewer: Viewer, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scan, rows, _ = simulate_rows(4, n_bscans=9, between_um=480.0, width=96)
    labels = make_labels(rows, scan.spatial_shape[1])[4]
    single = OctScan(
        pixels=np.zeros(labels.shape, np.uint8),
        axes=("depth", "width"),
        spacing_um=scan.spacing_um[1:],
        spacing_source="file",
    )
    clicker = Clicker(viewer, qtbot, monkeypatch)
    clicker.start(tmp_path / "work", write_scan(tmp_path / "one.tif", single))
    one = Measurer(clicker, qtbot, single, labels)
    one.begin()
    assert not one.view.isVisible()
    assert "no map" in one.panel.notes_text.text()
    assert one.panel.facts_text.text().startswith("retina, mean ")
    assert not one.panel.centre_button.isEnabled()
