from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from napari_retseg.errors import InputError
from napari_retseg.io.atomic import replace_atomically, write_bytes, write_json, write_text


@pytest.fixture(scope="module", autouse=True)
def disk() -> None:
    """Wait for the disk: these calls are what is tested."""


def test_a_file_is_on_the_disk_before_it_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, seen = os.fsync, []

    def watch(number: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(number).st_mode)
        seen.append(("folder" if is_folder else "file", (tmp_path / "a.txt").exists()))
        real(number)

    monkeypatch.setattr(os, "fsync", watch)
    write_text(tmp_path / "a.txt", "new")
    assert seen == [("file", False), ("folder", True)] if os.name == "posix" else [("file", False)]


def test_files_are_written_and_replaced(tmp_path: Path) -> None:
    file = tmp_path / "new" / "folder" / "a.txt"
    assert write_text(file, "Ödem\n") == file
    assert file.read_bytes() == "Ödem\n".encode()
    write_bytes(file, b"second")
    assert file.read_bytes() == b"second"
    assert list(file.parent.iterdir()) == [file]


def test_json_is_readable_and_refuses_nan(tmp_path: Path) -> None:
    file = write_json(tmp_path / "a.json", {"b": [1, None], "a": "µm"})
    assert json.loads(file.read_text("utf-8")) == {"b": [1, None], "a": "µm"}
    with pytest.raises(ValueError, match="JSON"):
        write_json(file, {"dice": float("nan")})
    assert json.loads(file.read_text("utf-8"))["a"] == "µm"


def test_the_temporary_file_lies_beside_and_keeps_the_suffix(tmp_path: Path) -> None:
    with replace_atomically(tmp_path / "a.nii.gz") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".")
        assert temporary.name.endswith(".nii.gz")


@pytest.mark.parametrize("marked", ["a.txt", "."])
def test_what_is_marked_read_only_stays_even_for_root(tmp_path: Path, marked: str) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    file = write_text(folder / "a.txt", "theirs")
    (folder / marked).chmod(0o555)
    try:
        with pytest.raises(InputError, match="write-protected"):
            write_text(file, "mine")
        assert file.read_text() == "theirs"
    finally:
        folder.chmod(0o755)


def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = write_bytes(tmp_path / "a.bin", b"old")

    def fail_halfway() -> None:
        with replace_atomically(file) as temporary:
            temporary.write_bytes(b"new")
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        fail_halfway()
    assert file.read_bytes() == b"old"
    assert list(tmp_path.glob(".retseg*")) == []


def test_a_new_file_gets_the_usual_permissions(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    file = write_bytes(tmp_path / "a.bin", b"x")
    assert file.stat().st_mode == plain.stat().st_mode


def test_a_folder_that_may_not_be_written_is_one_clear_line(
    tmp_path: Path, as_nobody: Callable[[Path], None]
) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    as_nobody(folder)
    with pytest.raises(InputError, match=r"a\.txt: cannot be written \(Permission denied\)"):
        write_text(folder / "a.txt", "x")


@pytest.mark.parametrize("name", ["file/a.txt", "folder"])
def test_something_in_the_way_is_one_clear_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder" / "full").mkdir(parents=True)
    with pytest.raises(InputError, match="cannot be written"):
        write_text(tmp_path / name, "x")
    assert list(tmp_path.glob(".retseg*")) == []


@contextmanager
def small_files() -> Iterator[None]:
    """Let the system refuse files of more than 4 kB, as a full disk would.

    For as short as can be: the limit is on whatever the tests print into, too.
    """
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_no_room_leaves_the_old_file(tmp_path: Path) -> None:
    file = write_bytes(tmp_path / "a.bin", b"old")
    with (
        pytest.raises(InputError, match=r"a\.bin: cannot be written \(File too large\)"),
        small_files(),
    ):
        write_bytes(file, bytes(10_000))
    assert file.read_bytes() == b"old"
    assert list(tmp_path.glob(".retseg*")) == []


@pytest.mark.parametrize("write", [write_text, write_json])
def test_a_name_that_is_not_utf_8_is_named(
    tmp_path: Path, write: Callable[[Path, str], Path]
) -> None:
    with pytest.raises(InputError, match=r"a\.json: .* not UTF-8 .*caf\\xe9\.png.*rename"):
        write(tmp_path / "a.json", os.fsdecode(b"caf\xe9.png"))
    assert list(tmp_path.iterdir()) == []
