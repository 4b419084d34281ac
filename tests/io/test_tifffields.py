"""What a TIFF says about its pixels is honoured, named in a note, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile

from napari_retseg.errors import InputError
from napari_retseg.io import read_labels, read_scan
from tests.io.fields import Stack, pixels, write_tiff

# TIFF: several images


def test_bscans_saved_one_by_one_are_a_volume(tmp_path: Path, stack: Stack) -> None:
    scan = read_scan(write_tiff(tmp_path / "a.tif", list(stack)))
    np.testing.assert_array_equal(pixels(scan), stack)
    assert scan.axes == ("bscan", "depth", "width")
    np.testing.assert_array_equal(read_labels(tmp_path / "a.tif"), stack)


def test_bscans_with_other_compressions_are_a_volume(tmp_path: Path, stack: Stack) -> None:
    pages = [
        (plane, {"compression": "zlib" if k % 2 else None, "description": f"B-scan {k}"})
        for k, plane in enumerate(stack)
    ]
    scan = read_scan(write_tiff(tmp_path / "a.tif", pages, metadata=None))
    np.testing.assert_array_equal(pixels(scan), stack)


def test_ome_images_of_one_size_are_a_volume_with_a_note(tmp_path: Path, stack: Stack) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif", ome=True) as writer:
        for plane in stack:
            writer.write(plane, photometric="minisblack")
    scan = read_scan(tmp_path / "a.tif")
    np.testing.assert_array_equal(pixels(scan), stack)
    assert "5 images of the same size" in scan.notes[0]


@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("n", [1, 5])
def test_a_thumbnail_hides_nothing(
    tmp_path: Path, stack: Stack, marked: bool, first: bool, n: int
) -> None:
    small = (stack[0, ::4, ::4], {"subfiletype": 1} if marked else {})
    pages: list[Any] = [stack[:n]]
    pages.insert(0 if first else 1, small)
    scan = read_scan(write_tiff(tmp_path / "a.tif", pages))
    np.testing.assert_array_equal(pixels(scan), stack[:n].squeeze())
    assert "ignored" in scan.notes[0]
    if not marked:
        with pytest.raises(InputError, match="save one volume per file"):
            read_labels(tmp_path / "a.tif")


@pytest.mark.parametrize("other", [(3, 40, 50), (3, 30, 50), (5, 40, 60)])
def test_two_volumes_are_refused(tmp_path: Path, stack: Stack, other: tuple[int, ...]) -> None:
    file = write_tiff(tmp_path / "a.tif", [stack, np.zeros(other, np.uint8)])
    with pytest.raises(
        InputError, match=r"a\.tif: contains 2 images, and it is not clear which is the scan"
    ):
        read_scan(file)


def test_three_bscans_that_are_called_colour_are_refused(tmp_path: Path, stack: Stack) -> None:
    """The default of some programs that write three planes."""
    tifffile.imwrite(tmp_path / "a.tif", stack[:3], photometric="rgb", planarconfig="separate")
    with pytest.raises(InputError, match=r"a\.tif: stores three different planes as red, green"):
        read_scan(tmp_path / "a.tif")


def test_pages_that_differ_are_refused(tmp_path: Path, stack: Stack) -> None:
    """Of a stack that names its shape, tifffile gives all pages the tags of the first."""
    file = write_tiff(tmp_path / "a.tif", [stack])
    with tifffile.TiffFile(file) as tif:
        number = tif.pages.index if isinstance(tif.pages, int) else 2
        page = tif.pages[number]
        page = page if isinstance(page, tifffile.TiffPage) else page.aspage()
        place = page.tags["PhotometricInterpretation"].valueoffset
    data = bytearray(file.read_bytes())
    data[place : place + 2] = b"\0\0"
    file.write_bytes(data)
    with pytest.raises(InputError, match="page 3 has a different meaning of values"):
        read_scan(file)


# TIFF: values


@pytest.mark.parametrize(
    "compression", ["jpeg", "jpeg2000", "webp", "jpegxl", "lerc", "png", "jpegxr"]
)
def test_labels_are_exact_or_refused(tmp_path: Path, stack: Stack, compression: str) -> None:
    file = tmp_path / "a.tif"
    try:
        write_tiff(file, [stack[0]], compression=compression)
    except (ValueError, imagecodecs.DelayedImportError):  # this imagecodecs does not write it
        write_tiff(file, [stack[0]])
        with tifffile.TiffFile(file, mode="r+") as tif:
            number = tifffile.COMPRESSION[compression.upper()]
            tif.pages.first.tags["Compression"].overwrite(int(number))
    with pytest.raises(InputError, match="compression may change values; save labels with ZIP"):
        read_labels(file)


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "packbits", "lzma", "zstd"])
def test_lossless_labels_are_read(tmp_path: Path, stack: Stack, compression: str | None) -> None:
    file = write_tiff(tmp_path / "a.tif", [stack[0]], compression=compression)
    np.testing.assert_array_equal(read_labels(file), stack[0])


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 12, 16])
def test_white_is_zero_at_any_number_of_bits(tmp_path: Path, bits: int) -> None:
    values = np.arange(64).reshape(8, 8) % 2**bits
    stored = values.astype(np.uint8 if bits <= 8 else np.uint16)
    photometric = "miniswhite"
    if bits == 1:
        write_tiff(tmp_path / "a.tif", [stored.astype(bool)], photometric=photometric)
        wanted = (1 - values) * 255
    else:
        write_tiff(
            tmp_path / "a.tif", [stored], photometric=photometric, bitspersample=bits,
            compression=None,
        )  # fmt: skip
        wanted = 2**bits - 1 - values
    np.testing.assert_array_equal(pixels(read_scan(tmp_path / "a.tif")), wanted)
    np.testing.assert_array_equal(read_labels(tmp_path / "a.tif"), values)


def test_the_straight_line_of_imagej_is_applied(tmp_path: Path, stack: Stack) -> None:
    values = stack.astype(np.uint16) + 32_768
    text = "ImageJ=1.53t\nimages=5\nslices=5\nunit=um\ncf=0\nc0=-32768\nc1=1\n"
    file = write_tiff(tmp_path / "a.tif", [values], metadata=None, description=text)
    np.testing.assert_array_equal(pixels(read_scan(file)), stack.astype(np.float32))
    with pytest.raises(InputError, match="has calibrated values"):
        read_labels(file)


def test_other_calibrations_of_imagej_are_noted(tmp_path: Path, stack: Stack) -> None:
    text = "ImageJ=1.53t\nimages=5\nslices=5\ncf=4\nc0=1\nc1=2\n"
    file = write_tiff(tmp_path / "a.tif", [stack], metadata=None, description=text)
    assert "calibration of values (4) is not applied" in read_scan(file).notes[0]


@pytest.mark.parametrize(
    ("code", "kind", "note"),
    [(291, "H", "grey response"), (340, "H", "least sample value"), (42113, "s", "GDAL")],
)
def test_tags_that_are_not_applied_are_noted(
    tmp_path: Path, stack: Stack, code: int, kind: str, note: str
) -> None:
    tag = (code, kind, 1 if kind == "H" else 3, 5 if kind == "H" else "12\0", True)
    file = write_tiff(tmp_path / "a.tif", [stack[0]], extratags=[tag], metadata=None)
    assert note in read_scan(file).notes[0]


@pytest.mark.parametrize("photometric", ["cielab", "separated", "logl"])
def test_colours_that_are_not_red_green_and_blue_are_refused(
    tmp_path: Path, stack: Stack, photometric: str
) -> None:
    samples = np.stack([stack[0]] * (4 if photometric == "separated" else 3), -1)
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb", planarconfig="contig",
                     extrasamples=["unassalpha"] if samples.shape[-1] == 4 else None)  # fmt: skip
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as tif:
        code = {"cielab": 8, "separated": 5, "logl": 32844}[photometric]
        tif.pages.first.tags["PhotometricInterpretation"].overwrite(code)
    with pytest.raises(InputError, match="save it as grey"):
        read_scan(tmp_path / "a.tif")


def test_an_axis_of_another_kind_is_noted(tmp_path: Path, stack: Stack) -> None:
    file = write_tiff(tmp_path / "a.tif", [stack], metadata={"axes": "TYX"})
    assert "axis T of the file" in read_scan(file).notes[0]


@pytest.mark.parametrize(("kind", "channels"), [("unassalpha", 1), ("unspecified", 2)])
def test_a_second_sample_is_transparency_only_where_it_says_so(
    tmp_path: Path, stack: Stack, kind: str, channels: int
) -> None:
    both = np.stack([stack[0], stack[1]], -1)
    write_tiff(tmp_path / "a.tif", [both], planarconfig="contig", extrasamples=[kind])
    assert read_scan(tmp_path / "a.tif").n_channels == channels


@pytest.mark.parametrize("code", [256, 257, 277])
def test_sizes_with_a_sign_are_refused(tmp_path: Path, code: int) -> None:
    """Tifffile counted pages backwards for ever where a page was -16 rows high."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((3, 40, 50), np.uint8), photometric="minisblack")
    with tifffile.TiffFile(path) as tif:
        place = tif.pages.first.tags[code].offset
    data = bytearray(path.read_bytes())
    data[place + 2 : place + 4] = (9).to_bytes(2, "little")  # SLONG
    data[place + 8 : place + 12] = (-16).to_bytes(4, "little", signed=True)
    path.write_bytes(data)
    with pytest.raises(InputError, match="stored with a sign"):
        read_scan(path)
