"""What is not finite is refused before a training, or ends it with one line."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from napari_retseg.config import TrainConfig
from napari_retseg.dataset import BscanState, Case, Dataset, load_dataset
from napari_retseg.errors import InputError, ModelError
from napari_retseg.learn.checkpoint import load_checkpoint
from napari_retseg.learn.train import fine_tune
from tests.conftest import TINY_CLASSES, check_line, draw_tiny_bscan

CONFIG = TrainConfig(
    iterations=30, batch_size=2, device="cpu", precision="fp32", augment="none", crop="32x32"
)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["train", "val"])
def test_scans_that_are_not_finite_are_named(
    tmp_path: Path, tiny_bundle: Path, value: float, where: str
) -> None:
    cases = []
    for split in ("train", "val"):
        grey, labels = draw_tiny_bscan(np.random.default_rng(len(split)))
        pixels = grey.astype(np.float32)
        if split == where:
            pixels[3, 4] = value
        image, label = tmp_path / f"{split}.npy", tmp_path / f"{split}-labels.npy"
        np.save(image, pixels)
        np.save(label, labels)
        cases.append(Case(image=image, label=label, group=split, split=split))
    dataset = Dataset(root=tmp_path, name="x", labels=TINY_CLASSES, cases=tuple(cases))
    with pytest.raises(InputError, match=rf"{where}\.npy.*not finite") as raised:
        list(fine_tune(dataset, CONFIG, output=tmp_path / "run", start=tiny_bundle))
    check_line(raised.value)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_named(
    tmp_path: Path, tiny_dataset: Path, tiny_bundle: Path, value: float
) -> None:
    bundle = tmp_path / "bad"
    shutil.copytree(tiny_bundle, bundle)
    path = bundle / "model.safetensors"
    tensors = load_file(path)
    name = next(n for n, t in tensors.items() if t.is_floating_point() and t.ndim > 1)
    tensors[name].view(-1)[0] = value
    save_file(tensors, path)
    with pytest.raises(ModelError, match="finite") as raised:
        list(fine_tune(load_dataset(tiny_dataset), CONFIG, output=tmp_path / "run", start=bundle))
    check_line(raised.value)
    assert not (tmp_path / "run" / "checkpoints" / "last.pt").exists()


def test_labels_that_are_not_finite_are_named(tmp_path: Path) -> None:
    grey, labels = draw_tiny_bscan(np.random.default_rng(0))
    np.save(tmp_path / "a.npy", grey)
    bad = labels.astype(np.float32)
    bad[0, 0] = np.nan
    np.save(tmp_path / "l.npy", bad)
    states = {0: BscanState(state="confirmed")}
    case = Case(image=tmp_path / "a.npy", label=tmp_path / "l.npy", group="P", bscans=states)
    with pytest.raises(InputError, match=r"l\.npy: contains fractions or missing values"):
        case.read_labels()


def test_a_loss_that_is_no_number_keeps_the_last_good_state(
    tmp_path: Path, tiny_dataset: Path, tiny_bundle: Path
) -> None:
    config = CONFIG.model_copy(update={"lr": 1e11, "optimizer": "sgd", "checkpoint_seconds": 0.0})
    events = fine_tune(
        load_dataset(tiny_dataset), config, output=tmp_path / "run", start=tiny_bundle
    )
    with pytest.raises(InputError, match="is not finite; the last good checkpoint") as raised:
        list(events)
    check_line(raised.value)
    state = load_checkpoint(tmp_path / "run" / "checkpoints" / "last.pt")
    assert all(t.isfinite().all() for t in state["network"].values() if t.is_floating_point())
