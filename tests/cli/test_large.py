"""A volume that does not fit into memory: its B-scans are read, labelled and written one by one."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from napari_retseg.cli.batch import Batch
from napari_retseg.cli.labeller import Labeller
from napari_retseg.cli.listing import Place
from napari_retseg.cli.predict_files import Wanted
from napari_retseg.cli.reporting import Reporter
from napari_retseg.cli.summary import Summary
from napari_retseg.events import BscanPredicted, Cancel, Event, Finished
from napari_retseg.io import read_scan
from napari_retseg.models import ModelInfo
from napari_retseg.models.label_records import Origin
from napari_retseg.scan import OctScan

SHAPE = (24, 1000, 1000)


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """24 MB, most of which are holes of the file."""
    pixels = np.lib.format.open_memmap(
        tmp_path / "large.npy", mode="w+", dtype=np.uint8, shape=SHAPE
    )
    pixels[0] = 7
    return tmp_path / "large.npy"


def test_no_step_of_predict_holds_the_volume(
    volume: Path, tmp_path: Path, tiny_info: ModelInfo
) -> None:
    def label(scan: OctScan, _cancel: Cancel) -> Iterator[Event]:
        for index in range(scan.n_bscans):
            plane = scan.read_bscan(index)[0]
            yield BscanPredicted(index, (plane > 0).astype(np.uint8))
        yield Finished()

    def predict(*, resume: bool) -> Summary:
        origin = Origin(scan="", weights="", model="", options={}, program="")
        labeller = Labeller(tmp_path, tiny_info, label, lambda _: origin)
        with Reporter() as reporter:
            wanted = Wanted(tmp_path / "out", resume=resume)
            batch = Batch(wanted=wanted, labeller=labeller, reporter=reporter)
            return batch.run([Place(volume)])

    tracemalloc.start()
    try:
        assert len(predict(resume=False).predicted) == 1
        # the labels are compared with their record, and left alone
        assert len(predict(resume=True).skipped) == 1
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16_000_000
    labels = read_scan(tmp_path / "out" / "large.tif")
    assert labels.spatial_shape == SHAPE
    assert [int(labels.read_bscan(k).sum()) for k in (0, 1, 23)] == [1_000_000, 0, 0]
