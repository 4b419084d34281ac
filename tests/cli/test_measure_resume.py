"""`measure --resume`, and the page of all scans."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from napari_retseg.io import write_labels
from napari_retseg.io.scans import write_tiff_copy
from tests.cli.conftest import Run, invoke
from tests.cli.test_measure import SPACING, draw_folders, draw_labels
from tests.measures.eyes import make_scan

Folders = tuple[Path, Path]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scans, their labels, and what was measured of both; tests work on copies."""
    place = tmp_path_factory.mktemp("measured")
    words = map(str, command(draw_folders(place), place / "out"))
    assert invoke(*words).exit_code == 0
    return place


@pytest.fixture
def folders(measured: Path, tmp_path: Path) -> Folders:
    """Scans and labels."""
    for name in ("scans", "labels"):
        shutil.copytree(measured / name, tmp_path / name)
    return tmp_path / "scans", tmp_path / "labels"


@pytest.fixture
def output(measured: Path, tmp_path: Path) -> Path:
    """Both scans measured."""
    return shutil.copytree(measured / "out", tmp_path / "out")


def command(folders: Folders, output: Path, *more: str) -> tuple[object, ...]:
    scans, labels = folders
    return ("measure", labels, "--scan", scans, "--output", output, "--centre", "12,35", *more)


def list_skipped(run: Run, folders: Folders, output: Path, *more: str) -> set[str]:
    """The scans that `--resume` leaves alone."""
    result = run(*command(folders, output, "--resume", "--json", *more))
    assert result.exit_code == 0, result.output
    measured = json.loads(result.stdout)["measured"]
    assert len(measured) == 2
    return {Path(one["labels"]).stem for one in measured if one["resumed"]}


def test_what_is_measured_already_is_left_alone(run: Run, folders: Folders, output: Path) -> None:
    before = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    times = {path: path.stat().st_mtime_ns for path in output.glob("*/*")}
    assert list_skipped(run, folders, output) == {"one", "two"}
    assert {path: path.stat().st_mtime_ns for path in output.glob("*/*")} == times
    # the table and the page are made again, and are the same
    assert {path: path.read_bytes() for path in before} == before
    # without --resume all is measured
    run(*command(folders, output))
    assert all(path.stat().st_mtime_ns > times[path] for path in times)


def test_other_labels_scans_classes_and_options_are_measured_again(
    run: Run, folders: Folders, output: Path
) -> None:
    scans, labels = folders
    changed = draw_labels(0)
    changed[0, 20] = 1
    write_labels(labels / "one.tif", changed, scan=make_scan((25, 64, 70), SPACING, eye="OS"))
    assert list_skipped(run, folders, output) == {"two"}
    write_tiff_copy(scans / "two.tif", make_scan((25, 64, 70), SPACING, eye="OD"))
    assert list_skipped(run, folders, output) == {"one"}
    assert list_skipped(run, folders, output) == {"one", "two"}
    assert list_skipped(run, folders, output, "--centre", "11,35") == set()
    (labels / "classes.json").write_text(json.dumps({"NFL": 1, "RPE": 2, "SRF": 3}))
    assert list_skipped(run, folders, output, "--centre", "11,35") == set()


def test_a_folder_that_is_not_whole_is_measured_again(
    run: Run, folders: Folders, output: Path
) -> None:
    for name in ("thickness_retina.png", "report.html", "numbers.json"):
        lost = output / "one" / name
        content = lost.read_bytes()
        lost.unlink()
        assert list_skipped(run, folders, output) == {"two"}
        assert lost.read_bytes() == content
    # files of a stranger count for nothing
    (output / "one" / "about.json").write_text('{"made_from": 3}')
    (output / "two" / "numbers.json").write_text('{"numbers": [["CST"]]}')
    assert list_skipped(run, folders, output) == set()


def test_the_page_of_all_scans_leads_to_theirs(run: Run, folders: Folders, output: Path) -> None:
    page = (output / "cohort.html").read_text()
    assert "<h1>2 scans</h1>" in page
    links = set(re.findall(r'href="([^"#:]+)"', page))
    assert links == {"one/report.html", "two/report.html"}
    assert all((output / link).is_file() for link in links)
    # of a single scan there is none
    scans, labels = folders
    alone = output.parent / "alone"
    run("measure", labels / "one.tif", "--scan", scans, "--output", alone)
    assert not (alone / "cohort.html").exists()
