"""The network and its input, stored with every model."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from napari_retseg.config.architectures import (
    ARCHITECTURES_3D,
    find_wrong_option,
    is_encoder_name,
)
from napari_retseg.config.frozen import Frozen
from napari_retseg.plural import count_noun

#: Most pixels of a training's sample that a description may name.
MOST_PIXELS = 1 << 24
Head = Literal["plain", "fcn", "psp", "aspp"]
Normalisation = Literal[
    "none", "min-max", "percentile", "z-score", "z-score-0-1", "imagenet", "nyul"
]
NormaliseOver = Literal["bscan", "scan"]

#: Landmarks of one channel, see :mod:`napari_retseg.nets.nyul`.
_LANDMARKS = 11
#: Pixels or voxels of the largest input, far beyond what a network is trained on.
LARGEST_INPUT = 2**28

_Name = Annotated[str, Field(min_length=1, max_length=100)]
_Number = Annotated[int, Field(ge=-(2**31), lt=2**31)]
_Side = Annotated[int, Field(ge=1, le=2**14)]
_Sides = Annotated[tuple[_Side, ...], Field(min_length=2, max_length=3)]
_Factor = Annotated[float, Field(ge=1 / 1024, le=1024)]
_Length = Annotated[float, Field(ge=1e-3, le=1e6)]
_Landmark = Annotated[float, Field(ge=-1e6, le=1e6)]
_MOST_CLASSES = 254
_Part = Annotated[str, Field(min_length=1, max_length=200)]
_Parts = Annotated[tuple[_Part, ...], Field(min_length=1, max_length=_MOST_CLASSES)]


def _check_odd(neighbours: int) -> int:
    if neighbours and neighbours % 2 == 0:
        raise ValueError(
            "neighbours must be odd: the B-scan itself and the same number on each side"
        )
    return neighbours


#: Number of adjacent B-scans; 0 stands for none chosen.
Neighbours = Annotated[int, AfterValidator(_check_odd)]


class NetworkConfig(Frozen):
    """A network of segmentation-models-pytorch (2D) or MONAI (3D), never with downloaded weights.

    `in_channels` counts every input plane: image channels times neighbouring B-scans.
    """

    arch: _Name = Field(
        "unet",
        description="Architecture: one of segmentation-models-pytorch, or basicunet, dynunet, "
        "segresnet.",
    )
    encoder: _Name = Field(
        "resnet34",
        description="Encoder of segmentation-models-pytorch, e.g. resnet34, tu-resnet18; 2D only.",
    )
    head: Head = Field(
        "plain", description="Head on the decoder of a 2D U-Net: plain, fcn, psp, aspp."
    )
    auxiliary: bool = Field(
        default=False,
        description="Auxiliary FCN head on the second-to-last stage of the decoder, for training "
        "only.",
    )
    in_channels: Annotated[int, Field(ge=1, le=1024)] = 1
    n_classes: Annotated[int, Field(ge=2, le=_MOST_CLASSES)] = 2
    parts: Annotated[tuple[_Parts, ...], Field(max_length=_MOST_CLASSES)] = Field(
        (),
        description="For each class the names of what its output layer tells apart; their "
        "probabilities are added. Empty where these are the classes themselves.",
    )
    options: Annotated[
        dict[_Name, _Number | float | _Name | bool | list[_Number] | None], Field(max_length=32)
    ] = Field(default_factory=dict, description="Further options of the architecture.")

    @property
    def dims(self) -> int:
        """2 or 3 spatial dimensions."""
        return 3 if self.arch in ARCHITECTURES_3D else 2

    @property
    def n_outputs(self) -> int:
        """Channels of the output layer."""
        return sum(map(len, self.parts)) or self.n_classes

    @model_validator(mode="after")
    def _check_parts(self) -> NetworkConfig:
        names = [name for part in self.parts for name in part]
        if names and len(self.parts) != self.n_classes:
            raise ValueError(f"{len(self.parts)} parts are named for {self.n_classes} classes")
        if len(names) > _MOST_CLASSES or len(set(names)) != len(names):
            raise ValueError(f"parts must be at most {_MOST_CLASSES}, and distinct")
        return self

    def find_problem(self) -> str:
        """Say in words what no library may be asked for; empty where all is right.

        Whether there are such an architecture and such an encoder is known where it is built.
        """
        if not is_encoder_name(self.encoder):
            return (
                f"encoder {self.encoder!r} is unknown; use one of segmentation-models-pytorch, "
                "or tu- and the name of a timm model"
            )
        return find_wrong_option(self.arch, self.options)


class PreprocessConfig(Frozen):
    """How a scan becomes the network's input; stored with the model.

    In this order: N4, normalisation, resampling (`every`, else `size`, else `spacing_um`, else
    `scale`), cropping or padding around the centre (`fit` or `multiple`). Sizes have as many
    numbers as the network has dimensions.
    """

    normalise: Normalisation = "percentile"
    normalise_over: NormaliseOver = Field(
        "bscan", description="Part of the data that the normalisation's statistics are taken from."
    )
    landmarks: Annotated[tuple[_Landmark, ...], Field(max_length=64 * _LANDMARKS)] = Field(
        (), description="Standard landmarks of nyul, ascending."
    )
    n4: bool = Field(
        default=False, description="N4 bias field correction before the normalisation."
    )
    scale: Annotated[tuple[_Factor, ...], Field(min_length=2, max_length=3)] = Field(
        (1.0, 1.0), description="Input size divided by scan size, for each axis."
    )
    size: _Sides | None = Field(None, description="Fixed input size in pixels.")
    spacing_um: Annotated[tuple[_Length, ...], Field(min_length=2, max_length=3)] | None = Field(
        None, description="Fixed pixel size in µm."
    )
    every: Annotated[int, Field(ge=1, le=1024)] = Field(
        1, description="Use every n-th pixel only, without averaging."
    )
    fit: _Sides | None = Field(None, description="Crop or pad to this size, around the centre.")
    multiple: _Side | None = Field(None, description="Trim to a multiple of this size.")
    neighbours: Annotated[Neighbours, Field(ge=1, le=99)] = Field(
        1, description="Number of adjacent B-scans that are stacked as channels (2.5D); odd."
    )
    window: tuple[_Side, _Side] | None = Field(
        None,
        description="Size of the windows in which a 2D network predicts its input; overlaps are "
        "averaged.",
    )
    window_stride: Annotated[int, Field(ge=0, le=2**14)] = Field(
        0, description="Step from window to window in pixels."
    )
    axis: Annotated[int, Field(ge=0, le=2)] = Field(
        0, description="Axis along which a non-OCT volume is sliced."
    )
    trained_size: _Sides | None = Field(
        None, description="Input size of the training samples. None: unknown."
    )

    @field_validator("trained_size")
    @classmethod
    def _check_pixels(cls, size: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if size is not None and math.prod(size) > MOST_PIXELS:
            raise ValueError(f"trained_size {size} has more than {MOST_PIXELS:,} pixels")
        return size

    @field_validator("landmarks")
    @classmethod
    def _check_landmarks(cls, landmarks: tuple[float, ...]) -> tuple[float, ...]:
        channels = [landmarks[k : k + _LANDMARKS] for k in range(0, len(landmarks), _LANDMARKS)]
        if any(len(one) < _LANDMARKS or list(one) != sorted(one) for one in channels):
            raise ValueError(f"each channel must have {_LANDMARKS} landmarks, in ascending order")
        return landmarks

    @field_validator("size", "fit")
    @classmethod
    def _check_sides(cls, sides: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if sides is not None and math.prod(sides) > LARGEST_INPUT:
            raise ValueError(f"more than {LARGEST_INPUT:,} pixels")
        return sides

    @model_validator(mode="after")
    def _check_window(self) -> PreprocessConfig:
        if self.window is not None and not 0 < self.window_stride <= min(self.window):
            raise ValueError("window_stride must be between 1 and the sides of the window")
        return self

    def find_misfit(self, network: NetworkConfig) -> str:
        """Say in words why a network cannot have this input; empty where it can."""
        sizes = {
            "size": self.size,
            "spacing_um": self.spacing_um,
            "fit": self.fit,
            "trained_size": self.trained_size,
        }
        if any(factor != 1 for factor in self.scale):
            sizes["scale"] = self.scale
        for name, numbers in sizes.items():
            if numbers is not None and len(numbers) != network.dims:
                return (
                    f"{name} has {count_noun(len(numbers), 'number')}, but the network is "
                    f"{network.dims}D"
                )
        if network.dims == 3 and (self.window is not None or self.neighbours > 1):
            return "window and neighbours only work with 2D networks"
        if network.in_channels % self.neighbours:
            return (
                f"{network.in_channels} input channels cannot be divided among {self.neighbours} "
                "neighbouring B-scans"
            )
        return ""
