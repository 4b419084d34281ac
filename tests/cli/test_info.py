"""`info`, `simulate` and `import`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from napari_retseg.io import read_labels
from tests.cli.conftest import Run, only_error, save_bscan
from tests.io.e2e_file import PLAIN, MadeVolume, make_raw, write_e2e
from tests.volfile import write_vol


def test_info_says_that_a_picture_has_no_scale(run: Run, bscan: Path) -> None:
    text = run("info", bscan).stdout
    assert str(bscan) in text
    assert "48 x 64" in text
    assert "unknown" in text


def test_info_names_what_fails_and_shows_the_others(run: Run, bscan: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    result = run("info", bad, bscan)
    assert result.exit_code == 1
    assert str(bad) in only_error(result)
    assert str(bscan) in result.stdout


def test_info_for_machines(run: Run, bscan: Path, tmp_path: Path) -> None:
    result = run("info", bscan, tmp_path / "none.tif", "--json")
    assert result.exit_code == 1
    good, bad = json.loads(result.stdout)
    assert good["path"] == str(bscan)
    assert good["shape"] == [48, 64]
    assert "none.tif" in bad["error"]


def test_info_of_a_real_spectralis_scan(run: Run, shared_data: Path) -> None:
    text = run("info", shared_data / "vendor" / "valid.vol").stdout
    assert "file" in text
    assert "laterality" in text
    assert "fundus" in text


@pytest.mark.parametrize("kind", ["png", "tiff", "nifti"])
def test_simulate_makes_a_dataset_that_the_seed_repeats(
    run: Run, tmp_path: Path, kind: str
) -> None:
    options = ("--count", "2", "--size", "64x96", "--bscans", "2", "--format", kind, "--seed", "5")
    for name in ("one", "two"):
        result = run("simulate", "--output", tmp_path / name, *options)
        assert result.exit_code == 0, result.output
        assert "simulated" in result.stdout
    files = list((tmp_path / "one" / "labels").iterdir())
    assert len(files) == (4 if kind == "png" else 2)
    about = json.loads(run("info", tmp_path / "one" / "images" / files[0].name, "--json").stdout)
    assert about[0]["shape"][-2:] == [64, 96]
    for file in files:
        again = read_labels(tmp_path / "two" / "labels" / file.name)
        assert (read_labels(file) == again).all()


@pytest.mark.parametrize(
    ("options", "shape", "name"),
    [
        (("--variety", "device-b"), [496, 768], "B01"),
        (("--variety", "wide", "--size", "64x96", "--without", "disease"), [64, 96], "wide01"),
        (("--variety", "wide", "--without", "resolution"), [496, 768], "wide01"),
    ],
)
def test_simulate_draws_the_variety_asked_for(
    run: Run, tmp_path: Path, options: tuple[str, ...], shape: list[int], name: str
) -> None:
    common = ("--count", "1", "--bscans", "1", "--format", "tiff")
    result = run("simulate", "--output", tmp_path / "data", *common, *options)
    assert result.exit_code == 0, result.output
    (image,) = (tmp_path / "data" / "images").iterdir()
    about = json.loads(run("info", image, "--json").stdout)[0]
    assert about["shape"][-2:] == shape
    assert image.name == f"{name}.tif"


def test_simulate_takes_parts_out_of_wide_only(run: Run, tmp_path: Path) -> None:
    result = run("simulate", "--output", tmp_path / "data", "--without", "disease")
    assert result.exit_code == 2
    assert "--variety wide" in only_error(result)


def test_simulate_refuses_a_size_it_cannot_read(run: Run, tmp_path: Path) -> None:
    result = run("simulate", "--output", tmp_path / "data", "--size", "large")
    assert result.exit_code == 2
    assert "--size" in only_error(result)
    result = run("simulate", "--output", tmp_path / "data", "--size", "8x8")
    assert result.exit_code == 2
    assert "--size 8x8" in only_error(result)


def test_import_makes_a_dataset_of_npy_pairs(run: Run, tmp_path: Path) -> None:
    for kind in ("images", "labels"):
        (tmp_path / "source" / kind).mkdir(parents=True)
        for name in ("p1", "p2"):
            values = np.zeros((48, 64), dtype=np.uint8)
            values[:10] = 1
            np.save(tmp_path / "source" / kind / f"{name}.npy", values)
    target = tmp_path / "target"
    result = run("import", tmp_path / "source", target, "--kind", "npy", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["cases"] == 2
    assert (target / "dataset.json").is_file()


def test_import_of_nothing_is_one_line(run: Run, tmp_path: Path) -> None:
    source = tmp_path / "empty"
    source.mkdir()
    result = run("import", source, tmp_path / "target")
    assert result.exit_code in (1, 2)
    assert "empty" in only_error(result)


def test_import_to_a_place_that_cannot_be_written(run: Run, bscan: Path, tmp_path: Path) -> None:
    save_bscan(tmp_path / "images" / "a.png", seed=1)
    save_bscan(tmp_path / "labels" / "a.png", seed=1)
    result = run("import", tmp_path, bscan / "target", "--kind", "folders")
    assert result.exit_code in (1, 2)
    only_error(result)


def test_volumes_of_a_file_are_listed_and_named(run: Run, tmp_path: Path) -> None:
    other = MadeVolume(make_raw(2), PLAIN.places[:2], eye="R", number=40)
    file = write_e2e(tmp_path / "eye.E2E", PLAIN, other)
    result = run("info", file)
    assert result.exit_code == 0
    assert "eye.E2E#0" in result.stdout
    assert "eye.E2E#1" in result.stdout
    (about,) = json.loads(run("info", file, "--json").stdout)
    assert [Path(one["path"]).name for one in about["volumes"]] == ["eye.E2E#0", "eye.E2E#1"]
    (about,) = json.loads(run("info", f"{file}#1", "--json").stdout)
    assert (about["bscans_read"], about["laterality"]) == (2, "OD")
    assert "there is no volume 2" in only_error(run("info", f"{file}#2"))


def test_names_of_patients_are_shown_on_request_alone(run: Run, tmp_path: Path) -> None:
    file = write_vol(tmp_path / "eye.vol", patient="DOE-1234")
    plain = [run("info", file).output, run("info", file, "--json").output]
    assert not any("DOE" in text for text in plain)
    assert "DOE-1234" in run("info", file, "--show-identifiers").stdout
    (about,) = json.loads(run("info", file, "--show-identifiers", "--json").stdout)
    assert "DOE-1234" in about["identifiers"].values()
    save_bscan(tmp_path / "a.png", seed=1)
    (about,) = json.loads(run("info", tmp_path / "a.png", "--show-identifiers", "--json").stdout)
    assert about["identifiers"] == {}


def test_the_trust_sheet_is_shown(run: Run, tmp_path: Path) -> None:
    text = run("info", write_vol(tmp_path / "eye.vol", from_above=True)).stdout
    assert "3.9 µm (file)" in text
    assert "inferior to superior (file: positions of the B-scans; reversed on reading)" in text
