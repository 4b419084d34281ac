"""A run is gone on with from what it was begun with, told by content."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_retseg.config import TrainConfig
from napari_retseg.dataset import Dataset, load_dataset
from napari_retseg.errors import InputError, UsageError
from napari_retseg.events import CancelToken, Finished, StepDone
from napari_retseg.learn.train import fine_tune
from tests.conftest import check_line

CONFIG = TrainConfig(
    iterations=3, batch_size=2, device="cpu", precision="fp32", augment="none", crop="32x32"
)


def _stop(folder: Path, run: Path, config: TrainConfig, start: Path) -> None:
    """Stop a run after its first step."""
    cancel = CancelToken()
    for event in fine_tune(load_dataset(folder), config, cancel, output=run, start=start):
        if isinstance(event, StepDone):
            cancel.cancel()


def _resume(folder: Path, run: Path) -> Finished:
    *_, last = fine_tune(load_dataset(folder), output=run, resume=True)
    assert isinstance(last, Finished)
    return last


def _edit(path: Path) -> None:
    """Change one pixel; the time of writing and the size stay as they are."""
    times = path.stat()
    pixels = np.array(Image.open(path))
    pixels[0, 0] = 1 if pixels[0, 0] != 1 else 0
    Image.fromarray(pixels).save(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _of(dataset: Dataset, split: str) -> Path:
    label = dataset.of_split(split)[0].label
    assert label is not None
    return label


def _rename_class(folder: Path) -> None:
    path = folder / "dataset.json"
    content = json.loads(path.read_text())
    value = max(content["labels"])
    content["labels"][value] = "another"
    path.write_text(json.dumps(content))


CHANGES: dict[str, Callable[[Path, Path, Path], None]] = {
    "the training scans or labels": lambda data, _older, _run: _edit(
        _of(load_dataset(data), "train")
    ),
    "the held-out scans or labels": lambda data, _older, _run: _edit(
        _of(load_dataset(data), "val")
    ),
    "the rehearsal dataset": lambda _data, older, _run: _edit(_of(load_dataset(older), "train")),
    "the weights of the starting model": lambda _data, _older, run: _touch_weights(run),
    "the classes": lambda data, _older, _run: _rename_class(data),
}


def _touch_weights(run: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = run / "model-start" / "model.safetensors"
    tensors = load_file(path)
    name = sorted(tensors)[0]
    tensors[name] = tensors[name] + 1
    save_file(tensors, path)


@pytest.mark.parametrize("what", CHANGES)
def test_a_run_whose_inputs_changed_is_not_resumed(
    tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path, what: str
) -> None:
    data, older, run = tiny_dataset, tmp_path / "older", tmp_path / "run"
    shutil.copytree(tiny_dataset, older)
    config = CONFIG.model_copy(update={"rehearse": str(older), "rehearse_share": 0.5})
    _stop(data, run, config, tiny_bundle)
    before = (run / "checkpoints" / "last.pt").read_bytes()
    CHANGES[what](data, older, run)
    with pytest.raises((UsageError, InputError)) as raised:
        _resume(data, run)
    text = check_line(raised.value)
    assert "changed" in text or "class" in text or "weights" in text
    assert (run / "checkpoints" / "last.pt").read_bytes() == before


def test_a_run_whose_inputs_are_the_same_goes_on(
    tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    data, run = tiny_dataset, tmp_path / "run"
    _stop(data, run, CONFIG, tiny_bundle)
    for path in data.rglob("*.png"):
        path.touch()  # another time says nothing
    assert not _resume(data, run).cancelled
    (run / "inputs.json").write_text("[]")
    with pytest.raises(InputError, match=r"inputs\.json: "):
        _resume(data, run)
