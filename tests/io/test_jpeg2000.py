from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

from napari_retseg.errors import InputError
from napari_retseg.io.jpeg2000 import Jpeg2000Pixels, decode, is_jpeg2000
from tests.io.topconfile import encode

PLANE = np.random.default_rng(4).integers(0, 256, (60, 80), dtype=np.uint8)
FILE = Path("a.fda")


def read(data: bytes, shape: tuple[int, int] = (60, 80)) -> Any:
    return decode(FILE, "B-scan 3", data, shape)


def test_grey_and_colour() -> None:
    np.testing.assert_array_equal(read(encode(PLANE)), PLANE)
    colour = np.random.default_rng(5).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    np.testing.assert_array_equal(read(encode(colour)), colour)


def test_a_codestream_in_a_jp2_file() -> None:
    target = io.BytesIO()
    Image.fromarray(PLANE).save(target, "JPEG2000")
    assert target.getvalue()[4:8] == b"jP  "
    assert is_jpeg2000(target.getvalue())
    np.testing.assert_array_equal(read(target.getvalue()), PLANE)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "B-scan 3 is not a JPEG 2000 image"),
        (b"some text" * 100, "B-scan 3 is not a JPEG 2000 image"),
        (encode(PLANE)[:30], "cannot be read as a JPEG 2000 image"),
        (encode(PLANE)[:110], "cannot be read as a JPEG 2000 image"),
        (encode(PLANE[:50]), "an image of 50 x 80 pixels instead of 60 x 80"),
        (encode(np.dstack([PLANE] * 4)), "of an unusual kind, or damaged"),
        (encode(PLANE, tile_size=(1, 1)), "of an unusual kind, or damaged"),
    ],
)
def test_what_is_refused_before_it_is_decoded(data: bytes, words: str) -> None:
    with pytest.raises(InputError, match=rf"^a\.fda: .*{words}"):
        read(data)


def test_precincts() -> None:
    plane = np.zeros((600, 800), np.uint8)
    np.testing.assert_array_equal(read(encode(plane, precinct_size=(128, 128)), (600, 800)), plane)
    tiny = encode(plane, precinct_size=(8, 8), codeblock_size=(4, 4), num_resolutions=1)
    assert len(read(tiny, (600, 800))) == 600
    data = bytearray(tiny)
    at = data.index(b"\xff\x52")
    # its only precinct size, 8 x 8, becomes 2 x 2
    assert data[at + 14] == 0x33
    data[at + 14] = 0x11
    with pytest.raises(InputError, match="of an unusual kind, or damaged"):
        read(bytes(data), (600, 800))


def test_values_of_16_bits_are_refused() -> None:
    target = io.BytesIO()
    Image.fromarray(PLANE.astype(np.uint16) * 200).save(target, "JPEG2000", no_jp2=True)
    with pytest.raises(InputError, match="of an unusual kind"):
        read(target.getvalue())


def test_a_size_of_gigabytes_takes_no_memory(tmp_path: Path) -> None:
    data = bytearray(encode(PLANE))
    struct.pack_into(">2I", data, 8, 80_000, 60_000)
    struct.pack_into(">2I", data, 24, 80_000, 60_000)
    with pytest.raises(InputError, match="more than the limit of 256 MB"):
        read(bytes(data), (60_000, 80_000))
    with pytest.raises(InputError, match="more than the limit of 256 MB"):
        Jpeg2000Pixels(FILE, (60_000, 80_000), ((0, 400),))
    with pytest.raises(InputError, match="contains only"):
        Jpeg2000Pixels(FILE, (2000, 2000), ((0, 400),) * 500)


def test_without_a_decoder_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "check", lambda _: False)
    with pytest.raises(InputError, match="built without OpenJPEG; install Pillow from a wheel"):
        read(encode(PLANE))
