"""A small Topcon scan whose bright half begins at known rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.io import read_scan
from napari_retseg.scan import BOUNDARIES, OctScan
from tests.io import topconfile as made

DEPTH, WIDTH, COUNT = 40, 32, 3
#: Of the B-scans as they come out: the lowest on the fundus first.
EDGES = np.linspace(8, 20, COUNT * WIDTH).reshape(COUNT, WIDTH).astype(int)


def draw_stack(count: int = COUNT) -> NDArray[np.uint8]:
    """B-scans, the lowest on the fundus first, that are bright below the edge."""
    noise = np.random.default_rng(2).integers(0, 60, (count, DEPTH, WIDTH), dtype=np.uint8)
    below = np.arange(DEPTH)[:, None] > EDGES[:count, None]
    return np.asarray(np.where(below, noise + 150, noise), np.uint8)


STACK = draw_stack()
#: As the device counts: from the lowest row up, the lowest B-scan first.
HEIGHTS = (DEPTH - 1 - EDGES).astype(np.uint16)
BASIC = (
    ("@HW_INFO_03", b"3DOCT-2000".ljust(100, b"\0")),
    ("@CAPTURE_INFO_02", made.capture(0)),
    # B-scans are stored from the highest to the lowest
    ("@IMG_JPEG", made.encoded_scan(STACK[::-1])),
    ("@PARAM_SCAN_04", made.scan_size(6.0, 3.0, 2.6)),
)
WITH_ILM = (*BASIC, ("@CONTOUR_INFO", made.contour("MULTILAYERS_1", HEIGHTS)))


def write(folder: Path, *chunks: tuple[str, bytes], **options: Any) -> OctScan:
    return read_scan(made.write(folder / "a.fda", *chunks, **options))


def rows_of(scan: OctScan) -> dict[str, NDArray[np.float32]]:
    found: dict[str, NDArray[np.float32]] = scan.metadata[BOUNDARIES]
    return found


def write_file(path: Path) -> Path:
    """Write the scan of `BASIC`."""
    return made.write(path, *BASIC)
