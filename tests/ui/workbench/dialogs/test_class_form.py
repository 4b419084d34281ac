"""The classes of a workspace are entered, or taken from the chosen model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QDialog

from napari_retseg.io import write_scan
from napari_retseg.scan import OctScan
from napari_retseg.ui.layers import AXES
from napari_retseg.ui.workbench.dialogs.class_form import ClassForm
from napari_retseg.ui.workbench.panels.scan_panel import ScanPanel
from tests.ui.workbench.playedbench import PlayedBench


def test_a_new_workspace_takes_the_classes_of_the_chosen_model(
    qtbot: QtBot, tmp_path: Path, own_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = PlayedBench()
    scan = OctScan(pixels=np.zeros((3, 32, 48), np.uint8), axes=AXES[3])
    played.start(tmp_path / "work", write_scan(tmp_path / "eye.tif", scan))
    panel = ScanPanel(played.state)
    qtbot.addWidget(panel)
    panel.classes_given.connect(played.bench.scan_import.set_classes)
    workspace = played.bench.session.workspace
    assert workspace is not None
    before = workspace.classes.names
    model = played.state.chosen_model
    assert model is not None
    wanted = model.info.classes.names
    assert wanted != before

    def refuse(form: ClassForm) -> int:
        form.model_button.click()
        return int(QDialog.DialogCode.Rejected)

    def take(form: ClassForm) -> int:
        assert form.names == list(before[1:])
        form.model_button.click()
        return int(QDialog.DialogCode.Accepted)

    for answer, names in ((refuse, before), (take, wanted)):
        monkeypatch.setattr(ClassForm, "exec", answer)
        panel.ask_for_classes(before[1:])
        played.settle()
        assert workspace.classes.names == names
    played.close()


def test_what_is_entered_has_no_empty_lines_and_no_button_without_a_model(qtbot: QtBot) -> None:
    form = ClassForm(["NFL"])
    qtbot.addWidget(form)
    assert not form.model_button.isVisibleTo(form)
    form.text.setPlainText(" NFL \n\nfluid\n")
    assert form.names == ["NFL", "fluid"]
