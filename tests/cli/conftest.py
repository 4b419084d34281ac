"""Fixtures of the command line's tests: the commands in process, tiny scans."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner, Result

from napari_retseg.cli import app
from napari_retseg.config import NetworkConfig, PreprocessConfig
from napari_retseg.models import ModelInfo
from tests.conftest import TINY_CLASSES

Run = Callable[..., Result]

DEPTH, WIDTH = 48, 64


def invoke(*arguments: str | Path) -> Result:
    """Run a command in this process; its output and exit code come back."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def run() -> Run:
    """Runs a command in this process."""
    return invoke


@pytest.fixture(scope="session")
def steady_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with a very small network, for tests that do not touch it."""
    from napari_retseg.nets.build import build_network
    from napari_retseg.nets.bundle import save_model

    folder = tmp_path_factory.mktemp("models") / "steady"
    options: dict[str, int | list[int]] = {"encoder_depth": 3, "decoder_channels": [16, 8, 8]}
    network = NetworkConfig(
        encoder="tu-test_resnet", n_classes=len(TINY_CLASSES), options={**options}
    )
    info = ModelInfo(
        name="steady", network=network, classes=TINY_CLASSES, preprocess=PreprocessConfig()
    )
    save_model(folder, build_network(network), info)
    return folder


@pytest.fixture(autouse=True)
def own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for the user's own models."""
    folder = tmp_path / "own-models"
    monkeypatch.setenv("NAPARI_RETSEG_MODELS", str(folder))
    return folder


@pytest.fixture
def bscan(tmp_path: Path) -> Path:
    """One B-scan as PNG."""
    return save_bscan(tmp_path / "scans" / "good.png", seed=1)


def draw_bscan(seed: int) -> NDArray[np.uint8]:
    """Draw grey values, ``(DEPTH, WIDTH)``."""
    return np.random.default_rng(seed).integers(0, 255, (DEPTH, WIDTH), dtype=np.uint8)


def save_bscan(path: Path, *, seed: int) -> Path:
    """Write a B-scan of its own to a picture file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw_bscan(seed)).save(path)
    return path


def only_error(result: Result) -> str:
    """Return the one line of the error; there must be no traceback and no second line."""
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("error: ")
    assert "Traceback" not in result.output
    assert "a bug in napari-retseg" not in lines[0]
    return lines[0]


def visible(folder: Path) -> list[str]:
    """Return the names in a folder that are not hidden, sorted."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
