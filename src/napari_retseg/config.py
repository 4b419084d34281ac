"""Configuration: frozen pydantic models, validated once at the edge.

The fields of :class:`TrainConfig` are also the options of ``napari-retseg train``.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
Normalisation = Literal["none", "min-max", "percentile", "z-score"]
Strategy = Literal["all", "scratch"]
Optimizer = Literal["adamw", "sgd"]
Schedule = Literal["onecycle", "poly", "constant"]
AugmentPreset = Literal["none", "light", "oct"]

_SIZE = re.compile(r"^(\d+)x(\d+)$")


class Frozen(BaseModel):
    """A configuration: immutable, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NetworkConfig(Frozen):
    """A network of segmentation-models-pytorch, always built without downloaded weights."""

    arch: str = Field("unet", description="smp architecture, e.g. unet, fpn, deeplabv3plus")
    encoder: str = Field("resnet34", description="smp encoder, e.g. resnet34, tu-resnet18")
    in_channels: Annotated[int, Field(ge=1)] = 1
    n_classes: Annotated[int, Field(ge=2, le=254)] = 2
    options: dict[str, int | float | str | bool | list[int] | None] = Field(
        default_factory=dict, description="further arguments of the smp architecture"
    )


class PreprocessConfig(Frozen):
    """How grey values become the network's input; stored with the model."""

    normalise: Normalisation = "percentile"
    scale: tuple[float, float] = Field(
        (1.0, 1.0), description="input size over scan size, depth and width"
    )
    size: tuple[int, int] | None = Field(
        None, description="fixed input size, depth and width; takes precedence over scale"
    )


class AugmentConfig(Frozen):
    """Ranges from which each training sample's changes are drawn."""

    flip: Annotated[float, Field(ge=0, le=1)] = 0.5
    gamma: Annotated[float, Field(ge=0)] = 0.3
    contrast: Annotated[float, Field(ge=0)] = 0.2
    brightness: Annotated[float, Field(ge=0)] = 0.1
    noise: Annotated[float, Field(ge=0)] = 0.08
    shift: Annotated[float, Field(ge=0, le=1)] = 0.1
    tilt: Annotated[float, Field(ge=0, le=1)] = 0.1
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.15


AUGMENT_PRESETS: dict[AugmentPreset, AugmentConfig] = {
    "none": AugmentConfig(
        flip=0, gamma=0, contrast=0, brightness=0, noise=0, shift=0, tilt=0, scale=0
    ),
    "light": AugmentConfig(
        gamma=0.15, contrast=0.1, brightness=0.05, noise=0, shift=0, tilt=0, scale=0
    ),
    "oct": AugmentConfig(),
}


class TrainConfig(Frozen):
    """Everything that a training needs to know besides the data and the starting model."""

    arch: str = Field("unet", description="smp architecture (ignored with a starting model)")
    encoder: str = Field("resnet18", description="smp encoder (ignored with a starting model)")
    strategy: Strategy = Field("all", description="what is trained: all, or scratch (new weights)")
    optimizer: Optimizer = Field("adamw", description="adamw, or sgd with momentum 0.9")
    lr: Annotated[float, Field(gt=0)] = Field(1e-3, description="highest learning rate")
    weight_decay: Annotated[float, Field(ge=0)] = Field(1e-2, description="L2 (decoupled in adamw)")
    schedule: Schedule = Field("onecycle", description="learning rate over the training")
    iterations: Annotated[int, Field(ge=1)] = Field(1000, description="optimiser steps")
    batch_size: Annotated[int, Field(ge=1)] = Field(4, description="crops in a step")
    crop: str = Field(
        "whole", description="whole B-scans, or DEPTHxWIDTH in pixels of the network's input"
    )
    resize: str = Field(
        "auto",
        description="the network's input: none, DEPTHxWIDTH, or auto (width halved until <= 512)",
    )
    augment: AugmentPreset = Field("oct", description="preset of random changes")
    normalise: Normalisation = Field("percentile", description="grey values to network input")
    ema: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.99, description="decay of the averaged weights that are scored and kept; 0: none"
    )
    seed: Annotated[int, Field(ge=0)] = Field(0, description="of new weights, crops and changes")
    score_every: Annotated[int, Field(ge=1)] = Field(
        100, description="iterations between scores on the held-out scans"
    )
    checkpoint_seconds: Annotated[float, Field(ge=0)] = Field(
        60.0, description="seconds between full-state checkpoints"
    )
    device: Device = Field("auto", description="where to compute")
    precision: Precision = Field("auto", description="auto: bf16 where the device has it")

    @field_validator("crop", "resize")
    @classmethod
    def _check_size(cls, text: str) -> str:
        if text in ("whole", "none", "auto") or _SIZE.match(text):
            return text
        raise ValueError(f"{text!r} is neither a word that is known here nor DEPTHxWIDTH")

    @field_validator("crop")
    @classmethod
    def _check_crop(cls, text: str) -> str:
        if text in ("none", "auto"):
            raise ValueError(f"crop is 'whole' or DEPTHxWIDTH, not {text!r}")
        return text

    @field_validator("resize")
    @classmethod
    def _check_resize(cls, text: str) -> str:
        if text == "whole":
            raise ValueError("resize is 'auto', 'none' or DEPTHxWIDTH, not 'whole'")
        return text


class PredictConfig(Frozen):
    """How a scan is predicted."""

    device: Device = "auto"
    precision: Precision = "auto"
    batch_size: Annotated[int, Field(ge=0)] = Field(
        0, description="B-scans at once; 0: one on a CPU, eight on a GPU"
    )


def parse_size(text: str) -> tuple[int, int] | None:
    """Read ``DEPTHxWIDTH``; None for a word."""
    match = _SIZE.match(text)
    return (int(match[1]), int(match[2])) if match else None
