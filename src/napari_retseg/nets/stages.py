"""The parts of a network: encoder stages, decoder and head, and its layers as they are executed.

All are found by watching a small input go through, because encoders differ too much in how they
name their modules. Watching changes nothing: modes are restored and no statistics are updated.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from napari_retseg.config import NetworkConfig
from napari_retseg.nets.build import make_probe
from napari_retseg.nets.volumetric import VolumetricNetwork, split_volumetric

Convolution = nn.modules.conv._ConvNd
Norm = (
    nn.modules.batchnorm._NormBase,
    nn.GroupNorm,
    nn.LayerNorm,
)


@dataclass(frozen=True, slots=True)
class NetworkParts:
    """A network in parts.

    Attributes
    ----------
    encoder
        The modules that make up the encoder, with everything below them.
    stages
        Encoder stages, shallow first: the modules whose *own* parameters (not those of the
        modules below them) belong to the stage. Each parameter of the encoder is in one stage.
    decoder, head
        The modules of the decoder, and those that make logits of its features (the auxiliary
        head is the last), with everything below them.
    """

    encoder: tuple[nn.Module, ...]
    stages: tuple[tuple[nn.Module, ...], ...]
    decoder: tuple[nn.Module, ...]
    head: tuple[nn.Module, ...]

    def stage_parameters(self, stage: int) -> list[nn.Parameter]:
        """Return the parameters of one encoder stage; 0 is the shallowest."""
        return [p for module in self.stages[stage] for p in module.parameters(recurse=False)]

    def encoder_parameters(self) -> list[nn.Parameter]:
        """Return the parameters of all stages, shallow first."""
        return [p for stage in range(len(self.stages)) for p in self.stage_parameters(stage)]


@dataclass(frozen=True, slots=True)
class ExecutedConvolution:
    """A convolution (transposed ones count) that took part in a forward pass.

    Attributes
    ----------
    name
        Of `conv` in the network.
    norm
        The normalisation that reads its very output, before anything changes it.
    once
        Whether both ran a single time.
    """

    name: str
    conv: Convolution
    norm: nn.Module | None
    once: bool


_FOUND: weakref.WeakKeyDictionary[nn.Module, NetworkParts] = weakref.WeakKeyDictionary()


def find_parts(network: nn.Module, config: NetworkConfig) -> NetworkParts:
    """Find the parts of a network of :func:`napari_retseg.nets.build.build_network`.

    The stages of a 2D encoder end where it puts out a feature map. Where the map is not the
    output of a module, the stage ends before the first layer of lower resolution; where all maps
    have one resolution (vision transformers), at the blocks that they are taken from.
    Parameters outside of layers (class tokens, layer scales) belong to the stage of the first
    layer below or after them. The answer is kept as long as the network lives.
    """
    if network not in _FOUND:
        _FOUND[network] = _find_parts(network, config)
    return _FOUND[network]


def find_convolutions(network: nn.Module, probe: torch.Tensor) -> list[ExecutedConvolution]:
    """Find the convolutions of a forward pass in eval mode, in order of execution.

    Parameters
    ----------
    probe
        A small input, ``(1, channel, *spatial)``, on any device.
    """
    made: dict[int, tuple[Convolution, torch.Tensor, int]] = {}
    ran: dict[int, int] = {}
    order: list[Convolution] = []
    norms: dict[int, nn.Module] = {}

    def before(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        conv, tensor, version = made.get(id(inputs[0]), (None, None, 0))
        if conv is not None and tensor is not None and tensor._version == version:
            norms.setdefault(id(conv), module)

    def after(module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> None:
        ran[id(module)] = ran.get(id(module), 0) + 1
        if isinstance(module, Convolution):
            order.append(module)
            # the tensor is kept, so that its id stays its own
            made[id(output)] = (module, output, output._version)

    with contextlib.ExitStack() as stack:
        for module in network.modules():
            if isinstance(module, Norm):
                stack.callback(module.register_forward_pre_hook(before).remove)
            if isinstance(module, (Convolution, *Norm)):
                stack.callback(module.register_forward_hook(after).remove)
        with _watching(network):
            network(_like_parameters(probe, network))
    names = {id(module): name for name, module in network.named_modules()}
    # a convolution that runs twice counts where it runs last
    last = list({id(conv): conv for conv in reversed(order)}.values())[::-1]
    return [
        ExecutedConvolution(
            name=names[id(conv)],
            conv=conv,
            norm=norms.get(id(conv)),
            once=ran[id(conv)] == 1 and ran.get(id(norms.get(id(conv))), 1) == 1,
        )
        for conv in last
    ]


def find_output_layers(network: nn.Module, config: NetworkConfig) -> dict[str, Convolution]:
    """Find the layers that make logits, by name: the last convolution, and the auxiliary head's."""
    main = find_convolutions(network, make_probe(config))[-1]
    found = {main.name: main.conv}
    if config.auxiliary:
        name = "auxiliary_head.classify"
        layer = network.get_submodule(name)
        assert isinstance(layer, Convolution)
        found[name] = layer
    return found


@contextlib.contextmanager
def _watching(network: nn.Module) -> Iterator[None]:
    """Eval mode without gradients; each module's own mode comes back."""
    modes = [(module, module.training) for module in network.modules()]
    for module, _ in modes:
        module.training = False
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training


def _like_parameters(probe: torch.Tensor, network: nn.Module) -> torch.Tensor:
    parameter = next(network.parameters())
    return probe.to(device=parameter.device, dtype=parameter.dtype)


def _find_parts(network: nn.Module, config: NetworkConfig) -> NetworkParts:
    if isinstance(network, VolumetricNetwork):
        stages, decoder, head = split_volumetric(network, config)
        return NetworkParts(
            encoder=tuple(module for stage in stages for module in stage),
            stages=tuple(
                tuple(m for top in stage for m in top.modules() if _owns(m)) for stage in stages
            ),
            decoder=decoder,
            head=head,
        )
    encoder = network.get_submodule("encoder")
    heads = [network.get_submodule("segmentation_head")]
    if config.auxiliary:
        heads.append(network.get_submodule("auxiliary_head"))
    return NetworkParts(
        encoder=(encoder,),
        stages=_find_stages(encoder, _like_parameters(make_probe(config), network)),
        decoder=(network.get_submodule("decoder"),),
        head=tuple(heads),
    )


def _owns(module: nn.Module) -> bool:
    return next(module.parameters(recurse=False), None) is not None


@dataclass(slots=True)
class _Trace:
    """What happened in an encoder.

    Attributes
    ----------
    layers
        Modules with parameters of their own, in order of their first execution.
    levels
        For each, how much smaller its output is than the image (see :func:`_measure`).
    feature_ends
        For each feature map that a module put out, by id: how many layers had run by then.
    module_ends
        The same for every module, by id.
    features
        The encoder's feature maps without the image itself.
    """

    layers: list[nn.Module]
    levels: list[int | None]
    feature_ends: dict[int, int]
    module_ends: dict[int, int]
    features: list[torch.Tensor]


def _trace_encoder(encoder: nn.Module, probe: torch.Tensor) -> _Trace:
    trace = _Trace([], [], {}, {}, [])
    kept: list[torch.Tensor] = []
    seen: set[int] = set()

    def after(module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> None:
        if _owns(module) and id(module) not in seen:
            seen.add(id(module))
            trace.layers.append(module)
            trace.levels.append(_measure(output, probe))
        trace.module_ends[id(module)] = len(trace.layers)
        if isinstance(output, torch.Tensor):
            kept.append(output)  # so that its id stays its own
            trace.feature_ends[id(output)] = len(trace.layers)

    with contextlib.ExitStack() as stack:
        for module in encoder.modules():
            if module is not encoder:
                stack.callback(module.register_forward_hook(after).remove)
        with _watching(encoder):
            found = encoder(probe)
    if isinstance(found, tuple):  # vision transformers put out class tokens, too
        found = found[0]
    trace.features = [f for f in found if f is not probe and f.numel() > 0]
    kept_ids = {id(tensor) for tensor in kept}
    known = {id(f) for f in trace.features} & kept_ids
    trace.feature_ends = {k: end for k, end in trace.feature_ends.items() if k in known}
    return trace


def _measure(output: Any, probe: torch.Tensor) -> int | None:
    """Logarithm to base 2 of how much smaller a map is than the image; None for no map.

    Maps are ``(1, channel, depth, width)``, ``(1, depth, width, channel)`` or tokens
    ``(1, depth * width, channel)``.
    """
    depth, width = probe.shape[-2:]
    if not isinstance(output, torch.Tensor) or output.shape[0] != 1:
        return None
    sizes = {(depth >> level, width >> level): level for level in range(6)}
    if output.ndim == 3:
        tokens = {rows * columns: level for (rows, columns), level in sizes.items()}
        return tokens.get(output.shape[1])
    if output.ndim != 4:
        return None
    level = sizes.get((output.shape[2], output.shape[3]))
    return sizes.get((output.shape[1], output.shape[2])) if level is None else level


def _smooth_levels(levels: list[int | None]) -> list[int]:
    """Level of each layer, ascending: what is coarser for a while only does not count.

    (Attention over a reduced map returns to the resolution of its stage.) Layers without a map
    keep the level before them.
    """
    lowest, smoothed = max((n for n in levels if n is not None), default=0), []
    for level in reversed(levels):
        lowest = lowest if level is None else min(lowest, level)
        smoothed.append(None if level is None else lowest)
    current, filled = 0, []
    for level in reversed(smoothed):
        current = current if level is None else level
        filled.append(current)
    return filled


def _find_stages(encoder: nn.Module, probe: torch.Tensor) -> tuple[tuple[nn.Module, ...], ...]:
    trace = _trace_encoder(encoder, probe)
    ends = _find_ends(encoder, trace, probe)
    stage_of = {
        id(layer): sum(end <= position for end in ends[:-1])
        for position, layer in enumerate(trace.layers)
    }
    # definition order: a module comes before the modules below it
    owners = [module for module in encoder.modules() if _owns(module)]
    stage, stages = len(ends) - 1, {}
    for module in reversed(owners):
        is_layer = not any(_owns(below) for below in module.modules() if below is not module)
        if is_layer and id(module) in stage_of:
            stage = stage_of[id(module)]
        stages[id(module)] = stage
    grouped = [tuple(m for m in owners if stages[id(m)] == k) for k in range(len(ends))]
    return tuple(group for group in grouped if group)


def _find_ends(encoder: nn.Module, trace: _Trace, probe: torch.Tensor) -> list[int]:
    """Number of layers that have run when each feature map is ready, ascending."""
    maps = [_measure(feature, probe) or 0 for feature in trace.features]
    blocks = list(getattr(getattr(encoder, "model", None), "blocks", []))
    indices = getattr(encoder, "_output_indices", None)
    if len(set(maps)) == 1 and indices and blocks:
        return [trace.module_ends[id(blocks[index])] for index in indices]
    levels, ends = _smooth_levels(trace.levels), []
    for feature, level in zip(trace.features, maps, strict=True):
        smaller = (position for position, other in enumerate(levels) if other > level)
        ends.append(trace.feature_ends.get(id(feature), next(smaller, len(levels))))
    return sorted(ends)
