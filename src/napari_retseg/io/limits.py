"""What a file may claim: compared with what it holds before anything is allocated for it.

A plane is read as a whole, so it has a limit of its own. A volume may be as large as the file
makes likely: up to `SMALL` bytes whatever the file, beyond that `RATIO` times what lies on the
disk. Real scans shrink by 2 to 10 in lossless compression, sparse labels by 100; a file of a few
megabytes that unfolds into gigabytes is a mistake or an attack.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from napari_retseg.errors import InputError

#: Bytes of one B-scan (or slice) as it is decoded, which may take two or three copies.
LARGEST_PLANE = 256 * 2**20
#: B-scans times channels.
MOST_PLANES = 100_000
#: Bytes of a volume that are believed of every file.
SMALL = 256 * 2**20
#: Bytes of a larger volume for each byte on the disk.
RATIO = 200
#: Bytes of all headers, descriptions and tables of a file.
LARGEST_HEADER = 16 * 2**20

_SPARE = 64 * 2**20


def check_shape(
    path: Path,
    shape: Sequence[int],
    item_bytes: float,
    *,
    held: int,
    expected: Sequence[int] | None = None,
) -> int:
    """Compare the shape that a file claims with what it holds.

    Parameters
    ----------
    path
        The file, for the message.
    shape
        Of all values; the last two axes are those of a plane.
    item_bytes
        Bytes of a value as it is decoded, all samples of a pixel included.
    held
        Bytes that the values take on the disk, compressed or not.
    expected
        A shape that the caller knows: what has it is believed.

    Returns
    -------
    int
        Bytes of all values.

    Raises
    ------
    InputError
        Where the shape is impossible, or larger than the file makes likely.
    """
    shape = tuple(shape)
    shown = " x ".join(str(n) for n in shape)
    if min(shape, default=0) < 1:
        raise InputError(f"{path}: has no pixels (shape {shape})")
    if math.prod(shape[-2:]) * item_bytes > LARGEST_PLANE:
        raise InputError(
            f"{path}: declares planes of {shape[-2]} x {shape[-1]} pixels, more than the limit "
            f"of {LARGEST_PLANE / 2**20:.0f} MB; split it into smaller ones"
        )
    if math.prod(shape[:-2]) > MOST_PLANES:
        raise InputError(
            f"{path}: declares {math.prod(shape[:-2])} B-scans, more than {MOST_PLANES:,}; the "
            "file is probably damaged"
        )
    n_bytes = math.ceil(math.prod(shape) * item_bytes)
    known = expected is not None and sorted(shape) == sorted(expected)
    if n_bytes > max(SMALL, RATIO * held) and not known:
        raise InputError(
            f"{path}: declares {shown} values ({n_bytes / 2**20:.0f} MB), but contains only "
            f"{held / 2**20:.3g} MB; the file is damaged or malicious"
        )
    return n_bytes


def check_room(path: Path, n_bytes: int) -> None:
    """Make sure that the temporary folder has room for what is unpacked there.

    Raises
    ------
    InputError
        Where it has not.
    """
    folder = tempfile.gettempdir()
    if n_bytes + _SPARE > (free := shutil.disk_usage(folder).free):
        raise InputError(
            f"{path}: needs {n_bytes / 2**20:.0f} MB of temporary space, but {folder} has "
            f"{free / 2**20:.0f} MB free; free some disk space or set TMPDIR to another folder"
        )


def held_bytes(path: Path) -> int:
    """Bytes that a file takes on the disk: fewer than its size where it has holes."""
    status = path.stat()
    # Windows has no blocks, and some network drives name none
    blocks: int = getattr(status, "st_blocks", 0)
    return min(status.st_size, blocks * 512) if blocks else status.st_size
