"""Volumes, as samples of a 3D network and as slices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from napari_retseg.config import PredictConfig, TrainConfig
from napari_retseg.dataset import load_dataset
from napari_retseg.events import Finished, TrainingPlanned
from napari_retseg.infer.evaluate import evaluate
from napari_retseg.infer.predict import predict_labels
from napari_retseg.io import label_path, read_scan, write_labels
from napari_retseg.learn.train import fine_tune
from napari_retseg.nets.bundle import load_model

CONFIG = TrainConfig(batch_size=2, device="cpu", precision="fp32", ema=0.8, lr=1e-2, augment="none")


def train(dataset: Path, output: Path, **options: Any) -> dict[str, Any]:
    config = CONFIG.model_copy(update=options)
    *events, finished = fine_tune(load_dataset(dataset), config, output=output)
    assert isinstance(finished, Finished)
    plan = next(event for event in events if isinstance(event, TrainingPlanned))
    return {**finished.result, "samples": plan.training_bscans}


@pytest.mark.slow
def test_a_3d_network_learns_and_labels_on_the_same_grid(
    tiny_volumes: Path, tmp_path: Path
) -> None:
    options = {"dims": "3", "iterations": 25, "augment": "oct"}
    result = train(tiny_volumes, tmp_path / "run", **options)
    assert result["last"]["mean_foreground_dice"] > 0.3
    model = load_model(tmp_path / "run" / "model-last")
    assert model.info.network.arch == "basicunet"
    assert model.info.preprocess.normalise_over == "scan"
    exact = PredictConfig(device="cpu", precision="fp32")
    *_, scored = evaluate(model, load_dataset(tiny_volumes), config=exact)
    assert isinstance(scored, Finished)
    assert scored.result["classes"] == result["last"]["classes"]
    scan = read_scan(tiny_volumes / "image4.nii.gz")
    target = label_path(scan, tmp_path)
    write_labels(target, predict_labels(scan, model, PredictConfig(device="cpu")), scan=scan)
    source, written = (nib.load(path) for path in (tiny_volumes / "image4.nii.gz", target))
    assert written.shape == source.shape  # type: ignore[attr-defined]
    assert np.array_equal(written.affine, source.affine)  # type: ignore[attr-defined]


@pytest.mark.parametrize("arch", ["dynunet", "segresnet"])
def test_other_3d_networks_train_on_crops(tiny_volumes: Path, tmp_path: Path, arch: str) -> None:
    options = {"dims": "3", "arch": arch, "iterations": 1, "crop": "32x32x32"}
    result = train(tiny_volumes, tmp_path / "run", **options)
    assert result["last"]["n_bscans"] == 20  # the slices of the held-out volume


def test_a_2d_network_learns_slices_along_another_axis(tiny_volumes: Path, tmp_path: Path) -> None:
    """The reader turns (x, y, z) of NIfTI to (z, y, x)."""
    options = {
        "axis": "2",
        "encoder": "tu-test_resnet",
        "batch_size": 8,
        "iterations": 80,
        "lr": 5e-3,
    }
    result = train(tiny_volumes, tmp_path / "run", **options)
    assert result["samples"] == 96
    assert result["last"]["mean_foreground_dice"] > 0.3
    trained_on = load_model(tmp_path / "run" / "model").info
    assert trained_on.preprocess.axis == 2


def test_a_bscan_is_no_volume(tiny_dataset: Path, tmp_path: Path) -> None:
    from napari_retseg.errors import InputError

    with pytest.raises(InputError, match=r"P1_B0\.png: this is a single B-scan"):
        train(tiny_dataset, tmp_path / "run", dims="3")
