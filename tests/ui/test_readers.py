from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from npe2 import PluginManifest
from PIL import Image as PillowImage

import napari_retseg
from napari_retseg.errors import InputError
from napari_retseg.io import SCAN_SUFFIXES
from napari_retseg.scan import FUNDUS_KIND, FUNDUS_UM, OctScan
from napari_retseg.ui.layers import FUNDUS
from napari_retseg.ui.opening import get_reader
from napari_retseg.ui.provenance import PROVENANCE
from napari_retseg.ui.readers import layers_of_scan, read_layers


def test_volume_comes_with_scale_and_provenance(volume: Path) -> None:
    assert get_reader(str(volume)) is not None
    ((pixels, arguments, kind),) = read_layers(str(volume))
    assert kind == "image"
    assert pixels.shape == (5, 64, 96)
    assert arguments["name"] == "eye"
    np.testing.assert_allclose(arguments["scale"], (1.0, 3.5, 25.0))
    assert arguments["units"] == ["pixel", "um", "um"]
    assert arguments["metadata"][PROVENANCE]["source"] == volume
    assert arguments["metadata"][PROVENANCE]["spacing_source"] == "file"


def test_folder_of_bscans_is_one_volume(tmp_path: Path) -> None:
    for index in (2, 10, 1):
        PillowImage.fromarray(np.full((8, 9), index, np.uint8)).save(tmp_path / f"b{index}.png")
    assert get_reader(str(tmp_path)) is not None
    ((pixels, arguments, _),) = read_layers(str(tmp_path))
    assert [int(plane.max()) for plane in np.asarray(pixels)] == [1, 2, 10]
    assert arguments["name"] == tmp_path.name


def write_bscans(folder: Path, *sizes: int) -> list[str]:
    paths = [folder / f"b{number}.png" for number in range(len(sizes))]
    for number, (path, size) in enumerate(zip(paths, sizes, strict=True)):
        PillowImage.fromarray(np.full((8, size), number, np.uint8)).save(path)
    return [str(path) for path in paths]


def test_several_bscans_are_one_volume_that_is_no_file(tmp_path: Path) -> None:
    paths = write_bscans(tmp_path, 9, 9, 9)
    assert get_reader(paths) is not None
    ((pixels, arguments, _),) = read_layers(paths[::-1])
    assert [int(plane.max()) for plane in pixels] == [2, 1, 0]
    assert arguments["metadata"][PROVENANCE]["source"] is None


def test_what_makes_no_stack_is_refused(tmp_path: Path, volume: Path) -> None:
    with pytest.raises(InputError, match=r"b1\.png: size or type differs"):
        read_layers(write_bscans(tmp_path, 9, 10))
    with pytest.raises(InputError, match="not a single B-scan"):
        read_layers([str(volume), str(volume)])


def test_other_files_are_left_to_other_readers(tmp_path: Path) -> None:
    assert get_reader(str(tmp_path / "notes.txt")) is None
    assert get_reader(str(tmp_path)) is None
    assert get_reader([]) is None


def test_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cut.tif"
    path.write_bytes(b"II*\0")
    with pytest.raises(InputError, match=r"cut\.tif"):
        read_layers(str(path))


def test_enface_image_is_a_hidden_second_layer() -> None:
    scan = OctScan(
        pixels=np.zeros((3, 4, 5), np.uint8),
        axes=("bscan", "depth", "width"),
        source=Path("eye.vol"),
        fundus=np.zeros((7, 8), np.uint8),
        metadata={FUNDUS_UM: (11.0, 12.0), FUNDUS_KIND: "fundus"},
    )
    (fundus, arguments, kind), (_, scan_arguments, _) = layers_of_scan(scan)
    assert fundus is scan.fundus
    assert kind == "image"
    assert (arguments["name"], arguments["visible"]) == ("eye fundus", False)
    assert arguments["metadata"][FUNDUS] == "eye"
    # within the B-scan of 4 x 5 pixels, in its own proportions
    high, wide = (n * scale for n, scale in zip((7, 8), arguments["scale"], strict=True))
    assert high <= 4 + 1e-9
    assert wide <= 5 + 1e-9
    assert high / wide == pytest.approx(7 * 11 / (8 * 12))
    assert scan_arguments["name"] == "eye"


def test_real_heidelberg_volume(shared_data: Path) -> None:
    paths = sorted((shared_data / "vendor").glob("*.vol"))
    path = next(p for p in paths if p.name != "invalid.vol")
    (_, slo, _), (pixels, arguments, _), *_ = read_layers(str(path))
    assert slo["visible"] is False
    assert pixels.ndim == 3
    assert arguments["metadata"][PROVENANCE]["laterality"] in ("OD", "OS")


def test_manifest_names_all_formats() -> None:
    manifest = PluginManifest.from_file(Path(napari_retseg.__file__).with_name("napari.yaml"))
    assert manifest.contributions.readers is not None
    (reader,) = manifest.contributions.readers
    assert set(reader.filename_patterns) == {f"*{suffix}" for suffix in SCAN_SUFFIXES}
