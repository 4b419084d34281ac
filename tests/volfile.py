"""A small Heidelberg ``.vol`` file, written from its published structure."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK_BYTES, _BOUNDARIES_AT = 4096, 256


def write_vol(
    path: Path,
    shape: tuple[int, int, int] = (3, 64, 96),
    *,
    boundaries: NDArray[np.floating[Any]] | None = None,
    eye: str = "OS",
    from_above: bool = False,
    reversed_ascans: bool = False,
    patient: str = "DOE-1234",
) -> Path:
    """Write B-scans of 0.25 mm distance with an SLO of 40 x 50 pixels of 0.1 mm.

    Parameters
    ----------
    shape
        (bscan, depth, width). Grey values grow with the number of the B-scan and to the right.
    boundaries
        Rows (boundary, bscan, width) in the order of the file: ILM, BM, RNFL, ...; NaN: none.
    from_above, reversed_ascans
        Order in the file; the eye is the same.
    """
    n_bscans, depth, width = shape
    head = bytearray(2048)
    struct.pack_into("<12s3I3d2I2d", head, 0, b"HSF-OCT-103", width, n_bscans, depth,
                     0.02, 0.25, 0.0039, 50, 40, 0.1, 0.1)  # fmt: skip
    struct.pack_into("<4s", head, 84, eye.encode())
    struct.pack_into("<iI", head, 96, 3, _BLOCK_BYTES)
    struct.pack_into("<I24sd", head, 136, 4711, patient.encode(), 20_000.0)
    slo = np.add.outer(np.arange(40), np.arange(50)).astype(np.uint8)
    rows = np.zeros((0, n_bscans, width)) if boundaries is None else boundaries
    grey = np.linspace(0, 0.5, width) + np.arange(1, n_bscans + 1)[:, np.newaxis] / (2 * n_bscans)
    order = range(n_bscans)[:: -1 if from_above else 1]
    step = -1 if reversed_ascans else 1
    ends = (0.5, 0.5 + 0.02 * width)[::step]
    data = bytes(head) + slo.tobytes()
    for number in order:
        y = 3.0 - 0.25 * number
        own = rows[:, number, ::step].astype("<f4")
        own[np.isnan(own)] = np.finfo(np.float32).max
        block = bytearray(_BLOCK_BYTES)
        struct.pack_into("<12sI4dIIf", block, 0, b"HSF-BS-103", _BLOCK_BYTES,
                         ends[0], y, ends[1], y, len(own), _BOUNDARIES_AT, 25.5)  # fmt: skip
        block[_BOUNDARIES_AT : _BOUNDARIES_AT + own.nbytes] = own.tobytes()
        plane = np.broadcast_to(grey[number, ::step] ** 4, (depth, width)).astype("<f4")
        data += bytes(block) + plane.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
