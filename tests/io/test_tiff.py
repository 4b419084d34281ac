from __future__ import annotations

import logging
import operator
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from napari_retseg.errors import InputError
from napari_retseg.io import read_labels, read_scan, write_scan
from napari_retseg.io.lazy import PagedPixels
from napari_retseg.scan import OctScan

Same = Callable[[OctScan, Any], None]
Stack = NDArray[np.uint8]
VOLUME = ("bscan", "depth", "width")


def save(path: Path, array: NDArray[Any], **options: Any) -> Path:
    tifffile.imwrite(path, array, **{"photometric": "minisblack", **options})
    return path


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "u4", "f2", "f4", "f8", ">u2", ">f4"])
@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
def test_a_plain_stack_is_bscans(
    tmp_path: Path, stack: Stack, same: Same, dtype: str, compression: str | None
) -> None:
    values = (stack * 1.5).astype(dtype)
    order = ">" if dtype[0] == ">" else None
    file = save(tmp_path / "a.tif", values, compression=compression, metadata=None, byteorder=order)
    scan = read_scan(file)
    assert scan.axes == VOLUME
    assert scan.spacing_source == "unknown"
    assert isinstance(scan.pixels, PagedPixels)
    same(scan, values.astype(values.dtype.newbyteorder("=")))


@pytest.mark.parametrize(
    "options",
    [{"tile": (16, 32)}, {"rowsperstrip": 7}, {"bigtiff": True}, {"predictor": 2}],
)
def test_other_ways_to_store_pages(
    tmp_path: Path, stack: Stack, same: Same, options: dict[str, Any]
) -> None:
    same(read_scan(save(tmp_path / "a.tif", stack, compression="zlib", **options)), stack)


def test_stacks_of_other_programs(tmp_path: Path, stack: Stack, same: Same) -> None:
    first, *others = (Image.fromarray(plane) for plane in stack)
    first.save(tmp_path / "a.tiff", save_all=True, append_images=others)
    scan = read_scan(tmp_path / "a.tiff")
    assert scan.axes == VOLUME
    same(scan, stack)


def test_one_page_is_a_bscan_in_memory(tmp_path: Path, stack: Stack, same: Same) -> None:
    scan = read_scan(save(tmp_path / "a.tif", stack[0]))
    assert scan.axes == ("depth", "width")
    assert isinstance(scan.pixels, np.ndarray)
    same(scan, stack[0])


def test_reading_a_bscan_touches_no_other(tmp_path: Path, stack: Stack) -> None:
    file = save(tmp_path / "a.tif", stack, compression="zlib", metadata=None)
    with tifffile.TiffFile(file) as tif:
        where = [(p.dataoffsets[0], p.databytecounts[0]) for p in tif.pages]
    with file.open("r+b") as stream:
        for number in (0, 1, 3, 4):
            stream.seek(where[number][0])
            stream.write(bytes(where[number][1]))
    scan = read_scan(file)
    np.testing.assert_array_equal(scan.read_bscan(2)[0], stack[2])
    with pytest.raises(InputError, match=r"a\.tif: cannot be read as a TIFF image"):
        scan.read_bscan(3)


def test_a_stack_travels_as_its_path(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (3, 200, 200), dtype=np.uint8)
    scan = read_scan(save(tmp_path / "a.tif", values))
    data = pickle.dumps(scan)
    assert len(data) < values.nbytes / 10
    np.testing.assert_array_equal(np.asarray(pickle.loads(data).pixels), values)


@pytest.mark.parametrize("unit", ["um", "micron", "\\u00B5m"])
def test_imagej_axes_and_scale(tmp_path: Path, stack: Stack, same: Same, unit: str) -> None:
    file = save(
        tmp_path / "a.tif",
        stack,
        imagej=True,
        resolution=(1 / 55.5, 1 / 3.87),
        metadata={"axes": "ZYX", "unit": unit, "spacing": 120.5},
    )
    scan = read_scan(file)
    assert scan.axes == VOLUME
    assert scan.spacing_um == pytest.approx((120.5, 3.87, 55.5))
    assert scan.spacing_source == "file"
    assert "55.5" in scan.notes[0]
    same(scan, stack)


@pytest.mark.parametrize(("unit", "factor"), [("mm", 1e3), ("cm", 1e4), ("nm", 1e-3)])
def test_imagej_units(tmp_path: Path, stack: Stack, unit: str, factor: float) -> None:
    sizes = {"axes": "ZYX", "unit": unit, "spacing": 120 / factor}
    file = save(
        tmp_path / "a.tif",
        stack,
        imagej=True,
        resolution=(factor / 40, factor / 4),
        metadata=sizes,
    )
    assert read_scan(file).spacing_um == pytest.approx((120, 4, 40), rel=1e-5)


@pytest.mark.parametrize("unit", ["pixel", "", "inch"])
def test_imagej_without_a_real_unit_is_unknown(tmp_path: Path, stack: Stack, unit: str) -> None:
    file = save(
        tmp_path / "a.tif",
        stack,
        imagej=True,
        resolution=(72.0, 72.0),
        metadata={"axes": "ZYX", "unit": unit, "spacing": 1.0},
    )
    scan = read_scan(file)
    assert (scan.spacing_um, scan.spacing_source) == ((None, None, None), "unknown")


def test_imagej_time_is_bscans_and_colour_channels_are_channels(
    tmp_path: Path, stack: Stack, same: Same
) -> None:
    scan = read_scan(save(tmp_path / "t.tif", stack, imagej=True, metadata={"axes": "TYX"}))
    assert scan.axes == VOLUME
    both = np.stack([stack, 255 - stack], 1)
    scan = read_scan(save(tmp_path / "zc.tif", both, imagej=True, metadata={"axes": "ZCYX"}))
    assert scan.axes == ("channel", *VOLUME)
    same(scan, both.swapaxes(0, 1))


def test_imagej_time_and_depth_together_are_refused(tmp_path: Path, stack: Stack) -> None:
    four = np.stack([stack, stack])
    file = save(tmp_path / "a.tif", four, imagej=True, metadata={"axes": "TZYX"})
    with pytest.raises(InputError, match=r"a\.tif: has the axes .* one volume per file"):
        read_scan(file)


def test_imagej_with_one_directory_for_all(tmp_path: Path, stack: Stack, same: Same) -> None:
    values = stack.astype(np.uint16) * 257
    file = save(tmp_path / "a.tif", values, imagej=True, truncate=True)
    with tifffile.TiffFile(file) as tif:
        assert len(tif.pages) == 1
    same(read_scan(file), values)


def test_axes_of_length_one_do_not_count(tmp_path: Path, stack: Stack, same: Same) -> None:
    scan = read_scan(save(tmp_path / "a.tif", stack[None]))
    assert scan.axes == VOLUME
    same(scan, stack)
    assert read_scan(save(tmp_path / "b.tif", stack[None, :1])).axes == ("depth", "width")


def test_four_axes_without_names_are_refused(tmp_path: Path, stack: Stack) -> None:
    with pytest.raises(InputError, match="channels, B-scans or time points"):
        read_scan(save(tmp_path / "a.tif", np.stack([stack, stack])))


@pytest.mark.parametrize("axes", ["CZYX", "ZCYX"])
def test_ome_axes_and_scale(tmp_path: Path, stack: Stack, same: Same, axes: str) -> None:
    both = np.stack([stack, 255 - stack], axes.index("C"))
    sizes = {
        "PhysicalSizeX": 0.0115,
        "PhysicalSizeXUnit": "mm",
        "PhysicalSizeY": 3.87,
        "PhysicalSizeZ": 120.0,
        "PhysicalSizeZUnit": "µm",
    }
    file = save(tmp_path / "a.ome.tif", both, ome=True, metadata={"axes": axes, **sizes})
    scan = read_scan(file)
    assert scan.axes == ("channel", *VOLUME)
    assert (scan.spacing_um, scan.spacing_source) == ((120.0, 3.87, 11.5), "file")
    same(scan, np.stack([stack, 255 - stack]))


def test_several_ome_images_give_the_first_with_a_note(
    tmp_path: Path, stack: Stack, same: Same
) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif", ome=True) as writer:
        writer.write(
            stack, photometric="minisblack", metadata={"axes": "ZYX", "PhysicalSizeX": 12.0}
        )
        writer.write(stack[0, :9, :9], photometric="minisblack")
    scan = read_scan(tmp_path / "a.tif")
    same(scan, stack)
    assert scan.spacing_um == (None, None, 12.0)
    assert any("1 more image" in note for note in scan.notes)


@pytest.mark.parametrize(
    ("per_unit", "unit", "expected"),
    [
        ((72, 72), "INCH", (None, None)),
        ((96, 96), "INCH", (None, None)),
        ((10_000 / 11.5, 10_000 / 3.87), "CENTIMETER", (3.87, 11.5)),
        ((10_000 / 11.5, 10_000 / 3.87), "NONE", (None, None)),
    ],
)
def test_only_a_plausible_resolution_tag_is_believed(
    tmp_path: Path, per_unit: Any, unit: str, expected: tuple[float | None, ...]
) -> None:
    wide = np.zeros((8, 300), np.uint8)
    file = save(tmp_path / "a.tif", wide, resolution=per_unit, resolutionunit=unit)
    scan = read_scan(file)
    assert scan.spacing_source == ("unknown" if expected[0] is None else "file")
    for found, wanted in zip(scan.spacing_um, expected, strict=True):
        assert found == (None if wanted is None else pytest.approx(wanted, rel=1e-5))


@pytest.mark.parametrize("config", ["contig", "separate"])
@pytest.mark.parametrize("n_samples", [3, 4])
def test_a_colour_stack_becomes_grey(
    tmp_path: Path, stack: Stack, same: Same, config: str, n_samples: int
) -> None:
    axis = -1 if config == "contig" else 1
    colour = np.stack([stack] * n_samples, axis)
    file = save(
        tmp_path / "a.tif", colour, photometric="rgb", planarconfig=config, compression="zlib"
    )
    scan = read_scan(file)
    assert scan.axes == VOLUME
    assert scan.notes[0] == "colour (RGB) converted to grey"
    assert ("transparency is ignored" in scan.notes) == (n_samples == 4)
    same(scan, stack)
    with pytest.raises(InputError, match="colour image, not labels"):
        read_labels(file)


def test_samples_that_are_no_colours_are_channels(tmp_path: Path, stack: Stack, same: Same) -> None:
    samples = np.stack([stack, 255 - stack, stack // 2], -1)
    file = save(tmp_path / "a.tif", samples, planarconfig="contig", extrasamples=[0, 0])
    scan = read_scan(file)
    assert scan.axes == ("channel", *VOLUME)
    same(scan, np.moveaxis(samples, -1, 0))


def test_grey_with_alpha_drops_alpha(tmp_path: Path, stack: Stack, same: Same) -> None:
    Image.fromarray(np.dstack([stack[0], stack[1]]), mode="LA").save(tmp_path / "a.tif")
    scan = read_scan(tmp_path / "a.tif")
    same(scan, stack[0])
    assert len(scan.notes) == 1


def test_a_palette_gives_colours_or_indices(tmp_path: Path) -> None:
    indices = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
    ramp = np.zeros(256, np.uint16)
    ramp[:3] = [0, 200 << 8, 90 << 8]
    file = save(tmp_path / "a.tif", indices, photometric="palette", colormap=np.stack([ramp] * 3))
    scan = read_scan(file)
    np.testing.assert_array_equal(np.asarray(scan.pixels), np.array([0, 200, 90])[indices])
    assert scan.notes == ("palette colour converted to grey",)
    np.testing.assert_array_equal(read_labels(file), indices)


def test_white_is_zero_is_turned_for_scans_and_kept_for_labels(tmp_path: Path, same: Same) -> None:
    values = np.array([[0, 1], [2, 255]], np.uint8)
    file = save(tmp_path / "a.tif", values, photometric="miniswhite")
    same(read_scan(file), 255 - values)
    np.testing.assert_array_equal(read_labels(file), values)


def test_one_bit(tmp_path: Path, same: Same) -> None:
    mask = np.array([[True, False, True], [False, False, True]])
    file = save(tmp_path / "a.tif", mask)
    same(read_scan(file), mask * np.uint8(255))
    np.testing.assert_array_equal(read_labels(file), mask)


def test_complex_values_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="complex64"):
        read_scan(save(tmp_path / "a.tif", np.ones((2, 3), np.complex64)))


def test_ome_of_several_files_is_refused(tmp_path: Path, stack: Stack) -> None:
    names = ("a.ome.tif", "b.ome.tif")
    uuids = [f"urn:uuid:00000000-0000-0000-0000-00000000000{k}" for k in range(2)]
    data = "".join(
        f'<TiffData FirstZ="{k}" IFD="0" PlaneCount="1"><UUID FileName="{name}">{uuid}</UUID>'
        "</TiffData>"
        for k, (name, uuid) in enumerate(zip(names, uuids, strict=True))
    )
    for k, name in enumerate(names):
        xml = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{uuids[k]}">'
            '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" '
            f'SizeX="50" SizeY="40" SizeZ="2" SizeC="1" SizeT="1">{data}</Pixels></Image></OME>'
        )
        save(tmp_path / name, stack[k], description=xml.encode(), metadata=None)
    with pytest.raises(InputError, match=r"a\.ome\.tif: .* several files"):
        read_scan(tmp_path / names[0])


def test_the_library_stays_quiet(
    tmp_path: Path,
    stack: Stack,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    file = save(tmp_path / "a.tif", stack, compression="zlib", metadata=None)
    file.write_bytes(file.read_bytes()[:-1500])
    with caplog.at_level(logging.DEBUG), pytest.raises(InputError, match="truncated"):
        read_scan(file)
    assert caplog.text == ""
    assert capfd.readouterr().err == ""


def test_what_matters_of_the_library_becomes_a_note(tmp_path: Path, stack: Stack) -> None:
    private = (65001, "s", 200, "x" * 200, True)
    file = save(tmp_path / "a.tif", stack[0], extratags=[private], metadata=None)
    data = bytearray(file.read_bytes())
    place = data.index((65001).to_bytes(2, "little")) + 8
    data[place : place + 4] = (10**8).to_bytes(4, "little")
    file.write_bytes(data)
    scan = read_scan(file)
    np.testing.assert_array_equal(np.asarray(scan.pixels), stack[0])
    assert scan.notes[0].startswith("tifffile says: ")


def test_releases_of_tifffile_without_squeezed_series(
    tmp_path: Path, stack: Stack, same: Same, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From 2026.5 on `TiffPageSeries` has neither of the two, and its axes are the full ones."""
    series = tifffile.TiffPageSeries
    if hasattr(series, "get_axes"):
        for name in ("axes", "shape"):
            monkeypatch.setattr(series, name, property(operator.attrgetter(f"_{name}")))
            monkeypatch.delattr(series, f"get_{name}")
    one = OctScan(stack[:1], ("bscan", "depth", "width"))
    same(read_scan(write_scan(tmp_path / "ours.tif", one)), stack[:1])
    same(read_scan(save(tmp_path / "plain.tif", stack)), stack)


def test_what_the_library_raises_for_another_kind_of_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before 2025.10 `TiffFileError` is no `ValueError`."""
    monkeypatch.setattr(tifffile, "TiffFileError", type("TiffFileError", (Exception,), {}))

    def refuse(*_: Any) -> None:
        raise tifffile.TiffFileError("not a TIFF file")

    monkeypatch.setattr(tifffile, "TiffFile", refuse)
    (tmp_path / "a.tif").write_bytes(b"text")
    with pytest.raises(InputError, match=r"a\.tif: cannot be read as a TIFF image"):
        read_scan(tmp_path / "a.tif")


def test_the_same_pixels_make_the_same_file(tmp_path: Path, stack: Stack) -> None:
    other = stack.copy()
    other[-1, 0, 0] += 1
    files = []
    for name, pixels in (("a", stack), ("b", stack), ("c", other)):
        scan = OctScan(pixels, ("bscan", "depth", "width"), spacing_um=(None, 4, 10))
        files.append(write_scan(tmp_path / f"{name}.tif", scan).read_bytes())
    assert files[0] == files[1] != files[2]
    with tifffile.TiffFile(tmp_path / "a.tif") as one, tifffile.TiffFile(tmp_path / "c.tif") as two:
        assert one.ome_metadata != two.ome_metadata
        assert "µm" in str(one.ome_metadata)
