"""How many parameters a training changes, told from a bundle's header without torch.

Which tensors belong to the encoder, to its stages and to the last layers is known by name for the
usual networks; :mod:`napari_retseg.nets.freeze` finds it by running the network, and a test holds
the two together. Where names do not tell, the answer is None: the training's own plan says it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from natsort import natsorted

from napari_retseg.config import NetworkConfig, Strategy, TrainConfig, parse_strategy
from napari_retseg.errors import UsageError
from napari_retseg.models import WEIGHTS, ModelInfo, read_info
from napari_retseg.models.weightsfile import read_header

#: Statistics of a BatchNorm: stored with the weights, but no parameters.
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
_AUXILIARY = "auxiliary_head"

#: Layers that make logits, where they are not a 2D network's ``segmentation_head.0``.
_OUTPUTS = {
    "dpt": "segmentation_head.head.4",
    "basicunet": "body.final_conv",
    "dynunet": "body.output_block.conv.conv",
    "segresnet": "body.conv_final.2.conv",
}

#: The two convolutions before the output, each with its normalisation; ``*`` is the last of its
#: kind in natural order.
_BEFORE_OUTPUT: dict[str, tuple[str, ...]] = {
    "unet": ("decoder.blocks.*.conv1", "decoder.blocks.*.conv2"),
    "manet": ("decoder.blocks.*.conv1", "decoder.blocks.*.conv2"),
    "unetplusplus": ("decoder.blocks.x_0_*.conv1", "decoder.blocks.x_0_*.conv2"),
    "linknet": ("decoder.blocks.*.block.1", "decoder.blocks.*.block.2"),
    "basicunet": ("body.upcat_1.convs.conv_0", "body.upcat_1.convs.conv_1"),
    "dynunet": tuple(
        f"body.upsamples.*.conv_block.{layer}" for layer in ("conv1", "norm1", "conv2", "norm2")
    ),
    "segresnet": tuple(f"body.up_layers.*.*.{layer}" for layer in ("conv1", "norm2", "conv2")),
    "head fcn": ("decoder.blocks.*.conv2", "segmentation_head.project"),
    "head psp": ("segmentation_head.psp.blocks.*.pool.1", "segmentation_head.project"),
    "head aspp": ("segmentation_head.aspp.project", "segmentation_head.project"),
}

#: Encoders by the names of their tensors, with the number of the stage; what has none is of the
#: first one.
_RESNET = re.compile(r"encoder\.(?:model\.)?(?:conv1|bn1|layer(?P<stage>[0-4]))\.")
_MIT = re.compile(r"encoder\.(?:patch_embed|block|norm)(?P<stage>[1-4])\.")
#: Architectures that take as many stages from their encoder as ``encoder_depth`` says, or five.
_STAGED = ("unet", "unetplusplus", "manet", "linknet", "fpn")
_DEPTH = 5

_STAGES_3D = {
    "basicunet": ("conv_0", "down_1", "down_2", "down_3", "down_4"),
    "dynunet": ("input_block", "downsamples.#", "bottleneck"),
    "segresnet": ("convInit", "down_layers.#"),
}


@dataclass(frozen=True, slots=True)
class _Network:
    """A network as its file describes it: the size of each parameter by name."""

    config: NetworkConfig
    sizes: dict[str, int]

    @property
    def output(self) -> str:
        """Name of the layer that makes the logits."""
        plain = "classify" if self.config.head != "plain" else "0"
        return _OUTPUTS.get(self.config.arch, f"segmentation_head.{plain}")

    def below(self, *modules: str) -> frozenset[str]:
        """Return the parameters of some modules."""
        prefixes = tuple(f"{module}." for module in modules)
        return frozenset(name for name in self.sizes if name.startswith(prefixes))


def count_parameters(
    bundle: Path, strategy: str, *, n_classes: int | None = None, auxiliary: bool | None = None
) -> tuple[int, int] | None:
    """Count the parameters that a strategy trains, and those that it freezes.

    Parameters
    ----------
    bundle
        Its folder; only the header of the weights is read.
    strategy
        As ``--strategy`` has it. Gradual unfreezing does not count: what is thawed in the end is.
    n_classes
        Classes with background of the network to be; None: the bundle's.
    auxiliary
        Whether the network to be has an auxiliary head; None: as the bundle.

    Returns
    -------
    tuple of int, or None
        Trained and frozen; None where the names of this network's tensors do not tell.

    Raises
    ------
    ModelError
        Where the bundle cannot be read.
    UsageError
        Where there are fewer encoder stages than are to be frozen.
    """
    info = read_info(bundle)
    network = _read_network(bundle, info, n_classes or info.network.n_classes)
    if auxiliary is False:
        kept = set(network.sizes) - network.below(_AUXILIARY)
        network = _Network(info.network, {name: network.sizes[name] for name in sorted(kept)})
    elif auxiliary and not info.network.auxiliary:
        return None
    trained = _find_trained(network, parse_strategy(strategy))
    if trained is None:
        return None
    total = sum(network.sizes.values())
    count = sum(network.sizes[name] for name in trained)
    return count, total - count


def count_for_round(bundle: Path, config: TrainConfig, *, n_classes: int) -> tuple[int, int] | None:
    """Count the parameters that a training from a bundle would change, and those it would freeze.

    Returns
    -------
    tuple of int, or None
        None where the configuration asks for another network than the bundle's.

    Raises
    ------
    ModelError, UsageError
        As :func:`count_parameters`.
    """
    if _asks_for_another(config, read_info(bundle)):
        return None
    return count_parameters(
        bundle, config.strategy, n_classes=n_classes, auxiliary=config.aux_weight > 0
    )


def _asks_for_another(config: TrainConfig, info: ModelInfo) -> bool:
    """Whether layers would have other sizes than the bundle's, but for the output's rows."""
    before = info.network
    if any(
        getattr(config, name) not in ("auto", getattr(before, name))
        for name in ("arch", "encoder", "head")
    ):
        return True
    now = info.preprocess.neighbours
    if config.dims == "2" and now > 1:
        return True
    if config.dims == "2.5" and now == 1:
        return True
    return bool(config.neighbours) and config.neighbours != now


def _read_network(bundle: Path, info: ModelInfo, n_classes: int) -> _Network:
    """Read the shapes of all parameters; output layers get a row for each class."""
    network = _Network(info.network, {})
    outputs = (f"{network.output}.", f"{_AUXILIARY}.classify.")
    for name, tensor in read_header(bundle / WEIGHTS).tensors.items():
        if name.endswith(_STATISTICS) or not tensor.dtype.startswith(("F", "BF")):
            continue  # an index of an attention layer is no float
        shape = list(tensor.shape)
        if name.startswith(outputs) and shape:
            shape[0] = n_classes
        network.sizes[name] = math.prod(shape)
    return network


def _find_trained(network: _Network, strategy: Strategy) -> frozenset[str] | None:
    """Name the parameters that a strategy trains."""
    everything = frozenset(network.sizes)
    if strategy.kind in ("all", "scratch"):
        return everything
    if strategy.kind == "head":
        return network.below(network.output, f"{_AUXILIARY}.classify")
    if strategy.kind == "last-three":
        before = _find_before_output(network)
        return None if before is None else before | network.below(network.output)
    if strategy.kind == "decoder" and network.config.dims == 2:
        return everything - network.below("encoder")
    stages = _find_stages(network)
    if stages is None:
        return None
    if strategy.frozen_stages > len(stages):
        raise UsageError(
            f"encoder-stages:{strategy.frozen_stages} freezes more stages than the encoder has "
            f"({len(stages)})"
        )
    n_frozen = len(stages) if strategy.kind == "decoder" else strategy.frozen_stages
    return everything.difference(*stages[:n_frozen])


def _find_before_output(network: _Network) -> frozenset[str] | None:
    config = network.config
    kind = config.arch if config.head == "plain" else f"head {config.head}"
    has_attention = bool(config.options.get("decoder_attention_type"))
    if kind not in _BEFORE_OUTPUT or (has_attention and kind not in ("head psp", "head aspp")):
        return None  # attention comes after the convolutions
    found = {
        pattern: network.below(*_find_last(network, pattern)) for pattern in _BEFORE_OUTPUT[kind]
    }
    # a normalisation may have no parameters, a convolution always has
    is_whole = all(names for pattern, names in found.items() if "norm" not in pattern)
    return frozenset().union(*found.values()) if is_whole else None


def _find_last(network: _Network, pattern: str) -> list[str]:
    """Return the modules that a pattern names: of all, the last in natural order."""
    expression = re.compile(re.escape(pattern).replace(r"\*", r"\d+") + r"(?=\.)")
    found = {match[0] for name in network.sizes if (match := expression.match(name))}
    return natsorted(found)[-1:]


def _find_stages(network: _Network) -> list[frozenset[str]] | None:
    """Divide the encoder's parameters into stages, shallow first."""
    if network.config.dims == 3:
        return _find_stages_3d(network)
    if network.config.arch not in _STAGED:
        return None
    names = network.below("encoder")
    depth = network.config.options.get("encoder_depth", _DEPTH)
    if not names or not isinstance(depth, int):
        return None
    for expression in (_RESNET, _MIT):
        matches = {name: match for name in names if (match := expression.match(name))}
        if len(matches) < len(names) or (expression is _MIT and depth < _DEPTH):
            continue  # the layers that a smaller MiT leaves idle are of no stage by their name
        # a smaller ResNet leaves its last layers idle; they are of the last stage
        numbers = {
            name: min(int(found["stage"] or 0), depth - 1) for name, found in matches.items()
        }
        return [
            frozenset(name for name in names if numbers[name] == number)
            for number in sorted(set(numbers.values()))
        ]
    return None


def _find_stages_3d(network: _Network) -> list[frozenset[str]]:
    """Stages of a 3D network; ``#`` stands for each number in turn."""
    stages: list[frozenset[str]] = []
    for pattern in _STAGES_3D[network.config.arch]:
        expression = re.compile(re.escape(f"body.{pattern}").replace(r"\#", r"\d+") + r"(?=\.)")
        found = {match[0] for name in network.sizes if (match := expression.match(name))}
        stages += [network.below(module) for module in natsorted(found)]
    if network.config.arch == "segresnet":  # the first convolution is of the first stage
        stages = [stages[0] | stages[1], *stages[2:]]
    return stages
