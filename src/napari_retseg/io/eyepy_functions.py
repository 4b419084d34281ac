"""The functions of eyepy that are needed here, imported when they are needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_retseg.io.file_errors import needing


@dataclass(frozen=True)
class Eyepy:
    """What is used of eyepy, and what it raises.

    Parameters
    ----------
    parse_vol_header
        Header of a ``.vol`` file and the SLO behind it.
    vol_to_grey, e2e_to_grey
        Intensities as floats to the 8-bit grey values that HEYEX shows; both work in place.
    error
        What `parse_vol_header` raises.
    """

    parse_vol_header: Callable[[bytes], Any]
    vol_to_grey: Callable[[NDArray[Any]], NDArray[Any]]
    e2e_to_grey: Callable[[NDArray[Any]], NDArray[Any]]
    error: type[Exception]


def import_eyepy(path: Path) -> Eyepy:
    """Import eyepy.

    Raises
    ------
    InputError
        Where it is not installed, naming the extra that brings it.
    """
    with needing("eyepy", "oct", path=path, kind="Heidelberg files"):
        from construct import ConstructError
        from eyepy.core.utils import from_e2e_intensity, from_vol_intensity
        from eyepy.io.he.vol_reader import vol_format
    return Eyepy(vol_format.parse, from_vol_intensity, from_e2e_intensity, ConstructError)
