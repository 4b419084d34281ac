"""Label classes: ids, names and colours; 0 is background, 255 is "not annotated"."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from napari_retseg.errors import InputError

BACKGROUND = 0
IGNORE = 255
_UNKNOWN = 254
#: Pixels that are counted at once.
_AT_ONCE = 2**20

#: Colours of classes that come without one: distinct in light and dark themes.
PALETTE = (
    "#e6194b", "#3cb44b", "#ffe119", "#4363d8", "#f58231", "#dcbeff", "#42d4f4", "#f032e6",
    "#bfef45", "#469990", "#9a6324", "#911eb4", "#800000", "#aaffc3", "#808000", "#000075",
)  # fmt: skip


class LabelClass(BaseModel):
    """One class of a label set."""

    model_config = ConfigDict(frozen=True)

    value: Annotated[int, Field(ge=0, lt=_UNKNOWN)]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    color: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green and blue, 0 to 255."""
        red, green, blue = (int(self.color[k : k + 2], 16) for k in (1, 3, 5))
        return red, green, blue


class LabelSet(BaseModel):
    """The classes of a dataset or a model, in order of their values; the first is background.

    A network's output channel is the *index* of a class; files hold its *value*.
    """

    model_config = ConfigDict(frozen=True)

    classes: tuple[LabelClass, ...]

    @model_validator(mode="after")
    def _check(self) -> LabelSet:
        values = [c.value for c in self.classes]
        names = [c.name for c in self.classes]
        if not values or values[0] != BACKGROUND:
            raise ValueError("a label set must begin with the background class, value 0")
        if values != sorted(set(values)):
            raise ValueError(f"class values must be distinct and ascending, not {values}")
        if len(set(names)) != len(names):
            raise ValueError(f"class names must be distinct, not {names}")
        return self

    @classmethod
    def from_names(cls, names: Sequence[str] | Mapping[int, str]) -> LabelSet:
        """Make a label set with default colours.

        Parameters
        ----------
        names
            Foreground names (values 1, 2, ...), or a mapping from value to name, with or
            without background.
        """
        mapping = dict(names) if isinstance(names, Mapping) else dict(enumerate(names, start=1))
        background = mapping.pop(BACKGROUND, "background")
        classes = [LabelClass(value=BACKGROUND, name=background, color="#000000")]
        for value in sorted(mapping):
            color = default_color(value)
            classes.append(LabelClass(value=value, name=mapping[value], color=color))
        return cls(classes=tuple(classes))

    def extended(self, names: Sequence[str]) -> LabelSet:
        """Return these classes with new ones behind them, in default colours."""
        first = self.classes[-1].value + 1
        new = [
            LabelClass(value=value, name=name, color=default_color(value))
            for value, name in enumerate(names, start=first)
        ]
        return LabelSet(classes=(*self.classes, *new))

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """All names, background first."""
        return tuple(c.name for c in self.classes)

    @property
    def foreground(self) -> tuple[LabelClass, ...]:
        """The classes without background."""
        return self.classes[1:]

    # pydantic would compare what is cached, too, and arrays do not compare to one truth
    def __eq__(self, other: object) -> bool:
        return isinstance(other, LabelSet) and self.classes == other.classes

    def __hash__(self) -> int:
        return hash(self.classes)

    @cached_property
    def values(self) -> NDArray[np.uint8]:
        """Class value of each index, shape ``(n_classes,)``."""
        return np.array([c.value for c in self.classes], dtype=np.uint8)

    def to_indices(self, labels: NDArray[np.integer]) -> NDArray[np.uint8]:
        """Turn label values into class indices; 255 stays 255.

        Raises
        ------
        InputError
            Where `labels` hold a value that this set does not know.
        """
        table = np.full(256, _UNKNOWN, dtype=np.uint8)
        table[self.values] = np.arange(len(self), dtype=np.uint8)
        table[IGNORE] = IGNORE
        unknown = self.unknown_values(labels)
        if unknown:
            known = ", ".join(f"{c.value} {c.name}" for c in self.classes)
            raise InputError(
                f"label values {unknown} are not in the label set ({known}, {IGNORE} not annotated)"
            )
        indices: NDArray[np.uint8] = table[labels.astype(np.uint8, copy=False)]
        return indices

    def unknown_values(self, labels: NDArray[np.integer]) -> list[int]:
        """Values in `labels` that are neither a class nor 255."""
        known = {*self.values.tolist(), IGNORE}
        if labels.dtype == np.uint8:
            present = np.flatnonzero(_count_values(labels))
        else:
            present = np.unique(labels)
        return [int(v) for v in present if int(v) not in known]


def _count_values(labels: NDArray[np.integer]) -> NDArray[np.intp]:
    """Count each value, piece by piece: no other thread of Python runs while a piece is counted."""
    flat = labels.ravel()
    counts = np.zeros(256, np.intp)
    for start in range(0, flat.size, _AT_ONCE):
        counts += np.bincount(flat[start : start + _AT_ONCE], minlength=256)
    return counts


def default_color(value: int) -> str:
    """Return a colour for a class without one: the palette, then evenly spread hues."""
    if 0 < value <= len(PALETTE):
        return PALETTE[value - 1]
    hue = (value * 0.61803398875) % 1.0
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.75, 0.95)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


#: Seven layers and fluid, as Chiu et al. (Biomed. Opt. Express 6:1172, 2015) label them.
RETINA = LabelSet.from_names(["NFL", "GCL-IPL", "INL", "OPL", "ONL-ISM", "ISE", "OS-RPE", "fluid"])

#: The same layers, what lies below a raised pigment epithelium (drusen, PED) down to Bruch's
#: membrane, and fluid in the retina and below it.
RETINA_AND_LESIONS = LabelSet.from_names(
    ["NFL", "GCL-IPL", "INL", "OPL", "ONL-ISM", "ISE", "OS-RPE", "sub-RPE", "IRF", "SRF"]
)
