"""Build a network from its configuration, always offline."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import segmentation_models_pytorch as smp
import torch

from napari_retseg.config import NetworkConfig
from napari_retseg.errors import UsageError

#: Sizes of the input are padded to a multiple of this: 2 to the number of an encoder's stages.
STRIDE = 32


def build_network(config: NetworkConfig) -> torch.nn.Module:
    """Build a network with new weights.

    Returns
    -------
    Module
        Takes ``(n, in_channels, depth, width)`` with sizes that are multiples of
        :data:`STRIDE`, gives logits ``(n, n_classes, depth, width)``.

    Raises
    ------
    UsageError
        Where there is no such architecture or encoder, or its options do not fit.
    """
    if config.arch not in smp.MODEL_ARCHITECTURES_MAPPING:
        raise UsageError(_unknown("architecture", config.arch, smp.MODEL_ARCHITECTURES_MAPPING))
    if not config.encoder.startswith("tu-") and config.encoder not in smp.encoders.encoders:
        raise UsageError(_unknown("encoder", config.encoder, smp.encoders.encoders))
    try:
        network: torch.nn.Module = smp.create_model(
            config.arch,
            encoder_name=config.encoder,
            encoder_weights=None,
            in_channels=config.in_channels,
            classes=config.n_classes,
            **config.options,
        )
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(
            f"{config.arch} with encoder {config.encoder} cannot be built: {reason}"
        ) from error
    return network


def build_seeded(config: NetworkConfig, seed: int) -> torch.nn.Module:
    """Build a network whose new weights follow from the seed; global randomness is untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_network(config)


def count_parameters(network: torch.nn.Module) -> tuple[int, int]:
    """Count trainable and frozen parameters."""
    trainable = sum(p.numel() for p in network.parameters() if p.requires_grad)
    total = sum(p.numel() for p in network.parameters())
    return trainable, total - trainable


def _unknown(kind: str, name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3)
    hint = f"did you mean {', '.join(near)}?" if near else f"one of {', '.join(names[:12])}"
    return f"there is no {kind} {name!r}; {hint}"
