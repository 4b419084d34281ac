"""`train` and `evaluate` on a tiny dataset."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Run, only_error

STEPS = 120
QUICK = ("--score-every", "2", "--batch-size", "2", "--precision", "fp32", "--device", "cpu")


def test_a_training_says_what_it_does_and_what_came_of_it(
    run: Run, tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    arguments = ("--from", tiny_bundle, "--iterations", "4", *QUICK)
    result = run("train", tiny_dataset, "--output", out, *arguments)
    assert result.exit_code == 0, result.output
    text = result.stdout
    assert re.search(
        r"training on cpu .*in fp32, strategy all: 0.08 M trainable parameters, 0.00 M frozen", text
    )
    assert "8 B-scans of 2 patients (P1, P2)" in text
    assert "4 B-scans of 1 patient (P3)" in text
    assert "held-out scores of the starting model" in text
    assert "held-out scores after 4 iterations" in text
    assert "fluid" in text
    assert f"model: {out / 'model'}" in text
    assert (out / "model" / "model.safetensors").is_file()
    assert "iterations: 4" in (out / "config.yaml").read_text()


def test_json_is_one_document_and_progress_goes_elsewhere(
    run: Run, tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    arguments = ("--from", tiny_bundle, "--iterations", "2", *QUICK, "--json")
    result = run("train", tiny_dataset, "--output", out, *arguments)
    document = json.loads(result.stdout)
    assert document["cancelled"] is False
    assert document["run"] == str(out)
    assert {"upper", "lower", "fluid"} <= set(document["best"]["classes"])
    assert "training on cpu" in result.stderr


def test_the_model_of_a_run_is_scored_alike_by_evaluate_and_on_its_predictions(
    run: Run, tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    out, labels, file = tmp_path / "run", tmp_path / "labels", tmp_path / "scores.json"
    exact = ("--precision", "fp32", "--device", "cpu")
    run("train", tiny_dataset, "--output", out, "--from", tiny_bundle, "--iterations", "2", *QUICK)
    result = run("evaluate", tiny_dataset, "--model", out, "--output", file, *exact)
    assert result.exit_code == 0, result.output
    assert "4 B-scans of 1 patient" in result.stdout
    scores = json.loads(file.read_text())
    wanted = {"classes", "mean_foreground_dice", "mean_dice_with_background", "bscans"}
    assert wanted <= set(scores)
    images = sorted((tiny_dataset / "images").glob("P3_*.png"))
    run("predict", *images, "--model", out, "--output", labels, *exact)
    of_files = run("evaluate", tiny_dataset, "--predictions", labels, "--json")
    assert of_files.exit_code == 0, of_files.output
    assert json.loads(of_files.stdout)["classes"] == scores["classes"]


@pytest.mark.parametrize("arguments", [(), ("--model", "starter", "--predictions", "labels")])
def test_evaluate_wants_one_thing_to_score(
    run: Run, tiny_dataset: Path, arguments: tuple[str, ...]
) -> None:
    result = run("evaluate", tiny_dataset, *arguments)
    assert result.exit_code == 2
    assert "--predictions" in only_error(result)


def test_a_split_without_labels_is_named(run: Run, tiny_dataset: Path, tiny_bundle: Path) -> None:
    result = run("evaluate", tiny_dataset, "--model", tiny_bundle, "--split", "test")
    assert result.exit_code == 1
    assert "test" in only_error(result)


def test_missing_predictions_are_named(run: Run, tiny_dataset: Path, tmp_path: Path) -> None:
    result = run("evaluate", tiny_dataset, "--predictions", tmp_path)
    assert result.exit_code == 1
    assert "P3_B0" in only_error(result)
    result = run("evaluate", tiny_dataset, "--predictions", tmp_path / "none")
    assert result.exit_code == 1
    assert "none" in only_error(result)


def test_a_folder_with_a_run_is_kept(
    run: Run, tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    arguments = ("--output", tmp_path / "run", "--from", tiny_bundle, "--iterations", "1", *QUICK)
    assert run("train", tiny_dataset, *arguments).exit_code == 0
    result = run("train", tiny_dataset, *arguments)
    assert result.exit_code == 2
    assert "--resume" in only_error(result)


def test_there_must_be_a_run_to_resume(run: Run, tiny_dataset: Path, tmp_path: Path) -> None:
    result = run("train", tiny_dataset, "--output", tmp_path / "none", "--resume")
    assert result.exit_code in (1, 2)
    assert "none" in only_error(result)


@pytest.mark.slow
def test_ctrl_c_saves_and_resume_goes_on(
    run: Run, tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    arguments = ["train", str(tiny_dataset), "--output", str(out), "--from", str(tiny_bundle)]
    arguments += ["--iterations", str(STEPS), "--score-every", str(STEPS), *QUICK[2:]]
    command = [sys.executable, "-m", "napari_retseg", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    events = out / "events.jsonl"
    while not (events.is_file() and "StepDone" in events.read_text()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    said, errors = process.communicate(timeout=60)
    assert process.returncode == 130, said + errors
    assert "--resume" in said
    assert "Traceback" not in errors
    done = _steps(events)
    assert 1 <= len(done) < STEPS
    result = run("train", tiny_dataset, "--output", out, "--resume")
    assert result.exit_code == 0, result.output
    assert f"resumed after iteration {len(done)}" in result.stdout
    assert _steps(events) == list(range(1, STEPS + 1))


def _steps(events: Path) -> list[int]:
    lines = [json.loads(line) for line in events.read_text().splitlines()]
    return [line["iteration"] for line in lines if line["event"] == "StepDone"]


@pytest.mark.slow
def test_a_resumed_run_needs_no_other_options(
    run: Run, tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    arguments = ("--output", out, "--from", tiny_bundle, "--iterations", "3", *QUICK)
    assert run("train", tiny_dataset, *arguments).exit_code == 0
    result = run("train", tiny_dataset, "--output", out, "--resume")
    assert result.exit_code == 0, result.output
    assert f"model: {out / 'model'}" in result.stdout
