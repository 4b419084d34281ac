"""Which networks may be asked for: architectures, names of encoders, options by type and range.

A description of a network comes with a model or a run, which may be anyone's. What is not named
here reaches no library: the options of an encoder could load files or ask the network for them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from napari_retseg.plural import count_noun

#: 3D networks of MONAI; every other name is an architecture of segmentation-models-pytorch.
ARCHITECTURES_3D = ("basicunet", "dynunet", "segresnet")

#: Most that the sides of a volume may shrink within a 3D network.
DEEPEST_STRIDE = 64
#: Voxels times channels squared in a stage, for the small volume that a 3D network is tried on:
#: a convolution there takes seconds.
_MOST_WORK = 2**31

#: A name of segmentation-models-pytorch, or ``tu-`` and a name of timm, with or without its tag.
_ENCODER = re.compile(r"(?:tu-[a-z0-9_]+(?:\.[a-z0-9_]+)?|(?!tu-)[a-z][a-z0-9_-]*)", re.ASCII)
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Allowed:
    """What an option may be: in words for a message, and whether a value is that."""

    words: str
    accepts: Callable[[Any], bool]


def _whole(least: int, most: int) -> Allowed:
    return Allowed(
        f"a whole number from {least} to {most}",
        lambda value: type(value) is int and least <= value <= most,  # True and False are none
    )


def _one_of(*values: str | int) -> Allowed:
    return Allowed(
        f"one of {', '.join(map(str, values))}",
        lambda value: type(value) in (str, int) and value in values,
    )


def _several(each: Allowed, most: int) -> Allowed:
    return Allowed(
        f"a list of up to {most}, each {each.words}",
        lambda value: (
            isinstance(value, list | tuple)
            and 0 < len(value) <= most
            and all(map(each.accepts, value))
        ),
    )


def _any_of(*others: Allowed) -> Allowed:
    return Allowed(
        ", or ".join(other.words for other in others),
        lambda value: any(other.accepts(value) for other in others),
    )


_SHARE = Allowed(
    "a number from 0 to below 1", lambda value: type(value) in (int, float) and 0 <= value < 1
)
_FLAG = Allowed("true or false", lambda value: isinstance(value, bool))
_CHANNELS = _whole(1, 2048)
_STAGES = _several(_whole(1, 1024), 5)
_INTERPOLATION = _one_of("nearest", "nearest-exact", "bilinear", "bicubic", "area")
_NORM = _any_of(_FLAG, _one_of("batchnorm", "identity", "layernorm", "instancenorm"))
_UPSAMPLING = _whole(1, 32)
_OUTPUT_STRIDE = _one_of(8, 16, 32)
_NORM_3D = _one_of("batch", "instance")
_ACTIVATION_3D = _one_of("relu", "leakyrelu", "prelu", "elu", "gelu", "mish", "swish")
_WIDTHS_3D = _whole(1, 512)
_STRIDES = _several(_whole(1, 4), 8)
_KERNELS = _several(_whole(1, 7), 8)
_BLOCKS = _several(_whole(1, 16), 7)

_UNET: dict[str, Allowed] = {
    "encoder_depth": _whole(1, 5),
    "decoder_channels": _STAGES,
    "decoder_use_norm": _NORM,
    "decoder_attention_type": _one_of("scse"),
    "decoder_interpolation": _INTERPOLATION,
}
_DEEPLAB: dict[str, Allowed] = {
    "encoder_depth": _whole(3, 5),
    "encoder_output_stride": _OUTPUT_STRIDE,
    "decoder_channels": _CHANNELS,
    "decoder_atrous_rates": _several(_whole(1, 128), 8),
    "decoder_aspp_separable": _FLAG,
    "decoder_aspp_dropout": _SHARE,
    "upsampling": _UPSAMPLING,
}

#: Options of each architecture. None stands for the architecture's own value of any of them.
OPTIONS: Mapping[str, Mapping[str, Allowed]] = {
    "unet": _UNET,
    "unetplusplus": _UNET,
    "manet": {
        **{name: _UNET[name] for name in _UNET if name != "decoder_attention_type"},
        "decoder_pab_channels": _CHANNELS,
    },
    "linknet": {"encoder_depth": _whole(1, 5), "decoder_use_norm": _NORM},
    "fpn": {
        "encoder_depth": _whole(1, 5),
        "decoder_pyramid_channels": _CHANNELS,
        "decoder_segmentation_channels": _CHANNELS,
        "decoder_merge_policy": _one_of("add", "cat"),
        "decoder_dropout": _SHARE,
        "decoder_interpolation": _INTERPOLATION,
        "upsampling": _UPSAMPLING,
    },
    "pspnet": {
        "encoder_depth": _whole(1, 5),
        "psp_out_channels": _CHANNELS,
        "decoder_use_norm": _NORM,
        "psp_dropout": _SHARE,
        "upsampling": _UPSAMPLING,
    },
    "deeplabv3": _DEEPLAB,
    "deeplabv3plus": _DEEPLAB,
    "pan": {
        "encoder_depth": _whole(3, 5),
        "encoder_output_stride": _OUTPUT_STRIDE,
        "decoder_channels": _CHANNELS,
        "decoder_interpolation": _INTERPOLATION,
        "upsampling": _UPSAMPLING,
    },
    "upernet": {
        "encoder_depth": _whole(1, 5),
        "decoder_channels": _CHANNELS,
        "decoder_use_norm": _NORM,
        "upsampling": _UPSAMPLING,
    },
    "segformer": {
        "encoder_depth": _whole(1, 5),
        "decoder_segmentation_channels": _CHANNELS,
        "upsampling": _UPSAMPLING,
    },
    "dpt": {
        "encoder_depth": _whole(1, 4),
        "encoder_output_indices": _several(_whole(0, 100), 4),
        "decoder_readout": _one_of("ignore", "add", "cat"),
        "decoder_intermediate_channels": _several(_CHANNELS, 4),
        "decoder_fusion_channels": _CHANNELS,
        "dynamic_img_size": _FLAG,
    },
    "basicunet": {
        "features": _several(_WIDTHS_3D, 6),
        "act": _ACTIVATION_3D,
        "norm": _NORM_3D,
        "bias": _FLAG,
        "dropout": _SHARE,
        "upsample": _one_of("deconv", "nontrainable", "pixelshuffle"),
    },
    "dynunet": {
        "filters": _several(_WIDTHS_3D, 8),
        "strides": _STRIDES,
        "kernel_size": _KERNELS,
        "upsample_kernel_size": _STRIDES,
        "dropout": _SHARE,
        "norm_name": _NORM_3D,
        "act_name": _ACTIVATION_3D,
        "res_block": _FLAG,
        "trans_bias": _FLAG,
    },
    "segresnet": {
        "init_filters": _WIDTHS_3D,
        "blocks_down": _BLOCKS,
        "blocks_up": _BLOCKS,
        "dropout_prob": _SHARE,
        "act": _ACTIVATION_3D,
        "norm": _NORM_3D,
        "upsample_mode": _one_of("nontrainable", "deconv", "pixelshuffle"),
    },
}

#: Numbers of an option that makes a list of another length fail deep within a library.
_EXACT_LENGTHS = {("basicunet", "features"): 6}


def is_encoder_name(name: str) -> bool:
    """Whether a text may be the name of an encoder: no path, no address, no other registry."""
    return len(name) <= _LONGEST_NAME and _ENCODER.fullmatch(name) is not None


def find_wrong_option(arch: str, options: Mapping[str, object]) -> str:
    """Say in words which option an architecture does not take; empty where all are right.

    An architecture that is not known takes none.
    """
    known = OPTIONS.get(arch, {})
    for name, value in options.items():
        if name not in known:
            listed = ", ".join(sorted(known)) or "none"
            return f"{arch} has no option {name[:_LONGEST_NAME]!r}; possible options: {listed}"
        if value is not None and not known[name].accepts(value):
            return f"option {name} of {arch} must be {known[name].words}, not {_shorten(value)}"
        wanted = _EXACT_LENGTHS.get((arch, name))
        if wanted is not None and isinstance(value, list | tuple) and len(value) != wanted:
            return (
                f"option {name} of {arch} must have {count_noun(wanted, 'number')}, not "
                f"{len(value)}"
            )
    return _find_wrong_size(arch, options)


def _find_wrong_size(arch: str, options: Mapping[str, object]) -> str:
    """Say why a 3D network would be too deep or too wide to be tried; empty where it is not."""
    stages = _list_stages(arch, options)
    deepest = max((stride for stride, _ in stages), default=1)
    if deepest > DEEPEST_STRIDE:
        return (
            f"{arch} would halve the image size {deepest} times; at most {DEEPEST_STRIDE} times "
            "are possible"
        )
    if any((2 * deepest // stride) ** 3 * width**2 > _MOST_WORK for stride, width in stages):
        return f"{arch} would have too many filters for so many stages; use fewer filters"
    return ""


def _list_stages(arch: str, options: Mapping[str, object]) -> list[tuple[int, int]]:
    """Return by how much each stage of a 3D network shrinks the sides, and its channels."""

    def numbers(name: str, default: tuple[int, ...]) -> list[int]:
        value = options.get(name)
        given = value if isinstance(value, list | tuple) else default
        return [n for n in given if isinstance(n, int)]

    if arch == "basicunet":
        features = numbers("features", (16,))
        # the last one is of the way up, at full size
        return [(16, 1), (1, features[-1]), *((2**k, n) for k, n in enumerate(features[:5]))]
    if arch == "segresnet":
        width = options.get("init_filters")
        first = width if isinstance(width, int) else 8
        return [(2**k, first * 2**k) for k in range(len(numbers("blocks_down", (1,) * 4)))]
    if arch == "dynunet":
        filters = numbers("filters", (16,) * 5)
        strides = numbers("strides", (1, *[2] * (len(filters) - 1)))
        shrunk = [math.prod(strides[: k + 1]) for k in range(len(strides))]
        return [*((n, 1) for n in shrunk), *zip(shrunk, filters, strict=False)]
    return []


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}…"
