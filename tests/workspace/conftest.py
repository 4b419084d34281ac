"""Workspaces with small scans; the user's own list of workspaces is left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from napari_retseg.io import read_scan
from napari_retseg.scan import OctScan
from napari_retseg.workspace.workspace import Workspace
from tests.conftest import TINY_CLASSES

#: Writes a scan file of four B-scans (or of one) that is unlike all others: name, seed.
WriteScan = Callable[..., Path]
SHAPE = (4, 12, 16)


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the list of workspaces in the test's folder."""
    monkeypatch.setenv("NAPARI_RETSEG_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("NAPARI_RETSEG_SALT", str(tmp_path / "state" / "salt"))
    return tmp_path / "state"


def write_scan_file(path: Path, shape: tuple[int, ...] = SHAPE) -> Path:
    """Write a TIFF or PNG whose pixels follow from its name."""
    rng = np.random.default_rng(list(path.name.encode()))
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = rng.integers(0, 256, shape, dtype=np.uint8)
    if path.suffix == ".png":
        Image.fromarray(pixels).save(path)
    else:
        tifffile.imwrite(path, pixels, photometric="minisblack", metadata={"axes": "ZYX"})
    return path


def draw_plane(seed: int = 0, shape: tuple[int, int] = SHAPE[1:]) -> NDArray[np.uint8]:
    """Labels of the tiny classes, with a column that is not annotated."""
    plane = np.random.default_rng(seed).integers(0, 4, shape).astype(np.uint8)
    plane[:, 0] = 255
    return plane


def read(path: Path) -> OctScan:
    """Read a scan."""
    return read_scan(path)


@pytest.fixture
def scan_files(tmp_path: Path) -> list[Path]:
    """Write two volumes of two patients and a single B-scan of a third, outside any workspace."""
    folder = tmp_path / "clinic"
    return [
        write_scan_file(folder / "P1.tif"),
        write_scan_file(folder / "P2.tif"),
        write_scan_file(folder / "S06_B10.png", SHAPE[1:]),
    ]


@pytest.fixture
def workspace(tmp_path: Path, scan_files: list[Path]) -> Iterator[Workspace]:
    """Make a workspace with three scans."""
    with Workspace.create(tmp_path / "work", classes=TINY_CLASSES) as made:
        for path in scan_files:
            made.add_scan(read_scan(path))
        yield made
