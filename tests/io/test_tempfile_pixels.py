"""Temporary files are this user's alone, and gone with their process, however it ends."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from napari_retseg.io import LabelWriter, write_scan
from napari_retseg.scan import OctScan

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes and signals are those of POSIX")

UNPACK = """
    import sys, time
    from pathlib import Path
    from napari_retseg.io import read_scan, tempfile_pixels

    tempfile_pixels.MEMORY_LIMIT = 10
    scan = read_scan(Path(sys.argv[1]))
    print(scan.pixels._file, flush=True)
    if sys.argv[2] == "wait":
        time.sleep(60)
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files of this process and its children."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """A volume that is unpacked to be read."""
    noise = np.random.default_rng(0).integers(0, 256, (5, 9, 9), dtype=np.uint8)
    return write_scan(tmp_path / "a.npz", OctScan(noise, ("bscan", "depth", "width")))


def start(packed: Path, how: str) -> tuple[subprocess.Popen[str], Path]:
    """A process that has unpacked a volume, and where."""
    command = [sys.executable, "-c", textwrap.dedent(UNPACK), str(packed), how]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_what_is_unpacked_is_the_users_alone(temporary: Path, packed: Path) -> None:
    process, file = start(packed, "wait")
    try:
        assert file.parent.parent == temporary
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    finally:
        process.terminate()
        process.communicate()


def test_nothing_is_left_of_a_process_that_ends(temporary: Path, packed: Path) -> None:
    process, file = start(packed, "end")
    process.communicate()
    assert file.name.endswith(".raw")
    assert list(temporary.iterdir()) == []


def test_what_a_killed_process_left_goes_at_the_next_start(temporary: Path, packed: Path) -> None:
    dead, left = start(packed, "wait")
    alive, kept = start(packed, "wait")
    try:
        dead.send_signal(signal.SIGKILL)
        dead.communicate()
        assert left.exists()
        start(packed, "end")[0].communicate()
        assert not left.parent.exists()
        assert kept.exists()
    finally:
        alive.kill()
        alive.communicate()


def test_labels_that_wait_have_no_name(tmp_path: Path) -> None:
    """A killed prediction leaves nothing beside the file that it was going to write."""
    scan = OctScan(np.zeros((3, 4, 5), np.uint8), ("bscan", "depth", "width"))
    with LabelWriter(tmp_path / "a.tif", scan=scan) as writer:
        writer.write(0, np.ones((4, 5), np.uint8))
        assert list(tmp_path.iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]
