"""`measure`: a table of numbers, and maps of thickness."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_retseg.cli import label_sources
from napari_retseg.dataset import pair
from napari_retseg.io import read_labels, write_labels
from napari_retseg.io.scans import write_tiff_copy
from napari_retseg.models import WEIGHTS, find_model, label_records
from napari_retseg.models.label_records import Origin, Record, Records, hash_labels, hash_scan
from napari_retseg.scan import OctScan, hash_path
from tests.cli.conftest import Run, only_error
from tests.measures.eyes import make_scan

SPACING = (300.0, 4.0, 100.0)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two scans, and their labels with the names of their classes."""
    return draw_folders(tmp_path)


def draw_folders(place: Path) -> tuple[Path, Path]:
    scans, labels = place / "scans", place / "labels"
    scans.mkdir()
    labels.mkdir()
    (labels / "classes.json").write_text(json.dumps({"NFL": 1, "RPE": 2, "=fluid": 3}))
    for number, name in enumerate(("one", "two")):
        scan = make_scan((25, 64, 70), SPACING, eye="OS")
        write_tiff_copy(scans / f"{name}.tif", scan)
        write_labels(labels / f"{name}.tif", draw_labels(number), scan=scan)
    return scans, labels


def draw_labels(number: int) -> np.ndarray:
    values = np.zeros((25, 64, 70), np.uint8)
    values[:, 10:20] = 1
    values[:, 20 : 30 + number] = 2
    return values


def read_table(folder: Path) -> list[dict[str, str]]:
    with (folder / "measures.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def find(rows: list[dict[str, str]], scan: str, *key: str) -> dict[str, str]:
    (row,) = (r for r in rows if (r["scan"], r["measure"], r["class"], r["sector"]) == (scan, *key))
    return row


def test_a_folder_of_labels(run: Run, folders: tuple[Path, Path], tmp_path: Path) -> None:
    scans, labels = folders
    output = tmp_path / "out"
    result = run("measure", labels, "--scan", scans, "--output", output, "--centre", "12,35")
    assert result.exit_code == 0, result.output
    assert "CST 80 um" in result.output
    rows = read_table(output)
    assert {row["scan"] for row in rows} == {"one", "two"}
    mean = find(rows, "two", "mean thickness", "retina", "N1")
    assert float(mean["value"]) == pytest.approx(84)
    assert (mean["unit"], mean["eye"], mean["low"], mean["labels"]) == ("um", "OS", "", "unknown")
    assert 0.9 < float(mean["valid_fraction"]) <= 1
    written = {path.name for path in (output / "one").iterdir()}
    assert {"thickness_retina.tif", "thickness_retina.png", "about.json", "report.html"} <= written
    about = json.loads((output / "one" / "about.json").read_text())
    assert about["made_from"]["scan"] == hash_scan(scans / "one.tif")
    assert about["made_from"]["centre"] == [12, 35]


def test_classes_have_the_names_that_predict_recorded(
    run: Run, folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans, labels = folders
    (labels / "classes.json").unlink()
    path = labels / "one.tif"
    weights = hash_path(find_model("starter") / WEIGHTS)
    origin = Origin(
        scan=hash_scan(scans / "one.tif"), weights=weights, model="m", options={}, program="0"
    )
    reads = []

    def read(*arguments: Any, **options: Any) -> Any:
        reads.append(arguments)
        return read_labels(*arguments, **options)

    for module in (label_sources, pair):
        monkeypatch.setattr(module, "read_labels", read)
    command = ("measure", path, "--scan", scans / "one.tif", "--output", tmp_path / "out")
    # the names themselves; those of the model, as older records have none; neither
    for number, (changes, expected) in enumerate(
        (({"classes": {1: "INL", 2: "RPE"}}, "INL"), ({}, "NFL"), (None, "class 1"))
    ):
        if changes is None:
            shutil.rmtree(labels / label_records.FOLDER)
        else:
            record = Record(made_from=origin, labels=hash_labels(draw_labels(0)), **changes)
            Records(labels).write(path, record)
        reads.clear()
        result = run(*command)
        assert len(reads) == 1
        if expected == "class 1":
            assert "--model" in only_error(result)
            continue
        assert result.exit_code == 0, result.output
        assert expected in {row["class"] for row in read_table(tmp_path / "out")}, number
        about = json.loads((tmp_path / "out" / "one" / "about.json").read_text())
        assert any("as predict recorded them" in note for note in about["notes"])


def test_predicted_labels_have_their_model_and_doubt(
    run: Run, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    scans, labels = folders
    origin = Origin(
        scan=hash_scan(scans / "one.tif"), weights="e" * 64, model="m", options={}, program="0"
    )
    digest = hash_labels(draw_labels(0))
    doubtful = {3: ((0, 20), (30, 31))}
    record = Record(made_from=origin, weights_id="f" * 64, labels=digest, doubtful=doubtful)
    Records(labels).write(labels / "one.tif", record)
    arguments = ("--scan", scans / "one.tif", "--output", tmp_path / "out")
    result = run("measure", labels / "one.tif", *arguments)
    assert result.exit_code == 0, result.output
    rows = read_table(tmp_path / "out")
    assert {(row["model"], row["labels"]) for row in rows} == {("f" * 12, "predicted")}
    assert find(rows, "one", "A-scans left out", "doubtful", "scan")["value"] == "21"
    # labels that somebody changed are nobody's doubt
    changed = draw_labels(0)
    changed[0, 40] = 2
    write_labels(labels / "one.tif", changed, scan=make_scan((25, 64, 70), SPACING))
    run("measure", labels / "one.tif", *arguments)
    rows = read_table(tmp_path / "out")
    assert {row["labels"] for row in rows} == {"changed since predicted"}
    assert find(rows, "one", "A-scans left out", "doubtful", "scan")["value"] == "0"
    # and those of another scan are refused
    write_tiff_copy(scans / "one.tif", other_scan())
    result = run("measure", labels / "one.tif", *arguments)
    assert result.exit_code == 1
    assert "made from another scan" in only_error(result)


def test_predictions_of_a_calibrated_model_have_intervals(
    run: Run, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    scans, labels = folders
    for name, weights in (("one", hash_path(find_model("starter") / WEIGHTS)), ("two", "f" * 64)):
        scan = hash_scan(scans / f"{name}.tif")
        origin = Origin(scan=scan, weights=weights, model="m", options={}, program="0")
        digest = hash_labels(draw_labels(name == "two"))
        Records(labels).write(labels / f"{name}.tif", Record(made_from=origin, labels=digest))
    command = (
        "measure",
        labels,
        "--scan",
        scans,
        "--output",
        tmp_path / "out",
        "--centre",
        "12,35",
    )
    result = run(*command)
    assert result.exit_code == 0, result.output
    assert "not among your models" in result.output
    rows = read_table(tmp_path / "out")
    central = find(rows, "one", "CST", "retina", "C0")
    low, high = float(central["low"]), float(central["high"])
    assert low < 80 < high
    assert low + high == pytest.approx(160)
    assert {row["low"] for row in rows if row["scan"] == "two"} == {""}
    report = (tmp_path / "out" / "one" / "report.html").read_text()
    assert f"80 µm ({low:.0f} to {high:.0f})" in report
    assert "90% intervals, calibrated on" in report
    # what was measured before the model was calibrated is measured again
    assert run(*command, "--resume").output.count("already measured") == 2
    path = tmp_path / "out" / "one" / "about.json"
    about = json.loads(path.read_text())
    about["made_from"]["intervals"] = None
    path.write_text(json.dumps(about))
    assert run(*command, "--resume").output.count("already measured") == 1


def other_scan() -> OctScan:
    return make_scan((25, 64, 70), (200.0, 4.0, 100.0))


def test_one_that_fails_leaves_the_others(
    run: Run, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    scans, labels = folders
    (scans / "one.tif").unlink()
    (scans / "three.tif").write_bytes(b"")
    result = run("measure", labels, "--scan", scans, "--output", tmp_path / "out")
    assert result.exit_code == 1
    assert "no scan one" in only_error(result)
    assert {row["scan"] for row in read_table(tmp_path / "out")} == {"two"}


@pytest.mark.parametrize(
    ("arguments", "code", "what"),
    [
        (("--centre", "fove"), 2, "use fovea, file, or a B-scan and an A-scan"),
        (("--centre", "1,2,3"), 2, "use fovea, file, or a B-scan and an A-scan"),
        (("--centre", "file"), 1, "no ETDRS grid of its own"),
        (("--centre", "900,9"), 1, "outside the scan"),
        (("--model", "nobody"), 1, "nobody"),
    ],
)
def test_wrong_usage(
    run: Run,
    folders: tuple[Path, Path],
    tmp_path: Path,
    arguments: tuple[str, ...],
    code: int,
    what: str,
) -> None:
    scans, labels = folders
    given = (labels / "one.tif", "--scan", scans / "one.tif", "--output", tmp_path / "out")
    result = run("measure", *given, *arguments)
    assert result.exit_code == code
    assert what in only_error(result)
    assert not (tmp_path / "out" / "measures.csv").exists()


def test_label_files_of_one_name(run: Run, folders: tuple[Path, Path], tmp_path: Path) -> None:
    scans, labels = folders
    result = run(
        "measure", labels, labels / "one.tif", "--scan", scans, "--output", tmp_path / "out"
    )
    assert result.exit_code == 2
    assert "has the same name" in only_error(result)
    (tmp_path / "empty").mkdir()
    result = run("measure", tmp_path / "empty", "--scan", scans, "--output", tmp_path / "out")
    assert "contains no label files" in only_error(result)
