"""Topcon: what is refused, in one line."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from napari_retseg.errors import InputError
from napari_retseg.io import read_scan
from napari_retseg.scan import OctScan
from tests.conftest import check_line
from tests.io import topconfile as made
from tests.io.topconscan import (
    BASIC,
    HEIGHTS,
    STACK,
    WITH_ILM,
    rows_of,
    write,
)


def test_a_boundary_that_claims_more_than_its_block(tmp_path: Path) -> None:
    content = bytearray(made.contour("RETINA_1", HEIGHTS))
    struct.pack_into("<I", content, 22, 2**31)
    scan = write(tmp_path, *BASIC, ("@CONTOUR_INFO", bytes(content)))
    assert rows_of(scan) == {}
    assert scan.acquisition.contradictions == ("a boundary does not fit into its block",)


def read_or_refuse(path: Path) -> OctScan | None:
    try:
        return read_scan(path)
    except InputError as error:
        check_line(error, f"{path}: ")
        return None


def test_a_file_cut_anywhere(tmp_path: Path) -> None:
    whole = made.write(tmp_path / "a.fda", *WITH_ILM, ("@THUMBNAIL", bytes(40)))
    data = whole.read_bytes()
    wanted = np.asarray(read_scan(whole).pixels)
    cut = tmp_path / "cut.fda"
    read = 0
    for length in (*range(60), *range(60, len(data), 37), len(data) - 1):
        cut.write_bytes(data[:length])
        scan = read_or_refuse(cut)
        if scan is None:
            continue
        # between two blocks
        read += 1
        np.testing.assert_array_equal(np.sort(scan.pixels, 0), np.sort(wanted, 0))
        assert any("it may be truncated" in line for line in scan.acquisition.contradictions)
    assert read >= 1


@pytest.mark.parametrize(
    ("offset", "value", "words"),
    [
        (9, 0, "contains no B-scans"),
        (13, 0, "contains no B-scans"),
        (17, 0, "contains no B-scans"),
        (9, 33, "is an image of 40 x 32 pixels instead of 40 x 33"),
        (13, 39, "is an image of 40 x 32 pixels instead of 39 x 32"),
        (17, 4, r"@IMG_JPEG has \d+ bytes and needs"),
        (17, 2**32 - 1, "the file is probably damaged"),
        (9, 2**31, "the file is probably damaged"),
        (25, 2**32 - 1, r"B-scan 0 \(0 to 2\) is truncated"),
        (25, 0, r"B-scan 1 \(0 to 2\) is truncated"),
    ],
)
def test_numbers_that_cannot_be(tmp_path: Path, offset: int, value: int, words: str) -> None:
    content = bytearray(made.encoded_scan(STACK))
    struct.pack_into("<I", content, offset, value)
    path = made.write(tmp_path / "a.fda", ("@IMG_JPEG", bytes(content)))
    with pytest.raises(InputError, match=rf"a\.fda: .*{words}"):
        np.asarray(read_scan(path).pixels)


@pytest.mark.parametrize(
    ("offset", "value"), [(1, 0), (1, 33), (5, 2**30), (9, 12), (9, 0), (13, 4), (18, 7)]
)
def test_raw_numbers_that_cannot_be(tmp_path: Path, offset: int, value: int) -> None:
    content = bytearray(made.raw_scan(STACK))
    struct.pack_into("<I", content, offset, value)
    path = made.write(tmp_path / "a.fds", ("@IMG_SCAN_03", bytes(content)), kind=b"FDS")
    with pytest.raises(InputError, match=r"a\.fds: (declares|contains no B-scans)"):
        read_scan(path)


def test_blocks_that_cannot_be(tmp_path: Path) -> None:
    for chunks, words in (
        ([("@CAPTURE_INFO_02", made.capture(0))], "contains no B-scans that can be read$"),
        ([("@IMG_SCAN_02", bytes(40))], r"\(only @IMG_SCAN_02, whose structure is not published\)"),
        ([("IMG_JPEG", b"")], "damaged behind its header"),
        ([BASIC[2], ("@PARAM_SCAN_04", b"abc")], "@PARAM_SCAN_04 has 3 bytes and needs 36"),
        ([("@IMG_JPEG", b"")], "@IMG_JPEG has 0 bytes and needs 25"),
    ):
        path = made.write(tmp_path / "a.fda", *chunks)
        with pytest.raises(InputError, match=rf"a\.fda: .*{words}"):
            read_scan(path)
    (tmp_path / "a.fda").write_bytes(b"some text" * 1000)
    with pytest.raises(InputError, match=r"a\.fda: not a Topcon file"):
        read_scan(tmp_path / "a.fda")


def test_a_file_changed_after_it_was_opened(tmp_path: Path) -> None:
    scan = write(tmp_path, *BASIC)
    path = tmp_path / "a.fda"
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(InputError, match=r"a\.fda: "):
        scan.read_bscan(0)


def test_the_empty_real_file(shared_data: Path) -> None:
    with pytest.raises(InputError, match=r"corrupt\.fds: the file is empty"):
        read_scan(shared_data / "vendor" / "corrupt.fds")
