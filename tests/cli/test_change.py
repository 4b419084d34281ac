"""`change`: table, report and maps of two visits."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import Result

from napari_retseg.io import read_labels, read_scan, write_labels
from napari_retseg.io.scans import write_tiff_copy
from napari_retseg.models import WEIGHTS, find_model
from napari_retseg.models.label_records import Origin, Record, Records, hash_labels, hash_scan
from napari_retseg.scan import hash_path
from tests.cli.conftest import Run, only_error
from tests.visits.eyes import CLASSES, Eye, Pose, visit


@pytest.fixture(scope="module")
def visits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two visits of one eye and one of another, without SLO."""
    folder = tmp_path_factory.mktemp("visits")
    (folder / "labels").mkdir()
    names = {one.name: one.value for one in CLASSES.foreground}
    (folder / "labels" / "classes.json").write_text(json.dumps(names))
    drawn = (("may", 1, Pose()), ("november", 1, Pose(2.0, (0.1, 0.0))), ("other", 2, Pose()))
    for number, (name, seed, pose) in enumerate(drawn):
        scan, labels = visit(Eye(seed), pose, number, with_slo=False)
        write_tiff_copy(folder / f"{name}.tif", scan)
        write_labels(folder / "labels" / f"{name}.tif", labels, scan=scan)
    return folder


def change(run: Run, folder: Path, one: str, other: str, *options: object) -> Result:
    labels = [folder / "labels" / f"{name}.tif" for name in (one, other)]
    scans = [x for name in (one, other) for x in ("--scan", folder / f"{name}.tif")]
    return run("change", *labels, *scans, *options)


def test_two_visits(run: Run, visits: Path, tmp_path: Path) -> None:
    options = ("--output", tmp_path, "--repeatability", "5", "--json")
    result = change(run, visits, "may", "november", *options)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert abs(told["registration"]["rotation_deg"] - 2) < 0.5
    with (tmp_path / "changes.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    (cst,) = (r for r in rows if (r["class"], r["sector"]) == ("retina", "C0"))
    assert abs(float(cst["change"])) < 1
    assert (cst["repeatability"], cst["is_change"]) == ("5", "False")
    assert 10 < float(cst["smallest_change"]) < 13
    values = tifffile.imread(tmp_path / "change_retina.tif")
    assert values.dtype == np.float32
    assert abs(np.nanmedian(values)) < 2
    assert (tmp_path / "change_retina.png").is_file()
    page = (tmp_path / "report.html").read_text()
    assert "smallest change" in page
    assert "rotation" in page


def test_another_eye(run: Run, visits: Path, tmp_path: Path) -> None:
    result = change(run, visits, "may", "other", "--output", tmp_path / "out")
    assert result.exit_code == 1
    assert "the vessels do not match" in only_error(result)
    assert not (tmp_path / "out").exists()


def test_one_scan_for_two_visits(run: Run, visits: Path, tmp_path: Path) -> None:
    path = visits / "labels" / "may.tif"
    result = run("change", path, path, "--scan", visits / "may.tif", "--output", tmp_path)
    assert result.exit_code == 2
    assert "give it twice" in only_error(result)


def test_labels_without_names_are_named_with_what_to_do(
    run: Run, visits: Path, tmp_path: Path
) -> None:
    labels = tmp_path / "may.tif"
    labels.write_bytes((visits / "labels" / "may.tif").read_bytes())
    scan = visits / "may.tif"
    done = run("change", labels, labels, "--scan", scan, "--scan", scan, "--output", tmp_path / "o")
    assert f"{labels}: no class is a retinal layer" in only_error(done)
    assert "--model MODEL" in only_error(done)


def test_labels_as_a_model_predicted_them_have_its_repeatability(
    run: Run, visits: Path, tmp_path: Path
) -> None:
    """The starter's here: as `predict` keeps it beside the labels, the names of classes too."""
    folder, weights = tmp_path / "seen", hash_path(find_model("starter") / WEIGHTS)
    (folder / "labels").mkdir(parents=True)
    names = {one.value: one.name for one in CLASSES.foreground}
    for name in ("may", "november"):
        scan = visits / f"{name}.tif"
        (folder / scan.name).write_bytes(scan.read_bytes())
        labels = folder / "labels" / scan.name
        labels.write_bytes((visits / "labels" / scan.name).read_bytes())
        made_from = Origin(
            scan=hash_scan(scan), weights=weights, model="m", options={}, program="1"
        )
        digest = hash_labels(read_labels(labels))
        record = Record(made_from=made_from, labels=digest, classes=names)
        Records(labels.parent).write(labels, record)
    done = change(run, folder, "may", "november", "--output", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "larger than any change of the model's own labels in" in done.output
    with (tmp_path / "out" / "changes.csv").open(newline="") as stream:
        rows = {(row["class"], row["sector"]): row for row in csv.DictReader(stream)}
    assert (
        0 < float(rows["NFL", "C0"]["repeatability"]) < float(rows["NFL", "C0"]["smallest_change"])
    )
    # labels that somebody has changed since are not the model's any more
    values = read_labels(labels)
    values[0, 0] = 1
    write_labels(labels, values, scan=read_scan(scan))
    done = change(run, folder, "may", "november", "--output", tmp_path / "again")
    assert "CLEOPATRA" in done.output
