"""`compare`: tables of agreement, and figures."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from napari_retseg.io import write_labels
from napari_retseg.io.scans import write_tiff_copy
from napari_retseg.models.label_records import Origin, Record, Records
from tests.cli.conftest import Run, only_error
from tests.measures.eyes import make_scan

SPACING = (300.0, 4.0, 100.0)
SHAPE = (25, 64, 70)
NAMES = ("four", "one", "three", "two")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Four scans labelled by two graders, whose class values differ."""
    for grader in ("a", "b"):
        (tmp_path / grader).mkdir()
    (tmp_path / "a" / "classes.json").write_text(json.dumps({"NFL": 1, "RPE": 2, "=fluid": 3}))
    (tmp_path / "b" / "classes.json").write_text(json.dumps({"=fluid": 1, "NFL": 5, "RPE": 9}))
    for number, name in enumerate(NAMES):
        labels = draw_labels(20 + number)
        other = np.array([0, 5, 9], np.uint8)[draw_labels(21 + number + number % 2)]
        scan = make_scan(SHAPE, SPACING)
        write_labels(tmp_path / "a" / f"{name}.tif", labels, scan=scan)
        write_labels(tmp_path / "b" / f"{name}.tif", other, scan=scan)
    return tmp_path / "a", tmp_path / "b"


def draw_labels(top: int) -> np.ndarray:
    values = np.zeros(SHAPE, np.uint8)
    values[:, top:30] = 1
    values[:, 30:40] = 2
    return values


def test_a_prediction_has_the_names_that_predict_recorded(
    run: Run, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    grader, model = folders
    (model / "classes.json").unlink()
    labels = model / "four.tif"
    made_from = Origin(scan="s", weights="w" * 64, model="m", options={}, program="1")
    names = {1: "=fluid", 5: "NFL", 9: "RPE"}
    Records(model).write(labels, Record(made_from=made_from, labels="l", classes=names))
    options = ("--output", tmp_path / "out", "--centre", "12,35")
    result = run("compare", grader / "four.tif", labels, *options)
    assert result.exit_code == 0, result.output
    overlap = read_table(tmp_path / "out" / "overlap.csv")
    assert {row["dice"] for row in overlap if row["class"] == "RPE"} == {"1"}


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_two_folders(run: Run, folders: tuple[Path, Path], tmp_path: Path) -> None:
    output = tmp_path / "out"
    result = run("compare", *folders, "--output", output, "--centre", "12,35")
    assert result.exit_code == 0, result.output
    assert "4 pairs of labels compared" in result.output
    overlap = read_table(output / "overlap.csv")
    assert {row["scan"] for row in overlap} == {"all", *NAMES}
    assert {row["dice"] for row in overlap if row["class"] == "RPE"} == {"1"}
    (pooled,) = (r for r in overlap if (r["scan"], r["class"]) == ("all", "NFL"))
    # 10 + 9 + 8 + 7 rows against 9 + 7 + 7 + 5
    assert float(pooled["dice"]) == pytest.approx(2 * 28 / (34 + 28), abs=1e-6)
    first = read_table(output / "boundaries.csv")[0]
    assert (first["scan"], first["mean"], first["bias"], first["unit"]) == ("all", "6", "6", "um")
    agreement = {
        (r["measure"], r["class"], r["sector"]): r for r in read_table(output / "agreement.csv")
    }
    retina = agreement["mean thickness", "retina", "scan"]
    assert (retina["n"], retina["mean_a"], retina["bias"], retina["unit"]) == (
        "4", "74", "-6", "um",
    )  # fmt: skip
    assert float(retina["lower"]) < float(retina["bias_low"]) < -6 < float(retina["upper"])
    assert 0 < float(retina["icc"]) < float(retina["icc_consistency"]) < 1
    assert agreement["CST", "retina", "C0"]["unit"] == "um"
    pictures = {path.name for path in (output / "figures").iterdir()}
    assert "mean-thickness_retina_scan_um.png" in pictures
    assert "CST_retina_C0_um.png" in pictures


def test_two_files_of_unknown_scale(run: Run, tmp_path: Path) -> None:
    for name, top in (("a.png", 20), ("b.png", 22)):
        write_labels(tmp_path / name, draw_labels(top)[0])
    (tmp_path / "classes.json").write_text(json.dumps({"NFL": 1, "RPE": 2}))
    output = tmp_path / "out"
    result = run("compare", tmp_path / "a.png", tmp_path / "b.png", "--output", output, "--json")
    assert result.exit_code == 0, result.output
    done = json.loads(result.stdout)
    assert done["failed"] == []
    assert done["compared"][0]["scan"] == "a"
    for name in ("boundaries", "measures", "agreement"):
        assert {row["unit"] for row in read_table(output / f"{name}.csv")} == {"px"}
    assert not list((output / "figures").iterdir())


def test_the_scale_of_the_scan(run: Run, folders: tuple[Path, Path], tmp_path: Path) -> None:
    scans = tmp_path / "scans"
    scans.mkdir()
    for name in NAMES[:3]:
        write_tiff_copy(scans / f"{name}.tif", make_scan(SHAPE, (300.0, 8.0, 100.0)))
    output = tmp_path / "out"
    result = run("compare", *folders, "--scan", scans, "--output", output)
    assert result.exit_code == 1
    assert "no scan two in" in only_error(result)
    first = read_table(output / "boundaries.csv")[0]
    assert (first["mean"], first["unit"]) == (f"{(1 + 2 + 1) / 3 * 8:.6g}", "um")


def test_files_without_a_partner(run: Run, folders: tuple[Path, Path], tmp_path: Path) -> None:
    (folders[1] / "one.tif").unlink()
    result = run("compare", *folders, "--output", tmp_path / "out")
    assert result.exit_code == 1
    assert "1 label file without a partner: one.tif" in only_error(result)
    assert {row["scan"] for row in read_table(tmp_path / "out" / "overlap.csv")} == {
        "all", "four", "three", "two",
    }  # fmt: skip


def test_one_of_another_shape(run: Run, folders: tuple[Path, Path], tmp_path: Path) -> None:
    write_labels(folders[1] / "one.tif", np.zeros((25, 64, 71), np.uint8))
    result = run("compare", *folders, "--output", tmp_path / "out")
    assert result.exit_code == 1
    assert "compare labels of the same scan" in only_error(result)
    assert len(read_table(tmp_path / "out" / "overlap.csv")) == 4 * 4


@pytest.mark.parametrize(
    ("case", "what"),
    [
        ("classes", "b has one-more"),
        ("values", "label values [5, 9] have no class"),
        ("spacing", "pixel sizes differ (300 and 200 um)"),
        ("names", "no label files have the same name"),
        ("kinds", "give two of a kind"),
        ("empty", "contains no label files"),
        ("missing", "nothing.tif: file or folder not found"),
    ],
)
def test_what_is_refused(
    run: Run, folders: tuple[Path, Path], tmp_path: Path, case: str, what: str
) -> None:
    first, second = folders[0] / "one.tif", folders[1] / "one.tif"
    described = folders[1] / "classes.json"
    if case == "classes":
        described.write_text(json.dumps({"one-more": 1, "NFL": 5, "RPE": 9}))
    elif case == "values":
        described.unlink()
    elif case == "spacing":
        write_labels(second, np.zeros(SHAPE, np.uint8), scan=make_scan(SHAPE, (200.0, 4.0, 100.0)))
    elif case == "names":
        first, second = folders
        for path in second.glob("*.tif"):
            path.rename(path.with_name(f"x{path.name}"))
    elif case == "kinds":
        first = folders[0]
    elif case == "empty":
        first, second = folders[0], tmp_path / "empty"
        second.mkdir()
    else:
        second = tmp_path / "nothing.tif"
    result = run("compare", first, second, "--output", tmp_path / "out")
    assert result.exit_code in (1, 2)
    line = only_error(result)
    assert what in line
    assert case != "missing" or line.startswith(f"error: {second}: ")
    assert not (tmp_path / "out" / "overlap.csv").exists()
