"""The network and its input, stored with every model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from napari_retseg.config.frozen import Frozen

Head = Literal["plain", "fcn", "psp", "aspp"]
Normalisation = Literal[
    "none", "min-max", "percentile", "z-score", "z-score-0-1", "imagenet", "nyul"
]
NormaliseOver = Literal["bscan", "scan"]

#: 3D networks of MONAI; every other name is an architecture of segmentation-models-pytorch.
ARCHITECTURES_3D = ("basicunet", "dynunet", "segresnet")


class NetworkConfig(Frozen):
    """A network of segmentation-models-pytorch (2D) or MONAI (3D), never with downloaded weights.

    `in_channels` counts every input plane: image channels times neighbouring B-scans.
    """

    arch: str = Field("unet", description="smp architecture, or basicunet, dynunet, segresnet")
    encoder: str = Field("resnet34", description="smp encoder, e.g. resnet34, tu-resnet18; 2D only")
    head: Head = Field("plain", description="on the decoder of a 2D U-Net: plain, fcn, psp, aspp")
    auxiliary: bool = Field(
        default=False, description="an FCN head on the decoder's last stage but one, for training"
    )
    in_channels: Annotated[int, Field(ge=1)] = 1
    n_classes: Annotated[int, Field(ge=2, le=254)] = 2
    options: dict[str, int | float | str | bool | list[int] | None] = Field(
        default_factory=dict, description="further arguments of the architecture"
    )

    @property
    def dims(self) -> int:
        """2 or 3 spatial dimensions."""
        return 3 if self.arch in ARCHITECTURES_3D else 2


class PreprocessConfig(Frozen):
    """How a scan becomes the network's input; stored with the model.

    In this order: N4, normalisation, resampling (`every`, else `size`, else `spacing_um`, else
    `scale`), cropping or padding around the centre (`fit` or `multiple`). Sizes have as many
    numbers as the network has dimensions.
    """

    normalise: Normalisation = "percentile"
    normalise_over: NormaliseOver = Field(
        "bscan", description="what a normalisation's statistics are taken from"
    )
    landmarks: tuple[float, ...] = Field((), description="standard landmarks of nyul, ascending")
    n4: bool = Field(default=False, description="N4 bias field correction first")
    scale: tuple[float, ...] = Field(
        (1.0, 1.0), description="input size over scan size, for each axis"
    )
    size: tuple[int, ...] | None = Field(None, description="fixed input size")
    spacing_um: tuple[float, ...] | None = Field(None, description="fixed pixel size, um")
    every: Annotated[int, Field(ge=1)] = Field(1, description="only each n-th pixel, no averaging")
    fit: tuple[int, ...] | None = Field(None, description="crop or pad to this, around the centre")
    multiple: int | None = Field(None, description="trim to a multiple of this")
    neighbours: Annotated[int, Field(ge=1)] = Field(
        1, description="adjacent B-scans that are stacked as channels (2.5D); odd"
    )
    window: tuple[int, int] | None = Field(
        None, description="a 2D network predicts such windows of its input and averages them"
    )
    window_stride: Annotated[int, Field(ge=0)] = Field(0, description="from window to window")
    axis: Annotated[int, Field(ge=0, le=2)] = Field(
        0, description="along which a volume that is not OCT is sliced"
    )

    @field_validator("neighbours")
    @classmethod
    def _check_odd(cls, neighbours: int) -> int:
        if neighbours % 2 == 0:
            raise ValueError("neighbours is odd: the B-scan itself and as many on either side")
        return neighbours
