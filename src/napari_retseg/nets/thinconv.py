"""3D convolutions that learn from thin volumes in bf16 on a CPU."""

from __future__ import annotations

import torch
from torch import nn


class ThinConv3d(nn.Conv3d):
    """A convolution that goes in fp32 where its bf16 gradient would be wrong.

    On CPUs torch 2.14 (oneDNN) gives the weights of a bf16 convolution with stride 1 a gradient
    of arbitrary values where the volume has fewer planes than the kernel. Those are a network's
    deepest features, which cost next to nothing in fp32. Forward passes alone are right.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002
        """Convolve ``(n, channel, z, y, x)``."""
        is_thin = input.device.type == "cpu" and input.shape[-3] < self.kernel_size[0]
        if not (is_thin and torch.is_grad_enabled() and torch.is_autocast_enabled("cpu")):
            return super().forward(input)
        with torch.autocast("cpu", enabled=False):
            return super().forward(input.to(self.weight.dtype))


def learn_from_thin_volumes(network: nn.Module) -> None:
    """Replace every 3D convolution by one that can; tensors and their names stay."""
    for module in network.modules():
        if type(module) is nn.Conv3d:
            module.__class__ = ThinConv3d
