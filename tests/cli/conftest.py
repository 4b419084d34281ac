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

Run = Callable[..., Result]

DEPTH, WIDTH = 48, 64


@pytest.fixture
def run() -> Run:
    """Run a command in this process; its output and exit code come back."""

    def call(*arguments: str | Path) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return call


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
    assert "a fault of napari-retseg" not in lines[0]
    return lines[0]
