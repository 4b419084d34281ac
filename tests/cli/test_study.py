from __future__ import annotations

import json
from pathlib import Path

import pytest

from napari_retseg.cli import courier
from napari_retseg.cli.study import write_command
from napari_retseg.engine.parcel import Courier
from tests.cli.conftest import Run, only_error


def test_recipes_are_listed(run: Run) -> None:
    found = json.loads(run("study", "list", "--json").stdout)
    assert {one["name"] for one in found} >= {"dme-transfer", "prostate-3d"}
    assert "--data source=PATH" in run("study", "list").output


def test_run_may_be_left_out(run: Run, tmp_path: Path) -> None:
    for words in (("study",), ("study", "run")):
        done = run(*words, "label-efficiency", "--quick", "--dry-run", "--output", tmp_path / "o")
        assert done.exit_code == 0, done.output
        assert "8 runs, 8 to do" in done.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "target"], "--data target: write NAME=VALUE"),
        (["--data", "other=here"], "has no such role; choose from target"),
        (["--set", "lrr=1"], "neither a training option nor a part of the recipe"),
        (["--set", "lr=1", "--set", "lr=2"], "--set lr is given twice"),
        (["--set", "name=other"], "neither a training option"),
        (["--set", "splits.four-fold.plan=x"], "splits.four-fold.plan: split must be"),
        (["--sizes", "a"], "--sizes a: write numbers"),
        (["--only", "x"], "--only x: unknown grid; choose from starts"),
        (["--workers", "2", "--scheduler", "tcp://x:1"], "give --workers or --scheduler"),
    ],
)
def test_wrong_usage_is_one_line(
    run: Run, tmp_path: Path, options: list[str], message: str
) -> None:
    done = run(
        "study", "label-efficiency", "--quick", "--dry-run", "--output", tmp_path / "o", *options
    )
    assert done.exit_code == 2
    assert message in only_error(done)


def test_data_that_are_missing_are_named(run: Run, tmp_path: Path) -> None:
    done = run("study", "prostate-3d", "--output", tmp_path / "o")
    assert done.exit_code == 2
    assert "give --data target=PATH: volumes with labels" in only_error(done)


def test_changes_reach_options_and_recipe(run: Run, tmp_path: Path) -> None:
    options = ["--set", "splits.four-fold.plan=folds:3", "--set", "iterations=7", "--seeds", "4,5"]
    done = run(
        "study", "label-efficiency", "--quick", "--dry-run", "--output", tmp_path / "o", *options
    )
    lines = [line for line in done.output.splitlines() if line.startswith("waiting")]
    assert len(lines) == 2 * 3 * 2 * 2
    assert all(": 7 steps" in line for line in lines)
    assert {line.split("seed ")[1][0] for line in lines} == {"4", "5"}


def test_a_class_that_the_data_lack_is_named_with_those_there(
    run: Run, tiny_dataset: Path, tmp_path: Path
) -> None:
    data = ("--data", f"target={tiny_dataset}", "--output", tmp_path / "o")
    done = run("study", "label-efficiency", *data, "--classes", "target=drusen")
    assert done.exit_code == 1
    line = only_error(done)
    assert "needs a class drusen, but has upper, lower, fluid" in line


def test_the_command_in_a_report_tells_no_folder_of_this_machine(tmp_path: Path) -> None:
    data = tmp_path / "data of ours"
    words = ["study", "msd-slices", "--data", f"target={data}", f"--output={tmp_path / 'out'}"]
    words += ["--set", "window=256x256/170", "--set", "grids.a={lr: [1, 2]}"]
    shown = "napari-retseg study msd-slices --data 'target=data of ours' --output=out"
    shown += " --set window=256x256/170 --set 'grids.a={lr: [1, 2]}'"
    assert write_command(words) == shown


@pytest.mark.parametrize("command", ["status", "report"])
def test_a_folder_without_a_study_says_so(run: Run, tmp_path: Path, command: str) -> None:
    done = run("study", command, tmp_path)
    assert done.exit_code == 1
    assert "contains no study" in only_error(done)


def test_grids_can_be_left_out(run: Run, tmp_path: Path) -> None:
    quick = ("study", "dme-transfer", "--quick", "--dry-run", "--output", tmp_path / "o")
    other = "grids.losses={train: {crop: 48x48}, factors: {loss: [ce, dice]}}"
    every = run(*quick, "--set", other)
    # cross-entropy with this crop is a row of the published table already
    assert "8 runs, 8 to do" in every.output
    some = run(*quick, "--set", other, "--only", "losses")
    assert "4 runs, 4 to do" in some.output
    assert "no comparison by 'row'" in some.output


def test_a_study_on_workers_that_do_not_see_the_folder_ends_at_once(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "find_courier", lambda *_, **__: Courier({}))
    options = ("--output", tmp_path / "o", "--scheduler", "tcp://x:1")
    done = run("study", "label-efficiency", "--quick", *options)
    assert done.exit_code == 1
    assert "a study needs folders that all workers share" in done.stderr.splitlines()[-1]
