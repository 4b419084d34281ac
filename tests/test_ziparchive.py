"""Zip files of strangers: nothing is unpacked before its size is known."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from napari_retseg.errors import InputError, RetsegError
from napari_retseg.io.numpyfiles import read_npz
from napari_retseg.learn.checkpoint import load_checkpoint
from napari_retseg.models.archive import unpack
from napari_retseg.ziparchive import open_zip, read_member


def _write(path: Path, entries: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def test_an_entry_is_read_within_its_limit(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.zip", {"a": b"x" * 1000})
    with open_zip(path, limit=10_000, entries=10) as archive:
        assert read_member(archive, "a", 1000) == b"x" * 1000
    with (
        pytest.raises(InputError, match="too large"),
        open_zip(path, limit=10_000, entries=10) as archive,
    ):
        read_member(archive, "a", 999)


def _lie_about_size(path: Path) -> None:
    content = bytearray(path.read_bytes())
    place = content.rfind(b"PK\x01\x02")
    content[place + 24 : place + 28] = (10).to_bytes(4, "little")
    path.write_bytes(content)


def _set_password(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.rfind(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)


@pytest.mark.parametrize("change", [_lie_about_size, _set_password])
def test_what_an_entry_claims_is_compared_with_what_it_holds(
    tmp_path: Path, change: object
) -> None:
    path = _write(tmp_path / "a.zip", {"a": b"x" * 1000})
    change(path)  # type: ignore[operator]
    with pytest.raises(InputError), open_zip(path, limit=10_000, entries=10) as archive:
        read_member(archive, "a", 2000)


def test_other_compressions_and_names_are_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.zip", {"a": b"x"}, zipfile.ZIP_LZMA)
    for name in ("a", "b"):
        with pytest.raises(InputError), open_zip(path, limit=10_000, entries=10) as archive:
            read_member(archive, name, 10)


def test_a_list_of_entries_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.zip", {f"{i:0100d}": b"" for i in range(2000)})
    with pytest.raises(InputError, match="more entries"), open_zip(path, limit=1 << 20, entries=10):
        pass


def _forge_long_record(path: Path, *, named: bool) -> None:
    """Add a record of 64 bits that claims a list of 8 GB, before the end or where it names it."""
    content = path.read_bytes()
    end = content.rfind(b"PK\x05\x06")
    record = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, 1 << 33, 0)
    offset = 0 if named else end
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, offset, 1)
    before = (record + content[:end]) if named else content[:end] + record
    path.write_bytes(before + locator + content[end:])


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("reader", ["zip", "model", "npz", "checkpoint"])
def test_every_record_of_the_list_counts(tmp_path: Path, reader: str, named: bool) -> None:
    path = _write(tmp_path / "a.npz", {"a": b"x"})
    _forge_long_record(path, named=named)

    def read_pack() -> None:
        with open_zip(path, limit=10_000, entries=10):
            pass

    readers: dict[str, Callable[[], object]] = {
        "zip": read_pack,
        "model": lambda: unpack(path, tmp_path / "model"),
        "npz": lambda: read_npz(path, "grey"),
        "checkpoint": lambda: load_checkpoint(path),
    }
    with pytest.raises(RetsegError, match="more entries"):
        readers[reader]()


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "text", "nothing", "large"])
def test_what_is_no_zip_file_is_one_line(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.zip"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "folder":
            path.mkdir()
        case "text":
            path.write_text("no zip file")
        case "nothing":
            path.touch()
        case _:
            stream = io.BytesIO()
            zipfile.ZipFile(stream, "w").close()
            path.write_bytes(b"x" * 20_000 + stream.getvalue())
    with (
        pytest.raises(InputError, match=r"a\.zip: ") as raised,
        open_zip(path, limit=10_000, entries=10),
    ):
        pass
    assert "\n" not in str(raised.value)
