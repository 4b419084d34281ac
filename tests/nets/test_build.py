from __future__ import annotations

import pytest
import segmentation_models_pytorch as smp
import torch

from napari_retseg.config import ARCHITECTURES_3D, NetworkConfig
from napari_retseg.errors import UsageError
from napari_retseg.nets.build import (
    build_network,
    build_seeded,
    count_parameters,
    make_probe,
)
from napari_retseg.nets.stride import STRIDE, stride_of

#: A small encoder for each architecture.
ENCODERS = dict.fromkeys(smp.MODEL_ARCHITECTURES_MAPPING, "tu-resnet10t")
ENCODERS["dpt"] = "tu-vit_tiny_patch16_224"
ENCODERS["segformer"] = "mit_b0"


@pytest.mark.parametrize("arch", sorted(ENCODERS))
def test_every_planar_architecture_keeps_the_size_and_trains_one_sample(arch: str) -> None:
    config = NetworkConfig(arch=arch, encoder=ENCODERS[arch], in_channels=2, n_classes=4)
    network = build_network(config)
    with torch.inference_mode():
        logits = network.eval()(torch.rand(1, 2, 64, 96))
    assert logits.shape == (1, 4, 64, 96)
    network.train()(torch.rand(1, 2, 32, 64)).square().mean().backward()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert sum(bool(g.abs().sum() > 0) for g in gradients) > len(gradients) / 2
    assert all(torch.isfinite(g).all() for g in gradients)


@pytest.mark.parametrize(
    "encoder", ["mobilenet_v2", "efficientnet-b0", "tu-mobilenetv3_small_050", "tu-convnext_atto"]
)
def test_encoders_take_any_number_of_planes_and_one_sample(encoder: str) -> None:
    """At 32 x 32 each channel has a single value in the deepest stage."""
    config = NetworkConfig(encoder=encoder, in_channels=5, n_classes=3)
    network = build_network(config).train()
    before = {name: b.clone() for name, b in network.named_buffers()}
    assert network(torch.rand(1, 5, 32, 32)).shape == (1, 3, 32, 32)
    moved = [name for name, b in network.named_buffers() if not torch.equal(b, before[name])]
    assert moved, "other statistics are updated"


def test_global_pooling_trains_one_sample_with_running_statistics() -> None:
    config = NetworkConfig(arch="deeplabv3", encoder="tu-resnet10t")
    network = build_seeded(config, 0).train()
    pooled = network.get_submodule("decoder.aspp.convs.4.2")
    assert isinstance(pooled, torch.nn.BatchNorm2d)
    assert pooled.running_mean is not None
    network(torch.rand(1, 1, 64, 64))
    assert not pooled.running_mean.any()
    assert pooled.training
    network(torch.rand(2, 1, 64, 64))
    assert pooled.running_mean.any()


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (NetworkConfig(arch="unett"), "unknown architecture 'unett'; did you mean unet"),
        (NetworkConfig(arch="basicnet"), "unknown architecture 'basicnet'; did you mean basicunet"),
        (NetworkConfig(encoder="resnet35"), "unknown encoder 'resnet35'; did you mean .*resnet34"),
        (NetworkConfig(encoder="tu-nothing"), "unknown encoder 'tu-nothing'"),
        (NetworkConfig(options={"encoder_depth": 9}), "option encoder_depth of unet must be"),
        (NetworkConfig(options={"activation": "softmax"}), "activation of unet is set by"),
        (NetworkConfig(arch="dpt", encoder="resnet18"), "cannot be built: it needs a vision"),
        (NetworkConfig(arch="linknet", encoder="mit_b0"), "cannot be built: .*not supported"),
        (NetworkConfig(arch="unet", encoder="tu-vit_tiny_patch16_224"), "cannot be built"),
        (
            NetworkConfig(encoder="tu-swin_tiny_patch4_window7_224"),
            "cannot process images of any size: .*224",
        ),
        (
            NetworkConfig(arch="fpn", encoder="tu-resnet10t", options={"upsampling": 2}),
            "returns logits of 32x48 for an image of 64x96; change its options",
        ),
        (
            NetworkConfig(arch="fpn", head="psp"),
            "head psp only works on the decoder of a unet, not of",
        ),
        (
            NetworkConfig(arch="fpn", auxiliary=True),
            "an auxiliary head only works on .* not of fpn",
        ),
        (NetworkConfig(arch="dynunet", options={"strides": [2, 2, 2]}), "dynunet cannot be built"),
        (NetworkConfig(arch="basicunet", options={"nonsense": 1}), "basicunet has no option"),
    ],
)
def test_what_cannot_be_built_is_named(config: NetworkConfig, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        build_network(config)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("arch", ["unet", *ARCHITECTURES_3D])
def test_new_weights_follow_from_the_seed(arch: str) -> None:
    config = NetworkConfig(arch=arch, encoder="tu-resnet10t")
    state = torch.random.get_rng_state()
    one, same, other = (build_seeded(config, seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_a_new_network_is_in_train_mode_without_gradients() -> None:
    network = build_network(NetworkConfig(encoder="tu-resnet10t"))
    assert all(module.training for module in network.modules())
    assert all(p.grad is None for p in network.parameters())


def test_strides() -> None:
    assert stride_of(NetworkConfig()) == STRIDE == 32
    assert stride_of(NetworkConfig(arch="basicunet")) == 16
    assert stride_of(NetworkConfig(arch="dynunet", options={"strides": [1, 2, 2]})) == 4
    assert stride_of(NetworkConfig(arch="segresnet")) == 8
    assert make_probe(NetworkConfig(arch="segresnet", in_channels=3)).shape == (1, 3, 16, 16, 16)


def test_frozen_parameters_are_counted_apart(tiny_network: torch.nn.Module) -> None:
    trainable, frozen = count_parameters(tiny_network)
    assert frozen == 0
    tiny_network.get_submodule("encoder").requires_grad_(requires_grad=False)
    fewer, frozen = count_parameters(tiny_network)
    assert fewer + frozen == trainable
    assert frozen > 0
