"""Kinds of ranges, and how one uniform number becomes a value of each.

Every field of a model of ranges takes exactly one number of the random stream. So a range can be
changed, or a part switched off, and all other values of the same draw stay what they were.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, Field

from napari_retseg.config import Frozen


class Kind(Enum):
    """How a value is drawn."""

    UNIFORM = "every value equally likely"
    SCALE = "every factor equally likely (log-uniform)"
    COUNT = "every whole number equally likely, both ends included"
    CHANCE = "true with this probability"
    PICK = "one of these, equally likely"


def _check_range(limits: tuple[Any, Any]) -> tuple[Any, Any]:
    if limits[0] > limits[1]:
        raise ValueError(f"a range is (low, high), not {limits}")
    return limits


_Positive = Annotated[float, Field(gt=0)]
_Whole = Annotated[int, Field(ge=0)]
Uniform = Annotated[tuple[float, float], AfterValidator(_check_range), Kind.UNIFORM]
Scale = Annotated[tuple[_Positive, _Positive], AfterValidator(_check_range), Kind.SCALE]
Count = Annotated[tuple[_Whole, _Whole], AfterValidator(_check_range), Kind.COUNT]
Chance = Annotated[float, Field(ge=0, le=1), Kind.CHANCE]
Pick = Annotated[tuple[str, ...], Field(min_length=1), Kind.PICK]

Value = float | int | bool | str


def draw_values(rng: np.random.Generator, ranges: Frozen) -> dict[str, Value]:
    """Draw a value for every field of a model of ranges, by the field's name."""
    fields = type(ranges).model_fields
    chances = rng.random(len(fields))
    return {
        name: _value(_kind(field.metadata), getattr(ranges, name), float(chance))
        for (name, field), chance in zip(fields.items(), chances, strict=True)
    }


def _kind(metadata: list[Any]) -> Kind:
    return next(mark for mark in metadata if isinstance(mark, Kind))


def _value(kind: Kind, limits: Any, chance: float) -> Value:
    """Quantile `chance` of what a range describes."""
    if kind is Kind.CHANCE:
        return bool(chance < limits)
    if kind is Kind.PICK:
        return str(limits[int(chance * len(limits))])
    low, high = limits
    if kind is Kind.COUNT:
        return int(low + int(chance * (high - low + 1)))
    if kind is Kind.SCALE:
        return float(low * (high / low) ** chance)
    return float(low + chance * (high - low))
