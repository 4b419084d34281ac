"""Small datasets in every layout."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray
from PIL import Image

#: No time limit for an example: the machine may be busy.
quick = settings(deadline=None, max_examples=40)

NAMES = {"0": "background", "1": "layer", "2": "fluid"}


def draw_labels(seed: int = 0, shape: tuple[int, ...] = (6, 8)) -> NDArray[np.uint8]:
    """Labels with both classes and a column that is not annotated."""
    labels = np.random.default_rng(seed).integers(0, 3, shape).astype(np.uint8)
    labels[..., 0] = 255
    labels[..., 1] = 1
    labels[..., 2] = 2
    return labels


def write_png(path: Path, pixels: NDArray[np.uint8]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def write_pair(
    folder: Path, names: Sequence[str], kinds: tuple[str, str] = ("images", "labels")
) -> Path:
    """Write PNG B-scans, all different, and their labels under the same names."""
    for seed, name in enumerate(names):
        number = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16)
        pixels = np.random.default_rng(number).integers(0, 256, (6, 8)).astype(np.uint8)
        write_png(folder / kinds[0] / f"{name}.png", pixels)
        write_png(folder / kinds[1] / f"{name}.png", draw_labels(seed))
    return folder


def write_description(folder: Path, **content: Any) -> Path:
    path = folder / "dataset.json"
    path.write_text(json.dumps(content))
    return path


def entry(name: str, **more: Any) -> dict[str, Any]:
    return {"image": f"./images/{name}.png", "label": f"./labels/{name}.png", **more}


@pytest.fixture
def decathlon(tmp_path: Path) -> Path:
    """Two labelled cases and one to be tested, as Decathlon describes them."""
    folder = tmp_path / "Task"
    write_pair(folder, ["a_1", "a_2"], ("imagesTr", "labelsTr"))
    write_png(folder / "imagesTs" / "a_3.png", np.zeros((6, 8), np.uint8))
    training = [
        {"image": f"./imagesTr/{name}.png", "label": f"./labelsTr/{name}.png"}
        for name in ("a_1", "a_2")
    ]
    write_description(
        folder,
        name="Task",
        modality={"0": "OCT"},
        labels=NAMES,
        numTraining=2,
        numTest=1,
        training=training,
        test=["./imagesTs/a_3.png"],
    )
    return folder
