"""`workspace list|info|trust|export`."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_retseg.config import TrainConfig
from napari_retseg.dataset import load_dataset
from napari_retseg.dataset.registry import recent
from napari_retseg.events import CancelToken, Finished, encode
from napari_retseg.io import read_labels, read_scan
from napari_retseg.models import read_info
from napari_retseg.rounds import check_round, read_verdict, seconds_per_step, train_command
from napari_retseg.workspace import Workspace
from tests.cli.conftest import Run, only_error
from tests.conftest import TINY_CLASSES, draw_tiny_bscan

SHAPE = (5, 20, 30)


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test a list of workspaces of its own."""
    folder = tmp_path / "state"
    monkeypatch.setenv("NAPARI_RETSEG_STATE", str(folder))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a workspace of two scans outside of it: one confirmed B-scan, one corrected."""
    scans = tmp_path / "clinic"
    scans.mkdir()
    rng = np.random.default_rng(3)
    for name in ("P1_OD", "P2_OS"):
        tifffile.imwrite(scans / f"{name}.tif", rng.integers(0, 255, SHAPE, dtype=np.uint8))
    made = tmp_path / "work"
    with Workspace.create(made, classes=TINY_CLASSES, name="Fluid") as workspace:
        for path in sorted(scans.iterdir()):
            workspace.add_scan(read_scan(path))
        workspace.write_labels("P1_OD", 1, _plane(1), state="confirmed")
        workspace.write_labels("P1_OD", 3, _plane(2), state="corrected")
    return made


def _plane(value: int) -> np.ndarray:
    return np.full(SHAPE[1:], value, np.uint8)


def test_workspaces_are_listed_the_last_one_first(run: Run, folder: Path, tmp_path: Path) -> None:
    Workspace.create(tmp_path / "later", name="Later").close()
    lines = run("workspace", "list").stdout.splitlines()
    assert [line.split() for line in lines] == [
        ["Later", str(tmp_path / "later")],
        ["Fluid", str(folder)],
    ]
    shutil.rmtree(tmp_path / "later")
    (row,) = json.loads(run("workspace", "list", "--json").stdout)
    assert row == {"name": "Fluid", "path": str(folder)}


def test_a_workspace_that_cannot_be_read_is_named_and_the_others_are_listed(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    Workspace.create(tmp_path / "later").close()
    (tmp_path / "later" / "dataset.json").write_text("{")
    result = run("workspace", "list")
    assert result.exit_code == 1
    assert str(tmp_path / "later" / "dataset.json") in only_error(result)
    assert "Fluid" in result.stdout


def test_a_list_that_cannot_be_read_says_so(run: Run, folder: Path, tmp_path: Path) -> None:
    (known,) = tmp_path.rglob("workspaces.json")
    known.write_text("{")
    result = run("workspace", "list")
    assert result.exit_code == 1
    assert "workspaces.json: cannot be read as JSON" in only_error(result)


def test_info_says_what_is_labelled(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "clinic" / "P2_OS.tif").unlink()
    finished = Finished(cancelled=True, result={"best": None, "iterations": 7})
    with Workspace.open(folder) as workspace:
        (workspace.new_round() / "events.jsonl").write_text(json.dumps(encode(finished)))
        workspace.new_round()
        (confirmed,) = (b for b, s in workspace.states("P1_OD").items() if s == "confirmed")
        workspace.add_cost("P1_OD", confirmed, seconds=41.3, edits=6)
    text = run("workspace", "info", folder).stdout
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0] == f"Fluid: {folder}"
    assert lines[1] == "classes background, upper, lower, fluid"
    assert lines[2] == "P1_OD patient P1_OD: 1 confirmed, 1 corrected of 5 B-scans"
    assert lines[3].startswith("P2_OS patient P2_OS: nothing of 5 B-scans; missing: ")
    assert lines[4].startswith("round 0001 Stopped after 7 iterations. ")
    assert lines[5] == "round 0002 not finished"
    assert lines[6] == "cost median 41 s and 6 edits a B-scan"
    about = json.loads(run("workspace", "info", folder, "--json").stdout)
    first, second = about["scans"]
    assert (first["confirmed"], first["corrected"], first["predicted"]) == (1, 1, 0)
    assert (first["missing"], second["missing"]) == (False, True)
    assert about["rounds"][0]["promoted"] is None
    assert about["read_only"] is None


def test_info_of_a_workspace_that_is_open_says_so(run: Run, folder: Path) -> None:
    with Workspace.open(folder):
        result = run("workspace", "info", folder)
    assert result.exit_code == 0
    assert "  read-only " in result.stdout
    assert "is open in another window or program" in result.stdout


def test_a_strangers_workspace_is_trusted_by_hand(
    run: Run, folder: Path, own_state: Path, tmp_path: Path
) -> None:
    shutil.rmtree(own_state)  # as on another computer
    for command in (("workspace", "info"), ("evaluate", "--model", "starter")):
        result = run(*command, folder)
        assert result.exit_code == 1
        assert f"napari-retseg workspace trust {folder}" in only_error(result)
    text = run("workspace", "trust", folder).stdout
    assert text.splitlines() == [
        f"{folder}: trusted",
        f"  reads {tmp_path / 'clinic' / 'P1_OD.tif'}",
        f"  reads {tmp_path / 'clinic' / 'P2_OS.tif'}",
    ]
    assert recent() == [folder]
    assert len(load_dataset(folder).cases) == 2
    document = json.loads(run("workspace", "trust", folder, "--json").stdout)
    assert document["path"] == str(folder)
    assert len(document["outside"]) == 2


def test_trust_that_cannot_be_kept_is_an_error(run: Run, folder: Path, own_state: Path) -> None:
    shutil.rmtree(own_state)
    own_state.write_text("a file in the way")
    result = run("workspace", "trust", folder)
    assert result.exit_code == 1
    assert str(own_state) in only_error(result)


def test_confirmed_labels_are_exported(run: Run, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels"
    result = run("workspace", "export", folder, "--output", out)
    assert result.stdout.split() == [str(out / "P1_OD.tif")]
    labels = read_labels(out / "P1_OD.tif", shape=SHAPE)
    assert [set(np.unique(plane)) for plane in labels] == [{255}, {1}, {255}, {255}, {255}]
    everything = tmp_path / "all"
    result = run("workspace", "export", folder, "--output", everything, "--all", "--json")
    (path,) = json.loads(result.stdout)["labels"]
    assert set(np.unique(read_labels(Path(path), shape=SHAPE)[3])) == {2}


def test_nothing_is_overwritten_and_nothing_is_no_success(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "labels"
    run("workspace", "export", folder, "--output", out)
    result = run("workspace", "export", folder, "--output", out)
    assert result.exit_code == 1
    assert f"{out / 'P1_OD.tif'}: already exists" in only_error(result)
    with Workspace.open(folder) as workspace:
        workspace.clear_labels("P1_OD", [1])
    result = run("workspace", "export", folder, "--output", tmp_path / "none")
    assert result.exit_code == 1
    assert "no B-scan is confirmed; add --all to export unconfirmed labels, too" in only_error(
        result
    )


@pytest.mark.parametrize("command", ["info", "trust"])
def test_a_folder_that_is_no_workspace_is_one_line(run: Run, tmp_path: Path, command: str) -> None:
    assert "not a workspace" in only_error(run("workspace", command, tmp_path))
    gone = run("workspace", command, tmp_path / "gone")
    assert gone.exit_code == 1
    assert "folder not found" in only_error(gone)


@pytest.fixture
def labelled(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Make a workspace of two patients with two confirmed B-scans each."""
    made = tmp_path / "labelled"
    with Workspace.create(made, classes=TINY_CLASSES) as workspace:
        for name in ("P1", "P2"):
            drawn = [draw_tiny_bscan(rng) for _ in range(6)]
            tifffile.imwrite(tmp_path / f"{name}.tif", np.stack([grey for grey, _ in drawn]))
            workspace.add_scan(read_scan(tmp_path / f"{name}.tif"))
            for bscan in (1, 4):
                workspace.write_labels(name, bscan, drawn[bscan][1], state="confirmed")
    return made


def test_the_copied_command_trains_as_the_workbench_does(
    run: Run, labelled: Path, tiny_bundle: Path
) -> None:
    from napari_retseg.engine import TrainJob

    config = TrainConfig(
        iterations=3, score_every=2, batch_size=2, device="cpu", deterministic=True, ema=0.5
    )
    with Workspace.open(labelled) as workspace:
        assert check_round(workspace.dataset(), config, None) is None
        workspace.pin()
        dock, copied = workspace.new_round(), workspace.new_round()
    for _ in TrainJob(labelled, config, dock, start=tiny_bundle).run(CancelToken()):
        pass
    line = train_command(labelled, config, output=copied, start=tiny_bundle, scheduler=None)
    result = run(*shlex.split(line)[1:])
    assert result.exit_code == 0, result.output
    assert "trained on  2 B-scans of 1 patient" in result.stdout
    for kind in ("model", "model-last"):
        first, second = (read_info(folder / kind).weights_id for folder in (dock, copied))
        assert first == second
    text = run("workspace", "info", labelled).stdout
    assert f"  round 0002  {read_verdict(copied).text}\n" in text
    assert "on 2 B-scans of 1 patient" in text
    assert seconds_per_step([dock, copied], config) is None  # too few steps to tell


def test_a_training_leaves_a_workspace_alone_that_is_open_elsewhere(
    run: Run, labelled: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    options = ("--from", tiny_bundle, "--iterations", 1, "--batch-size", 2, "--device", "cpu")
    before = (labelled / "dataset.json").read_bytes()
    with Workspace.open(labelled):
        result = run("train", labelled, "--output", tmp_path / "run", *options)
        assert result.exit_code == 0, result.output
        assert "the split could not be saved for later runs" in result.output
        assert "is open in another window or program" in result.output
        assert (labelled / "dataset.json").read_bytes() == before
    run("train", labelled, "--output", tmp_path / "later", *options)
    assert (labelled / "dataset.json").read_bytes() != before
