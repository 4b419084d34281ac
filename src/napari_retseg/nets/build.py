"""Build a network from its configuration, always offline."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable
from typing import Any

import torch
from torch.nn import functional as F

from napari_retseg.config import OPTIONS, NetworkConfig
from napari_retseg.errors import UsageError
from napari_retseg.nets.allotment import limit_memory
from napari_retseg.nets.heads import HeadedUNet, allow_one_value
from napari_retseg.nets.libraries import knows_encoder, no_compiler, smp, timm
from napari_retseg.nets.parts import add_up_parts
from napari_retseg.nets.stride import stride_of
from napari_retseg.nets.volumetric import build_volumetric

#: Size of the small image that a new 2D network is tried on; not square, to tell its axes apart.
PROBE_SIZE = (64, 96)

#: Memory that the weights of a network may take while it is built, where nothing else is known.
LARGEST_NETWORK = 8 * 1024**3

#: What libraries raise where arguments do not fit.
_FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)
#: Options of the architectures that are set by the configuration's own fields, or would turn
#: logits into something else.
_REFUSED = ("activation", "aux_params", "classes", "encoder_name", "encoder_weights", "in_channels")


class SizedPAN(smp.PAN):
    """PAN for small images, too: its pyramid needs eight pixels in the encoder's last stage."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Repeat the edges of a small image, and cut the logits back to its size."""
        depth, width = images.shape[-2:]
        least = 8 * int(self.encoder.output_stride)
        pad = (0, max(least - width, 0), 0, max(least - depth, 0))
        padded = F.pad(images, pad, mode="replicate") if any(pad) else images
        logits: torch.Tensor = super().forward(padded)  # type: ignore[no-untyped-call]
        return logits[..., :depth, :width]


def build_network(config: NetworkConfig) -> torch.nn.Module:
    """Build a network from scratch.

    Only architectures, encoders and options that are known reach a library (see
    :mod:`napari_retseg.config.architectures`), and nothing is fetched.

    A batch of one can be trained with every network (see
    :func:`napari_retseg.nets.heads.allow_one_value`).

    Returns
    -------
    Module
        In 2D it takes ``(n, in_channels, depth, width)`` with sizes that are multiples of
        :data:`napari_retseg.nets.stride.STRIDE`, in 3D ``(n, in_channels, z, y, x)`` of any size,
        and gives logits with `n_classes` channels and the same size. With `auxiliary`, a pair of
        such logits in train mode.

    Raises
    ------
    UsageError
        Where there is no such architecture or encoder, its options do not fit, or it is too large.
    """
    network = build_untried(config)
    try_out(network, config)
    return network


def build_untried(config: NetworkConfig, *, limit_bytes: int = LARGEST_NETWORK) -> torch.nn.Module:
    """Build a network as :func:`build_network`, before anything goes through it.

    Parameters
    ----------
    limit_bytes
        Memory that its weights may take while it is built.

    Raises
    ------
    UsageError
        Where there is no such architecture or encoder, its options do not fit, or it is too large.
    """
    _check_names(config)
    try:
        with limit_memory(limit_bytes, _name(config)), no_compiler():
            network = build_volumetric(config) if config.dims == 3 else _build_planar(config)
    except _FAILURES as error:
        raise UsageError(f"{_name(config)} cannot be built: {_first_line(error)}") from error
    allow_one_value(network)
    add_up_parts(network, config.parts)
    return network


def build_seeded(config: NetworkConfig, seed: int) -> torch.nn.Module:
    """Build a network whose new weights follow from the seed; global randomness is untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_network(config)


def make_probe(config: NetworkConfig) -> torch.Tensor:
    """Make a small input of zeros for a network, batch of one.

    Returns
    -------
    Tensor
        ``(1, in_channels, 64, 96)``, or in 3D twice the network's stride each way.
    """
    size = (2 * stride_of(config),) * 3 if config.dims == 3 else PROBE_SIZE
    return torch.zeros(1, config.in_channels, *size)


def count_parameters(network: torch.nn.Module) -> tuple[int, int]:
    """Count trainable and frozen parameters."""
    trainable = sum(p.numel() for p in network.parameters() if p.requires_grad)
    total = sum(p.numel() for p in network.parameters())
    return trainable, total - trainable


def _check_names(config: NetworkConfig) -> None:
    """Raise a UsageError where a library would be asked for what it does not list."""
    if config.arch not in OPTIONS:
        raise UsageError(_unknown("architecture", config.arch, OPTIONS))
    for name in _REFUSED:
        if name in config.options:
            raise UsageError(f"option {name} of {config.arch} is set by the program; leave it out")
    problem = config.find_problem()
    if problem:
        raise UsageError(problem)
    if config.dims == 3:
        return
    if config.encoder.startswith("tu-"):
        name = config.encoder.removeprefix("tu-")
        # a tag names weights, which are not fetched; one that is not listed is a typing error
        if not knows_encoder(name) or ("." in name and not timm.models.is_model_pretrained(name)):
            raise UsageError(_unknown("encoder", name, timm.list_models(), prefix="tu-"))
    elif config.encoder not in smp.encoders.encoders:
        raise UsageError(_unknown("encoder", config.encoder, smp.encoders.encoders))


def _build_planar(config: NetworkConfig) -> torch.nn.Module:
    """Build a 2D network, plain or with heads."""
    arguments: dict[str, Any] = {
        "encoder_name": config.encoder,
        "encoder_weights": None,
        "in_channels": config.in_channels,
        "classes": config.n_outputs,
        **config.options,
    }
    with warnings.catch_warnings():
        # DPT on encoders without class tokens, and encoders by their older names: both work
        warnings.filterwarnings("ignore", message="Encoder does not have prefix tokens")
        warnings.filterwarnings("ignore", message="`timm-` encoders are deprecated")
        if config.head != "plain" or config.auxiliary:
            return _build_headed(config, arguments)
        if config.arch == "pan":
            return SizedPAN(**arguments)  # type: ignore[no-any-return]
        if config.arch == "dpt":
            return _build_dpt(arguments)
        return smp.create_model(config.arch, **arguments)


def _build_headed(config: NetworkConfig, arguments: dict[str, Any]) -> torch.nn.Module:
    if config.arch != "unet":
        wanted = f"head {config.head}" if config.head != "plain" else "an auxiliary head"
        raise UsageError(f"{wanted} only works on the decoder of a unet, not of {config.arch}")
    return HeadedUNet(
        smp.Unet(**arguments),
        head=config.head,
        auxiliary=config.auxiliary,
        classes=config.n_outputs,
    )


def _build_dpt(arguments: dict[str, Any]) -> torch.nn.Module:
    """Build a DPT; vision transformers take one size only unless they are asked for more."""
    if not str(arguments["encoder_name"]).startswith("tu-"):
        raise ValueError("it needs a vision transformer of timm, e.g. tu-vit_tiny_patch16_224")
    if "dynamic_img_size" in arguments:
        return smp.DPT(**arguments)  # type: ignore[no-any-return]
    try:
        return smp.DPT(**arguments, dynamic_img_size=True)  # type: ignore[no-any-return]
    except TypeError as error:
        if "dynamic_img_size" not in str(error):
            raise
        return smp.DPT(**arguments)  # type: ignore[no-any-return]


def try_out(network: torch.nn.Module, config: NetworkConfig) -> None:
    """Send a small image through, so that what cannot work is known before any data is read.

    Raises
    ------
    UsageError
        Where it does not go through, or comes out in another size.
    """
    probe = make_probe(config)
    expected = (1, config.n_classes, *probe.shape[2:])
    training = network.training
    try:
        with torch.inference_mode():
            found = tuple(network.eval()(probe).shape)
    except _FAILURES as error:
        raise UsageError(
            f"{_name(config)} cannot process images of any size: {_first_line(error)}"
        ) from error
    if found != expected:
        size = "x".join(str(n) for n in probe.shape[2:])
        answer = "x".join(str(n) for n in found[2:])
        raise UsageError(
            f"{_name(config)} returns logits of {answer} for an image of {size}; change its "
            "options (upsampling, encoder_depth)"
        )
    network.train(training)


def _name(config: NetworkConfig) -> str:
    return config.arch if config.dims == 3 else f"{config.arch} with encoder {config.encoder}"


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def _unknown(kind: str, name: str, known: Iterable[str], *, prefix: str = "") -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3) or []
    listed = ", ".join(prefix + one for one in (near or names[:12]))
    hint = f"did you mean {listed}?" if near else f"one of {listed}"
    return f"unknown {kind} {prefix + name!r}; {hint}"
