"""Two labels layers of a real viewer are compared, copied and exported."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.layers import Labels
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_retseg.ui.workbench.dialogs.agreement_window import AgreementWindow
from tests.ui.workbench.clicking import Clicker

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


def open_window(clicker: Clicker) -> AgreementWindow:
    clicker.click(clicker.dock.measure_panel.agreement_button)
    return next(w for w in QApplication.topLevelWidgets() if isinstance(w, AgreementWindow))


def test_layers_are_compared_copied_and_exported(
    clicker: Clicker, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened = clicker.dock.bench.session.opened
    assert opened is not None
    labels = np.zeros(opened.loaded.labels.shape, np.int32)
    labels[:, 20:30], labels[:, 30:40] = 1, 3
    viewer = clicker.viewer
    for name, top in (("grader 1", 20), ("grader 2", 22)):
        values = labels.copy()
        values[:, 20:top] = 0
        place = {"scale": opened.labels.scale, "units": opened.labels.units}
        viewer.layers.append(Labels(values, name=name, **place))
    window = open_window(clicker)
    # neither labels nor a prediction are there yet
    clicker.wait(lambda: "no B-scan has both" in window.notice.text())
    assert not window.export_button.isEnabled()

    window.boxes[0].setCurrentText("grader 1")
    window.boxes[1].setCurrentText("grader 2")
    qtbot.keyClick(window.boxes[1], Qt.Key.Key_Return)
    clicker.wait(lambda: window.compared is not None)
    assert window.notice.text().startswith("A: grader 1. B: grader 2.")
    rows = {row[0]: row[1:] for row in window.overlap_table.read_rows()}
    assert rows["class 1"][:2] == ["0.889", "0.800"]

    qtbot.mouseClick(window.copy_button, Qt.MouseButton.LeftButton)
    clipboard = QApplication.clipboard()
    assert clipboard is not None
    assert "class 1\t0.888889\t0.8\t" in clipboard.text()

    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_, **__: str(tmp_path / "to"))
    qtbot.mouseClick(window.export_button, Qt.MouseButton.LeftButton)
    clicker.wait(lambda: clicker.state.notice.text.startswith("Wrote 4 files"))
    with (tmp_path / "to" / "overlap.csv").open(newline="") as file:
        found = {row["class"]: row for row in csv.DictReader(file)}
    assert float(found["class 1"]["dice"]) == pytest.approx(8 / 9, rel=1e-5)
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    clicker.wait(lambda: not window.isVisible())
