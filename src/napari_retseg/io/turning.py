"""The orientation that EXIF and TIFF give a picture: how its rows and columns are to be shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from numpy.typing import NDArray

from napari_retseg.errors import InputError

#: Tag of EXIF and TIFF.
ORIENTATION = 274
#: As stored; what a file without the tag has.
UPRIGHT = 1

_T = TypeVar("_T")


def check_orientation(path: Path, value: Any) -> int:
    """Return an orientation of 1 to 8; 0 and None count as 1.

    Raises
    ------
    InputError
        For another value.
    """
    if value in (0, None):
        return UPRIGHT
    if not isinstance(value, int) or not UPRIGHT <= value <= 8:
        raise InputError(f"{path}: has the orientation {value!r:.20}; only 1 to 8 are valid")
    return int(value)


def turn(plane: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Show a stored plane (row, column) as its orientation says (TIFF 6.0, page 36)."""
    if orientation >= 5:
        plane = plane.T
    if orientation in (3, 4, 7, 8):
        plane = plane[::-1]
    if orientation in (2, 3, 6, 7):
        plane = plane[:, ::-1]
    return plane


def turn_pair(pair: tuple[_T, _T], orientation: int) -> tuple[_T, _T]:
    """Exchange what is said of (rows, columns) where the orientation exchanges them."""
    return (pair[1], pair[0]) if orientation >= 5 else pair


def turn_note(orientation: int) -> list[str]:
    """What the user is told."""
    if orientation == UPRIGHT:
        return []
    return [f"rotated or mirrored according to the file (orientation {orientation})"]
