"""Files of the first schema still open: a dataset, a model, a stopped run, a workspace.

``golden/schema-1.zip`` was written by version 0.1.0 as it was before the schemas last changed: a
run of four iterations stopped after the second, and a workspace with one confirmed, one corrected
and two predicted B-scans and a restore point.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

import napari_retseg as rs
from napari_retseg.dataset import load_dataset
from napari_retseg.events import Finished, Scored
from napari_retseg.io import read_labels
from napari_retseg.learn.train import fine_tune
from napari_retseg.runs.eventlog import read_events
from napari_retseg.workspace import RestorePoints, Workspace

ARCHIVE = Path(__file__).parent / "golden" / "schema-1.zip"


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(tmp_path / "golden")
    return tmp_path / "golden"


def test_an_old_dataset_opens_with_its_split(golden: Path) -> None:
    dataset = load_dataset(golden / "dataset")
    assert [(case.group, case.split) for case in dataset.cases] == [
        ("P0", "train"),
        ("P1", "train"),
        ("P2", "train"),
        ("P3", "val"),
    ]
    assert dataset.labels.names == ("background", "upper", "lower")
    label = dataset.cases[0].label
    assert label is not None
    assert set(np.unique(read_labels(label))) == {0, 1, 2, 255}


def test_an_old_model_predicts(golden: Path) -> None:
    model = rs.load_model(golden / "bundle")
    labels = model.predict(golden / "dataset" / "images" / "P0.png", progress=False)
    assert labels.shape == (32, 48)
    assert set(np.unique(labels)) <= {0, 1, 2}


def test_an_old_run_is_read_and_resumed(golden: Path) -> None:
    run = golden / "run"
    assert [e.iteration for e in read_events(run) if isinstance(e, Scored)] == [0, 1]
    *_, last = fine_tune(load_dataset(golden / "dataset"), output=run, resume=True)
    assert isinstance(last, Finished)
    assert not last.cancelled
    assert [e.iteration for e in read_events(run) if isinstance(e, Scored)] == [0, 1, 2, 3, 4]


def test_an_old_workspace_opens_with_labels_predictions_and_restore_points(golden: Path) -> None:
    with Workspace.open(golden / "workspace", trust=True) as workspace:
        (name,) = (entry.name for entry in workspace.scans)
        assert workspace.states(name) == {0: "confirmed", 2: "corrected"}
        labels = workspace.read_labels(name)
        assert [bool(plane.any()) for plane in labels] == [True, False, True]
        stored = workspace.read_prediction(name)
        assert stored is not None
        assert sorted(stored.bscans) == [0, 1]
        assert workspace.read_scan(name).spacing_um == (120.0, 3.9, 11.0)
        (point,) = RestorePoints(workspace).list()
        assert point.why == "before"
