"""What of a network is trained: strategies, gradual unfreezing, and the modes that go with them."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from napari_retseg.config import NetworkConfig, Strategy
from napari_retseg.models.parameter_counts import ParameterCounts
from napari_retseg.nets.build import build_seeded, make_probe
from napari_retseg.nets.stages import find_convolutions, find_output_layers, find_parts

#: Layers that FT_LastThree replaces.
_LAST = 3


def apply_strategy(
    network: nn.Module, config: NetworkConfig, strategy: Strategy, *, seed: int
) -> None:
    """Choose what is trained: set ``requires_grad`` of every parameter.

    Parameters
    ----------
    network
        Of :func:`napari_retseg.nets.build.build_network`; changed in place.
    strategy
        ``all`` and ``scratch``: everything (new weights for ``scratch`` are the caller's).
        ``decoder``: all but the encoder. ``head``: only the output layer, and the auxiliary
        head's. ``encoder-stages``: all but the first `frozen_stages` encoder stages.
        ``last-three``: FT_LastThree of Kaur et al., "Improving pathological structure
        segmentation via transfer learning across diseases" (DART at MICCAI, 2019): the last
        three convolutions in order of execution become new ones, each with the normalisation
        that reads its output, and only they are trained.
    seed
        Of the new layers of ``last-three``.

    Raises
    ------
    UsageError
        Where there are fewer encoder stages than are to be frozen.
    """
    if strategy.kind in ("all", "scratch"):
        network.requires_grad_(requires_grad=True)
    elif strategy.kind in ("decoder", "encoder-stages"):
        _freeze_encoder(network, config, strategy)
    elif strategy.kind == "head":
        _train_only(network, find_output_layers(network, config).values())
    else:
        _train_only(network, _renew_last_three(network, config, seed=seed))


def thaw(
    network: nn.Module, config: NetworkConfig, strategy: Strategy, *, iteration: int, every: int
) -> None:
    """Unfreeze the encoder gradually, the deepest stage first.

    At iteration 0 the whole encoder is frozen. Every `every` iterations one more stage is
    trained, until those are that the strategy allows. What is trained follows from `iteration`
    alone. (Gradual unfreezing: Howard and Ruder, ULMFiT, ACL 2018, section 3.3.) Call
    :func:`set_modes` afterwards.

    Parameters
    ----------
    strategy
        Nothing happens where it does not train the encoder.
    every
        Iterations between two stages; 0: nothing happens.
    """
    if every == 0 or strategy.kind not in ("all", "scratch", "encoder-stages"):
        return
    parts = find_parts(network, config)
    n_stages = len(parts.stages)
    shallowest = max(n_stages - iteration // every, strategy.frozen_stages)
    for stage in range(n_stages):
        for parameter in parts.stage_parameters(stage):
            parameter.requires_grad = stage >= shallowest


def count_parts(network: nn.Module, config: NetworkConfig) -> ParameterCounts:
    """Count the parameters of a network's parts, by which strategies divide it."""
    output, *extra = find_output_layers(network, config).values()
    auxiliary = network.get_submodule("auxiliary_head").modules() if config.auxiliary else ()
    stages = tuple(_count(stage) for stage in find_parts(network, config).stages)
    n_output, n_extra, n_auxiliary = _count([output]), _count(extra), _count(auxiliary)
    return ParameterCounts(
        encoder_stages=stages,
        decoder=_count(network.modules()) - sum(stages) - n_output - n_auxiliary,
        before_output=_count(_find_last_three(network, config)) - n_output,
        output_per_class=n_output // config.n_outputs,
        auxiliary=n_auxiliary - n_extra,
        auxiliary_per_class=n_extra // config.n_outputs,
    )


def set_modes(network: nn.Module) -> None:
    """Set train mode where something is trained, eval mode where nothing is.

    A module with parameters of its own is in train mode if one of them is trained: nothing that
    is frozen changes in a forward pass, BatchNorm statistics neither. A module without (dropout,
    containers) follows the parameters below it, or else the nearest module above that has any.
    """
    _set_mode(network, above=True)


def _set_mode(module: nn.Module, *, above: bool) -> None:
    own = list(module.parameters(recurse=False))
    below = list(module.parameters())
    trained = any(p.requires_grad for p in below) if below else above
    module.training = any(p.requires_grad for p in own) if own else trained
    for child in module.children():
        _set_mode(child, above=trained)


def _freeze_encoder(network: nn.Module, config: NetworkConfig, strategy: Strategy) -> None:
    """Freeze the encoder, or its first stages."""
    parts = find_parts(network, config)
    frozen = strategy.count_frozen(len(parts.stages))
    network.requires_grad_(requires_grad=True)
    for stage in range(frozen):
        for parameter in parts.stage_parameters(stage):
            parameter.requires_grad = False


def _train_only(network: nn.Module, modules: Iterable[nn.Module]) -> None:
    network.requires_grad_(requires_grad=False)
    for module in modules:
        for parameter in module.parameters(recurse=False):
            parameter.requires_grad = True


def _renew_last_three(network: nn.Module, config: NetworkConfig, *, seed: int) -> list[nn.Module]:
    """Give the last three convolutions, and their normalisation, the tensors of a new network."""
    names = {id(module): name for name, module in network.named_modules()}
    new = build_seeded(config, seed)
    modules = _find_last_three(network, config)
    for module in modules:
        _copy_tensors(new.get_submodule(names[id(module)]), module)
    return modules


def _find_last_three(network: nn.Module, config: NetworkConfig) -> list[nn.Module]:
    """Find the last three convolutions, each with its normalisation, in order of execution."""
    layers = find_convolutions(network, make_probe(config))[-_LAST:]
    return [module for layer in layers for module in (layer.conv, layer.norm) if module is not None]


def _count(modules: Iterable[nn.Module]) -> int:
    """Count the parameters that modules own, not those of the modules below them."""
    return sum(p.numel() for p in {p for m in modules for p in m.parameters(recurse=False)})


@torch.no_grad()
def _copy_tensors(source: nn.Module, target: nn.Module) -> None:
    tensors = source.state_dict()
    for name, tensor in target.state_dict().items():
        tensor.copy_(tensors[name])
