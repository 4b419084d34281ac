"""The report: one file that says all, asks for nothing, and shows scans only where it may."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from napari_retseg.study.study_run import StudyFolder
from tests.cli.conftest import invoke

#: One split instead of folds: half of the runs.
HALVES = ("--set", "splits.four-fold.plan=50/50")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished quick study of two training-set sizes; tests must not change its runs."""
    output = tmp_path_factory.mktemp("study") / "out"
    done = invoke("study", "label-efficiency", "--quick", *HALVES, "--output", output)
    assert done.exit_code == 0, done.output
    return output


class Reader(HTMLParser):
    """Collects what a page refers to, and its tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.heads: list[str] = []
        self.sortable = 0
        self.unclosed: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.sources += [found[n] or "" for n in ("src", "href") if n in found]
        self.sortable += "data-sort" in found
        if tag not in ("meta", "img", "link"):
            self.unclosed.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.unclosed.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.unclosed and self.unclosed[-1] == "h2":
            self.heads.append(data)


@pytest.mark.slow
def test_the_report_is_one_file_with_all_sections(finished: Path) -> None:
    text = (finished / "report.html").read_text()
    page = Reader(text)
    assert page.unclosed == []
    assert page.heads == [
        "Results",
        "Paired comparisons",
        "Figures",
        "Cases",
        "Protocol",
        "Changed from the recipe",
        "Faithful, corrected, not reproducible",
        "How to repeat this study",
    ]
    assert page.sortable > 40
    assert all(source.startswith(("data:", "#")) for source in page.sources)
    assert not re.search(r"https?://(?!www\.w3\.org)", _without_data(text))
    assert "50/50 at random by patient" in text
    assert "50/50 (recipe: folds:4)" in text
    assert "are not applied" not in text  # no thresholds are chosen here
    assert "The last checkpoint is scored; no checkpoint is chosen by its score" in text
    for run in StudyFolder(finished).read_plan().runs:
        assert run.key in text
    assert "napari-retseg" in text


@pytest.mark.slow
def test_files_beside_the_report(finished: Path) -> None:
    with (finished / "results.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert {row["start"] for row in rows} == {"starter", "from scratch"}
    assert {row["phase"] for row in rows} == {"before", "after"}
    assert {row["size"] for row in rows} == {"1", "2"}
    assert "| starter | four-fold | 1 | 1 |" in (finished / "table.md").read_text()
    assert r"\toprule" in (finished / "table.tex").read_text()
    pictures = sorted(path.suffix for path in (finished / "figures").iterdir())
    assert pictures.count(".png") == pictures.count(".svg") >= 3
    with Image.open(finished / "scans" / "overlay.gif") as animation:
        assert getattr(animation, "n_frames", 1) == 2
    assert (finished / "scans" / "worst.png").is_file()
    with (finished / "cases.csv").open() as stream:
        assert len(list(csv.DictReader(stream))) == 4 * 4


@pytest.mark.slow
def test_without_scans_none_is_shown(finished: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    done = invoke("study", "report", copy, "--no-scans")
    assert done.exit_code == 0, done.output
    text = (copy / "report.html").read_text()
    assert "data:image/png" not in text
    assert "data:image/gif" not in text
    assert "data:image/svg+xml" in text
    assert not (copy / "scans").exists()
    assert "Cases" not in Reader(text).heads


@pytest.mark.slow
def test_the_same_study_gives_the_same_report(finished: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    assert invoke("study", "report", copy).exit_code == 0
    assert (copy / "report.html").read_text() == (finished / "report.html").read_text()


@pytest.mark.slow
def test_pictures_of_scans_that_are_gone_are_left_out(finished: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    about = json.loads((copy / "study.json").read_text())
    for run in about["runs"]:
        spec = copy / "runs" / run["key"] / "spec.json"
        spec.write_text(spec.read_text().replace(str(finished), str(tmp_path / "gone")))
    done = invoke("study", "report", copy)
    assert done.exit_code == 0, done.output
    assert "Cases" not in Reader((copy / "report.html").read_text()).heads


@pytest.mark.slow
def test_what_was_chosen_on_the_scored_part_is_said(tmp_path: Path) -> None:
    output = tmp_path / "out"
    done = invoke("study", "msd-slices", "--quick", "--output", output)
    assert done.exit_code == 0, done.output
    text = (output / "report.html").read_text()
    flagged = "In split &#x27;as published&#x27;, checkpoints or thresholds were chosen on the "
    "reported part"
    assert flagged in text
    assert "generalised Dice" in text
    plan = StudyFolder(output).read_plan()
    assert {run.split: run.report_on for run in plan.runs} == {
        "as published": "val",
        "with test": "test",
    }
    kept = StudyFolder(output).run(plan.runs[0].key)
    assert (kept.model / "model.safetensors").is_file()
    (labels,) = kept.predictions.glob("*/*.nii.gz")
    masks = list((output / "masks").glob("*/*.png"))
    assert len(masks) == 8
    with Image.open(masks[0]) as mask:
        assert mask.mode == "L"
    assert labels.stat().st_size > 0


@pytest.mark.slow
def test_chromium_opens_the_report_without_an_error_or_a_request(
    finished: Path, tmp_path: Path
) -> None:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("chromium is not installed")
    log, picture = tmp_path / "net.json", tmp_path / "page.png"
    command = [program, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1280,1600"]
    command += ["--enable-logging=stderr", f"--log-net-log={log}", f"--screenshot={picture}"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", (finished / "report.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "CONSOLE" not in done.stderr
    own = [url for url in _requested(log) if not url.startswith(("data:", "file:"))]
    # the browser itself asks its maker for updates
    assert [url for url in own if not re.match(r"https?://[a-z0-9.-]*(google|gvt1)", url)] == []
    with Image.open(picture) as page:
        assert page.width == 1280
        assert len(set(page.convert("L").resize((64, 80)).get_flattened_data())) > 20


def _requested(log: Path) -> Iterator[str]:
    for match in re.finditer(r'"url":"([^"]{0,120})', log.read_text(errors="replace")):
        yield match[1]


def _without_data(text: str) -> str:
    return re.sub(r"data:[a-z+/]+;base64,[A-Za-z0-9+/=]+", "", text)


def figures_in(text: str) -> list[bytes]:
    """Return the SVG files that a report holds."""
    found = re.findall(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)", text)
    return [base64.b64decode(one) for one in found]


@pytest.mark.slow
def test_figures_of_the_report_are_those_beside_it(finished: Path) -> None:
    inside = figures_in((finished / "report.html").read_text())
    beside = [path.read_bytes() for path in (finished / "figures").glob("*.svg")]
    assert sorted(inside) == sorted(beside)
    for path in (finished / "figures").glob("*.png"):
        with Image.open(io.BytesIO(path.read_bytes())) as picture:
            assert picture.width > 600


@pytest.mark.slow
def test_a_run_of_two_grids_is_done_once_and_stands_in_both_tables(
    finished: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    again = "{title: Again, factors: {way: {starter: {set: {start: starter, strategy: all}}}}}"
    options = ["--set", f"grids.again={again}", *HALVES]
    done = invoke("study", "label-efficiency", "--quick", "--output", copy, *options)
    assert done.exit_code == 0, done.output
    assert "begun" not in done.output
    table = (copy / "table.md").read_text()
    assert "**Again**" in table
    assert table.count("| starter | four-fold | 1 | 1 |") == 2
