"""A scale is entered, also where nothing of it is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QDialog

from napari_retseg.io import write_scan
from napari_retseg.scan import OctScan
from napari_retseg.ui.layers import AXES
from napari_retseg.ui.workbench.dialogs.scale_form import ScaleForm
from napari_retseg.ui.workbench.panels.scan_panel import ScanPanel
from tests.ui.workbench.playedbench import PlayedBench

SHAPES = {"volume": (3, 32, 48), "B-scan": (32, 48)}
Spacing = tuple[float | None, ...]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("n_known", [0, 1, 3])
def test_each_axis_can_be_entered(
    qtbot: QtBot,
    tmp_path: Path,
    own_models: Path,
    monkeypatch: pytest.MonkeyPatch,
    shape: tuple[int, ...],
    n_known: int,
) -> None:
    n_axes = len(shape)
    known: Spacing = (100.0, 4.0, 12.0)[-n_axes:]
    spacing: Spacing = tuple(known[:n_known]) + (None,) * max(0, n_axes - n_known)
    played = PlayedBench()
    scan = OctScan(
        pixels=np.zeros(shape, np.uint8),
        axes=AXES[n_axes],
        spacing_um=spacing,
        spacing_source="user" if n_known else "unknown",
    )
    played.start(tmp_path / "work", write_scan(tmp_path / "eye.tif", scan))
    panel = ScanPanel(played.state)
    qtbot.addWidget(panel)
    panel.described.connect(lambda what: played.bench.scan_import.describe(**what))
    asked: list[ScaleForm] = []

    def enter(form: ScaleForm) -> int:
        asked.append(form)
        assert len(form.fields) == n_axes
        for field, size in zip(form.fields, (200.0, 5.0, 10.0)[-n_axes:], strict=True):
            field.setValue(size)
        return int(QDialog.DialogCode.Accepted)

    monkeypatch.setattr(ScaleForm, "exec", enter)
    panel.spacing_button.click()
    played.settle()
    assert asked
    entry = played.state.open_scan
    assert entry is not None
    assert entry.spacing_um == (200.0, 5.0, 10.0)[-n_axes:]
    assert list(played.opened.labels.scale) == [1.0, 5.0, 10.0][-n_axes:]  # B-scans are counted
    monkeypatch.setattr(ScaleForm, "exec", lambda _: int(QDialog.DialogCode.Rejected))
    panel.spacing_button.click()
    played.settle()
    assert entry == played.state.open_scan
    played.close()


def test_what_is_not_entered_stays_unknown(qtbot: QtBot) -> None:
    form = ScaleForm(3, ())
    qtbot.addWidget(form)
    assert set(form.spacing_um) == {None}
    assert form.fields[0].text() == "unknown"
    form.fields[1].setValue(3.9)
    found: Spacing = form.spacing_um
    assert found == (None, 3.9, None)
