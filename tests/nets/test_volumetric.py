from __future__ import annotations

import pytest
import torch

from napari_retseg.config import ARCHITECTURES_3D, NetworkConfig
from napari_retseg.errors import UsageError
from napari_retseg.nets.build import build_network, build_seeded
from napari_retseg.nets.device import choose_compute
from napari_retseg.nets.stride import stride_of
from napari_retseg.nets.thinconv import ThinConv3d

#: Narrow networks, for speed.
NARROW: dict[str, dict[str, int | float | str | bool | list[int] | None]] = {
    "basicunet": {"features": [4, 4, 8, 8, 8, 4]},
    "dynunet": {"filters": [4, 8, 8]},
    "segresnet": {"init_filters": 8, "blocks_down": [1, 1, 1], "blocks_up": [1, 1]},
}


def narrow(arch: str, *, in_channels: int = 1, n_classes: int = 3) -> NetworkConfig:
    return NetworkConfig(
        arch=arch, in_channels=in_channels, n_classes=n_classes, options=NARROW[arch]
    )


@pytest.mark.parametrize("arch", ARCHITECTURES_3D)
@pytest.mark.parametrize("size", [(35, 51, 36), (17, 5, 1)])
def test_volumes_of_any_size_keep_it(arch: str, size: tuple[int, int, int]) -> None:
    network = build_network(NetworkConfig(arch=arch, in_channels=2, n_classes=3)).eval()
    with torch.inference_mode():
        assert network(torch.rand(1, 2, *size)).shape == (1, 3, *size)


@pytest.mark.parametrize("arch", ARCHITECTURES_3D)
def test_padding_repeats_the_edge(arch: str) -> None:
    network = build_seeded(narrow(arch), 0).eval()
    volume = torch.rand(1, 1, 13, 16, 16)
    padded = torch.cat([volume, *[volume[:, :, -1:]] * 3], dim=2)
    with torch.inference_mode():
        assert torch.equal(network(volume), network(padded)[:, :, :13])


@pytest.mark.parametrize("arch", ARCHITECTURES_3D)
def test_one_small_volume_trains(arch: str) -> None:
    network = build_seeded(narrow(arch), 0).train()
    network(torch.rand(1, 1, 3, 9, 7)).square().mean().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


@pytest.mark.parametrize("arch", ARCHITECTURES_3D)
def test_options_go_before_the_defaults(arch: str) -> None:
    small, large = build_network(narrow(arch)), build_network(NetworkConfig(arch=arch))
    assert sum(p.numel() for p in small.parameters()) < sum(p.numel() for p in large.parameters())
    assert stride_of(narrow(arch)) == {"basicunet": 16, "dynunet": 4, "segresnet": 4}[arch]


def test_every_tensor_has_one_name() -> None:
    """MONAI's DynUNet registers its blocks twice."""
    network = build_network(narrow("dynunet"))
    tensors = list(network.state_dict().values())
    assert len({t.data_ptr() for t in tensors}) == len(tensors)


def test_the_dynunet_is_that_of_monai() -> None:
    from monai.networks.nets.dynunet import DynUNet

    network = build_seeded(narrow("dynunet"), 0).eval()
    original = DynUNet(
        3, 1, 3, kernel_size=[3, 3, 3], strides=[1, 2, 2], upsample_kernel_size=[2, 2],
        filters=[4, 8, 8], norm_name=("instance", {"affine": True}),
    ).eval()  # fmt: skip
    weights = {name.removeprefix("body."): t for name, t in network.state_dict().items()}
    missing, left = original.load_state_dict(weights, strict=False)
    assert all(name.startswith("skip_layers.") for name in missing)
    assert not left
    volume = torch.rand(1, 1, 8, 8, 16)
    with torch.inference_mode():
        torch.testing.assert_close(network(volume), original(volume))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (NetworkConfig(arch="basicunet", head="psp"), "basicunet is a 3D network; heads"),
        (NetworkConfig(arch="segresnet", auxiliary=True), "segresnet is a 3D network; heads"),
        (NetworkConfig(arch="dynunet", options={"deep_supervision": True}), "deep_supervision"),
        (NetworkConfig(arch="segresnet", options={"blocks_up": [1]}), "blocks_up must have"),
    ],
)
def test_what_a_3d_network_has_not_is_named(config: NetworkConfig, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        build_network(config)


@pytest.mark.parametrize("arch", ARCHITECTURES_3D)
def test_it_runs_in_bf16_where_it_is_placed(arch: str) -> None:
    compute = choose_compute("cpu", "bf16")
    network = compute.place(build_seeded(narrow(arch), 0)).eval()
    volume = torch.rand(1, 1, 17, 16, 16)
    with torch.inference_mode(), compute.autocast():
        logits = network(volume)
    assert logits.dtype == torch.bfloat16
    with torch.inference_mode():
        torch.testing.assert_close(logits.float(), network(volume), atol=0.2, rtol=0.2)


def test_layouts_are_those_that_are_fastest() -> None:
    compute = choose_compute("cpu")
    flat = compute.place(build_network(NetworkConfig(encoder="tu-resnet10t")))
    weight = flat.get_submodule("decoder.blocks.0.conv1.0").weight
    assert isinstance(weight, torch.Tensor)
    assert weight.is_contiguous(memory_format=torch.channels_last)
    solid = compute.place(build_network(narrow("basicunet")))
    assert all(p.is_contiguous() for p in solid.parameters())


@pytest.mark.parametrize("arch", ARCHITECTURES_3D)
def test_every_convolution_can_learn_from_thin_volumes(arch: str) -> None:
    modules = list(build_network(narrow(arch)).modules())
    found = [module for module in modules if isinstance(module, torch.nn.Conv3d)]
    assert found
    assert all(type(module) is ThinConv3d for module in found)


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("planes", [1, 2, 3, 6])
def test_bf16_gives_weights_their_gradient(kernel: int, planes: int) -> None:
    """With two planes, torch's own has any values."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 16, planes, 6, 6, generator=generator)
    upstream = torch.randn(2, 8, planes, 6, 6, generator=generator)
    convolution = ThinConv3d(16, 8, kernel, padding=kernel // 2)
    found = []
    for enabled in (False, True):
        torch.full((1 << 20,), float("nan"))  # what lies in freed memory shows
        convolution.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            convolved = convolution(features)
        convolved.float().backward(upstream)
        assert convolution.weight.grad is not None
        found.append(convolution.weight.grad)
    right, rough = found
    assert (rough - right).norm() < 0.02 * right.norm()
