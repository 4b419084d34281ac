"""Photographs and folders of other things are left to other readers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from npe2 import PluginManifest
from PIL import Image

import napari_retseg
from napari_retseg.errors import InputError
from napari_retseg.ui.opening import get_reader
from tests.conftest import check_line
from tests.io.heyex_export import PLAIN, write_export

RNG = np.random.default_rng(0)


def make_grey(height: int = 120, width: int = 160) -> np.ndarray:
    return RNG.integers(0, 255, (height, width), dtype=np.uint8)


def make_photo() -> np.ndarray:
    """Skin and sky, with a little noise."""
    photo = np.zeros((120, 160, 3), np.uint8)
    photo[:60], photo[60:] = (90, 140, 220), (200, 120, 90)
    return photo + RNG.integers(0, 20, photo.shape, dtype=np.uint8)


def make_drawn() -> np.ndarray:
    """A B-scan in grey with coloured lines of an export."""
    drawn = np.repeat(make_grey()[..., np.newaxis], 3, axis=2)
    drawn[40:43], drawn[80:83] = (255, 0, 0), (0, 255, 0)
    return drawn


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif"])
@pytest.mark.parametrize(
    ("make", "is_ours"), [(make_grey, True), (make_drawn, True), (make_photo, False)]
)
def test_single_pictures(
    suffix: str, make: Callable[[], np.ndarray], is_ours: bool, tmp_path: Path
) -> None:
    path = tmp_path / f"it{suffix}"
    if suffix == ".tif":
        tifffile.imwrite(path, make())
    else:
        Image.fromarray(make()).save(path)
    assert (get_reader(str(path)) is not None) == is_ours


def test_a_palette_of_colours_is_a_photograph(tmp_path: Path) -> None:
    Image.fromarray(make_photo()).quantize(16).save(tmp_path / "it.png")
    assert get_reader(str(tmp_path / "it.png")) is None


def test_large_photographs_are_looked_at_quickly(tmp_path: Path) -> None:
    large = np.tile(make_photo(), (25, 25, 1))
    Image.fromarray(large).save(tmp_path / "large.jpg")
    assert get_reader(str(tmp_path / "large.jpg")) is None


def fill(folder: Path, **files: np.ndarray | None) -> Path:
    folder.mkdir()
    for name, pixels in files.items():
        path = folder / name.replace("_", ".")
        path.write_text("{}") if pixels is None else Image.fromarray(pixels).save(path)
    return folder


def test_folders(tmp_path: Path) -> None:
    bscans: dict[str, np.ndarray | None] = {f"b{k}_png": make_grey() for k in range(4)}
    cases: dict[str, tuple[dict[str, np.ndarray | None], bool]] = {
        "bscans": (bscans, True),
        "with notes": ({**bscans, "notes_txt": None}, True),
        "photos": ({f"b{k}_png": make_photo() for k in range(4)}, False),
        "sizes": ({"a_png": make_grey(), "b_png": make_grey(99), "c_png": make_grey()}, False),
        "project": ({"a_png": make_grey(), **{f"m{k}_py": None for k in range(5)}}, False),
        "nothing": ({"readme_md": None}, False),
        "it.zarr": (bscans, False),
        "it.ome.ZARR": (bscans, False),
    }
    for name, (files, is_ours) in cases.items():
        found = get_reader(str(fill(tmp_path / name, **files)))
        assert (found is not None) == is_ours, name


def test_what_is_broken_is_taken_so_that_it_is_said_why(tmp_path: Path) -> None:
    (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n")
    (tmp_path / "cut.tif").write_bytes(b"II*\0")
    for name in ("cut.png", "cut.tif", "missing.png"):
        assert get_reader(str(tmp_path / name)) is not None


def test_napari_preselects_its_own_reader() -> None:
    """Its dialogue sorts the readers by their names, and chooses the first."""
    manifest = PluginManifest.from_file(Path(napari_retseg.__file__).with_name("napari.yaml"))
    assert manifest.display_name is not None
    assert sorted([manifest.display_name, "napari builtins"])[0] == "napari builtins"
    assert manifest.contributions.readers is not None
    patterns = [p for reader in manifest.contributions.readers for p in reader.filename_patterns]
    assert not any("zarr" in pattern or pattern in ("*", "*.*") for pattern in patterns)


def test_an_export_of_a_device_is_a_scan(tmp_path: Path) -> None:
    file = write_export(tmp_path / "export", PLAIN)
    # pictures of two sizes are no volume by themselves
    assert get_reader(str(tmp_path / "export")) is not None
    assert get_reader(str(file)) is not None
    file.unlink()
    assert get_reader(str(tmp_path / "export")) is None


@pytest.mark.parametrize("name", ["notes.xml", "brain.img"])
def test_what_no_other_reader_takes_is_refused_with_a_reason(tmp_path: Path, name: str) -> None:
    """For napari they are ours by their suffix: without a reader it shows a traceback."""
    (tmp_path / name).write_text("<notes/>")
    reader = get_reader(str(tmp_path / name))
    assert reader is not None
    with pytest.raises(InputError) as caught:
        reader(str(tmp_path / name))
    check_line(caught.value, str(tmp_path / name))
