"""A training: every field is an option of ``napari-retseg train``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from napari_retseg.config.architectures import ARCHITECTURES_3D
from napari_retseg.config.augment import parse_augment
from napari_retseg.config.frozen import Frozen
from napari_retseg.config.network import Normalisation, NormaliseOver
from napari_retseg.config.predict import Device, Precision
from napari_retseg.config.texts import (
    parse_class_weights,
    parse_fit,
    parse_loss,
    parse_resize,
    parse_size,
    parse_split,
    parse_strategy,
    parse_window,
)

Dims = Literal["auto", "2", "2.5", "3"]
Optimizer = Literal["sgd", "adam", "adamw"]
ScheduleName = Literal["constant", "poly", "cosine", "onecycle", "step", "plateau"]
SplitBy = Literal["patient", "image"]

Positive = Annotated[float, Field(gt=0, le=1e12)]
NotNegative = Annotated[float, Field(ge=0, le=1e9)]
Share = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=0, le=1_000_000_000)]
#: Whatever a signed integer of 64 bits holds.
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]
AtLeastOne = Annotated[int, Field(ge=1, le=1_000_000_000)]
Odd = Annotated[int, Field(ge=0, le=99)]
#: Samples of a step.
Batch = Annotated[int, Field(ge=1, le=4096)]


class TrainConfig(Frozen):
    """Everything that a training needs to know besides the data and the starting model.

    ``auto`` is the starting model's own, or without one what the description says.
    """

    # the network; auto: the starting model's
    dims: Dims = Field(
        "auto", description="B-scans, with their neighbours as channels, or volumes; auto: 2"
    )
    neighbours: Odd = Field(
        0, description="B-scans in the input of --dims 2.5, odd; 0: the starting model's, or 3"
    )
    arch: str = Field(
        "auto",
        description="smp architecture; 3D: basicunet, dynunet, segresnet; auto: unet or basicunet",
    )
    encoder: str = Field("auto", description="smp encoder; 2D only; auto: resnet18")
    head: Literal["auto", "plain", "fcn", "psp", "aspp"] = Field(
        "auto", description="on a 2D U-Net's decoder; auto: plain"
    )
    aux_weight: NotNegative = Field(0.0, description="of an auxiliary FCN head's loss; 0: none")

    # what is trained
    strategy: str = Field(
        "all", description="all, decoder, last-three, head, encoder-stages:N, scratch"
    )
    encoder_lr: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="learning rate of the encoder, as part of --lr"
    )
    unfreeze: Count = Field(
        0, description="iterations between the unfreezing of two encoder stages, deepest first"
    )
    l2_sp: NotNegative = Field(0.0, description="pull towards the starting weights (L2-SP)")
    keep_start: Literal["auto"] | Share = Field(
        "auto",
        description="share of the starting weights in those that are scored and kept; auto, "
        "where the start has a mean Dice of 0.5: 0.5 with one or two training scans, 0.25 with up "
        "to 20, 0.15 with up to 100, else 0",
    )

    # the loss
    loss: str = Field(
        "0.5*ce + 0.5*dice",
        description="sum of ce, wce, dice, wdice, gdice, focal, tversky, lovasz",
    )
    class_weights: str = Field(
        "none", description="for wce and wdice: none, inverse, sqrt, rank, or numbers"
    )

    # the optimisation
    optimizer: Optimizer = Field("adamw", description="of the weights")
    lr: Positive = Field(1e-3, description="highest learning rate")
    momentum: Share = Field(0.9, description="of sgd")
    weight_decay: NotNegative = Field(1e-2, description="L2 (decoupled in adamw)")
    schedule: ScheduleName = Field("onecycle", description="learning rate over the training")
    schedule_iterations: Count = Field(
        0, description="length of the schedule where it is not the training's; 0: the training's"
    )
    warmup: Count = Field(0, description="iterations of linear rise before the schedule")
    pct_start: Share = Field(0.2, description="share of the rise in onecycle")
    div_factor: Positive = Field(25.0, description="highest over first rate in onecycle")
    final_div_factor: Positive = Field(1e4, description="highest over last rate in onecycle")
    poly_power: Positive = Field(0.9, description="of poly")
    drop_every: AtLeastOne = Field(300, description="iterations between the drops of step")
    drop_factor: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.1, description="of a drop in step and plateau"
    )
    plateau_patience: AtLeastOne = Field(
        3, description="scores without a better one before plateau drops"
    )
    clip: NotNegative = Field(0.0, description="largest norm of the gradient; 0: any")
    accumulate: Batch = Field(1, description="batches in an optimiser step")
    iterations: Count = Field(
        0,
        description="optimiser steps; 0: from a model 100 and 3 for each training scan (1000 at "
        "most), from new weights 1000",
    )
    epochs: Count = Field(0, description="instead of iterations: passes over the training scans")
    minutes: NotNegative = Field(0.0, description="instead of iterations: time of training steps")
    batch_size: Batch = Field(4, description="samples in a batch")
    patience: Count = Field(0, description="stop after so many scores without a better one; 0: no")
    ema: Share = Field(
        0.99, description="decay of the averaged weights that are scored and kept; 0: none"
    )

    # the samples
    crop: str = Field(
        "whole",
        description="whole scans (of volumes above 128^3 voxels crops of 96^3), or DEPTHxWIDTH of "
        "the network's input",
    )
    class_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.5, description="share of the samples that is drawn for a class, rare ones first"
    )
    crop_cap: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="redraw a crop (ten times) while one class has this share of it; 1: never"
    )
    resize: str = Field(
        "auto",
        description="input: none, DEPTHxWIDTH, every:N, spacing:AxB, auto (width halved to <= 512)",
    )
    fit: str = Field(
        "auto", description="then crop or pad to DEPTHxWIDTH, or trim to multiple:N; auto: none"
    )
    window: str = Field(
        "auto",
        description="2D: predict the input in windows, DEPTHxWIDTH/STRIDE, and average; auto: none",
    )
    normalise: Literal["auto", Normalisation] = Field(
        "auto", description="grey values to network input; auto: percentile"
    )
    normalise_over: Literal["auto", NormaliseOver] = Field(
        "auto", description="statistics of each B-scan or scan; auto: scan in 3D"
    )
    n4: Literal["auto", "on", "off"] = Field(
        "auto", description="N4 bias field correction (extra 'n4'); auto: off"
    )
    axis: Literal["auto", "0", "1", "2"] = Field(
        "auto", description="along which a volume that is not OCT is sliced in 2D; auto: 0"
    )
    augment: str = Field(
        "oct", description="none, light, oct, strong; changes as in oct,elastic=0.02"
    )
    rehearse: str = Field("", description="an older data set that is mixed in against forgetting")
    rehearse_share: Share = Field(0.25, description="its share of each batch")

    # what is held out
    split: str = Field("pinned", description="pinned, or for this run 80/20, 70/15/15, fold:1/4")
    split_by: SplitBy = Field("patient", description="image only to follow a published protocol")
    operating_point: bool = Field(
        default=False, description="choose a threshold for each class on the held-out scans"
    )

    seed: Seed = Field(0, description="for initial weights, samples and augmentation")
    deterministic: bool = Field(default=False, description="only algorithms that repeat exactly")
    score_every: Count = Field(
        0,
        description="iterations between scores on the held-out scans; 0: a fifth of the training, "
        "100 at most",
    )
    checkpoint_seconds: NotNegative = Field(
        60.0, description="seconds between full-state checkpoints"
    )
    device: Device = Field("auto", description="where to compute")
    precision: Precision = Field("auto", description="auto: bf16 where that is no slower")

    @field_validator("crop")
    @classmethod
    def _check_crop(cls, text: str) -> str:
        if text != "whole" and not min(parse_size(text) or (0,)):
            raise ValueError(f"crop is 'whole' or DEPTHxWIDTH, not {text!r}")
        return text

    @field_validator("keep_start", mode="before")
    @classmethod
    def _check_share(cls, value: object) -> object:
        try:
            is_right = value == "auto" or 0 <= float(value) < 1  # type: ignore[arg-type]
        except (TypeError, ValueError):
            is_right = False
        if not is_right:
            raise ValueError(f"keep_start is 'auto' or a share from 0 to below 1, not {value!r}")
        return value

    @field_validator("neighbours")
    @classmethod
    def _check_odd(cls, neighbours: int) -> int:
        if neighbours and neighbours % 2 == 0:
            raise ValueError("neighbours is odd: the B-scan itself and as many on either side")
        return neighbours

    @field_validator(
        "resize", "fit", "window", "strategy", "loss", "class_weights", "augment", "split"
    )
    @classmethod
    def _check_text(cls, text: str, info: object) -> str:
        name = getattr(info, "field_name", "")
        _READERS[name](text)
        return text

    @model_validator(mode="after")
    def _check_together(self) -> TrainConfig:
        if self.epochs and self.minutes:
            raise ValueError("give epochs or minutes, not both")
        if self.arch != "auto":
            is_3d = self.arch in ARCHITECTURES_3D
            if self.dims == "3" and not is_3d:
                known = ", ".join(ARCHITECTURES_3D)
                raise ValueError(f"in 3D, arch is {known}, not {self.arch!r}")
            if is_3d and self.dims != "3":
                raise ValueError(f"{self.arch} is a 3D network; add --dims 3")
        return self


_READERS = {
    "resize": parse_resize,
    "fit": parse_fit,
    "window": parse_window,
    "strategy": parse_strategy,
    "loss": parse_loss,
    "class_weights": parse_class_weights,
    "augment": parse_augment,
    "split": parse_split,
}
