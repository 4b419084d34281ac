"""Files that claim more than they hold are refused before anything is allocated for them."""

from __future__ import annotations

import gzip
import io
import os
import resource
import shutil
import socket
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import tifffile
from scipy.io import savemat

from napari_retseg.errors import InputError, RetsegError
from napari_retseg.io import limits, read_labels, read_scan, write_labels, write_scan
from napari_retseg.scan import OctScan

NIFTI: Any = nib.Nifti1Header
#: Bytes that reading a refused file may take.
MOST = 64 * 2**20
ZEROS = bytes(2**20)


def png(path: Path, width: int, height: int, colour: int = 0) -> Path:
    """A PNG of zeros of any size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    packed = zlib.compressobj(9)
    row = bytes(1 + width * (3 if colour else 1))
    data = b"".join(packed.compress(row) for _ in range(min(height, 4000))) + packed.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    return path


def bmp(path: Path, width: int, height: int) -> Path:
    """A run-length coded BMP that claims any size."""
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, 0, 0, 0, 256, 0)
    palette = b"".join(bytes([k, k, k, 0]) for k in range(256))
    data = b"\xff\x00" * 1000 + b"\x00\x01"
    start = 14 + len(info) + len(palette)
    head = b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start)
    path.write_bytes(head + info + palette + data)
    return path


def nifti(path: Path, shape: tuple[int, ...], n_bytes: int, **fields: Any) -> Path:
    """A NIfTI header that claims any shape, and zeros behind it."""
    header = NIFTI()
    header.set_data_dtype(np.uint8)
    header["magic"], header["vox_offset"] = b"n+1", 352
    header["dim"][0], header["dim"][1 : 1 + len(shape)] = len(shape), shape
    for name, value in fields.items():
        header[name] = value
    parts = [header.binaryblock + bytes(4), *[ZEROS] * (n_bytes // len(ZEROS))]
    if path.name.endswith("gz"):
        with gzip.open(path, "wb", 9) as packed:
            packed.writelines(parts)
    else:
        path.write_bytes(b"".join(parts))
    return path


def npy_header(shape: tuple[Any, ...], kind: str = "|u1") -> bytes:
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"
    text = text.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def npz(path: Path, header: bytes, n_bytes: int) -> Path:
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open("pixels.npy", "w", force_zip64=True) as stream,
    ):
        stream.write(header)
        for _ in range(n_bytes // len(ZEROS)):
            stream.write(ZEROS)
    return path


def mat(path: Path, shape: tuple[int, ...], n_bytes: int) -> Path:
    """A compressed MATLAB array of zeros."""
    about = struct.pack("<IIII", 6, 8, 9, 0) + struct.pack("<II", 5, 4 * len(shape))
    about += struct.pack(f"<{len(shape)}i", *shape) + bytes(4 * (len(shape) % 2))
    about += struct.pack("<II", 1, 6) + b"images\0\0" + struct.pack("<II", 2, n_bytes & 0xFFFFFFFF)
    packed = zlib.compressobj(9)
    tag = struct.pack("<II", 14, (len(about) + n_bytes) & 0xFFFFFFFF)
    data = packed.compress(tag + about)
    data += b"".join(packed.compress(ZEROS) for _ in range(n_bytes // len(ZEROS)))
    data += packed.flush()
    head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    path.write_bytes(head + struct.pack("<II", 15, len(data)) + data)
    return path


def sparse(path: Path, head: bytes, size: int) -> Path:
    """A file with a hole, which takes nearly nothing on the disk."""
    with path.open("wb") as stream:
        stream.write(head)
        stream.truncate(size)
    return path


def tiff(path: Path, shape: tuple[int, int], **options: Any) -> Path:
    """A TIFF whose tags claim another size."""
    tifffile.imwrite(path, np.zeros((16, 16), np.uint8), metadata=None, **options)
    with tifffile.TiffFile(path, mode="r+") as tif:
        for name, value in zip(("ImageLength", "ImageWidth"), shape, strict=True):
            tif.pages.first.tags[name].overwrite(value)
        if "RowsPerStrip" in tif.pages.first.tags:
            tif.pages.first.tags["RowsPerStrip"].overwrite(shape[0])
    return path


def chain(path: Path, n: int) -> Path:
    """A TIFF of many directories with nothing in them."""
    parts = [b"II*\0", struct.pack("<I", 8)]
    for number in range(1, n + 1):
        after = 8 + 18 * number if number < n else 0
        parts.append(struct.pack("<HHHIII", 1, 256, 4, 1, 16, after))
    path.write_bytes(b"".join(parts))
    return path


def below(path: Path, n: int) -> Path:
    """A TIFF whose page names many images below it, all of them itself."""
    tags = [(256, 4, 1, 16), (257, 4, 1, 16), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1),
            (273, 4, 1, 8), (278, 4, 1, 16), (279, 4, 1, 256)]  # fmt: skip
    start = 8 + 256
    end = start + 2 + 12 * (len(tags) + 1) + 4
    data = b"II*\0" + struct.pack("<I", start) + bytes(256) + struct.pack("<H", len(tags) + 1)
    data += b"".join(struct.pack("<HHII", *tag) for tag in [*tags, (330, 4, n, end)])
    path.write_bytes(data + bytes(4) + struct.pack("<I", start) * n)
    return path


BOMBS: dict[str, Callable[[Path], Path]] = {
    "png": lambda f: png(f / "a.png", 60_000, 60_000),
    "png-colour": lambda f: png(f / "a.png", 12_000, 12_000, 2),
    "bmp": lambda f: bmp(f / "a.bmp", 60_000, 60_000),
    "nii-negative": lambda f: nifti(f / "a.nii", (4, -4, 4), 2**20),
    "nii-negative-two": lambda f: nifti(f / "a.nii", (4, -4, -4), 2**20),
    "nii-large": lambda f: nifti(f / "a.nii", (2000, 2000, 2000), 2**20),
    "nii-offset": lambda f: nifti(f / "a.nii", (4, 4, 4), 2**20, vox_offset=-5),
    "nii-offset-nan": lambda f: nifti(f / "a.nii", (4, 4, 4), 2**20, vox_offset=np.nan),
    "nii-slope": lambda f: nifti(f / "a.nii", (4, 4, 4), 2**20, scl_slope=np.inf),
    "nii-intercept": lambda f: nifti(f / "a.nii", (4, 4, 4), 2**20, scl_slope=2, scl_inter=np.nan),
    "nii-bits": lambda f: nifti(f / "a.nii", (4, 4, 4), 2**20, bitpix=64),
    "nii.gz": lambda f: nifti(f / "a.nii.gz", (1000, 1000, 300), 290 * 2**20),
    "nii.gz-claim": lambda f: nifti(f / "a.nii.gz", (2000, 2000, 2000), 2**20),
    "nii.gz-offset": lambda f: nifti(f / "a.nii.gz", (4, 4, 4), 80 * 2**20, vox_offset=7e7),
    "npy-rows": lambda f: sparse(f / "a.npy", npy_header((2 * 10**9, 1)), 2 * 10**9 + 128),
    "npy-planes": lambda f: sparse(f / "a.npy", npy_header((2 * 10**9, 1, 1)), 2 * 10**9 + 128),
    "npy-hole": lambda f: sparse(f / "a.npy", npy_header((4000, 1000, 1000)), 4 * 10**9 + 128),
    "npy-below": lambda f: sparse(f / "a.npy", npy_header((-4, -4)), 4096),
    "npy-true": lambda f: sparse(f / "a.npy", npy_header((True, 4)), 4096),
    "npy-header": lambda f: sparse(
        f / "a.npy", b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1), 2**32
    ),
    "npz": lambda f: npz(f / "a.npz", npy_header((300, 1000, 1000)), 290 * 2**20),
    "npz-claim": lambda f: npz(f / "a.npz", npy_header((4000, 1000, 1000)), 2**20),
    "npz-header": lambda f: npz(
        f / "a.npz", b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1), 300 * 2**20
    ),
    "mat": lambda f: mat(f / "a.mat", (1000, 1000, 300), 290 * 2**20),
    "mat-claim": lambda f: mat(f / "a.mat", (2000, 2000, 2000), 2**20),
    "mat-below": lambda f: mat(f / "a.mat", (4, -4, -4), 2**20),
    "tif": lambda f: tiff(f / "a.tif", (60_000, 60_000)),
    "tif-zlib": lambda f: tiff(f / "a.tif", (60_000, 60_000), compression="zlib"),
    "tif-tiles": lambda f: tiff(f / "a.tif", (60_000, 60_000), tile=(16, 16)),
    "tif-jpeg": lambda f: tiff(f / "a.tif", (60_000, 60_000), compression="jpeg"),
    "tif-chain": lambda f: chain(f / "a.tif", 100_000),
    "tif-circle": lambda f: sparse(
        f / "a.tif", b"II*\0" + struct.pack("<IHHHIII", 8, 1, 256, 4, 1, 16, 8), 4096
    ),
    "tif-below": lambda f: below(f / "a.tif", 100_000),
    "tif-taller": lambda f: tiff(f / "a.tif", (400, 16)),
    "tif-taller-zlib": lambda f: tiff(f / "a.tif", (400, 16), compression="zlib"),
    "tif-strips": lambda f: tiff(f / "a.tif", (20, 16), compression="zlib", rowsperstrip=4),
}


@pytest.fixture
def little_memory() -> Iterator[None]:
    """An allocation of gigabytes fails here, rather than on the user's machine."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + 2**30, before[1]))
    tracemalloc.start()
    yield
    tracemalloc.stop()
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.skipif(os.name != "posix", reason="limits of memory are those of POSIX")
@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.usefixtures("little_memory")
def test_what_claims_too_much_is_refused(tmp_path: Path, name: str) -> None:
    file = BOMBS[name](tmp_path)
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    readers: list[Callable[[Path], Any]] = [read_scan, read_labels]
    for read in readers:
        with pytest.raises(InputError, match=rf"{file.name}: ") as caught:
            np.asarray(getattr(read(file), "pixels", None))
        assert "\n" not in str(caught.value)
        assert "too large for the memory" not in str(caught.value)
    assert tracemalloc.get_traced_memory()[1] - before < MOST


def test_a_large_honest_file_is_not_refused() -> None:
    """Four gigabytes of real B-scans, in two on the disk; sparse labels; one large plane."""
    four, half = 4 * 2**30, 2 * 2**30
    path = Path("scan.nii.gz")
    assert limits.check_shape(path, (1000, 2048, 2098), 1, held=half) > four
    assert limits.check_shape(path, (512, 2048, 1024), 1, held=8 * 2**20)
    assert limits.check_shape(path, (16_384, 16_384), 1, held=300_000)
    known = (2048, 1024, 1024)
    assert limits.check_shape(path, known, 1, held=10_000, expected=known)
    with pytest.raises(InputError, match="2048 x 1024 x 1024 values"):
        limits.check_shape(path, known, 1, held=10_000)


@pytest.mark.parametrize("suffix", [".nii.gz", ".npz", ".tif"])
def test_labels_of_background_alone_return(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They shrink by a thousand, which the shape of their scan makes likely."""
    monkeypatch.setattr(limits, "SMALL", 1000)
    labels = np.zeros((64, 256, 256), np.uint8)
    file = write_labels(tmp_path / f"a{suffix}", labels)
    with pytest.raises(InputError, match="declares 64 x 256 x 256"):
        read_labels(file)
    assert not read_labels(file, shape=labels.shape).any()


def test_a_full_temporary_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_retseg.io.tempfile_pixels.MEMORY_LIMIT", 10)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 5}))
    noise = np.random.default_rng(0).integers(0, 256, (9, 9, 9), dtype=np.uint8)
    file = write_scan(tmp_path / "a.npz", OctScan(noise, ("bscan", "depth", "width")))
    with pytest.raises(InputError, match=r"a\.npz: needs .* free some disk space"):
        read_scan(file)


@pytest.mark.skipif(os.name != "posix", reason="pipes in folders are those of POSIX")
@pytest.mark.parametrize("kind", ["pipe", "device", "socket", "link"])
@pytest.mark.parametrize(
    "name",
    ["a.png", "a.jpg", "a.bmp", "a.tif", "a.nii", "a.nii.gz", "a.npy", "a.npz", "a.mat", "a.vol"],
)
@pytest.mark.timeout(10)
def test_only_regular_files_are_opened(
    tmp_path: Path, name: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    path = tmp_path / name
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(name)
    else:
        path.symlink_to("/dev/zero" if kind == "device" else tmp_path)
    for read in (read_scan, read_labels):
        with pytest.raises(RetsegError, match=rf"{name}: "):
            read(path)


def test_what_lies_in_a_mat_file_beside_arrays_is_passed_over(tmp_path: Path) -> None:
    images = np.arange(60.0).reshape(3, 4, 5)
    others = {"a": "text", "b": {"c": [1, 2]}, "d": np.array(["x", [1]], object), "e": True}
    for compressed in (False, True):
        savemat(tmp_path / "a.mat", {**others, "images": images}, do_compression=compressed)
        found = np.asarray(read_scan(tmp_path / "a.mat").pixels)
        np.testing.assert_array_equal(found, np.moveaxis(images, -1, 0))


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
def test_mat_arrays_of_all_numbers(tmp_path: Path, kind: str) -> None:
    values = np.array([[[1, 2], [3, 100]], [[5, 6], [7, 8]]], kind)
    savemat(tmp_path / "a.mat", {"images": values})
    found = np.asarray(read_scan(tmp_path / "a.mat").pixels)
    np.testing.assert_array_equal(found, np.moveaxis(values, -1, 0))


def test_a_header_in_a_stream_is_read_no_further_than_it_may_be() -> None:
    from napari_retseg.io.numpyfiles import _read_header

    stream = io.BytesIO(b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31) + bytes(100))
    with pytest.raises(InputError, match="header of 2,147,483,648 bytes"):
        _read_header(Path("a.npy"), stream)
