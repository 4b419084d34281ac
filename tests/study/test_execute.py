"""Runs of a study: done once, wherever; failures stay with their run; kills lose nothing."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from napari_retseg.study.catalogue import merge
from napari_retseg.study.study_run import StudyFolder
from tests.cli.conftest import invoke
from tests.study.conftest import Write, scores_of, stamps


def study(recipe: Path, data: Path, output: Path, *options: str) -> Result:
    given = ("--data", f"target={data}", "--output", output)
    return invoke("study", recipe, *given, *options)


def _seconds(output: str) -> int:
    """Read what a dry run says that all takes."""
    found = re.search(r"to do, about (\d+):(\d\d)", output)
    assert found is not None
    return 60 * int(found[1]) + int(found[2])


def test_a_dry_run_lists_all_runs_and_does_nothing(
    small_values: dict[str, Any], write_recipe: Write, tiny_dataset: Path, tmp_path: Path
) -> None:
    recipe = write_recipe(small_values)
    done = study(recipe, tiny_dataset, tmp_path / "out", "--dry-run")
    assert done.exit_code == 0, done.output
    lines = [line for line in done.output.splitlines() if line.startswith("waiting")]
    assert len(lines) == 6
    assert "3 steps on 8 cases of 2 patients, scored on 4 of 1" in lines[0]
    assert "6 runs, 6 to do" in done.output
    assert "with 2 workers" not in done.output
    both = study(recipe, tiny_dataset, tmp_path / "out", "--dry-run", "--workers", "2")
    assert _seconds(both.output) == pytest.approx(_seconds(done.output) / 2, abs=1)
    assert not (tmp_path / "out" / "runs").exists()
    assert not (tmp_path / "out" / "study.json").exists()


@pytest.mark.slow
def test_nothing_is_done_twice_and_an_edited_recipe_adds_what_is_new(
    small_values: dict[str, Any], write_recipe: Write, tiny_dataset: Path, tmp_path: Path
) -> None:
    recipe, output = write_recipe(small_values), tmp_path / "out"
    done = study(recipe, tiny_dataset, output)
    assert done.exit_code == 0
    # the last one has nothing after it
    assert re.findall(r"(\d)/6 done .* \(about \d+:\d\d left\)", done.output) == list("12345")
    assert invoke("study", "status", output).output.splitlines()[-1] == "6 done"
    first = stamps(output)
    assert len(first) == 6
    again = study(recipe, tiny_dataset, output)
    assert again.exit_code == 0
    assert "begun" not in again.output
    assert stamps(output) == first
    more = merge(small_values, {"grids": {"rates": {"factors": {"lr": [0.001, 0.01, 0.02]}}}})
    assert "9 runs, 3 to do" in study(write_recipe(more), tiny_dataset, output, "--dry-run").output
    assert study(write_recipe(more), tiny_dataset, output).exit_code == 0
    assert len(stamps(output)) == 9
    assert {key: stamps(output)[key] for key in first} == first


@pytest.mark.slow
def test_a_run_that_fails_is_named_and_the_others_go_on(
    small_values: dict[str, Any], write_recipe: Write, tiny_dataset: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    values = merge(
        small_values,
        {
            "splits": {"folds": {"plan": "80/20"}},
            "grids": {"rates": {"factors": {"lr": [1e12, 0.001]}}},
            "train": {"optimizer": "sgd", "ema": 0, "iterations": 6},
        },
    )
    recipe = write_recipe(values)
    done = study(recipe, tiny_dataset, output)
    assert done.exit_code == 1, done.output
    assert "1000000000000.0" in done.stderr
    assert "Traceback" not in done.output
    assert "1 done, 1 failed" in done.output
    status = invoke("study", "status", output, "--json")
    assert status.exit_code == 1
    assert json.loads(status.stdout)["counts"] == {"done": 1, "failed": 1}
    report = (output / "report.html").read_text()
    assert "1 of 2 runs are not in this report (1 failed)" in report
    assert "Runs that failed" in report
    retried = study(recipe, tiny_dataset, output)
    assert retried.exit_code == 1
    assert retried.output.count("begun") == 1


@pytest.mark.slow
def test_runs_that_start_from_a_pre_training_wait_for_it(
    small_values: dict[str, Any], write_recipe: Write, tiny_dataset: Path, tmp_path: Path
) -> None:
    values = merge(
        small_values,
        {
            "data": {"source": {"description": "more B-scans"}},
            "start": "pretrained",
            "pretraining": {"train": {"encoder": "tu-test_resnet", "crop": "64x64"}},
            "train": {"crop": "64x64"},
            "splits": {"folds": {"plan": "80/20"}},
        },
    )
    recipe, output = write_recipe(values), tmp_path / "out"
    done = study(recipe, tiny_dataset, output, "--data", f"source={tiny_dataset}")
    assert done.exit_code == 0, done.output
    folder = StudyFolder(output)
    runs = folder.read_plan().runs
    assert [run.kind for run in runs] == ["pretraining", "run", "run"]
    assert {run.start_run for run in runs[1:]} == {runs[0].key}
    assert (folder.run(runs[0].key).model / "model.json").is_file()
    assert not folder.run(runs[1].key).model.exists()
    assert invoke("study", "pack", output, tmp_path / "runs.zip").exit_code == 0
    with zipfile.ZipFile(tmp_path / "runs.zip") as pack:  # it holds no model to start from
        packed = {name.partition("/")[0] for name in pack.namelist()}
    assert packed == {"pack.json", runs[1].key, runs[2].key}
    broken = merge(values, {"pretraining": {"train": {"lr": 1e12, "optimizer": "sgd", "ema": 0}}})
    other = tmp_path / "broken"
    options = ("--data", f"source={tiny_dataset}")
    failed = study(write_recipe(broken), tiny_dataset, other, *options)
    assert failed.exit_code == 1
    assert failed.output.count("the pre-training that it starts from failed") == 2


@pytest.mark.slow
def test_a_killed_study_goes_on_here_or_in_workers_with_the_same_results(
    small_values: dict[str, Any], write_recipe: Write, tiny_dataset: Path, tmp_path: Path
) -> None:
    values = merge(small_values, {"train": {"iterations": 8, "score_every": 8}})
    values["splits"] = {"folds": {"plan": "80/20"}}
    values["grids"] = {"rates": {"factors": {"lr": [0.001, 0.003, 0.01]}}}
    recipe = write_recipe(values)
    for workers in ("0", "2"):
        output = tmp_path / f"killed-{workers}"
        call = [sys.executable, "-m", "napari_retseg", "study", str(recipe), "--workers", workers]
        call += ["--data", f"target={tiny_dataset}", "--output", str(output)]
        with subprocess.Popen(call, stdout=subprocess.DEVNULL) as process:
            wait_for(lambda out=output: bool(stamps(out)) and has_begun_another(out), process)
            process.send_signal(signal.SIGKILL)
        before = stamps(output)
        assert 0 < len(before) < 3
        done = study(recipe, tiny_dataset, output, "--workers", workers)
        assert done.exit_code == 0, done.output
        after = stamps(output)
        assert len(after) == 3
        assert {key: after[key] for key in before} == before
    assert study(recipe, tiny_dataset, tmp_path / "straight").exit_code == 0
    straight = scores_of(tmp_path / "straight")
    assert scores_of(tmp_path / "killed-0") == straight
    assert scores_of(tmp_path / "killed-2") == straight


def has_begun_another(output: Path) -> bool:
    """Whether a run that is not finished has taken steps."""
    folder = StudyFolder(output)
    unfinished = [
        path.name for path in (output / "runs").iterdir() if path.name not in stamps(output)
    ]
    return any(folder.run(key).count_steps() > 2 for key in unfinished)


def wait_for(condition: Any, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, "the study ended before it could be killed"
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.slow
def test_a_warning_says_which_run_it_is_of(
    small_values: dict[str, Any], write_recipe: Write, tiny_dataset: Path, tmp_path: Path
) -> None:
    values = merge(
        small_values,
        {
            "train": {"head": "fcn", "keep_start": 0.5},
            "splits": {"folds": {"plan": "80/20"}},
            "grids": {"rates": {"factors": {"lr": [0.001]}}},
        },
    )
    done = study(write_recipe(values), tiny_dataset, tmp_path / "out")
    assert done.exit_code == 0, done.output
    told = "warning: rates, 0.001, folds, seed 0: the initial-weight fraction (WiSE-FT) is not used"
    assert told in done.output


def test_two_programs_do_not_run_one_study(
    small_values: dict[str, Any], write_recipe: Write, tiny_dataset: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    recipe = write_recipe(small_values)
    with StudyFolder(output).locked():
        done = study(recipe, tiny_dataset, output)
        listed = study(recipe, tiny_dataset, output, "--dry-run")
    assert done.exit_code == 2
    assert "another program is running this study" in done.stderr
    # its runs can be listed all the same
    assert listed.exit_code == 0, listed.output
    assert "6 runs, 6 to do" in listed.output


def test_two_programs_do_not_make_the_same_data_ready(
    small_values: dict[str, Any],
    write_recipe: Write,
    tiny_dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("napari_retseg.study.study_run._PATIENCE_SECONDS", 0.1)
    output = tmp_path / "out"
    with StudyFolder(output).preparing():
        done = study(write_recipe(small_values), tiny_dataset, output, "--dry-run")
    assert done.exit_code == 2
    assert "another program is preparing its data" in done.stderr
