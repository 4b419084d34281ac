"""Names that ``--model`` gives to labels, against those that are kept with the labels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from napari_retseg.io import write_labels
from napari_retseg.io.scans import write_tiff_copy
from napari_retseg.models.label_records import Origin, Record, Records, hash_labels, hash_scan
from tests.cli.conftest import Run, only_error
from tests.measures.eyes import make_scan

# the classes of the model are upper, lower and fluid
NAMES = {1: "upper", 2: "RPE"}
CENTRE = ("--centre", "4,8")


@pytest.mark.parametrize("kept", ["record", "classes.json"])
@pytest.mark.parametrize("command", ["measure", "compare", "export"])
def test_other_names_than_the_labels_own_are_refused(
    command: str, kept: str, run: Run, steady_model: Path, tmp_path: Path
) -> None:
    scan, labels, output = (tmp_path / name for name in ("scan.tif", "labels.tif", "out"))
    values = np.zeros((2, 32, 16), np.uint8)
    values[:, 8:14], values[:, 14:20] = 1, 2
    eye = make_scan(values.shape, (300.0, 4.0, 100.0))
    write_tiff_copy(scan, eye)
    write_labels(labels, values, scan=eye)
    if kept == "record":
        origin = Origin(scan=hash_scan(scan), weights="w", model="m", options={}, program="0")
        record = Record(made_from=origin, labels=hash_labels(values), classes=NAMES)
        Records(tmp_path).write(labels, record)
    else:
        (tmp_path / "classes.json").write_text(json.dumps(NAMES))
    words = {
        "measure": (labels, "--scan", scan, "--output", output, *CENTRE),
        "compare": (labels, labels, "--scan", scan, "--output", output, *CENTRE),
        "export": (labels, "--scan", scan, "--output", tmp_path / "out.csv"),
    }[command]
    result = run(command, *words, "--model", steady_model)
    assert result.exit_code != 0
    assert "value 2 is RPE there, not lower; name no classes" in only_error(result)
    assert not list(tmp_path.rglob("*.csv"))
