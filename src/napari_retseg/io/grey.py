"""Colour becomes grey, and says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_retseg.errors import InputError

#: What is wanted of a file's values: brightness, or the numbers of label classes as stored.
Values = Literal["grey", "indices"]

#: ITU-R BT.601 luma.
_LUMA = (0.299, 0.587, 0.114)


def reduce_rgb(rgb: NDArray[Any]) -> NDArray[Any]:
    """Brightness of colour values, in the same dtype.

    Where red, green and blue are equal everywhere, that value is kept exactly; otherwise the
    luma of ITU-R BT.601 is taken and rounded.

    Parameters
    ----------
    rgb
        Shape (..., 3) or (..., 4); a fourth value (alpha) is left out.

    Returns
    -------
    ndarray
        Shape (...).
    """
    red, green, blue = (rgb[..., k] for k in range(3))
    if np.array_equal(red, green) and np.array_equal(red, blue):
        return np.ascontiguousarray(red)
    grey = np.empty(red.shape, rgb.dtype)
    rows = (part.reshape(-1, red.shape[-1]) for part in (red, green, blue, grey))
    # row by row: 64-bit copies of three large planes would take a gigabyte
    for *parts, target in zip(*rows, strict=True):
        luma = sum(
            weight * part.astype(np.float64) for weight, part in zip(_LUMA, parts, strict=True)
        )
        target[...] = np.rint(luma) if rgb.dtype.kind in "iu" else luma
    return grey


def colour_note(kind: str) -> str:
    """What the user is told about a reduction."""
    return f"{kind} converted to grey"


def refuse_colour(path: Path, kind: str) -> InputError:
    """The error for a colour image where labels are needed."""
    return InputError(
        f"{path}: this is a {kind} image, not labels; save the class numbers as grey values"
    )


def check_dtype(path: Path, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Refuse values that are no numbers (objects, text, complex); bool becomes 8-bit.

    Returns
    -------
    dtype
        The type in the machine's byte order.

    Raises
    ------
    InputError
        For another type.
    """
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise InputError(
            f"{path}: contains values of type {dtype}; grey values or labels are needed"
        )
    return dtype.newbyteorder("=")
