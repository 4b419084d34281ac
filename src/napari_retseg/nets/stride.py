"""What the sizes of a network's input must be multiples of, known without torch."""

from __future__ import annotations

import math
from typing import Any

from napari_retseg.config import NetworkConfig

#: Sizes of a 2D input are padded to a multiple of this: 2 to the number of an encoder's stages.
STRIDE = 32

#: Sizes that train on a CPU; `options` of the configuration go before them.
DEFAULTS: dict[str, dict[str, Any]] = {
    "basicunet": {
        "features": (16, 16, 32, 64, 128, 16),
        "norm": ("instance", {"affine": True}),
    },
    "dynunet": {
        "filters": (16, 16, 32, 64, 128),
        "strides": (1, 2, 2, 2, 2),
        "norm_name": ("instance", {"affine": True}),
    },
    "segresnet": {"init_filters": 8, "blocks_down": (1, 2, 2, 4), "blocks_up": (1, 1, 1)},
}


def stride_of(config: NetworkConfig) -> int:
    """Return what each size of the input must be a multiple of.

    3D networks pad their input themselves; sizes that are multiples waste no work there.
    """
    if config.dims == 2:
        return STRIDE
    options = merge_options(config)
    if config.arch == "dynunet":
        return math.prod(options["strides"])
    if config.arch == "segresnet":
        return int(2 ** (len(options["blocks_down"]) - 1))
    return 16


def merge_options(config: NetworkConfig) -> dict[str, Any]:
    """Return all options of a 3D network: those of the configuration before our own."""
    options = {k: tuple(v) if isinstance(v, list) else v for k, v in config.options.items()}
    merged = {**DEFAULTS[config.arch], **options}
    if config.arch == "dynunet":
        if "strides" not in options:
            merged["strides"] = (1, *[2] * (len(merged["filters"]) - 1))
        merged.setdefault("kernel_size", (3,) * len(merged["strides"]))
        merged.setdefault("upsample_kernel_size", merged["strides"][1:])
    return merged
