"""Which sizes of input a network is shown, for every architecture."""

from __future__ import annotations

import numpy as np
import pytest
import segmentation_models_pytorch as smp
from pydantic import ValidationError

from napari_retseg.classes import LabelSet
from napari_retseg.config import (
    ARCHITECTURES_3D,
    NetworkConfig,
    PredictConfig,
    PreprocessConfig,
)
from napari_retseg.infer.predictor import Predictor
from napari_retseg.models import ModelInfo
from napari_retseg.nets.build import build_seeded
from napari_retseg.nets.sizes import plan_sample_size
from napari_retseg.nets.stride import stride_of
from napari_retseg.scan import OctScan

TRAINED = {2: (96, 128), 3: (48, 32, 48)}


def describe(arch: str) -> NetworkConfig:
    encoder = "tu-test_vit" if arch == "dpt" else "tu-test_resnet"
    return NetworkConfig(arch=arch, encoder=encoder)


def predictor_of(config: NetworkConfig) -> tuple[Predictor, set[tuple[int, ...]]]:
    """Make an untrained predictor, and a set of the sizes that its network is shown."""
    info = ModelInfo(
        name="new",
        network=config,
        classes=LabelSet.from_names(["ball"]),
        preprocess=PreprocessConfig(scale=(1.0,) * config.dims, trained_size=TRAINED[config.dims]),
    )
    exact = PredictConfig(device="cpu", precision="fp32")
    predictor = Predictor(build_seeded(config, 0), info, exact)
    seen: set[tuple[int, ...]] = set()
    predictor._network.register_forward_hook(
        lambda _, given, __: seen.add(tuple(given[0].shape[2:]))
    )
    return predictor, seen


@pytest.mark.parametrize("arch", [*smp.MODEL_ARCHITECTURES_MAPPING, *ARCHITECTURES_3D])
def test_a_network_is_shown_the_size_of_its_training(arch: str) -> None:
    """Small scans are padded; of large volumes, windows are shown."""
    config = describe(arch)
    trained = TRAINED[config.dims]
    predictor, seen = predictor_of(config)
    rng = np.random.default_rng(0)
    for shape in ((17, 30, 40), (2, 95, 127), (2, 100, 140)):
        scan = OctScan(rng.integers(0, 255, shape, dtype=np.uint8), ("z", "y", "x"))
        labels = [result.labels for _, result in predictor.label_scan(scan, [0])]
        assert labels[0].shape == shape[1:]
    assert seen == ({trained} if config.dims == 3 else {trained, (128, 160)})


@pytest.mark.parametrize("arch", ARCHITECTURES_3D)
@pytest.mark.parametrize(
    ("shapes", "crop", "size"),
    [
        ([(36, 50, 35), (28, 56, 30)], None, (48, 64, 48)),
        ([(10, 20, 20)], None, (48, 48, 48)),
        ([(10, 200, 200)], None, (32, 208, 208)),
        ([(100, 200, 300)], None, (96, 96, 96)),
        ([(100, 200, 300)], (40, 40, 40), (48, 48, 48)),
    ],
)
def test_samples_hold_every_volume_that_is_not_too_large(
    arch: str,
    shapes: list[tuple[int, ...]],
    crop: tuple[int, ...] | None,
    size: tuple[int, ...],
) -> None:
    network = NetworkConfig(arch=arch)
    found = plan_sample_size(network, shapes, crop=crop)
    stride = stride_of(network)
    assert all(n % stride == 0 for n in found)
    if stride == 16:
        assert found == size


@pytest.mark.parametrize("size", [(64,), (64, 64, 64), (0, 64), (1 << 14, 1 << 14), ("64", None)])
def test_a_size_that_cannot_be_is_refused(size: tuple[object, ...]) -> None:
    content = {
        "name": "new",
        "network": {"arch": "unet"},
        "classes": LabelSet.from_names(["ball"]),
        "preprocess": {"trained_size": size},
    }
    with pytest.raises(ValidationError, match="trained_size"):
        ModelInfo.model_validate(content)
