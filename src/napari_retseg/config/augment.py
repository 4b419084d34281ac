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

    flip: Share = Field(0.5, description="Probability of a left-right flip.")
    vertical_flip: Share = Field(0.0, description="Probability of an up-down flip.")
    rotation: Degrees = Field(
        0.0, description="Largest rotation in the B-scan's plane, in degrees."
    )
    scale: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.15, description="Largest change of depth and width, as a factor of 1 ± this."
    )
    shift: Share = Field(
        0.1, description="Largest shift, as a fraction of the depth and of the width."
    )
    shear: Share = Field(
        0.1, description="Largest tilt from centre to edge, as a fraction of the depth."
    )
    elastic: Share = Field(
        0.0, description="Largest elastic deformation, as a fraction of the depth."
    )
    ascan_shift: Share = Field(
        0.0, description="Largest smooth axial motion along the width, as a fraction of the depth."
    )
    bscan_motion: Share = Field(
        0.0,
        description="Largest axial jump between neighbouring B-scans (3D) or A-scans (2D), as a "
        "fraction of the depth.",
    )
    gamma: Range = Field(0.3, description="Largest logarithm of the gamma exponent.")
    contrast: Range = Field(0.2, description="Largest change of contrast, as a factor of 1 ± this.")
    brightness: Range = Field(
        0.1, description="Largest change of brightness, as a fraction of the grey range."
    )
    speckle: Range = Field(
        0.08,
        description="Largest standard deviation of the speckle noise, stronger in bright tissue.",
    )
    blur: Pixels = Field(
        0.0,
        description="Largest sigma of the Gaussian blur in pixels; half of the samples are "
        "blurred.",
    )
    vessel_shadow: Share = Field(0.0, description="Probability of vessel shadows (dark A-scans).")
    low_signal: Share = Field(0.0, description="Probability of a band of A-scans with low signal.")
    cutout: Share = Field(0.0, description="Probability of an erased box (cutout).")


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
            f"{preset!r} is not an augmentation preset; choose {', '.join(AUGMENT_PRESETS)}, and "
            "change single values as in 'oct,vertical-flip=0.5'"
        )
    values = AUGMENT_PRESETS[preset].model_dump()
    for change in changes:
        name, _, value = change.partition("=")
        name = name.strip().replace("-", "_")
        if name not in values:
            raise ValueError(f"unknown augmentation {name!r}; choose from {', '.join(values)}")
        values[name] = value.strip()
    try:
        return AugmentConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{first['loc'][0]} in {text!r}: {first['msg']}") from error
