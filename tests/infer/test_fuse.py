from __future__ import annotations

import pytest
import torch

from napari_retseg.config import NetworkConfig
from napari_retseg.infer.fuse import fuse_batchnorm
from napari_retseg.nets.build import build_network


def _with_statistics(network: torch.nn.Module) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    return network.eval()


@pytest.mark.parametrize("arch", ["unet", "deeplabv3plus", "fpn"])
def test_fusing_changes_no_answer(arch: str) -> None:
    config = NetworkConfig(arch=arch, encoder="tu-resnet10t", n_classes=3)
    network = _with_statistics(build_network(config))
    before = {name: t.clone() for name, t in network.state_dict().items()}
    fused = fuse_batchnorm(network, in_channels=1)
    image = torch.rand(1, 1, 64, 96)
    with torch.inference_mode():
        torch.testing.assert_close(fused(image), network(image), atol=1e-3, rtol=1e-3)
    left = [m for m in fused.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert not left
    assert all(torch.equal(t, before[name]) for name, t in network.state_dict().items())


class _Shared(torch.nn.Module):
    """A convolution whose output is read twice: folding would change the answer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 2, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.conv(image)
        normed: torch.Tensor = self.norm(found)
        return normed + found


def test_what_cannot_be_folded_stays() -> None:
    network = _with_statistics(_Shared())
    assert fuse_batchnorm(network, in_channels=1) is network
