"""DICOM: what is refused, in one line that tells no names."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.uid import JPEG2000Lossless

from napari_retseg.errors import InputError
from napari_retseg.io import read_scan
from napari_retseg.scan import OctScan
from tests.conftest import check_line
from tests.io.dicomfiles import (
    PERSON,
    SYNTAXES,
    make_item,
    make_opt,
    make_stack,
    save,
    wrap,
)

Same = Callable[[OctScan, Any], None]
STACK = make_stack()


def test_more_frames_than_declared_are_said(tmp_path: Path, same: Same) -> None:
    for kind in ("plain", "rle"):
        header = make_opt(STACK, kind=kind)
        header.NumberOfFrames = 2
        scan = read_scan(save(tmp_path / "a.dcm", header))
        same(scan, STACK[:2])
        assert scan.acquisition.contradictions == (
            "2 frames are declared, but 4 are described",
            "the header declares 2 frames, but the file contains 4",
        )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"NumberOfFrames": 5}, r"truncated \(7680 of 9600 bytes of pixels\)"),
        ({"NumberOfFrames": 2_000_000_000}, "declares 2000000000 frames, not 1 to 100,000"),
        ({"NumberOfFrames": -1}, "declares -1 frames"),
        ({"Rows": 65535, "Columns": 65535}, "declares planes of 65535 x 65535 pixels"),
        ({"Rows": 0}, "no pixels"),
        ({"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0}, "1 bits a pixel"),
        ({"BitsStored": 12}, "12 of 8 bits"),
        ({"SamplesPerPixel": 3}, "declares 3 values for a MONOCHROME2 pixel"),
    ],
)
def test_headers_that_lie(tmp_path: Path, changed: dict[str, int], message: str) -> None:
    header = make_opt(STACK)
    for keyword, value in changed.items():
        setattr(header, keyword, value)
    file = save(tmp_path / "a.dcm", header)
    with pytest.raises(InputError, match=message) as error:
        read_scan(file)
    check_line(error.value, str(file))


@pytest.mark.parametrize("kind", SYNTAXES)
def test_cut_off_files(tmp_path: Path, kind: str) -> None:
    data = save(tmp_path / "a.dcm", make_opt(STACK, kind=kind)).read_bytes()
    for end in (0, 100, 140, 400, 1200, len(data) // 2, len(data) - 20):
        (tmp_path / "b.dcm").write_bytes(data[:end])
        with pytest.raises(InputError) as error:
            np.asarray(read_scan(tmp_path / "b.dcm").pixels)
        check_line(error.value, f"{tmp_path / 'b.dcm'}: ")


def test_a_compressed_frame_of_another_size(tmp_path: Path) -> None:
    header = make_opt(STACK, kind="j2k")
    data = bytearray(save(tmp_path / "a.dcm", header).read_bytes())
    place = data.rindex(b"\xff\x4f\xff\x51") + 8
    data[place : place + 8] = struct.pack(">2I", 2**30, 2**30)
    (tmp_path / "a.dcm").write_bytes(data)
    scan = read_scan(tmp_path / "a.dcm")
    with pytest.raises(InputError, match="a compressed frame is 1073741824 x 1073741824 pixels"):
        scan.read_bscan(len(STACK) - 1)


def test_a_missing_plugin_is_one_line(tmp_path: Path) -> None:
    header = make_opt(STACK, kind="rle")
    for syntax, message in (
        ("1.2.840.10008.1.2.4.70", "need another package for pydicom .* install one with pip"),
        ("1.2.840.10008.1.2.4.100", "cannot be read; save it with another transfer syntax"),
    ):
        header.file_meta.TransferSyntaxUID = syntax
        with pytest.raises(InputError, match=message) as error:
            read_scan(save(tmp_path / "a.dcm", header))
        check_line(error.value)


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = save(tmp_path / "a.dcm", make_opt(STACK))
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(InputError, match=r"need pydicom; install it with .*napari-retseg\[oct\]"):
        read_scan(file)


def test_deflated_files_are_refused(tmp_path: Path) -> None:
    header = make_opt(STACK)
    header.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
    with pytest.raises(InputError, match="the whole file is deflated"):
        read_scan(save(tmp_path / "a.dcm", header))


def test_a_header_of_endless_items_is_refused(tmp_path: Path) -> None:
    header = make_opt(STACK[:1])
    header.PerFrameFunctionalGroupsSequence = [make_item(SeriesNumber=1)] * 3
    data = save(tmp_path / "a.dcm", header).read_bytes()
    tag = struct.pack("<HH", 0x5200, 0x9230)
    start = data.index(tag)
    items = struct.pack("<HHI", 0xFFFE, 0xE000, 0) * 300_000
    (length,) = struct.unpack_from("<I", data, start + 8)
    head = data[start : start + 8] + struct.pack("<I", len(items))
    file = tmp_path / "a.dcm"
    file.write_bytes(data[:start] + head + items + data[start + 12 + length :])
    with pytest.raises(InputError, match="too many items"):
        read_scan(file)


def test_errors_do_not_tell_names(tmp_path: Path) -> None:
    header = make_opt(STACK, kind="j2k")
    header.PixelData = wrap([b"\xff\x4f\xff\x51 no code stream"] * len(STACK))
    file = save(tmp_path / "a.dcm", header)
    with pytest.raises(InputError) as error:
        read_scan(file).read_bscan(0)
    assert not any(planted in str(error.value) for planted in PERSON.values())
    assert header.file_meta.TransferSyntaxUID == JPEG2000Lossless


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("MR_truncated.dcm", r"truncated \(8130 of 8192 bytes of pixels\)"),
        ("emri_small_jpeg_2k_lossless_too_short.dcm", "truncated in its pixels"),
    ],
)
def test_real_broken_files(shared_data: Path, name: str, message: str) -> None:
    file = shared_data / "vendor" / name
    with pytest.raises(InputError, match=message) as error:
        read_scan(file)
    check_line(error.value, str(file))
