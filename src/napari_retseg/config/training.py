"""A training: every field is an option of ``napari-retseg train``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from napari_retseg.config import texts
from napari_retseg.config.architectures import ARCHITECTURES_3D
from napari_retseg.config.augment import parse_augment
from napari_retseg.config.frozen import Frozen
from napari_retseg.config.network import Neighbours, Normalisation, NormaliseOver
from napari_retseg.config.predict import Device, Precision

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
#: Samples of a step.
Batch = Annotated[int, Field(ge=1, le=4096)]


class TrainConfig(Frozen):
    """Everything that a training needs to know besides the data and the starting model.

    ``auto`` is the starting model's own, or without one what the description says.
    """

    # the network; auto: the starting model's
    dims: Dims = Field(
        "auto",
        description="Input: 2 for B-scans, 2.5 for B-scans with their neighbours as channels, 3 "
        "for volumes. auto: 2.",
    )
    neighbours: Annotated[Neighbours, Field(ge=0, le=99)] = Field(
        0,
        description="Number of B-scans in the input with --dims 2.5; odd. 0: as in the starting "
        "model, or 3.",
    )
    arch: str = Field(
        "auto",
        description="Architecture. 2D: one of segmentation-models-pytorch, auto: unet. 3D: "
        "basicunet, dynunet, segresnet; auto: basicunet.",
    )
    encoder: str = Field("auto", description="Encoder of a 2D network. auto: resnet18.")
    head: Literal["auto", "plain", "fcn", "psp", "aspp"] = Field(
        "auto", description="Head on the decoder of a 2D U-Net. auto: plain."
    )
    aux_weight: NotNegative = Field(
        0.0, description="Auxiliary-head loss weight (FCN head). 0: no auxiliary head."
    )

    # what is trained
    strategy: str = Field(
        "all",
        description="Weights that are trained: all, decoder, last-three, head, encoder-stages:N; "
        "or scratch to train from scratch.",
    )
    encoder_lr: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="Learning rate of the encoder, as a fraction of the learning rate."
    )
    unfreeze: Count = Field(
        0,
        description="Iterations until the next encoder stage is unfrozen, deepest first. 0: all "
        "from the start.",
    )
    l2_sp: NotNegative = Field(
        0.0, description="Weight of the penalty on changes of the starting weights (L2-SP)."
    )
    keep_start: Literal["auto"] | Share = Field(
        "auto",
        description="Initial-weight fraction (WiSE-FT): share of the starting weights in the "
        "weights that are scored and saved. auto: 0 if the starting model's mean Dice is below "
        "0.5; else 0.5 for 1 or 2 training scans, 0.25 up to 20, 0.15 up to 100, 0 above.",
    )

    # the loss
    loss: str = Field(
        "0.5*ce + 0.5*dice",
        description="Loss: weighted sum of ce, wce, dice, wdice, gdice, focal, tversky, lovasz.",
    )
    class_weights: str = Field(
        "none",
        description="Class weights of wce and wdice: none, inverse, sqrt, rank, or one number for "
        "each class.",
    )

    # the optimisation
    optimizer: Optimizer = Field("adamw", description="Optimizer.")
    lr: Positive = Field(1e-3, description="Highest learning rate.")
    momentum: Share = Field(0.9, description="Momentum of sgd.")
    weight_decay: NotNegative = Field(1e-2, description="Weight decay (decoupled in adamw).")
    schedule: ScheduleName = Field("onecycle", description="Learning-rate schedule.")
    schedule_iterations: Count = Field(
        0, description="Length of the schedule in iterations. 0: the length of the training."
    )
    warmup: Count = Field(0, description="Iterations of linear warm-up before the schedule.")
    pct_start: Share = Field(0.2, description="Warm-up as a fraction of the onecycle schedule.")
    div_factor: Positive = Field(
        25.0, description="Highest learning rate divided by the first one, for onecycle."
    )
    final_div_factor: Positive = Field(
        1e4, description="Highest learning rate divided by the last one, for onecycle."
    )
    poly_power: Positive = Field(0.9, description="Power of the poly schedule.")
    drop_every: AtLeastOne = Field(
        300, description="Iterations between the drops of the step schedule."
    )
    drop_factor: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.1, description="Factor of a drop in the step and plateau schedules."
    )
    plateau_patience: AtLeastOne = Field(
        3,
        description="Number of scores without improvement before plateau drops the learning rate.",
    )
    clip: NotNegative = Field(
        0.0, description="Largest gradient norm (gradient clipping). 0: no clipping."
    )
    accumulate: Batch = Field(
        1, description="Number of batches in an optimizer step (gradient accumulation)."
    )
    iterations: Count = Field(
        0,
        description="Number of iterations (optimizer steps). 0: with a starting model 100 + 3 for "
        "each training scan (1000 at most), from scratch 1000.",
    )
    epochs: Count = Field(0, description="Number of epochs, instead of iterations. 0: not used.")
    minutes: NotNegative = Field(
        0.0, description="Training time in minutes, instead of iterations. 0: not used."
    )
    batch_size: Batch = Field(4, description="Number of samples in a batch.")
    patience: Count = Field(
        0, description="Stop after this number of scores without improvement. 0: never."
    )
    ema: Share = Field(
        0.99,
        description="Decay of the exponential moving average (EMA) of the weights; the average is "
        "scored and saved. 0: no average.",
    )

    # the samples
    crop: str = Field(
        "whole",
        description="Crop size: whole scan, or DEPTHxWIDTH in pixels of the network's input. "
        "Volumes above 128^3 voxels use crops of 96^3.",
    )
    class_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.5, description="Fraction of the samples that are drawn for a class, rare classes first."
    )
    crop_cap: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0,
        description="Draw a crop again (up to ten times) if one class covers more than this "
        "fraction. 1: never.",
    )
    resize: str = Field(
        "auto",
        description="Resize the input: none, DEPTHxWIDTH, every:N, spacing:AxB, or auto (halve "
        "the width until it is <= 512).",
    )
    fit: str = Field(
        "auto",
        description="After resizing: crop or pad to DEPTHxWIDTH, or trim to multiple:N. auto: "
        "none.",
    )
    window: str = Field(
        "auto",
        description="Sliding window of a 2D network, DEPTHxWIDTH/STRIDE; overlaps are averaged. "
        "auto: none.",
    )
    normalise: Literal["auto", Normalisation] = Field(
        "auto", description="Intensity normalisation. auto: percentile."
    )
    normalise_over: Literal["auto", NormaliseOver] = Field(
        "auto",
        description="Part of the data that the normalisation's statistics are taken from. auto: "
        "the B-scan; in 3D the scan.",
    )
    n4: Literal["auto", "on", "off"] = Field(
        "auto", description="N4 bias field correction (needs the extra 'n4'). auto: off."
    )
    axis: Literal["auto", "0", "1", "2"] = Field(
        "auto", description="Axis along which non-OCT volumes are sliced in 2D. auto: 0."
    )
    augment: str = Field(
        "oct",
        description="Augmentation preset: none, light, oct, strong; single values as in "
        "oct,elastic=0.02.",
    )
    rehearse: str = Field(
        "",
        description="Rehearsal dataset: older data that is mixed into each batch, against "
        "forgetting.",
    )
    rehearse_share: Share = Field(
        0.25, description="Fraction of each batch that is drawn from the rehearsal dataset."
    )
    rehearse_simulated: Literal["auto"] | Share = Field(
        "auto",
        description="Simulated B-scans that are added to each batch, as a fraction of it, against "
        "forgetting. auto: 0.25 if the starting model learned from simulated scans and the dataset "
        "holds real ones, else 0.",
    )
    unlabelled: Literal["auto", "off"] = Field(
        "auto",
        description="Unlabelled B-scans of the training patients are learned from, too, after the "
        "labelled ones. auto: kept only if the held-out scores rise. off: not used.",
    )

    # what is held out
    split: str = Field(
        "pinned",
        description="Split: pinned in the dataset, or for this run 80/20, 70/15/15, fold:1/4.",
    )
    split_by: SplitBy = Field(
        "patient", description="Unit of the split. Use image only to follow a published protocol."
    )
    operating_point: bool = Field(
        default=False, description="Choose a threshold for each class on the held-out scans."
    )

    seed: Seed = Field(0, description="Random seed of initial weights, samples and augmentation.")
    deterministic: bool = Field(
        default=False,
        description="Use only deterministic algorithms, so that a run can be repeated exactly.",
    )
    score_every: Count = Field(
        0,
        description="Iterations between two scores on the held-out scans. 0: a fifth of the "
        "training, 100 at most.",
    )
    checkpoint_seconds: NotNegative = Field(
        60.0, description="Seconds between two saved checkpoints."
    )
    device: Device = Field("auto", description="Device to compute on.")
    devices: Annotated[int, Field(ge=1, le=64)] = Field(
        1,
        description="Number of GPUs of this computer that share the batches of an optimizer step "
        "(--accumulate); the result is that of one.",
    )
    precision: Precision = Field(
        "auto", description="Floating-point precision. auto: bf16 where it is not slower."
    )

    @field_validator("crop")
    @classmethod
    def _check_crop(cls, text: str) -> str:
        if text != "whole" and not min(texts.parse_size(text) or (0,)):
            raise ValueError(f"crop must be 'whole' or DEPTHxWIDTH, not {text!r}")
        return text

    @field_validator("keep_start", "rehearse_simulated", mode="before")
    @classmethod
    def _check_share(cls, value: object) -> object:
        try:
            is_right = value == "auto" or 0 <= float(value) < 1  # type: ignore[arg-type]
        except (TypeError, ValueError):
            is_right = False
        if not is_right:
            raise ValueError(f"must be 'auto' or a number from 0 to below 1, not {value!r}")
        return value

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
                raise ValueError(f"in 3D, arch must be {known}, not {self.arch!r}")
            if is_3d and self.dims != "3":
                raise ValueError(f"{self.arch} is a 3D network; add --dims 3")
        return self


_READERS = {
    "resize": texts.parse_resize,
    "fit": texts.parse_fit,
    "window": texts.parse_window,
    "strategy": texts.parse_strategy,
    "loss": texts.parse_loss,
    "class_weights": texts.parse_class_weights,
    "augment": parse_augment,
    "split": texts.parse_split,
}
