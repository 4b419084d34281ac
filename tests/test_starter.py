from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_retseg import starter
from napari_retseg.classes import RETINA
from napari_retseg.config import PredictConfig
from napari_retseg.infer.predict import predict_labels
from napari_retseg.io import read_labels, read_scan
from napari_retseg.models import WEIGHTS, find_model, read_info
from napari_retseg.samples import sample_folder
from napari_retseg.simulate import SimulatorConfig
from napari_retseg.simulate.volume import simulate_volume


def test_the_starter_ships_small_and_says_that_it_is_simulated() -> None:
    folder = find_model("starter")
    assert folder == sample_folder() / "starter"
    assert (folder / WEIGHTS).stat().st_size < 5_000_000
    info = read_info(folder)
    assert info.classes == RETINA
    assert info.trained_on is not None
    assert info.trained_on.simulated


def test_the_starter_segments_a_new_simulated_eye_of_its_device() -> None:
    """A seed that its training did not see; chance is far below."""
    volume = simulate_volume(
        SimulatorConfig(device="A", n_bscans=2, depth=256, width=384), seed=987654
    )
    found = predict_labels(volume.scan, "starter", PredictConfig(device="cpu"))
    assert (found == volume.labels).mean() > 0.97
    layers = volume.labels > 0
    assert (found[layers] == volume.labels[layers]).mean() > 0.9


def test_the_starter_segments_the_sample_volume() -> None:
    volumes = sample_folder() / "volumes"
    scan = read_scan(volumes / "device-a.tif")
    reference = read_labels(volumes / "device-a-labels.tif")
    found = predict_labels(scan, "starter", PredictConfig(device="cpu"))
    assert (found[reference > 0] == reference[reference > 0]).mean() > 0.85


def test_training_data_hold_several_sizes_and_no_patient_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starter, "SIZES", ((64, 64), (64, 96)))
    monkeypatch.setattr(starter, "PATIENTS_PER_SIZE", 4)
    monkeypatch.setattr(starter, "BSCANS_PER_PATIENT", 1)
    dataset = starter.simulate_training_data(tmp_path / "data")
    assert len(dataset.groups("train")) == 6
    assert len(dataset.groups("val")) == 2
    assert not {*dataset.groups("train")} & {*dataset.groups("val")}
    shapes = {case.read_scan().spatial_shape for case in dataset.cases}
    assert shapes == {(64, 64), (64, 96)}
    assert np.unique([case.read_labels(RETINA).max() for case in dataset.cases]).max() <= 8
