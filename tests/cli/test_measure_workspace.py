"""`measure` of a workspace: its own labels, and who they are from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from napari_retseg.classes import LabelSet
from napari_retseg.device_layers import DEVICE_ID
from napari_retseg.io import read_scan
from napari_retseg.io.scans import write_tiff_copy
from napari_retseg.measures.table import describe_models, describe_states
from napari_retseg.models import find_model, read_info
from napari_retseg.workspace import State, Workspace
from tests.cli.conftest import Run, only_error
from tests.cli.test_measure import find, read_table
from tests.measures.eyes import make_scan

SHAPE = (4, 64, 70)
CLASSES = LabelSet.from_names(["NFL", "RPE", "fluid"])


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the test a list of workspaces of its own."""
    monkeypatch.setenv("NAPARI_RETSEG_STATE", str(tmp_path / "state"))


@dataclass(frozen=True)
class Model:
    """What a prediction says of its model."""

    name: str
    weights_id: str


def draw_plane(thickness: int) -> np.ndarray:
    plane = np.zeros(SHAPE[1:], np.uint8)
    plane[10:20] = 1
    plane[20 : 20 + thickness] = 2
    return plane


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Of four B-scans one confirmed, one corrected, one predicted; a scan that nobody labelled."""
    folder = tmp_path / "work"
    with Workspace.create(folder, classes=CLASSES) as workspace:
        for name in ("eye", "other"):
            write_tiff_copy(tmp_path / f"{name}.tif", make_scan(SHAPE, (300.0, 4.0, 100.0)))
            workspace.add_scan(read_scan(tmp_path / f"{name}.tif"))
        model = Model(name="m", weights_id="a" * 64)
        planes = {bscan: (draw_plane(4), None) for bscan in (1, 2)}
        doubtful = dict.fromkeys(planes, ((0, 7),))
        workspace.write_predictions("eye", planes, model=model, doubtful=doubtful)
        workspace.write_labels("eye", 0, draw_plane(10), state="confirmed")
        workspace.write_labels("eye", 1, draw_plane(20), state="corrected")
    return folder


def test_labels_of_a_workspace_have_their_states(run: Run, work: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    command = ("measure", work, "--output", output, "--centre", "1,35")
    result = run(*command)
    assert result.exit_code == 0, result.output
    rows = read_table(output)
    state = "confirmed 1, corrected 1, predicted 1 of 4 B-scans"
    assert {(row["scan"], row["labels"], row["model"]) for row in rows} == {
        ("eye", state, "a" * 12)
    }
    mean = find(rows, "eye", "mean thickness", "RPE", "scan")
    shares = np.array([70, 70, 63])  # A-scans that count: seven of the prediction are doubtful
    assert float(mean["value"]) == pytest.approx(4 * (shares @ [10, 20, 4]) / shares.sum(), 1e-5)
    assert float(mean["valid_fraction"]) == pytest.approx(shares.sum() / 280, 1e-5)
    assert find(rows, "eye", "A-scans left out", "doubtful", "scan")["value"] == "7"
    assert find(rows, "eye", "A-scans left out", "not annotated", "scan")["value"] == "70"
    assert state in (output / "eye" / "report.html").read_text()
    assert "already measured" in run(*command, "--resume").output
    # a confirmed B-scan counts as such from now on
    with Workspace.open(work) as workspace:
        for bscan in range(4):
            workspace.write_labels("eye", bscan, draw_plane(10), state="confirmed")
    # the folder of a scan's labels stands for the scan
    result = run("measure", work / "labels" / "eye", *command[2:], "--resume")
    assert "already measured" not in result.output
    assert {(row["labels"], row["model"]) for row in read_table(output)} == {("confirmed", "")}


def test_what_nobody_confirmed_has_the_intervals_of_its_model(
    run: Run, work: Path, tmp_path: Path
) -> None:
    starter = Model(name="starter", weights_id=read_info(find_model("starter")).weights_id)
    other = Model(name="m", weights_id="a" * 64)
    cases: tuple[tuple[tuple[Model, Model], dict[int, State], str], ...] = (
        ((starter, starter), {}, "90% intervals"),
        ((starter, other), {}, "from several models"),
        ((starter, starter), {3: "corrected"}, "neither predicted nor confirmed"),
        ((starter, starter), dict.fromkeys(range(4), "confirmed"), ""),
    )
    for said_by, labels, note in cases:
        with Workspace.open(work) as workspace:
            for bscan, model in enumerate(said_by, start=1):
                workspace.write_predictions("eye", {bscan: (draw_plane(4), None)}, model=model)
            for bscan, state in labels.items():
                workspace.write_labels("eye", bscan, draw_plane(10), state=state)
        result = run("measure", work, "--output", tmp_path / "out", "--centre", "1,35")
        assert note in result.output
        mean = find(read_table(tmp_path / "out"), "eye", "mean thickness", "retina", "scan")
        assert bool(mean["low"]) == (note == "90% intervals"), note


def test_what_cannot_be_measured_is_said(run: Run, work: Path, tmp_path: Path) -> None:
    output = ("--output", tmp_path / "out")
    result = run("measure", work / "labels" / "other", *output)
    assert result.exit_code == 1
    assert "no scan with labels or predictions" in only_error(result)
    result = run("measure", work / "labels" / "eye" / "0000.png", *output)
    assert result.exit_code == 2
    assert "--scan" in only_error(result)
    result = run("measure", work, work / "labels", *output)
    assert result.exit_code == 2
    assert "has the same name" in only_error(result)
    (tmp_path / "eye.tif").unlink()
    result = run("measure", work, *output)
    assert result.exit_code == 1


def test_models_in_one_cell() -> None:
    assert describe_models(["b" * 64, "", DEVICE_ID, "a" * 64, "b" * 64]) == (
        "aaaaaaaaaaaa bbbbbbbbbbbb device"
    )
    assert describe_models([""]) == ""


@pytest.mark.parametrize(
    ("states", "text"),
    [
        (["confirmed"] * 3, "confirmed"),
        (["predicted"] * 3, "predicted"),
        (["predicted", "confirmed"], "confirmed 1, predicted 1 of 3 B-scans"),
        ([], "none of 3 B-scans"),
    ],
)
def test_states_in_one_line(states: list[str], text: str) -> None:
    assert describe_states(states, 3) == text
