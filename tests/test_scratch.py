"""Temporary folders: private, and gone also after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from napari_retseg.scratch import Scratch, clear_dead, scratch_folder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="modes and signals are POSIX's")

_KEEP = """
import sys
from napari_retseg.scratch import Scratch, scratch_folder
own = Scratch()
folders = [own.path, scratch_folder()]
for folder in folders:
    (folder / "volume.raw").write_bytes(b"grey")
    print(folder, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def start() -> tuple[subprocess.Popen[str], list[Path]]:
    process = subprocess.Popen(
        [sys.executable, "-c", _KEEP], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, [Path(process.stdout.readline().strip()) for _ in range(2)]


def test_only_the_user_may_enter_and_it_goes(tmp_path: Path) -> None:
    with Scratch() as one, Scratch() as other:
        assert one.path != other.path
        assert one.path.stat().st_mode & 0o777 == 0o700
        assert one.path.parent == tmp_path
        clear_dead()
        assert one.path.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_cleared_by_the_next() -> None:
    killed, left = start()
    living, used = start()
    assert all((folder / "volume.raw").is_file() for folder in [*left, *used])
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)
    with Scratch():
        assert not any(folder.exists() for folder in left)
        assert all((folder / "volume.raw").is_file() for folder in used)
    living.communicate("", timeout=60)
    assert not used[1].exists()


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "in-use").touch()
    (tmp_path / "napari-retseg-link").symlink_to(elsewhere)
    (tmp_path / "napari-retseg-file").touch()
    (tmp_path / "napari-retseg-other").mkdir()
    clear_dead()
    assert len(list(tmp_path.iterdir())) == 4
    assert (elsewhere / "in-use").exists()


def test_a_forked_process_leaves_its_parents_folder() -> None:
    folder = scratch_folder()
    child = os.fork()
    if child == 0:
        os._exit(0 if scratch_folder() != folder else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert scratch_folder() == folder
    clear_dead()
    assert folder.is_dir()
