"""Calibration on held-out patients: which it takes, and what it finds."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from napari_retseg.config import PredictConfig
from napari_retseg.dataset import load_dataset
from napari_retseg.errors import InputError
from napari_retseg.events import CancelToken, Finished
from napari_retseg.infer.calibrate import calibrate
from napari_retseg.measures import Intervals
from napari_retseg.models import ModelInfo, TrainedOn, describe_groups
from napari_retseg.nets.bundle import Model
from napari_retseg.simulate import make_device_config, simulate_dataset

CPU = PredictConfig(device="cpu")


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine held-out patients with a B-scan each, and one that is not held out."""
    folder = tmp_path_factory.mktemp("calibration") / "data"
    config = make_device_config("A", size=(96, 96), n_bscans=1)
    simulate_dataset(folder, count=10, seed=4, config=config, n_val=9)
    return folder


def test_nine_patients_give_a_model_its_intervals(patients: Path) -> None:
    events = list(calibrate("starter", load_dataset(patients), config=CPU))
    last = events[-1]
    assert isinstance(last, Finished)
    found = Intervals.model_validate(last.result)
    assert found.describe() == "90% intervals, calibrated on 9 scans of 9 held-out patients"
    # the files of single B-scans have no pixel size
    assert 0 < found.bounds["mean thickness in px"]["retina"]["B-scan"] < 20
    assert "C0" not in found.bounds["mean thickness in px"]["retina"]
    cancel = CancelToken()
    cancel.cancel()
    (stopped,) = calibrate("starter", load_dataset(patients), config=CPU, cancel=cancel)
    assert isinstance(stopped, Finished)
    assert stopped.cancelled


def test_fewer_patients_are_refused(patients: Path) -> None:
    dataset = load_dataset(patients)
    left = dataset.model_copy(update={"cases": dataset.cases[:-1]})
    with pytest.raises(InputError, match="8 labelled patients; 90% intervals need at least 9"):
        list(calibrate("starter", left, config=CPU))


def test_patients_of_the_training_are_refused(
    tiny_dataset: Path, tiny_info: ModelInfo, tiny_network: torch.nn.Module
) -> None:
    groups = describe_groups(("P2", "P3"), ("P1",), dataset="tiny", sha256="f00d")
    trained = TrainedOn(
        dataset="tiny", sha256="f00d", bscans=8, iterations=1, split="fold 1 of 3", **groups
    )
    model = Model(tiny_info.model_copy(update={"trained_on": trained}), tiny_network)
    with pytest.raises(InputError, match="trained on P3, in split 'val'"):
        list(calibrate(model, load_dataset(tiny_dataset), config=CPU))
