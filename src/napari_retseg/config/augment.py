"""Random changes of training samples: their ranges and presets."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationError

from napari_retseg.config.frozen import Frozen

Share = Annotated[float, Field(ge=0, le=1)]
Range = Annotated[float, Field(ge=0, le=10)]
Degrees = Annotated[float, Field(ge=0, le=360)]
Pixels = Annotated[float, Field(ge=0, le=100)]


class AugmentConfig(Frozen):
    """Ranges from which each training sample's changes are drawn; 0 leaves a change out.

    Lengths are parts of the sample's depth (or width), angles are degrees, grey values are parts
    of the sample's own range. In 3D the plane of B-scans or slices is (depth, width).
    """

    flip: Share = Field(0.5, description="probability of mirroring the width")
    vertical_flip: Share = Field(0.0, description="probability of mirroring the depth")
    rotation: Degrees = Field(0.0, description="degrees either way, in the plane")
    scale: Annotated[float, Field(ge=0, lt=1)] = Field(0.15, description="depth, width: 1 -/+ this")
    shift: Share = Field(0.1, description="part of the depth and of the width")
    shear: Share = Field(0.1, description="tilt: part of the depth from centre to edge")
    elastic: Share = Field(0.0, description="part of the depth, at most: smooth field")
    ascan_shift: Share = Field(0.0, description="part of the depth: smooth motion along the width")
    bscan_motion: Share = Field(
        0.0, description="part of the depth: jumps between neighbouring B-scans (3D) or A-scans"
    )
    gamma: Range = Field(0.3, description="logarithm of the exponent")
    contrast: Range = Field(0.2, description="factor 1 -/+ this")
    brightness: Range = Field(0.1, description="offset")
    speckle: Range = Field(0.08, description="standard deviation at most, more in bright tissue")
    blur: Pixels = Field(0.0, description="sigma in pixels, of half of the samples")
    vessel_shadow: Share = Field(0.0, description="probability of dark columns below vessels")
    low_signal: Share = Field(0.0, description="probability of a weak stretch of A-scans")
    cutout: Share = Field(0.0, description="probability of a box without content")


AUGMENT_PRESETS: dict[str, AugmentConfig] = {
    "none": AugmentConfig(
        flip=0, scale=0, shift=0, shear=0, gamma=0, contrast=0, brightness=0, speckle=0
    ),
    "light": AugmentConfig(
        gamma=0.15, contrast=0.1, brightness=0.05, speckle=0, shift=0, shear=0, scale=0
    ),
    "oct": AugmentConfig(),
    "strong": AugmentConfig(
        rotation=8,
        scale=0.25,
        shift=0.15,
        shear=0.15,
        elastic=0.02,
        ascan_shift=0.02,
        bscan_motion=0.01,
        gamma=0.5,
        contrast=0.3,
        brightness=0.15,
        speckle=0.15,
        blur=1.2,
        vessel_shadow=0.3,
        low_signal=0.2,
        cutout=0.2,
    ),
}


def parse_augment(text: str) -> AugmentConfig:
    """Read a preset with changes after it, for instance ``oct,vertical-flip=0.5,elastic=0.02``.

    Raises
    ------
    ValueError
        Naming what is not known, or out of range.
    """
    preset, *changes = (part.strip() for part in text.split(","))
    if preset not in AUGMENT_PRESETS:
        raise ValueError(
            f"{preset!r} is no preset of changes; choose {', '.join(AUGMENT_PRESETS)}, and change "
            "single ones as in 'oct,vertical-flip=0.5'"
        )
    values = AUGMENT_PRESETS[preset].model_dump()
    for change in changes:
        name, _, value = change.partition("=")
        name = name.strip().replace("-", "_")
        if name not in values:
            raise ValueError(f"there is no random change {name!r}; there are {', '.join(values)}")
        values[name] = value.strip()
    try:
        return AugmentConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{first['loc'][0]} in {text!r}: {first['msg']}") from error
