"""A prediction hardly changes where a scan is padded by its edges, or cropped beside its object.

Networks of every kind are trained for some seconds on scans of many sizes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from napari_retseg.classes import LabelSet
from napari_retseg.config import (
    ARCHITECTURES_3D,
    NetworkConfig,
    PredictConfig,
    PreprocessConfig,
    TrainConfig,
)
from napari_retseg.dataset import load_dataset
from napari_retseg.events import Finished
from napari_retseg.infer.predictor import Predictor
from napari_retseg.learn.train import fine_tune
from napari_retseg.models import ModelInfo
from napari_retseg.nets.build import build_seeded
from napari_retseg.nets.bundle import load_model, save_model
from napari_retseg.scan import OctScan

#: How far the Dice of a scan may move.
MOST_CHANGE = 0.02
#: The same for FPN, whose group normalisation counts the padding of a scan that is larger than
#: those of the training.
GROUPED_CHANGE = 0.04

NAMES = LabelSet.from_names(["ball"])
CONFIG = TrainConfig(
    device="cpu", precision="fp32", strategy="scratch", augment="light", ema=0.9, score_every=1000
)
Options = dict[str, Any]

#: Narrow networks, so that seconds are enough.
PLANAR: dict[str, Options] = {
    "unet": {"decoder_channels": [32, 16, 16, 8, 8]},
    "fpn": {"decoder_pyramid_channels": 32, "decoder_segmentation_channels": 32},
    "deeplabv3plus": {"decoder_channels": 32},
}
SOLID: dict[str, Options] = {
    "basicunet": {"features": [4, 4, 8, 8, 8, 4]},
    "dynunet": {"filters": [8, 8, 16]},
    "segresnet": {"init_filters": 8, "blocks_down": [1, 1, 1], "blocks_up": [1, 1]},
}


def draw(shape: tuple[int, ...], rng: np.random.Generator) -> tuple[NDArray[np.uint8], ...]:
    """Draw a bright ball on uneven ground, with noise, and its labels."""
    places = np.indices(shape)
    size = np.reshape(shape, (-1,) + (1,) * len(shape))
    radius = rng.uniform(0.2, 0.26) * size
    distance = (((places - size * rng.uniform(0.44, 0.56, size.shape)) / radius) ** 2).sum(axis=0)
    labels = (distance < 1).astype(np.uint8)
    grey = 60 + 90 * labels + 15 * np.sin(places[-1] / 9 + rng.uniform(0, 6))
    return np.clip(grey + rng.normal(0, 4, shape), 0, 255).astype(np.uint8), labels


def draw_scan(dims: int, rng: np.random.Generator) -> tuple[NDArray[np.uint8], ...]:
    """Draw a volume, or some slices."""
    if dims == 3:
        return draw(tuple(int(n) for n in rng.integers(16, 29, 3)), rng)
    shape = tuple(int(n) for n in rng.integers(40, 65, 2))
    slices = [draw(shape, rng) for _ in range(3)]
    grey, labels = (np.stack(planes) for planes in zip(*slices, strict=True))
    return grey, labels


def write_dataset(folder: Path, dims: int, rng: np.random.Generator) -> Path:
    """Write volumes of many sizes; the last one is held out."""
    folder.mkdir()
    cases = []
    for number in range(12):
        case: Options = {"group": f"P{number}", "split": "val" if number == 11 else "train"}
        for kind, pixels in zip(("image", "label"), draw_scan(dims, rng), strict=True):
            name = f"{kind}{number}.nii.gz"
            volume = nib.Nifti1Image(pixels.transpose(), np.eye(4))  # type: ignore[no-untyped-call]
            nib.save(volume, folder / name)
            case[kind] = name
        cases.append(case)
    content = {"name": "balls", "labels": {"0": "background", "1": "ball"}, "training": cases}
    (folder / "dataset.json").write_text(json.dumps(content))
    return folder


def train(folder: Path, network: NetworkConfig, **options: Any) -> Predictor:
    """Train a network from scratch on the balls."""
    dims = network.dims
    rng = np.random.default_rng(7)
    dataset = load_dataset(write_dataset(folder / "data", dims, rng))
    over = "scan" if dims == 3 else "bscan"
    neighbours = options.pop("neighbours", 1)
    blank = ModelInfo(
        name="blank",
        network=network.model_copy(update={"in_channels": neighbours}),
        classes=NAMES,
        preprocess=PreprocessConfig(
            scale=(1.0,) * dims, normalise_over=over, neighbours=neighbours
        ),
    )
    save_model(folder / "blank", build_seeded(blank.network, 0), blank)
    config = CONFIG.model_copy(update={"lr": 1e-2, "batch_size": 2, **options})
    *_, finished = fine_tune(dataset, config, output=folder / "run", start=folder / "blank")
    assert isinstance(finished, Finished)
    model = load_model(folder / "run" / "model-last")
    return Predictor(model.network, model.info, PredictConfig(device="cpu", precision="fp32"))


def label(predictor: Predictor, grey: NDArray[np.uint8]) -> NDArray[np.bool_]:
    scan = OctScan(np.ascontiguousarray(grey), ("z", "y", "x"))
    found = predictor.label_scan(scan, range(len(grey)))
    labelled: NDArray[np.bool_] = np.stack([result.labels for _, result in found]) == 1
    return labelled


def dice(found: NDArray[np.bool_], labels: NDArray[np.uint8]) -> float:
    return float(2 * (found & (labels == 1)).sum() / (found.sum() + labels.sum()))


def change_most(predictor: Predictor, dims: int) -> tuple[float, dict[str, float]]:
    """Return the least Dice of some new scans, and how far it moves most for each change."""
    rng = np.random.default_rng(11)
    least, moved = 1.0, dict.fromkeys(("pad 3", "pad 8", "pad after", "crop"), 0.0)
    for _ in range(2 if dims == 3 else 4):
        grey, labels = draw_scan(dims, rng)
        axes = range(3 - dims, 3)
        before = dice(label(predictor, grey), labels)
        least = min(least, before)
        inside = [slice(None)] * 3
        for axis in axes:
            place = np.flatnonzero(labels.any(axis=tuple({0, 1, 2} - {axis})))
            inside[axis] = slice(max(0, place[0] - 5), place[-1] + 6)
        cropped = grey[tuple(inside)]
        after = {"crop": dice(label(predictor, cropped), labels[tuple(inside)])}
        for name, pads in (("pad 3", (3, 3)), ("pad 8", (8, 8)), ("pad after", (0, 13))):
            amounts = [pads if axis in axes else (0, 0) for axis in range(3)]
            found = label(predictor, np.pad(grey, amounts, mode="edge"))
            kept = tuple(slice(a, a + n) for (a, _), n in zip(amounts, grey.shape, strict=True))
            after[name] = dice(found[kept], labels)
        moved = {name: max(moved[name], abs(after[name] - before)) for name in moved}
    return least, moved


def check(predictor: Predictor, dims: int) -> None:
    least, moved = change_most(predictor, dims)
    assert least > 0.85
    most = GROUPED_CHANGE if predictor.info.network.arch == "fpn" else MOST_CHANGE
    assert max(moved.values()) < most, moved


def planar(arch: str = "unet", **options: Any) -> NetworkConfig:
    content = {"arch": arch, "encoder": "tu-test_resnet", "options": PLANAR[arch], **options}
    return NetworkConfig.model_validate(content)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "options"),
    [
        (planar("unet"), {}),
        (planar("unet"), {"neighbours": 3}),
        (planar("unet"), {"crop": "64x64", "window": "64x64/32"}),
        (planar("unet", head="psp"), {}),
        (planar("fpn"), {"iterations": 200}),
        (planar("deeplabv3plus"), {"crop": "64x64"}),
        (planar("unet", encoder="tu-test_efficientnet"), {}),
        *(
            (NetworkConfig(arch=arch, options=SOLID[arch]), {"iterations": 80})
            for arch in ARCHITECTURES_3D
        ),
    ],
    ids=lambda value: value.arch if isinstance(value, NetworkConfig) else " ".join(value),
)
def test_a_trained_network_hardly_sees_how_large_a_scan_is(
    network: NetworkConfig, options: Options, tmp_path: Path
) -> None:
    check(train(tmp_path, network, **{"iterations": 100, **options}), network.dims)
