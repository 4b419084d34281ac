"""`evaluate` of label files of layers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import Run


@pytest.fixture
def layers(tmp_path: Path) -> Path:
    """A dataset of one B-scan with two layers."""
    for folder in ("images", "labels", "predicted"):
        (tmp_path / folder).mkdir()
    labels = np.zeros((32, 40), np.uint8)
    labels[8:14], labels[14:20] = 1, 2
    predicted = np.zeros((32, 40), np.uint8)
    predicted[8:15], predicted[15:22] = 1, 2
    predicted[:, 30:] = 0
    Image.fromarray(labels * 9).save(tmp_path / "images" / "eye.png")
    Image.fromarray(labels).save(tmp_path / "labels" / "eye.png")
    Image.fromarray(predicted).save(tmp_path / "predicted" / "eye.png")
    about = {
        "name": "two layers",
        "labels": {"0": "background", "1": "NFL", "2": "INL"},
        "training": [
            {"image": "images/eye.png", "label": "labels/eye.png", "group": "P1", "split": "test"}
        ],
    }
    (tmp_path / "dataset.json").write_text(json.dumps(about))
    return tmp_path


def test_boundary_errors_stand_below_the_classes(run: Run, layers: Path) -> None:
    file = layers / "scores.json"
    arguments = ("evaluate", layers, "--predictions", layers / "predicted", "--split", "test")
    result = run(*arguments, "--output", file)
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "NFL / INL 1.00 1.00 +1.00 30 not predicted in 10 more" in lines
    assert lines[-1] == "mean of the boundaries 1.00 1.00"
    outer = json.loads(file.read_text())["boundaries"]["outer boundary of INL"]
    assert (outer["bias_px"], outer["p95_px"], outer["mean_um"]) == (2, 2, None)
