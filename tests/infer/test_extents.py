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
    NetworkConfig,
    PredictConfig,
    PreprocessConfig,
    TrainConfig,
)
from napari_retseg.config.architectures import OPTIONS
from napari_retseg.dataset import load_dataset
from napari_retseg.events import Finished
from napari_retseg.infer.predictor import Predictor
from napari_retseg.learn.train import fine_tune
from napari_retseg.models import ModelInfo
from napari_retseg.nets.build import build_seeded
from napari_retseg.nets.bundle import load_model, save_model
from napari_retseg.nets.sizes import sees_whole_input
from napari_retseg.scan import OctScan

#: How far the Dice of a scan may move.
MOST_CHANGE = 0.02

NAMES = LabelSet.from_names(["ball"])
CONFIG = TrainConfig(
    device="cpu", precision="fp32", strategy="scratch", augment="light", ema=0.9, score_every=1000
)
Options = dict[str, Any]

#: Narrow networks, so that seconds are enough.
PLANAR: dict[str, Options] = {
    "unet": {"decoder_channels": [32, 16, 16, 8, 8]},
    "unetplusplus": {"decoder_channels": [32, 16, 16, 8, 8]},
    "manet": {"decoder_channels": [32, 16, 16, 8, 8], "decoder_pab_channels": 16},
    "linknet": {},
    "fpn": {"decoder_pyramid_channels": 32, "decoder_segmentation_channels": 32},
    "pspnet": {"psp_out_channels": 32},
    "deeplabv3": {"decoder_channels": 32},
    "deeplabv3plus": {"decoder_channels": 32},
    "pan": {"decoder_channels": 32},
    "upernet": {"decoder_channels": 32},
    "segformer": {"decoder_segmentation_channels": 32},
    "dpt": {
        "decoder_intermediate_channels": [16, 16, 16, 16],
        "decoder_fusion_channels": 16,
        "dynamic_img_size": True,
    },
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


def find_sides(network: NetworkConfig) -> tuple[int, int]:
    """Choose the sides of the scans; longer ones where a pixel of the last map is large."""
    if network.dims == 3:
        return 16, 29
    return (72, 121) if sees_whole_input(network) else (40, 65)


def draw_scan(network: NetworkConfig, rng: np.random.Generator) -> tuple[NDArray[np.uint8], ...]:
    """Draw a volume, or some slices."""
    shape = tuple(int(n) for n in rng.integers(*find_sides(network), network.dims))
    if network.dims == 3:
        return draw(shape, rng)
    slices = [draw(shape, rng) for _ in range(3)]
    grey, labels = (np.stack(planes) for planes in zip(*slices, strict=True))
    return grey, labels


def write_dataset(folder: Path, network: NetworkConfig, rng: np.random.Generator) -> Path:
    """Write volumes of many sizes; the last one is held out."""
    folder.mkdir()
    cases = []
    for number in range(12):
        case: Options = {"group": f"P{number}", "split": "val" if number == 11 else "train"}
        for kind, pixels in zip(("image", "label"), draw_scan(network, rng), strict=True):
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
    dataset = load_dataset(write_dataset(folder / "data", network, rng))
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


def change_most(predictor: Predictor) -> tuple[float, dict[str, float]]:
    """Return the least Dice of some new scans, and how far it moves most for each change."""
    rng = np.random.default_rng(11)
    network = predictor.info.network
    dims, margin = network.dims, 10 if max(find_sides(network)) > 100 else 5
    least, moved = 1.0, dict.fromkeys(("pad 3", "pad 8", "pad after", "crop"), 0.0)
    for _ in range(2 if dims == 3 else 4):
        grey, labels = draw_scan(network, rng)
        axes = range(3 - dims, 3)
        before = dice(label(predictor, grey), labels)
        least = min(least, before)
        inside = [slice(None)] * 3
        for axis in axes:
            place = np.flatnonzero(labels.any(axis=tuple({0, 1, 2} - {axis})))
            inside[axis] = slice(max(0, place[0] - margin), place[-1] + 1 + margin)
        cropped = grey[tuple(inside)]
        after = {"crop": dice(label(predictor, cropped), labels[tuple(inside)])}
        for name, pads in (("pad 3", (3, 3)), ("pad 8", (8, 8)), ("pad after", (0, 13))):
            amounts = [pads if axis in axes else (0, 0) for axis in range(3)]
            found = label(predictor, np.pad(grey, amounts, mode="edge"))
            kept = tuple(slice(a, a + n) for (a, _), n in zip(amounts, grey.shape, strict=True))
            after[name] = dice(found[kept], labels)
        moved = {name: max(moved[name], abs(after[name] - before)) for name in moved}
    return least, moved


def check(predictor: Predictor) -> None:
    least, moved = change_most(predictor)
    assert least > 0.85
    assert max(moved.values()) < MOST_CHANGE, moved


def planar(arch: str = "unet", **options: Any) -> NetworkConfig:
    content = {"arch": arch, "encoder": "tu-test_resnet", "options": PLANAR[arch], **options}
    return NetworkConfig.model_validate(content)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "options"),
    [
        *((planar(arch), {}) for arch in ("unet", "unetplusplus", "manet", "linknet")),
        (planar("upernet"), {"iterations": 100}),
        (planar("unet"), {"neighbours": 3}),
        (planar("unet"), {"crop": "64x64", "window": "64x64/32"}),
        (planar("unet", head="psp"), {"iterations": 100}),
        (planar("unet", head="aspp"), {}),
        (planar("unet", encoder="tu-test_efficientnet"), {"iterations": 100}),
        (planar("unet", encoder="mit_b0"), {}),
        (planar("segformer"), {}),
        (planar("segformer", encoder="mit_b0"), {"iterations": 100, "lr": 2e-3}),
        (planar("dpt", encoder="tu-test_vit"), {"iterations": 200, "lr": 2e-3}),
        *((planar(arch), {"iterations": 200}) for arch in ("fpn", "pspnet", "deeplabv3")),
        (planar("deeplabv3plus"), {"crop": "96x96"}),
        (planar("pan"), {"iterations": 300}),
        *((NetworkConfig(arch=arch, options=SOLID[arch]), {"iterations": 60}) for arch in SOLID),
    ],
    ids=lambda value: value.arch if isinstance(value, NetworkConfig) else " ".join(value),
)
def test_a_trained_network_hardly_sees_how_large_a_scan_is(
    network: NetworkConfig, options: Options, tmp_path: Path
) -> None:
    check(train(tmp_path, network, **{"iterations": 60, **options}))


def test_every_architecture_is_among_them() -> None:
    assert {*PLANAR, *SOLID} == set(OPTIONS)
