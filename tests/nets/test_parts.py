"""Networks that keep finer classes apart than their model has."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from napari_retseg.classes import LabelSet
from napari_retseg.config import NetworkConfig, PreprocessConfig
from napari_retseg.infer.fuse import fuse_batchnorm
from napari_retseg.models import ModelInfo
from napari_retseg.nets.build import build_seeded
from napari_retseg.nets.bundle import load_model, save_model

PARTS = (("background", "drusen"), ("NFL",), ("IRF", "SRF"))
SMALL: dict[str, Any] = {
    "encoder": "tu-resnet10t",
    "options": {"encoder_depth": 3, "decoder_channels": [16, 8, 8]},
}
NETWORKS: dict[str, dict[str, Any]] = {
    "plain": SMALL,
    "auxiliary": {"auxiliary": True, **SMALL},
    "3D": {"arch": "basicunet", "options": {"features": [4, 4, 8, 8, 8, 4]}},
}


def _build(**values: Any) -> tuple[torch.nn.Module, torch.nn.Module, NetworkConfig]:
    """Build a network that adds up, and the same one that does not."""
    config = NetworkConfig(n_classes=3, parts=PARTS, **values)
    apart = config.model_copy(update={"n_classes": 5, "parts": ()})
    return build_seeded(config, 1), build_seeded(apart, 1), config


@pytest.mark.parametrize("name", NETWORKS)
def test_the_probability_of_a_class_is_the_sum_of_its_parts(name: str) -> None:
    network, apart, config = _build(**NETWORKS[name])
    assert network.state_dict().keys() == apart.state_dict().keys()
    image = torch.rand(2, 1, *(32,) * config.dims)
    with torch.no_grad():
        torch.manual_seed(0)
        found = network.train()(image)
        torch.manual_seed(0)
        before = apart.train()(image)
    pairs = zip(found, before, strict=True) if config.auxiliary else [(found, before)]
    for logits, separate in pairs:
        shares = separate.softmax(dim=1)
        expected = torch.stack(
            [shares[:, :2].sum(dim=1), shares[:, 2], shares[:, 3:].sum(dim=1)], dim=1
        )
        torch.testing.assert_close(logits.softmax(dim=1), expected)
        assert torch.equal(logits[:, 1], separate[:, 2])


def test_copies_and_bundles_add_up_too(tmp_path: Path) -> None:
    network, _, config = _build(**SMALL)
    network.eval()
    info = ModelInfo(
        name="added up",
        network=config,
        classes=LabelSet.from_names(["NFL", "fluid"]),
        preprocess=PreprocessConfig(),
    )
    save_model(tmp_path / "model", network, info)
    loaded = load_model(tmp_path / "model")
    assert loaded.info.network.parts == PARTS
    image = torch.rand(1, 1, 64, 64)
    fused = fuse_batchnorm(network, in_channels=1)
    with torch.inference_mode():
        expected = network(image)
        assert torch.equal(copy.deepcopy(network)(image), expected)
        assert torch.equal(loaded.network.eval()(image), expected)
        torch.testing.assert_close(fused(image), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("parts", [PARTS[:2], (("a",), ("b",), ("b", "c")), ((), ("b",), ("c",))])
def test_parts_that_fit_no_classes_are_refused(parts: tuple[tuple[str, ...], ...]) -> None:
    with pytest.raises(ValidationError):
        NetworkConfig(n_classes=3, parts=parts)
