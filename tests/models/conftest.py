"""Models of the test's own, and bundles with hardly any weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from napari_retseg.models import CARD, DESCRIPTION, WEIGHTS, ModelInfo
from tests.models.versions import Write


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test models of its own."""
    folder = tmp_path / "own"
    monkeypatch.setenv("NAPARI_RETSEG_MODELS", str(folder))
    return folder


@pytest.fixture
def write(tmp_path: Path, tiny_info: ModelInfo) -> Write:
    """Write bundles with hardly any weights."""

    def write(weights_id: str, *, card: bool = True, **about: Any) -> Path:
        info = tiny_info.model_copy(update={"weights_id": weights_id, **about})
        folder = tmp_path / "made" / weights_id
        folder.mkdir(parents=True)
        text = json.dumps(info.model_dump(mode="json"))
        (folder / DESCRIPTION).write_text(text)
        (folder / WEIGHTS).write_bytes(save({"w": np.zeros(3)}, metadata={DESCRIPTION: text}))
        if card:
            (folder / CARD).write_text(f"card of {weights_id}")
        return folder

    return write
