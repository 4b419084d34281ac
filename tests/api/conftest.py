"""A model that predicts in milliseconds, and pictures that open no window."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

import napari_retseg as rs
from tests.conftest import draw_tiny_bscan


@pytest.fixture(autouse=True)
def _no_windows() -> Iterator[None]:
    plt.switch_backend("agg")
    yield
    plt.close("all")


@pytest.fixture(autouse=True)
def _own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's own models are not the tests'."""
    monkeypatch.setenv("NAPARI_RETSEG_MODELS", str(tmp_path / "own-models"))


@pytest.fixture
def model(tiny_bundle: Path) -> rs.Model:
    """A tiny model with classes upper, lower and fluid."""
    return rs.load_model(tiny_bundle)


@pytest.fixture
def volume(rng: np.random.Generator) -> np.ndarray:
    """Grey values of three B-scans, ``(3, 64, 64)``, uint8."""
    return np.stack([draw_tiny_bscan(rng)[0] for _ in range(3)])
