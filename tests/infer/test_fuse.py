from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_retseg.config import NetworkConfig
from napari_retseg.infer.fuse import fuse_batchnorm
from napari_retseg.nets.build import build_seeded

_NORMS = (nn.BatchNorm2d, nn.BatchNorm3d)

NETWORKS = {
    "unet": NetworkConfig(encoder="tu-resnet10t", n_classes=3),
    "deeplabv3plus": NetworkConfig(arch="deeplabv3plus", encoder="tu-resnet10t", n_classes=3),
    "fpn": NetworkConfig(arch="fpn", encoder="tu-resnet10t", n_classes=3),
    "pan": NetworkConfig(arch="pan", encoder="tu-resnet10t", n_classes=3),
    "psp": NetworkConfig(encoder="tu-resnet10t", head="psp", n_classes=3),
    "aspp": NetworkConfig(encoder="tu-resnet10t", head="aspp", n_classes=3, in_channels=3),
    "basicunet": NetworkConfig(
        arch="basicunet", n_classes=3, options={"features": [4, 4, 8, 8, 8, 4], "norm": "batch"}
    ),
    "dynunet": NetworkConfig(
        arch="dynunet", n_classes=3, options={"filters": [4, 8, 8], "norm_name": "batch"}
    ),
}


def _with_statistics(network: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, _NORMS):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    return network.eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_fusing_changes_no_answer(name: str) -> None:
    config = NETWORKS[name]
    network = _with_statistics(build_seeded(config, 0))
    before = {name: t.clone() for name, t in network.state_dict().items()}
    fused = fuse_batchnorm(network, in_channels=config.in_channels)
    size = (17, 16, 33) if config.dims == 3 else (64, 96)
    image = torch.rand(1, config.in_channels, *size)
    with torch.inference_mode():
        torch.testing.assert_close(fused(image), network(image), atol=1e-3, rtol=1e-3)
    assert not [m for m in fused.modules() if isinstance(m, _NORMS)]
    assert all(torch.equal(t, before[name]) for name, t in network.state_dict().items())


def test_an_auxiliary_head_is_no_obstacle() -> None:
    config = NetworkConfig(encoder="tu-resnet10t", head="psp", auxiliary=True)
    network = _with_statistics(build_seeded(config, 0))
    fused = fuse_batchnorm(network, in_channels=1)
    image = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(fused(image), network(image), atol=1e-3, rtol=1e-3)
    left = [n for n, m in fused.named_modules() if isinstance(m, _NORMS)]
    assert left == ["auxiliary_head.project.1"]


@pytest.mark.parametrize("arch", ["basicunet", "segresnet"])
def test_without_batchnorm_a_network_stays(arch: str) -> None:
    network = build_seeded(NetworkConfig(arch=arch), 0).eval()
    assert fuse_batchnorm(network, in_channels=1) is network


class _Shared(nn.Module):
    """A convolution whose output is read twice: folding would change the answer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, padding=1)
        self.norm = nn.BatchNorm2d(2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.conv(image)
        normed: torch.Tensor = self.norm(found)
        return normed + found


class _InPlace(nn.Module):
    """The second BatchNorm reads an output that has been changed in place."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, padding=1)
        self.norm = nn.BatchNorm2d(2)
        self.second = nn.Conv2d(2, 2, 3, padding=1)
        self.late = nn.BatchNorm2d(2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        normed = self.norm(self.conv(image))
        found = self.second(normed)
        found += normed
        logits: torch.Tensor = self.late(found)
        return logits


def test_what_cannot_be_folded_stays() -> None:
    network = _with_statistics(_Shared())
    assert fuse_batchnorm(network, in_channels=1) is network
    mixed = _with_statistics(_InPlace())
    fused = fuse_batchnorm(mixed, in_channels=1)
    left = [name for name, m in fused.named_modules() if isinstance(m, nn.BatchNorm2d)]
    assert left == ["late"]
    image = torch.rand(1, 1, 8, 8)
    with torch.inference_mode():
        torch.testing.assert_close(fused(image), mixed(image), atol=1e-4, rtol=1e-4)
