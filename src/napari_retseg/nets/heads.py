"""Heads on the decoder of a 2D U-Net, and normalisation that trains with a batch of one.

The U-Net with an FCN, PSP or ASPP head, and an FCN auxiliary head on the decoder's last stage but
one, is that of MMSegmentation's U-Net configurations, which the study on diabetic macular edema
fine-tunes. It is built from the modules of segmentation-models-pytorch.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F

from napari_retseg.config import Head
from napari_retseg.errors import UsageError
from napari_retseg.nets.libraries import (
    ASPP,
    BatchNormAct2d,
    Conv2dReLU,
    PSPModule,
    initialize_decoder,
    initialize_head,
)

#: Output channels of the PSP and the ASPP head.
CONTEXT_CHANNELS = 16
#: Sizes to which a PSP head averages (Zhao et al., CVPR 2017, section 3.2).
POOL_SIZES = (1, 2, 3, 6)
#: Dilations of an ASPP head on full-resolution features, as in MMSegmentation's U-Net.
DILATIONS = (12, 24, 36)
_DROPOUT = 0.1

if TYPE_CHECKING:
    _AnyNorm = nn.BatchNorm2d
else:
    _AnyNorm = object


class _OneValue(_AnyNorm):
    """Batch normalisation that uses the running statistics for a single value per channel.

    There is no variance then, and torch's own raises. It happens after global pooling, and at the
    deepest stage of a small crop, in a batch of one.
    """

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Normalise ``(n, channel, *spatial)``."""
        if not self.training or features.numel() != features.shape[1]:
            return super().forward(features)
        self.training = False
        try:
            return super().forward(features)
        finally:
            self.training = True


class OneValueNorm2d(_OneValue, nn.BatchNorm2d):
    """BatchNorm2d that trains with one value per channel."""


class OneValueNorm3d(_OneValue, nn.BatchNorm3d):
    """BatchNorm3d that trains with one value per channel."""


class OneValueNormAct2d(_OneValue, BatchNormAct2d):
    """BatchNorm2d with activation, of timm's encoders, that trains with one value per channel."""


_ONE_VALUE: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm2d: OneValueNorm2d,
    nn.BatchNorm3d: OneValueNorm3d,
    BatchNormAct2d: OneValueNormAct2d,
}


def allow_one_value(network: nn.Module) -> None:
    """Let every BatchNorm train with one value per channel; tensors and their names stay."""
    for module in network.modules():
        if type(module) in _ONE_VALUE:
            module.__class__ = _ONE_VALUE[type(module)]


class HeadedUNet(nn.Module):
    """U-Net with a head on its decoder, and on request an auxiliary head.

    Its tensors have the names that they have in segmentation-models-pytorch.

    Parameters
    ----------
    unet
        A U-Net of segmentation-models-pytorch, which gives encoder and decoder.
    head
        ``plain`` keeps the single convolution of `unet`.
    auxiliary
        Add an FCN head on the decoder's last stage but one; it only runs in train mode.
    classes
        Number of output channels.
    """

    def __init__(self, unet: nn.Module, *, head: Head, auxiliary: bool, classes: int) -> None:
        super().__init__()
        self.encoder = unet.get_submodule("encoder")
        self.decoder = unet.get_submodule("decoder")
        self.segmentation_head = unet.get_submodule("segmentation_head")
        blocks = list(self.decoder.get_submodule("blocks").children())
        widths = [_width(block) for block in blocks]
        if head != "plain":
            self.segmentation_head = build_head(head, widths[-1], classes=classes)
        self.auxiliary_head: nn.Module | None = None
        if auxiliary:
            if len(blocks) < 2:
                raise UsageError("an auxiliary head needs a decoder of at least two stages")
            self.auxiliary_head = build_head(
                "fcn", widths[-2], classes=classes, channels=widths[-1]
            )

    def forward(self, images: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Return logits; in train mode with an auxiliary head also its logits, same size."""
        features = self.encoder(images)
        if self.auxiliary_head is None or not self.training:
            logits: torch.Tensor = self.segmentation_head(self.decoder(features))
            return logits
        taken: list[torch.Tensor] = []
        source = list(self.decoder.get_submodule("blocks").children())[-2]
        handle = source.register_forward_hook(lambda _module, _in, output: taken.append(output))
        try:
            logits = self.segmentation_head(self.decoder(features))
        finally:
            handle.remove()
        auxiliary = F.interpolate(
            self.auxiliary_head(taken[0]), size=logits.shape[2:], mode="bilinear"
        )
        return logits, auxiliary


def _width(block: nn.Module) -> int:
    layer = block.get_submodule("conv2.0")
    assert isinstance(layer, nn.Conv2d)
    return layer.out_channels


def build_head(
    head: Head, in_channels: int, *, classes: int, channels: int | None = None
) -> nn.Sequential:
    """Build an FCN, PSP or ASPP head that keeps the size of its input.

    Parameters
    ----------
    head
        ``fcn``: a 3 x 3 convolution (Long et al., CVPR 2015). ``psp``: pyramid pooling (Zhao et
        al., CVPR 2017). ``aspp``: atrous spatial pyramid pooling of DeepLabV3 (Chen et al., 2017,
        arXiv:1706.05587). Each ends with a 1 x 1 convolution named ``classify``.
    in_channels
        Of the features.
    classes
        Number of output channels.
    channels
        Before ``classify``; `in_channels` for an FCN head and 16 for the others where not given.
    """
    width = channels or (in_channels if head == "fcn" else CONTEXT_CHANNELS)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if head == "psp":
        if in_channels < len(POOL_SIZES):
            raise UsageError(
                f"a PSP head needs at least {len(POOL_SIZES)} channels in the last stage of the "
                f"decoder, not {in_channels}; change decoder_channels"
            )
        layers["psp"] = PSPModule(in_channels, sizes=POOL_SIZES)
        pooled = in_channels + in_channels // len(POOL_SIZES) * len(POOL_SIZES)
        layers["project"] = Conv2dReLU(pooled, width, kernel_size=3, padding=1)
    elif head == "aspp":
        layers["aspp"] = ASPP(in_channels, width, DILATIONS, separable=False, dropout=0.0)
        layers["project"] = Conv2dReLU(width, width, kernel_size=3, padding=1)
    else:
        layers["project"] = Conv2dReLU(in_channels, width, kernel_size=3, padding=1)
    layers["dropout"] = nn.Dropout2d(_DROPOUT)
    built = nn.Sequential(layers)
    initialize_decoder(built)  # type: ignore[no-untyped-call]
    built.add_module("classify", nn.Conv2d(width, classes, kernel_size=1))
    initialize_head(built.get_submodule("classify"))  # type: ignore[no-untyped-call]
    return built
