"""Fold BatchNorm into the convolution before it: the same numbers, less work."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from napari_retseg.nets.heads import OneValueNorm2d, OneValueNorm3d
from napari_retseg.nets.stages import find_convolutions
from napari_retseg.nets.thinconv import ThinConv3d

#: Smallest sizes that all networks take: 2D, and 3D, where the deepest stage keeps two voxels.
_PROBE_SIZES = {2: 64, 3: 32}
_TOLERANCE = 1e-3

#: Subclasses may do more than their parents, so that types are compared exactly.
_CONVOLUTIONS = (nn.Conv2d, nn.Conv3d, ThinConv3d)
_NORMS = (nn.BatchNorm2d, nn.BatchNorm3d, OneValueNorm2d, OneValueNorm3d)


def fuse_batchnorm(network: nn.Module, *, in_channels: int) -> nn.Module:
    """Return a copy of a network in which BatchNorm is part of the convolutions.

    Which BatchNorm follows which convolution is found by watching one small input go
    through. The copy is compared with the original on that input, and where they differ
    (a convolution whose output something else reads, too) the original is returned. So it is
    where there is nothing to fold.

    Parameters
    ----------
    network
        2D or 3D, on the CPU or a GPU, in fp32 and eval mode.
    """
    probe = _make_probe(network, in_channels=in_channels)
    fused = copy.deepcopy(network)
    folded: set[int] = set()
    for layer in find_convolutions(fused, probe):
        if type(layer.conv) in _CONVOLUTIONS and type(layer.norm) in _NORMS and layer.once:
            assert isinstance(layer.norm, nn.modules.batchnorm._BatchNorm)
            if _fold(layer.conv, layer.norm):
                folded.add(id(layer.norm))
    if not folded:
        return network
    _replace_with_identity(fused, folded)
    with torch.inference_mode():
        expected, found = network(probe), fused(probe)
    scale = max(float(expected.abs().max()), 1.0)
    same = bool((found - expected).abs().max() <= _TOLERANCE * scale)
    return fused if same else network


def _make_probe(network: nn.Module, *, in_channels: int) -> torch.Tensor:
    parameter = next(network.parameters())
    dims = 3 if any(isinstance(module, nn.Conv3d) for module in network.modules()) else 2
    generator = torch.Generator().manual_seed(0)
    size = (_PROBE_SIZES[dims],) * dims
    return torch.rand(1, in_channels, *size, generator=generator).to(parameter.device)


def _fold(conv: nn.Module, norm: nn.modules.batchnorm._BatchNorm) -> bool:
    """Fold, unless the normalisation has no running statistics."""
    assert isinstance(conv, (nn.Conv2d, nn.Conv3d))
    if norm.running_mean is None or norm.running_var is None:
        return False
    conv.weight, conv.bias = fuse_conv_bn_weights(
        conv.weight,
        conv.bias,
        norm.running_mean,
        norm.running_var,
        norm.eps,
        norm.weight,
        norm.bias,
    )
    return True


def _replace_with_identity(network: nn.Module, folded: set[int]) -> None:
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if id(child) in folded:
                setattr(parent, name, nn.Identity())
