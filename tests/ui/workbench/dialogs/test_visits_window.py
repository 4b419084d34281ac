"""Two visits of an eye in a real viewer: registered, shown side by side, copied, refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QApplication

from napari_retseg.io import write_labels, write_scan
from napari_retseg.ui.workbench.control.visiting import Visited
from napari_retseg.ui.workbench.dialogs.visits_window import VisitsWindow
from tests.ui.workbench.clicking import LEFT, Clicker
from tests.visits.eyes import CLASSES, Eye, Pose, visit

if TYPE_CHECKING:
    from napari import Viewer
    from pytestqt.qtbot import QtBot

FIRST, SECOND = Pose(), Pose(3.0, (0.2, -0.1))


class Visitor:
    """A user who compares visits."""

    def __init__(self, clicker: Clicker, window: VisitsWindow, qtbot: QtBot, folder: Path) -> None:
        self.clicker, self.window, self.qtbot, self.folder = clicker, window, qtbot, folder

    def compare(self, name: str) -> None:
        """Choose a visit from files, and have it compared."""
        window = self.window
        window.take_files(self.folder / f"{name}.tif", self.folder / "labels" / f"{name}.tif")
        self.qtbot.mouseClick(window.compare_button, LEFT)
        self.clicker.wait(window.compare_button.isEnabled)
        if window.visited is not None:
            self.clicker.wait(lambda: window.views[2].picture is not None)

    @property
    def visited(self) -> Visited:
        assert self.window.visited is not None
        return self.window.visited

    def read_table(self) -> dict[str, dict[str, str]]:
        """What the table says of each sector."""
        heads = ("C0", "S1", "N1", "I1", "T1", "S2", "N2", "I2", "T2")
        rows = self.window.table.read_rows()
        return {row[0]: dict(zip(heads, row[1:], strict=False)) for row in rows}

    def find_hill(self) -> tuple[int, int]:
        """B-scan and A-scan of the first visit where it changed most."""
        size = np.abs(self.visited.change.maps["retina"])
        bscan, ascan = np.unravel_index(int(np.nanargmax(size)), size.shape)
        return int(bscan), int(ascan)

    def point_at(self, bscan: int, ascan: int) -> QPoint:
        """Where an A-scan of the first visit is on the difference map."""
        x, y = self.visited.change.grid.places_mm()[:, bscan, ascan]
        return self.window.views[2].place_of(float(x), float(y)).toPoint()


def write_visit(folder: Path, name: str, seed: int, pose: Pose, noise: int, um: float) -> Path:
    """A scan without an SLO, and its labels."""
    scan, labels = visit(Eye(seed), pose, noise, grown_um=um, with_slo=False)
    write_labels(folder / "labels" / f"{name}.tif", labels, scan=scan)
    return write_scan(folder / f"{name}.tif", scan)


@pytest.fixture
def visitor(
    viewer: Viewer, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Visitor:
    (tmp_path / "labels").mkdir()
    names = {one.value: one.name for one in CLASSES.foreground}
    (tmp_path / "labels" / "classes.json").write_text(json.dumps(names))
    write_visit(tmp_path, "november", 100, SECOND, 2, 30.0)
    write_visit(tmp_path, "other", 101, FIRST, 3, 0.0)
    clicker = Clicker(viewer, qtbot, monkeypatch)
    clicker.start(tmp_path / "work", write_visit(tmp_path, "may", 100, FIRST, 1, 0.0))
    session = clicker.dock.bench.session
    clicker.dock.bench.scan_import.set_classes(CLASSES.names[1:])
    clicker.wait(lambda: session.opened is not None and has_classes(clicker))
    assert session.opened is not None
    _, labels = visit(Eye(100), FIRST, 1, with_slo=False)
    session.opened.labels.data_setitem(np.nonzero(labels), labels[labels > 0])
    clicker.dock.bench.correcting.check()
    clicker.dock.tabs.show_tab("Measure")
    clicker.wait(lambda: clicker.dock.bench.measuring.picture is not None)
    clicker.click(clicker.dock.measure_panel.visits_button)
    window = next(w for w in QApplication.topLevelWidgets() if isinstance(w, VisitsWindow))
    return Visitor(clicker, window, qtbot, tmp_path)


def has_classes(clicker: Clicker) -> bool:
    opened = clicker.dock.bench.session.opened
    return opened is not None and opened.loaded.classes.names == CLASSES.names


# a scan is registered with three others
@pytest.mark.slow
def test_what_changed_and_another_eye_is_refused(visitor: Visitor) -> None:
    window, clicker = visitor.window, visitor.clicker
    visitor.compare("november")
    assert "en-face projection: rotation +3." in window.notice.text()
    assert window.facts_text.text().startswith("CST, retina 1")
    changes = {name: float(text) for name, text in visitor.read_table()["change"].items()}
    assert changes["N1"] == pytest.approx(12.0, abs=1.5)
    assert max(abs(changes[name]) for name in ("S1", "I1", "T1", "S2", "I2", "T2")) < 2
    # with the coefficient from the literature no sector has changed by more than noise
    assert set(visitor.read_table()["more than noise"].values()) == {"no"}
    window.repeat_field.selectAll()
    visitor.qtbot.keyClicks(window.repeat_field, "4")
    visitor.qtbot.keyClick(window.repeat_field, Qt.Key.Key_Return)
    assert window.visited is not None
    assert [k for k, v in visitor.read_table()["more than noise"].items() if v == "yes"] == ["N1"]

    # a click on the hill goes to where it is in the scan that is open
    bscan, ascan = visitor.find_hill()
    visitor.qtbot.mouseClick(window.views[2], LEFT, pos=visitor.point_at(bscan, ascan))
    assert abs(clicker.state.bscan - bscan) <= 1
    assert abs(clicker.dock.bench.measuring.ascan - ascan) <= 2
    window.copy_button.click()
    clipboard = QApplication.clipboard()
    assert clipboard is not None
    assert clipboard.text().startswith("µm\tC0\tS1\tN1")

    # the other way round it has become thinner, and the open scan is the second visit
    clicker.dock.bench.navigation.go_to(2)
    window.order_box.setCurrentIndex(1)
    visitor.compare("november")
    assert visitor.visited.names == ("november", "may")
    table = visitor.read_table()
    assert table["change"]["N1"].startswith("-1")
    assert table["more than noise"]["N1"] == "yes"
    visitor.qtbot.mouseClick(window.views[2], LEFT, pos=visitor.point_at(*visitor.find_hill()))
    assert abs(clicker.state.bscan - bscan) <= 2

    visitor.compare("other")
    assert "the vessels do not match" in window.notice.text()
    assert window.visited is None
    assert window.views[0].picture is None
    assert not window.export_button.isEnabled()
