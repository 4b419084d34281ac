"""What a file says about its pixels is honoured, named in a note, or refused."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image, ImageOps

from napari_retseg.errors import InputError
from napari_retseg.io import read_labels, read_scan
from napari_retseg.scan import OctScan
from tests.io.fields import Stack, pixels, png, write_tiff

MAKE: Any = nib.Nifti1Image
HEADER: Any = nib.Nifti1Header


# Orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "tif-stack"])
def test_orientation(tmp_path: Path, stack: Stack, orientation: int, suffix: str) -> None:
    plane = np.repeat(stack[0][::8, ::8] // 128 * 200, 8, 0).repeat(8, 1)
    exif = Image.Exif()
    exif[274] = orientation
    file = tmp_path / f"a.{suffix[:3]}"
    if suffix.startswith("tif"):
        tag = (274, "H", 1, orientation, True)
        stored = [plane, plane] if suffix == "tif-stack" else [plane]
        write_tiff(file, stored, extratags=[tag], metadata=None)
    else:
        Image.fromarray(plane).save(file, exif=exif, quality=98)
    Image.fromarray(plane).save(tmp_path / "b.png", exif=exif)
    with Image.open(tmp_path / "b.png") as image:
        wanted = np.asarray(ImageOps.exif_transpose(image))
    scan = read_scan(file)
    found = pixels(scan)[1] if suffix == "tif-stack" else pixels(scan)
    assert np.abs(found.astype(int) - wanted).mean() < 3
    assert any("rotated or mirrored" in note for note in scan.notes) == (orientation > 1)
    if suffix != "jpg":
        labels = read_labels(file)
        np.testing.assert_array_equal(labels[1] if suffix == "tif-stack" else labels, wanted)


def test_an_orientation_exchanges_the_spacing(tmp_path: Path) -> None:
    tag = (274, "H", 1, 6, True)
    plane = np.zeros((400, 40), np.uint8)
    sizes = (1 / 3.87, 1 / 11.5)
    write_tiff(
        tmp_path / "a.tif", [plane], extratags=[tag], resolution=sizes, metadata=None,
        description="ImageJ=1.53t\nunit=um\n",
    )  # fmt: skip
    scan = read_scan(tmp_path / "a.tif")
    assert scan.spatial_shape == (40, 400)
    assert scan.spacing_um == pytest.approx((3.87, 11.5), rel=1e-5)


def test_an_unknown_orientation_is_refused(tmp_path: Path, stack: Stack) -> None:
    file = write_tiff(tmp_path / "a.tif", [stack[0]], extratags=[(274, "H", 1, 9, True)])
    with pytest.raises(InputError, match=r"a\.tif: has the orientation 9"):
        read_scan(file)


# PNG, BMP and JPEG


@pytest.mark.parametrize(
    ("chunk", "note"),
    [
        ((b"gAMA", struct.pack(">I", 100_000)), "gamma in the file (1)"),
        ((b"iCCP", b"name\0\0" + zlib.compress(b"x" * 200)), "colour profile"),
        ((b"pCAL", b"name\0" + bytes(10)), "pCAL"),
        ((b"sBIT", b"\x05"), "5 of 8 bits"),
        ((b"tRNS", b"\0\x07"), "transparent"),
        ((b"cICP", b"\x09\x10\x00\x01"), "colour space"),
        ((b"oFFs", bytes(9)), "oFFs"),
    ],
    ids=lambda value: value[0].decode() if isinstance(value, tuple) else "",
)
def test_what_a_png_says_and_is_not_applied_is_noted(
    tmp_path: Path, stack: Stack, chunk: tuple[bytes, bytes], note: str
) -> None:
    scan = read_scan(png(tmp_path / "a.png", stack[0], chunk))
    assert [note in found for found in scan.notes] == [True]
    np.testing.assert_array_equal(pixels(scan), stack[0])


def test_what_nearly_every_png_says_is_not_noted(tmp_path: Path, stack: Stack) -> None:
    common = (b"gAMA", struct.pack(">I", 45_455)), (b"sRGB", b"\0"), (b"sBIT", b"\x08")
    assert read_scan(png(tmp_path / "a.png", stack[0], *common)).notes == ()


def test_the_scale_of_a_png_is_read(tmp_path: Path) -> None:
    plane = np.zeros((40, 400), np.uint8)
    scale = (b"sCAL", b"\x01" + b"1.15e-5\0" + b"3.87e-6")
    assert read_scan(png(tmp_path / "a.png", plane, scale)).spacing_um == (3.87, 11.5)


def test_an_animation_is_refused(tmp_path: Path, stack: Stack) -> None:
    first, *others = (Image.fromarray(plane) for plane in stack)
    first.save(tmp_path / "a.png", save_all=True, append_images=others)
    for read in (read_scan, read_labels):
        with pytest.raises(InputError, match=r"a\.png: this is an animation of 5 pictures"):
            read(tmp_path / "a.png")


def test_several_pictures_in_a_jpeg_are_noted(tmp_path: Path, stack: Stack) -> None:
    first, *others = (Image.fromarray(plane) for plane in stack[:2])
    first.save(tmp_path / "a.mpo", save_all=True, append_images=others)
    (tmp_path / "a.mpo").rename(tmp_path / "a.jpg")
    assert "the first of 2 pictures" in read_scan(tmp_path / "a.jpg").notes[0]


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_labels_of_few_bits_are_the_stored_numbers(tmp_path: Path, bits: int) -> None:
    """Pillow spreads 2 and 4 bits over 0 to 255."""
    values = np.arange(64, dtype=np.uint16).reshape(8, 8) % min(2**bits, 200)
    width = 8
    rows = [
        b"\0" + int("".join(f"{v:0{bits}b}" for v in row), 2).to_bytes(width * bits // 8, "big")
        for row in values
    ]
    header = struct.pack(">IIBBBBB", width, 8, bits, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows))), (b"IEND", b"")):
        data += struct.pack(">I", len(body)) + kind + body
        data += struct.pack(">I", zlib.crc32(kind + body))
    (tmp_path / "a.png").write_bytes(data)
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png"), values)


@pytest.mark.parametrize("top_down", [False, True])
def test_bmp_rows_run_either_way(tmp_path: Path, stack: Stack, top_down: bool) -> None:
    plane = np.ascontiguousarray(stack[0][:, :48])
    Image.fromarray(plane).save(tmp_path / "a.bmp")
    data = bytearray((tmp_path / "a.bmp").read_bytes())
    if top_down:
        (start,) = struct.unpack_from("<I", data, 10)
        struct.pack_into("<i", data, 22, -plane.shape[0])
        data[start:] = plane.tobytes()
    (tmp_path / "a.bmp").write_bytes(data)
    np.testing.assert_array_equal(pixels(read_scan(tmp_path / "a.bmp")), plane)
    np.testing.assert_array_equal(read_labels(tmp_path / "a.bmp"), plane)


# NIfTI


def nifti(path: Path, stack: Stack, **fields: Any) -> Path:
    image = MAKE(stack.T, np.eye(4))
    image.header.set_xyzt_units("mm")
    for name, value in fields.items():
        image.header[name] = value
    nib.save(image, path)
    data = bytearray(path.read_bytes())
    # nibabel writes its own slope
    for name, place in (("scl_slope", 112), ("scl_inter", 116)):
        if name in fields:
            struct.pack_into("<f", data, place, fields[name])
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("slope", "inter", "fine"), [(2, 0, True), (1, 3, True), (0.5, 0, False)])
def test_scaled_labels_are_whole_numbers_or_refused(
    tmp_path: Path, stack: Stack, slope: float, inter: float, fine: bool
) -> None:
    values = stack // 4
    file = nifti(tmp_path / "a.nii", values, scl_slope=slope, scl_inter=inter)
    if fine:
        np.testing.assert_array_equal(read_labels(file), values * slope + inter)
    else:
        with pytest.raises(InputError, match="fractions"):
            read_labels(file)


def test_a_display_range_is_noted(tmp_path: Path, stack: Stack) -> None:
    scan = read_scan(nifti(tmp_path / "a.nii", stack, cal_min=10, cal_max=90))
    assert "display range in the header (10 to 90)" in scan.notes[0]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"magic": b"ni1"}, "header of a pair"),
        ({"magic": b"abc"}, "not a NIfTI file"),
        ({"intent_code": 3001}, "CIFTI"),
        ({"datatype": 128, "bitpix": 24}, "contains values of type"),
        ({"datatype": 32, "bitpix": 64}, "contains values of type"),
    ],
)
def test_other_kinds_of_nifti_are_refused(
    tmp_path: Path, stack: Stack, fields: dict[str, Any], message: str
) -> None:
    file = nifti(tmp_path / "a.nii", stack)
    header = HEADER(file.read_bytes()[:348], check=False)
    for name, value in fields.items():
        header[name] = value
    file.write_bytes(header.binaryblock + file.read_bytes()[348:])
    with pytest.raises(InputError, match=message):
        read_scan(file)


def test_four_axes_are_noted(tmp_path: Path, stack: Stack) -> None:
    scan = read_scan(nifti(tmp_path / "a.nii", np.stack([stack, stack])))
    assert scan.axes[0] == "channel"
    assert "2 volumes of the fourth axis are read as channels" in scan.notes[0]


# NPZ


def test_an_npz_of_scan_and_labels_gives_either(tmp_path: Path, stack: Stack) -> None:
    labels = stack // 100
    np.savez(tmp_path / "a.npz", images=stack, labels=labels)
    scan = read_scan(tmp_path / "a.npz")
    np.testing.assert_array_equal(pixels(scan), stack)
    assert scan.notes == ("ignored: labels.npy",)
    np.testing.assert_array_equal(read_labels(tmp_path / "a.npz"), labels)


@pytest.mark.parametrize("kind", ["f2", "f4", "f8"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".npy", ".npz", ".tif", "array"])
def test_values_that_are_not_finite_are_refused_where_they_are_read(
    tmp_path: Path, stack: Stack, suffix: str, bad: float, kind: str
) -> None:
    if kind == "f2" and suffix.startswith(".nii"):
        pytest.skip("NIfTI has no floats of 16 bits")
    values = stack.astype(kind)
    values[2, 3, 4] = bad
    file = tmp_path / f"a{suffix}"
    if suffix == "array":
        scan = OctScan(values, ("bscan", "depth", "width"))
    else:
        writers: dict[str, Callable[[], Any]] = {
            ".npy": lambda: np.save(file, values),
            ".npz": lambda: np.savez(file, values),
            ".tif": lambda: write_tiff(file, [values]),
        }
        writers.get(suffix, lambda: nib.save(MAKE(values.T, np.eye(4)), file))()
        scan = read_scan(file)
    np.testing.assert_array_equal(scan.read_bscan(1)[0], values[1])
    with pytest.raises(InputError, match=r"B-scan 2 contains values that are not finite"):
        scan.read_bscan(2)


def test_extensions_of_a_nifti_header_are_noted(tmp_path: Path, stack: Stack) -> None:
    image = MAKE(stack.T, np.eye(4))
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"text"))
    nib.save(image, tmp_path / "a.nii")
    scan = read_scan(tmp_path / "a.nii")
    assert "extensions of the header are not read" in scan.notes[0]
    np.testing.assert_array_equal(pixels(scan), stack)


@pytest.mark.parametrize("body", [b"", b"rubbish", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\0"])
def test_a_broken_exif_block_is_noted(tmp_path: Path, stack: Stack, body: bytes) -> None:
    scan = read_scan(png(tmp_path / "a.png", stack[0], (b"eXIf", body)))
    np.testing.assert_array_equal(pixels(scan), stack[0])
