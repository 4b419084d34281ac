"""Fixtures that all tests share."""

from __future__ import annotations

import gc
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from napari_retseg.classes import LabelSet
from napari_retseg.config import NetworkConfig, PreprocessConfig
from napari_retseg.models import ModelInfo

if TYPE_CHECKING:
    import torch

# what is measured of this machine is the same for all tests, and not the user's
_cache = tempfile.TemporaryDirectory(prefix="napari-retseg-tests-")
os.environ["NAPARI_RETSEG_CACHE"] = _cache.name
os.environ["NAPARI_RETSEG_SALT"] = str(Path(_cache.name) / "salt")

#: How many modules were loaded when the collector last stopped to look at them.
_N_FROZEN = pytest.StashKey[int]()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let the garbage collector pass over libraries: napari's fixtures collect after each test.

    With torch and napari loaded, each collection took half a second.
    """
    if len(sys.modules) > item.session.stash.get(_N_FROZEN, 0) + 100:
        gc.collect()
        gc.freeze()
        item.session.stash[_N_FROZEN] = len(sys.modules)


SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real scans beside the checkout; tests that need it skip without it."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real scans (shared/data beside the checkout) are not on this machine")
    return SHARED_DATA


def check_line(error: Exception, beginning: str = "") -> str:
    """Make sure that an error is one line for a user; return it."""
    text = str(error)
    assert text.startswith(beginning)
    assert "\n" not in text
    assert 0 < len(text) < 1500
    return text


@pytest.fixture(scope="module", autouse=True)
def disk() -> Iterator[None]:
    """Do not wait for the disk: what a power cut would leave, no test can see.

    A descriptor that is none fails as ever. Modules in which time is measured override this, and
    so does the one that is about these calls; processes started from here wait as ever.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)
        yield


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One thread, here and in processes started from here.

    Tiny networks gain nothing from more, and threads that wait for each other on a busy machine
    take a hundred times as long.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield
    torch.set_num_threads(before)


@pytest.fixture
def rng() -> np.random.Generator:
    """Randomness with a fixed seed."""
    return np.random.default_rng(20261120)


#: Two layers and a rare class.
TINY_CLASSES = LabelSet.from_names(["upper", "lower", "fluid"])


@pytest.fixture
def tiny_info() -> ModelInfo:
    """Describe a network that trains in milliseconds."""
    network = NetworkConfig(
        encoder="tu-test_resnet",
        n_classes=len(TINY_CLASSES),
        options={"encoder_depth": 3, "decoder_channels": [16, 8, 8]},
    )
    return ModelInfo(
        name="tiny", network=network, classes=TINY_CLASSES, preprocess=PreprocessConfig()
    )


@pytest.fixture
def tiny_network(tiny_info: ModelInfo) -> torch.nn.Module:
    """Build the network of `tiny_info`, always with the same weights."""
    from napari_retseg.nets.build import build_seeded

    return build_seeded(tiny_info.network, seed=4)


@pytest.fixture
def tiny_bundle(tmp_path: Path, tiny_info: ModelInfo, tiny_network: torch.nn.Module) -> Path:
    """Write the network of `tiny_info` as a bundle."""
    from napari_retseg.nets.bundle import save_model

    folder = tmp_path / "tiny"
    save_model(folder, tiny_network, tiny_info)
    return folder


def draw_tiny_bscan(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw a 64 x 64 B-scan of two bright layers, at times with dark fluid, and its labels."""
    rows, columns = np.mgrid[:64, :64]
    top = 20 + 6 * np.sin(columns[0] / 12 + rng.uniform(0, 6)) + rng.uniform(-6, 6)
    labels = np.zeros((64, 64), np.uint8)
    labels[(rows >= top) & (rows < top + 9)] = 1
    labels[(rows >= top + 9) & (rows < top + 20)] = 2
    if rng.random() < 0.6:
        column = int(rng.integers(12, 52))
        labels[np.hypot(rows - top[column] - 12, columns - column) < 5] = 3
    grey = np.array([40, 200, 130, 15])[labels] + rng.normal(0, 14, labels.shape)
    labels[:, :4] = 255
    return np.clip(grey, 0, 255).astype(np.uint8), labels


@pytest.fixture
def tiny_dataset(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Write 12 B-scans of three patients as a dataset; the third is held out."""
    folder = tmp_path / "data"
    cases = []
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
    for patient in ("P1", "P2", "P3"):
        for number in range(4):
            image, labels = draw_tiny_bscan(rng)
            name = f"{patient}_B{number}.png"
            Image.fromarray(image).save(folder / "images" / name)
            Image.fromarray(labels).save(folder / "labels" / name)
            case = {"image": f"./images/{name}", "label": f"./labels/{name}", "group": patient}
            cases.append({**case, "split": "val" if patient == "P3" else "train"})
    names = {str(c.value): c.name for c in TINY_CLASSES.classes}
    content = {"name": "tiny", "labels": names, "ignore": 255, "training": cases}
    (folder / "dataset.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def tiny_volumes(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Write five small NIfTI volumes of five patients with a bright ball; the last is held out."""
    import nibabel as nib

    folder = tmp_path / "volumes"
    folder.mkdir()
    cases = []
    zyx = np.indices((24, 28, 20))
    for number in range(5):
        center = rng.uniform(9, 13, (3, 1, 1, 1))
        distance = np.sqrt(((zyx - center) ** 2).sum(axis=0))
        labels = (distance < 7).astype(np.uint8) + (distance < 4)
        image = 100 * (number + 1) * (labels + rng.normal(0, 0.2, labels.shape))
        for kind, array in (("image", image.astype(np.float32)), ("label", labels)):
            path = folder / f"{kind}{number}.nii.gz"
            nib.save(nib.Nifti1Image(array, np.eye(4)), path)  # type: ignore[no-untyped-call]
        case = {"image": f"image{number}.nii.gz", "label": f"label{number}.nii.gz"}
        cases.append({**case, "group": f"P{number}", "split": "val" if number == 4 else "train"})
    names = {"0": "background", "1": "shell", "2": "core"}
    content = {"name": "balls", "labels": names, "training": cases}
    (folder / "dataset.json").write_text(json.dumps(content))
    return folder
