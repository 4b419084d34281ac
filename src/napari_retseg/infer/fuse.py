"""Fold BatchNorm into the convolution before it: the same numbers, less work."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch.nn.utils.fusion import fuse_conv_bn_weights

_PROBE_SIZE = 64
_TOLERANCE = 1e-3


def fuse_batchnorm(network: torch.nn.Module, *, in_channels: int) -> torch.nn.Module:
    """Return a copy of a network in which BatchNorm is part of the convolutions.

    Which BatchNorm follows which convolution is found by watching one small input go
    through. The copy is compared with the original on that input, and where they differ
    (a convolution whose output something else reads, too) the original is returned.

    Parameters
    ----------
    network
        On the CPU or a GPU, in fp32 and eval mode.
    """
    parameter = next(network.parameters())
    generator = torch.Generator().manual_seed(0)
    probe = torch.rand(1, in_channels, _PROBE_SIZE, _PROBE_SIZE, generator=generator)
    probe = probe.to(parameter.device)
    fused = copy.deepcopy(network)
    with torch.inference_mode():
        expected = network(probe)
        pairs = _watch(fused, probe)
    for conv, norm in pairs:
        _fold(conv, norm)
    _replace_with_identity(fused, {id(norm) for _, norm in pairs})
    with torch.inference_mode():
        found = fused(probe)
    scale = max(float(expected.abs().max()), 1.0)
    same = bool((found - expected).abs().max() <= _TOLERANCE * scale)
    return fused if same else network


def _watch(
    network: torch.nn.Module, probe: torch.Tensor
) -> list[tuple[torch.nn.Conv2d, torch.nn.BatchNorm2d]]:
    """Find pairs where a BatchNorm's input is the very output of a convolution."""
    made: dict[int, tuple[torch.nn.Conv2d, torch.Tensor]] = {}
    calls: dict[int, int] = {}
    pairs: list[tuple[torch.nn.Conv2d, torch.nn.BatchNorm2d]] = []

    def after(module: torch.nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        calls[id(module)] = calls.get(id(module), 0) + 1
        if isinstance(module, torch.nn.Conv2d):
            made[id(output)] = (module, output)  # the tensor is kept, so its id stays its own
        elif id(inputs[0]) in made:
            pairs.append((made[id(inputs[0])][0], module))  # type: ignore[arg-type]

    watched = [m for m in network.modules() if type(m) in (torch.nn.Conv2d, torch.nn.BatchNorm2d)]
    handles = [m.register_forward_hook(after) for m in watched]
    network(probe)
    for handle in handles:
        handle.remove()
    return [(c, n) for c, n in pairs if calls[id(c)] == 1 and calls[id(n)] == 1]


def _fold(conv: torch.nn.Conv2d, norm: torch.nn.BatchNorm2d) -> None:
    if norm.running_mean is None or norm.running_var is None:
        return
    weight, bias = fuse_conv_bn_weights(
        conv.weight,
        conv.bias,
        norm.running_mean,
        norm.running_var,
        norm.eps,
        norm.weight,
        norm.bias,
    )
    conv.weight, conv.bias = weight, bias


def _replace_with_identity(network: torch.nn.Module, folded: set[int]) -> None:
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if id(child) in folded:
                setattr(parent, name, torch.nn.Identity())
