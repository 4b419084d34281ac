from __future__ import annotations

import copy

import pytest
import torch

from napari_retseg.config import Head, NetworkConfig
from napari_retseg.errors import UsageError
from napari_retseg.nets.build import build_seeded
from napari_retseg.nets.heads import DILATIONS, build_head

HEADS: tuple[Head, ...] = ("plain", "fcn", "psp", "aspp")


def _config(head: Head, *, auxiliary: bool = True) -> NetworkConfig:
    return NetworkConfig(encoder="tu-resnet10t", head=head, auxiliary=auxiliary, n_classes=3)


@pytest.mark.parametrize("head", HEADS)
def test_every_head_trains_with_and_without_the_auxiliary_one(head: Head) -> None:
    network = build_seeded(_config(head), 0).train()
    logits, auxiliary = network(torch.rand(1, 1, 64, 32))
    assert logits.shape == auxiliary.shape == (1, 3, 64, 32)
    logits.square().mean().backward(retain_graph=True)
    names = [name for name, p in network.named_parameters() if p.grad is None]
    assert names
    assert all(name.startswith("auxiliary_head.") for name in names)
    auxiliary.square().mean().backward()
    assert all(p.grad is not None for p in network.parameters())
    assert network.eval()(torch.rand(1, 1, 64, 32)).shape == (1, 3, 64, 32)
    single = build_seeded(_config(head, auxiliary=False), 0).train()
    assert single(torch.rand(1, 1, 64, 32)).shape == (1, 3, 64, 32)


def test_the_auxiliary_head_reads_the_last_stage_but_one() -> None:
    network = build_seeded(_config("plain"), 0).train()
    _, auxiliary = network(torch.rand(2, 1, 64, 64))
    auxiliary.square().mean().backward()
    without = [name for name, p in network.named_parameters() if p.grad is None]
    assert all(n.startswith(("segmentation_head.", "decoder.blocks.4.")) for n in without)
    assert any(n.startswith("decoder.blocks.4.") for n in without)


def test_an_auxiliary_head_leaves_the_logits_as_they_are() -> None:
    plain = build_seeded(_config("psp", auxiliary=False), 0).eval()
    both = build_seeded(_config("psp"), 1).eval()
    both.load_state_dict(plain.state_dict(), strict=False)
    image = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        assert torch.equal(plain(image), both(image))


def test_nothing_of_a_forward_pass_stays_behind() -> None:
    network = build_seeded(_config("aspp"), 0).train()
    network(torch.rand(1, 1, 32, 32))
    copy.deepcopy(network)
    assert not any(module._forward_hooks for module in network.modules())


def test_heads_have_the_widths_of_the_study() -> None:
    """64 features, as in the U-Net that the study takes: pyramids of 4 x 16 and 4 dilations."""
    psp = build_head("psp", 64, classes=2)
    assert [m.out_channels for m in psp.modules() if isinstance(m, torch.nn.Conv2d)] == [
        *[16] * 4,
        16,
        2,
    ]
    aspp = [m for m in build_head("aspp", 64, classes=2).modules() if hasattr(m, "dilation")]
    found = sorted({m.dilation[0] for m in aspp if isinstance(m, torch.nn.Conv2d)})
    assert found == [1, *DILATIONS]
    fcn = build_head("fcn", 128, classes=2, channels=64)
    assert fcn.get_submodule("classify").weight.shape == (2, 64, 1, 1)


def test_a_decoder_that_is_too_narrow_or_short_is_named() -> None:
    narrow = {"decoder_channels": [16, 8, 8, 8, 2]}
    config = NetworkConfig(encoder="tu-resnet10t", head="psp", options=dict(narrow))
    with pytest.raises(UsageError, match="PSP head needs at least 4 channels"):
        build_seeded(config, 0)
    short = {"encoder_depth": 1, "decoder_channels": [16]}
    config = NetworkConfig(encoder="tu-resnet10t", auxiliary=True, options=dict(short))
    with pytest.raises(UsageError, match="at least two stages"):
        build_seeded(config, 0)


def test_an_attention_decoder_takes_heads_too() -> None:
    config = NetworkConfig(
        encoder="tu-resnet10t",
        head="psp",
        auxiliary=True,
        options={"decoder_attention_type": "scse"},
    )
    logits, auxiliary = build_seeded(config, 0).train()(torch.rand(1, 1, 32, 32))
    assert logits.shape == auxiliary.shape == (1, 2, 32, 32)
