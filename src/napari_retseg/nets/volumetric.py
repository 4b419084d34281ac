"""3D networks of MONAI for volumes of any size."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from napari_retseg.config import NetworkConfig
from napari_retseg.errors import UsageError
from napari_retseg.nets.stride import merge_options, stride_of
from napari_retseg.nets.thinconv import learn_from_thin_volumes

#: Options that would change what a network returns.
_REFUSED = ("deep_supervision", "deep_supr_num", "use_conv_final", "spatial_dims")


class VolumetricNetwork(nn.Module):
    """A 3D network behind edge padding, so that volumes of any size go through.

    Parameters
    ----------
    body
        The network of MONAI.
    stride
        What the body's sizes must be multiples of.
    """

    def __init__(self, body: nn.Module, *, stride: int) -> None:
        super().__init__()
        self.body = body
        self.stride = stride

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        """Turn ``(n, channel, z, y, x)`` into logits of the same size."""
        size = volumes.shape[2:]
        target = [math.ceil(length / self.stride) * self.stride for length in size]
        if max(target) == self.stride:
            # instance normalisation has no variance over the single voxel of the deepest stage
            target[-1] = 2 * self.stride
        amounts: list[int] = []
        for length, wanted in zip(reversed(size), reversed(target), strict=True):
            amounts += [0, wanted - length]
        if any(amounts):
            volumes = F.pad(volumes, amounts, mode="replicate")
        logits: torch.Tensor = self.body(volumes)
        return logits[..., : size[0], : size[1], : size[2]]


class DynamicUNet(nn.Module):
    """The blocks of MONAI's DynUNet in order, each registered under one name only.

    The original registers every block twice, which doubles its file.
    """

    def __init__(self, original: nn.Module) -> None:
        super().__init__()
        for name in ("input_block", "downsamples", "bottleneck", "upsamples", "output_block"):
            self.add_module(name, original.get_submodule(name))

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        """Go down, keep what the way up needs, and come up again."""
        features = self.get_submodule("input_block")(volumes)
        kept = [features]
        for down in self.get_submodule("downsamples").children():
            features = down(features)
            kept.append(features)
        features = self.get_submodule("bottleneck")(features)
        for up in self.get_submodule("upsamples").children():
            features = up(features, kept.pop())
        logits: torch.Tensor = self.get_submodule("output_block")(features)
        return logits


def build_volumetric(config: NetworkConfig) -> VolumetricNetwork:
    """Build a 3D network from scratch.

    BasicUNet follows Falk et al. (Nature Methods 16:67, 2019), DynUNet nnU-Net (Isensee et al.,
    Nature Methods 18:203, 2021), SegResNet Myronenko (BrainLes 2018, arXiv:1810.11654).

    Raises
    ------
    UsageError
        Where a 2D head is asked for, or the options do not fit.
    """
    if config.head != "plain" or config.auxiliary:
        raise UsageError(
            f"{config.arch} is a 3D network; heads and auxiliary heads only work with the 2D unet"
        )
    for name in _REFUSED:
        if name in config.options:
            raise UsageError(f"option {name} of {config.arch} is set by the program; leave it out")
    body = _BUILDERS[config.arch](config)
    learn_from_thin_volumes(body)
    return VolumetricNetwork(body, stride=stride_of(config))


def split_volumetric(
    network: VolumetricNetwork, config: NetworkConfig
) -> tuple[list[tuple[nn.Module, ...]], tuple[nn.Module, ...], tuple[nn.Module, ...]]:
    """Split a 3D network into encoder stages (shallow first), decoder and head."""
    get = network.body.get_submodule
    stages: list[tuple[nn.Module, ...]]
    if config.arch == "basicunet":
        stages = [(get(name),) for name in ("conv_0", "down_1", "down_2", "down_3", "down_4")]
        return stages, tuple(get(f"upcat_{k}") for k in range(4, 0, -1)), (get("final_conv"),)
    if config.arch == "dynunet":
        down = [get("input_block"), *get("downsamples").children(), get("bottleneck")]
        return [(block,) for block in down], (get("upsamples"),), (get("output_block"),)
    first, *deeper = get("down_layers").children()
    stages = [(get("convInit"), first)] + [(layer,) for layer in deeper]
    return stages, (get("up_samples"), get("up_layers")), (get("conv_final"),)


def _build_basicunet(config: NetworkConfig) -> nn.Module:
    from monai.networks.nets.basic_unet import BasicUNet

    return BasicUNet(
        spatial_dims=3,
        in_channels=config.in_channels,
        out_channels=config.n_outputs,
        **merge_options(config),
    )


def _build_dynunet(config: NetworkConfig) -> nn.Module:
    from monai.networks.nets.dynunet import DynUNet

    options = merge_options(config)
    if options["strides"][0] != 1:
        raise ValueError("the first of the strides must be 1, or labels lose their size")
    return DynamicUNet(
        DynUNet(
            spatial_dims=3,
            in_channels=config.in_channels,
            out_channels=config.n_outputs,
            **options,
        )
    )


def _build_segresnet(config: NetworkConfig) -> nn.Module:
    from monai.networks.nets.segresnet import SegResNet

    options = merge_options(config)
    if len(options["blocks_up"]) != len(options["blocks_down"]) - 1:
        raise ValueError("blocks_up must have one number less than blocks_down")
    return SegResNet(
        spatial_dims=3,
        in_channels=config.in_channels,
        out_channels=config.n_outputs,
        **options,
    )


_BUILDERS: dict[str, Callable[[NetworkConfig], nn.Module]] = {
    "basicunet": _build_basicunet,
    "dynunet": _build_dynunet,
    "segresnet": _build_segresnet,
}
