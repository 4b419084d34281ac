"""Sparse label folders: one PNG for each B-scan that has labels, named by its number."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_retseg.errors import InputError
from napari_retseg.io import read_labels
from napari_retseg.io.atomic import write_bytes
from napari_retseg.plural import count_noun

_NAME = re.compile(r"\d{4,}\.png")


def plane_path(folder: Path, bscan: int) -> Path:
    """Where the labels of a B-scan lie: ``0012.png`` for number 12, counted from 0."""
    return folder / f"{bscan:04d}.png"


def list_planes(folder: Path) -> list[int]:
    """Return the B-scans that have a file, ascending; none where there is no folder.

    Raises
    ------
    InputError
        Where the folder may not be listed.
    """
    return sorted(int(name[:-4]) for name in _list(folder) if _is_plane(name))


def find_planes(folder: Path, n_bscans: int, *, only: set[int] | None = None) -> list[int]:
    """Return which B-scans of a scan have a file, ascending; of all, or of `only` these.

    Raises
    ------
    InputError
        Where the folder may not be listed, or a file has a number beyond the scan's last.
    """
    found = [bscan for bscan in list_planes(folder) if only is None or bscan in only]
    if found and found[-1] >= n_bscans:
        beyond = next(bscan for bscan in found if bscan >= n_bscans)
        raise InputError(
            f"{plane_path(folder, beyond)}: the scan has only {count_noun(n_bscans, 'B-scan')}, "
            "counted from 0; move this file away"
        )
    return found


def is_sparse(folder: Path, *, n_bscans: int) -> bool:
    """Whether a label folder names its files by B-scan, rather than holding one for each in order.

    A folder with as many files as B-scans, none of them ``0000.png``, counts from 1 and is not.
    """
    names = [name for name in _list(folder) if not name.startswith(".")]
    if not all(_is_plane(name) for name in names):
        return False
    return len(names) != n_bscans or plane_path(folder, 0).name in names


def _list(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in folder.iterdir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"{folder}: cannot list this folder ({error.strerror})") from error


def _is_plane(name: str) -> bool:
    return bool(_NAME.fullmatch(name)) and name == f"{int(name[:-4]):04d}.png"


def read_plane(path: Path, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Read the class values of one B-scan.

    Returns
    -------
    ndarray of uint8
        ``(depth, width)``.

    Raises
    ------
    InputError
        Where the file cannot be read, holds no class values or has another shape.
    """
    return read_labels(path, shape=shape)


def write_plane(path: Path, plane: NDArray[np.uint8]) -> None:
    """Write the class values of one B-scan, whole or not at all.

    Raises
    ------
    InputError
        Where `plane` is no B-scan of 8 bits, or the system refuses to write.
    """
    if plane.dtype != np.uint8 or plane.ndim != 2:
        raise InputError(
            f"{path}: labels of a B-scan must be 8-bit with two axes, not {plane.dtype} of shape "
            f"{plane.shape}"
        )
    encoded = io.BytesIO()
    # a grader waits for this file, and labels are small whatever the effort
    Image.fromarray(np.ascontiguousarray(plane)).save(encoded, format="PNG", compress_level=1)
    write_bytes(path, encoded.getbuffer())


def read_planes(
    folder: Path, shape: tuple[int, ...], *, missing: int, only: set[int] | None = None
) -> NDArray[np.uint8]:
    """Read a sparse label folder as one array.

    Parameters
    ----------
    folder
        Need not exist.
    shape
        Of the scan without its channels; a B-scan alone has number 0.
    missing
        Value of the B-scans without a file.
    only
        Leave out all other B-scans; None: read those that there are.

    Raises
    ------
    InputError
        Where a file cannot be read, does not fit, or has a number beyond the scan's last.
    """
    labels = np.full(shape, missing, np.uint8)
    planes = labels.reshape(-1, *shape[-2:])
    for bscan in find_planes(folder, len(planes), only=only):
        planes[bscan] = read_plane(plane_path(folder, bscan), (shape[-2], shape[-1]))
    return labels
