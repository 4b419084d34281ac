"""The functions of eyepy that are needed here, imported when they are needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.errors import InputError


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
    try:
        from construct import ConstructError
        from eyepy.core import utils
        from eyepy.io.he.vol_reader import vol_format
    except ImportError as error:
        raise InputError(
            f"{path}: Heidelberg files need eyepy; install it with pip install 'napari-retseg[oct]'"
        ) from error

    def convert_e2e(values: NDArray[Any]) -> NDArray[Any]:
        if not hasattr(utils, "from_e2e_intensity"):  # eyepy 0.16
            raise InputError(f"{path}: .E2E files need a newer eyepy; update it with pip")
        return np.asarray(utils.from_e2e_intensity(values))

    return Eyepy(vol_format.parse, utils.from_vol_intensity, convert_e2e, ConstructError)
