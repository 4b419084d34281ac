"""The device's own layers as a prediction that is accepted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from napari_retseg.classes import IGNORE
from tests.ui.workbench.playedbench import PlayedBench
from tests.volfile import write_vol


@pytest.fixture
def played(tmp_path: Path, own_models: Path) -> Iterator[PlayedBench]:
    """A volume of five B-scans with ILM, BM and RNFL."""
    rows = np.zeros((3, 5, 96))
    rows[0], rows[1], rows[2] = 20, 50, 25
    rows[2, 1, 7] = np.nan
    made = PlayedBench()
    made.start(tmp_path / "work", write_vol(tmp_path / "eye.vol", (5, 64, 96), boundaries=rows))
    yield made
    made.close()


def test_they_become_the_prediction_and_are_accepted(played: PlayedBench) -> None:
    assert played.state.has_device_layers
    played.bench.from_device.take()
    played.settle()
    shown = played.opened.loaded.prediction
    assert (shown[:, 21:26] == 1).sum() == 5 * 5 * 96 - 5
    assert (shown[:, 26:51, :7] == IGNORE).all()
    assert (shown[1, :, 7] == IGNORE).all()
    assert not shown[:, :21, 8:].any()
    assert {cell.status for cell in played.state.strip} == {"predicted"}
    assert "NFL" in played.state.notice.text
    stored = played.workspace.read_prediction("eye")
    assert stored is not None
    assert np.array_equal(stored.labels, shown)
    assert stored.model == "the device"
    played.show(2)
    played.bench.correcting.accept_bscan()
    played.settle()
    assert np.array_equal(played.written(2), shown[2])


def test_boundaries_that_bound_no_class_are_named(tmp_path: Path, own_models: Path) -> None:
    rows = np.zeros((2, 3, 96))
    rows[0], rows[1] = 20, 50
    played = PlayedBench()
    played.start(tmp_path / "work", write_vol(tmp_path / "eye.vol", boundaries=rows))
    played.bench.from_device.take()
    played.settle()
    assert "(ILM, BM)" in played.state.notice.text
    assert "Classes…" in played.state.notice.text
    assert not np.any(played.opened.loaded.prediction)
    played.bench.scan_import.set_classes(
        [*(c.name for c in played.opened.loaded.classes.foreground), "retina"]
    )
    played.settle()
    played.bench.from_device.take()
    played.settle()
    assert (played.opened.loaded.prediction[:, 21:51] == 9).all()
    played.close()


def test_a_scan_without_boundaries_offers_nothing(
    tmp_path: Path, volume: Path, own_models: Path
) -> None:
    played = PlayedBench()
    played.start(tmp_path / "work", volume)
    assert not played.state.has_device_layers
    played.close()
