from __future__ import annotations

import pytest
import torch

from napari_retseg.config import NetworkConfig
from napari_retseg.errors import UsageError
from napari_retseg.nets.build import build_network, count_parameters


@pytest.mark.parametrize("arch", ["unet", "fpn", "unetplusplus", "linknet", "deeplabv3plus"])
def test_logits_have_the_size_of_the_input(arch: str) -> None:
    config = NetworkConfig(arch=arch, encoder="tu-resnet10t", in_channels=2, n_classes=4)
    network = build_network(config).eval()
    with torch.inference_mode():
        logits = network(torch.rand(1, 2, 64, 96))
    assert logits.shape == (1, 4, 64, 96)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (NetworkConfig(arch="unett"), "no architecture 'unett'; did you mean unet"),
        (NetworkConfig(encoder="resnet35"), "no encoder 'resnet35'; did you mean .*resnet34"),
        (NetworkConfig(encoder="tu-nothing"), "cannot be built"),
        (NetworkConfig(options={"encoder_depth": 9}), "cannot be built"),
    ],
)
def test_what_cannot_be_built_is_named(config: NetworkConfig, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        build_network(config)


def test_frozen_parameters_are_counted_apart(tiny_network: torch.nn.Module) -> None:
    trainable, frozen = count_parameters(tiny_network)
    assert frozen == 0
    tiny_network.get_submodule("encoder").requires_grad_(requires_grad=False)
    fewer, frozen = count_parameters(tiny_network)
    assert fewer + frozen == trainable
    assert frozen > 0
