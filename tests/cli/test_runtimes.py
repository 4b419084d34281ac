"""`models export --onnx` and `predict --runtime`: a model without PyTorch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_retseg.config import NetworkConfig, PreprocessConfig
from napari_retseg.io import read_labels
from napari_retseg.models import ModelInfo
from napari_retseg.nets.build import build_network
from napari_retseg.nets.bundle import save_model
from tests.cli.conftest import Run, only_error
from tests.conftest import TINY_CLASSES

EXACT = ("--device", "cpu", "--precision", "fp32")
#: An environment in which there is no torch, nor what needs it.
_WITHOUT = """
import sys
absent = ("torch", "torchvision", "segmentation_models_pytorch", "timm", "monai")
sys.modules.update(dict.fromkeys(absent))
from napari_retseg.cli import main
main()
"""


def test_predict_without_torch(run: Run, bscan: Path, steady_model: Path, tmp_path: Path) -> None:
    exported, words = tmp_path / "deployed", ("--resume", "--json")
    answer = run("models", "export", steady_model, exported, "--onnx", "--json")
    assert json.loads(answer.stdout)["files"][-1] == str(exported / "model.json")
    run("predict", bscan, "--model", steady_model, "--output", tmp_path / "torch", *EXACT)
    command = ["predict", str(bscan), "--model", str(exported), "--runtime", "onnx"]
    output = ["--output", str(tmp_path / "onnx"), *words]
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT, *command, *output], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["predicted"]) == 1
    without = [*command[:-1], "torch", "--output", str(tmp_path / "none")]
    assert "--runtime onnx" in only_error(run(*without))
    pair = [read_labels(tmp_path / name / "good.png") for name in ("torch", "onnx")]
    assert np.mean(pair[0] != pair[1]) < 1e-3
    # by content: the same runtime has nothing to do, another one has
    again = run(*command, *output)
    assert len(json.loads(again.stdout)["skipped"]) == 1
    command[-1] = "openvino"
    assert len(json.loads(run(*command, *output).stdout)["predicted"]) == 1


def test_what_is_missing_is_told_in_one_line(
    run: Run, bscan: Path, steady_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("predict", bscan, "--model", steady_model, "--output", tmp_path / "out")
    result = run(*words, "--runtime", "openvino")
    assert "models export MODEL FOLDER --onnx" in only_error(result)
    assert "--onnx" in only_error(run("models", "export", steady_model, tmp_path / "folder"))
    for library in ("onnx", "onnxruntime"):
        monkeypatch.setitem(sys.modules, library, None)
        result = run("models", "export", steady_model, tmp_path / "folder", "--onnx")
        assert f"{library} is not installed" in only_error(result)
        assert "napari-retseg[onnx]" in only_error(result)


def test_only_planar_models_are_exported(run: Run, tmp_path: Path) -> None:
    network = NetworkConfig(
        arch="segresnet",
        n_classes=len(TINY_CLASSES),
        options={"init_filters": 8, "blocks_down": [1, 1], "blocks_up": [1]},
    )
    preprocess = PreprocessConfig(scale=(1, 1, 1), normalise_over="scan")
    info = ModelInfo(name="deep", network=network, classes=TINY_CLASSES, preprocess=preprocess)
    save_model(tmp_path / "deep", build_network(network), info)
    result = run("models", "export", tmp_path / "deep", tmp_path / "out", "--onnx")
    assert "3D" in only_error(result)
    assert not (tmp_path / "out").exists()
