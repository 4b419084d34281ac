"""Fixtures of the file tests: small scans, and files that may not be read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_retseg.scan import OctScan


@pytest.fixture(autouse=True)
def salt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the salt of patient keys out of the user's folder."""
    file = tmp_path / "salt" / "patient-salt"
    monkeypatch.setenv("NAPARI_RETSEG_SALT", str(file))
    return file


@pytest.fixture
def stack() -> NDArray[np.uint8]:
    """Five B-scans of 40 x 50."""
    return np.random.default_rng(0).integers(0, 256, (5, 40, 50), dtype=np.uint8)


@pytest.fixture
def volume(stack: NDArray[np.uint8]) -> OctScan:
    """The stack as a scan with a spacing."""
    return OctScan(stack, ("bscan", "depth", "width"), (120.5, 3.87, 55.0), "file", laterality="OS")


@pytest.fixture
def as_nobody() -> Iterator[Callable[[Path], None]]:
    """Take away the right to read or change a file or folder, from the super-user too."""
    if os.name != "posix":
        pytest.fail("these tests need a POSIX system")
    root = os.geteuid() == 0
    changed: list[tuple[Path, int]] = []

    def deny(path: Path) -> None:
        changed.append((path, path.stat().st_mode))
        path.chmod(0)
        if root:
            os.seteuid(65534)

    yield deny
    if root:
        os.seteuid(0)
    for path, mode in changed:
        path.chmod(mode)


def assert_same(scan: OctScan, pixels: Any) -> None:
    """Check pixels and their type, through the whole array and through each B-scan."""
    expected = np.asarray(pixels)
    assert scan.pixels.dtype == expected.dtype
    np.testing.assert_array_equal(np.asarray(scan.pixels), expected)
    planes = [scan.read_bscan(k) for k in range(scan.n_bscans)]
    np.testing.assert_array_equal(np.stack(planes, -3).reshape(expected.shape), expected)


@pytest.fixture
def same() -> Callable[[OctScan, Any], None]:
    """The check of a scan's pixels."""
    return assert_same
