from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from napari_retseg.errors import InputError
from napari_retseg.io import read_labels, read_scan
from napari_retseg.scan import OctScan

Same = Callable[[OctScan, Any], None]
RGB = np.random.default_rng(1).integers(0, 256, (4, 5, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "A.PNG"])
def test_grey_values_are_exact(
    tmp_path: Path, stack: NDArray[np.uint8], same: Same, name: str
) -> None:
    Image.fromarray(stack[0]).save(tmp_path / name)
    scan = read_scan(tmp_path / name)
    assert scan.axes == ("depth", "width")
    assert (scan.spacing_um, scan.spacing_source) == ((None, None), "unknown")
    assert scan.notes == ()
    same(scan, stack[0])


def test_sixteen_bits_are_kept(tmp_path: Path, same: Same) -> None:
    values = np.array([[0, 1, 300], [65535, 4096, 77]], np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    same(read_scan(tmp_path / "a.png"), values)


def test_one_bit_is_black_and_white_as_a_scan_and_0_and_1_as_labels(
    tmp_path: Path, same: Same
) -> None:
    mask = np.array([[True, False, True], [False, False, True]])
    Image.fromarray(mask).save(tmp_path / "a.png")
    same(read_scan(tmp_path / "a.png"), mask * np.uint8(255))
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png"), mask)


def test_jpeg_is_read_and_refused_as_labels(tmp_path: Path) -> None:
    Image.fromarray(np.full((16, 24), 77, np.uint8)).save(tmp_path / "a.jpg")
    assert np.ptp(np.asarray(read_scan(tmp_path / "a.jpg").pixels)) <= 1
    (tmp_path / "b.png").write_bytes((tmp_path / "a.jpg").read_bytes())
    for name in ("a.jpg", "b.png"):
        with pytest.raises(InputError, match=name):
            read_labels(tmp_path / name)


def test_colour_becomes_grey_with_a_note(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "a.png")
    scan = read_scan(tmp_path / "a.png")
    luma = np.rint(RGB.astype(float) @ [0.299, 0.587, 0.114])
    np.testing.assert_array_equal(np.asarray(scan.pixels), luma)
    assert scan.notes == ("colour (RGB) converted to grey",)


def test_grey_saved_as_colour_keeps_its_values(tmp_path: Path, same: Same) -> None:
    grey = RGB[..., 0]
    Image.fromarray(np.dstack([grey] * 3 + [np.full_like(grey, 9)])).save(tmp_path / "a.png")
    scan = read_scan(tmp_path / "a.png")
    same(scan, grey)
    assert "RGBA" in scan.notes[0]


def test_grey_with_alpha_drops_alpha(tmp_path: Path, same: Same) -> None:
    Image.fromarray(RGB[..., :2].copy(), mode="LA").save(tmp_path / "a.png")
    scan = read_scan(tmp_path / "a.png")
    same(scan, RGB[..., 0])
    assert scan.notes == ("grey with alpha converted to grey",)


@pytest.mark.parametrize("samples", [2, 3, 4])
def test_deep_colour_keeps_sixteen_bits(tmp_path: Path, same: Same, samples: int) -> None:
    grey = np.array([[0, 300], [65535, 1234]], np.uint16)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(np.dstack([grey] * samples)))
    scan = read_scan(tmp_path / "a.png")
    same(scan, grey)
    assert len(scan.notes) == 1


def test_a_palette_gives_its_colours_as_a_scan_and_its_indices_as_labels(tmp_path: Path) -> None:
    indices = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
    image = Image.fromarray(indices)
    image.putpalette([0, 0, 0, 200, 200, 200, 90, 90, 90])
    image.save(tmp_path / "a.png")
    scan = read_scan(tmp_path / "a.png")
    np.testing.assert_array_equal(np.asarray(scan.pixels), np.array([0, 200, 90])[indices])
    assert scan.notes == ("palette colour converted to grey",)
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png"), indices)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_colour_is_no_label_file(tmp_path: Path, mode: str) -> None:
    Image.fromarray(RGB).convert(mode).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png: .* image, not labels"):
        read_labels(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("dpi", "expected"),
    [
        ((72, 72), (None, None)),
        ((96, 96), (None, None)),
        ((300, 300), (None, None)),
        ((25400 / 11.5, 25400 / 3.87), (3.87, 11.5)),
    ],
)
def test_only_a_resolution_of_oct_is_believed(
    tmp_path: Path, dpi: tuple[float, float], expected: tuple[float | None, float | None]
) -> None:
    Image.fromarray(np.zeros((4, 200), np.uint8)).save(tmp_path / "a.png", dpi=dpi)
    scan = read_scan(tmp_path / "a.png")
    if expected[0] is None:
        assert (scan.spacing_um, scan.spacing_source) == (expected, "unknown")
    else:
        assert scan.spacing_um == pytest.approx(expected, rel=1e-4)
        assert scan.spacing_source == "file"


def test_a_huge_header_is_an_input_error(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(stream, "BMP")
    data = bytearray(stream.getvalue())
    data[18:26] = np.array([60_000, 60_000], "<i4").tobytes()
    (tmp_path / "a.bmp").write_bytes(data)
    with pytest.raises(InputError, match=r"a\.bmp: cannot be read"):
        read_scan(tmp_path / "a.bmp")
