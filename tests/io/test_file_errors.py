from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

from napari_retseg.errors import InputError
from napari_retseg.io.file_errors import check_file, collecting, first_line, reading


def test_the_size_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert check_file(tmp_path / "a") == 5
    with pytest.raises(InputError, match="is a folder"):
        check_file(tmp_path)
    with pytest.raises(InputError, match="cannot be opened"):
        check_file(tmp_path / "a" / "b")


@pytest.mark.parametrize(
    "error", [ValueError("one\ntwo"), KeyError(), MemoryError(), EOFError("x")]
)
def test_what_a_library_raises_becomes_one_line(error: Exception) -> None:
    with (
        pytest.raises(InputError, match=r"^a\.tif: [^\n]+$") as caught,
        reading(Path("a.tif"), "a TIFF image"),
    ):
        raise error
    assert caught.value.__cause__ is error


def test_our_own_errors_and_interrupts_pass() -> None:
    for error in (InputError("a.tif: mine"), KeyboardInterrupt()):
        with (
            pytest.raises(type(error)) as caught,
            reading(Path("a.tif"), "a TIFF image"),
        ):
            raise error
        assert caught.value is error


def test_long_messages_are_cut() -> None:
    assert first_line(ValueError("x" * 500)) == "x" * 117 + "..."
    assert first_line(ValueError()) == "ValueError"


def test_messages_of_this_thread_are_collected(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("some.library")
    with caplog.at_level(logging.DEBUG), collecting("some.library") as messages:
        logger.info("no matter")
        logger.warning("odd %s", "tag")
        other = threading.Thread(target=logger.warning, args=("of another thread",))
        other.start()
        other.join()
    logger.warning("afterwards")
    assert messages == ["odd tag"]
    assert [record.getMessage() for record in caplog.records] == ["of another thread", "afterwards"]
