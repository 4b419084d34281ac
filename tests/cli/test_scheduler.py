"""`--scheduler`: the same command on the workers of a dask scheduler."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_retseg.io import LabelWriter, write_scan
from napari_retseg.scan import OctScan
from tests.cli.conftest import Run, only_error, save_bscan, visible
from tests.remote import Remote
from tests.study.conftest import Write, small_values, write_recipe

__all__ = ["small_values", "write_recipe"]

pytestmark = pytest.mark.slow

EXACT = ("--precision", "fp32", "--device", "cpu")
TIMEOUT = 60.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    """A scheduler with one worker; a worker that is killed comes back."""
    cluster = Remote(tmp_path_factory.mktemp("cluster"))
    cluster.add_worker()
    yield cluster
    cluster.close()


def test_labels_and_scores_are_those_of_this_process(
    run: Run, cluster: Remote, tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    image = tiny_dataset / "images" / "P1_B0.png"
    there = ("--model", tiny_bundle, *EXACT, "--scheduler", cluster.address)
    here = ("--model", tiny_bundle, *EXACT)
    result = run("predict", image, "--output", tmp_path / "there", *there)
    assert result.exit_code == 0, result.output
    run("predict", image, "--output", tmp_path / "here", *here)
    files = [tmp_path / place / "P1_B0.png" for place in ("here", "there")]
    assert files[0].read_bytes() == files[1].read_bytes()
    scores = [
        json.loads(run("evaluate", tiny_dataset, *options, "--json").stdout)
        for options in (here, there)
    ]
    assert scores[0] == scores[1]


def test_a_worker_that_sees_the_files_reads_and_writes_them(
    run: Run, cluster: Remote, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_bscan(tmp_path / "scans" / "a.png", seed=1)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delattr(LabelWriter, "__init__")  # in this process nothing is written
    options = ("--model", tiny_bundle, "--scheduler", cluster.address, "--json", *EXACT)
    result = run("predict", "scans", "--output", "out", *options)
    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)["predicted"][0]
    assert (shown["input"], shown["labels"]) == ("scans/a.png", "out/a.png")
    assert not list(tmp_path.glob("out/.retseg-*"))  # no mark is left


def test_a_training_runs_there(
    run: Run, cluster: Remote, tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    options = ("--from", tiny_bundle, "--iterations", "2", *EXACT, "--scheduler", cluster.address)
    result = run("train", tiny_dataset, "--output", out, *options)
    assert result.exit_code == 0, result.output
    assert "training on cpu" in result.stdout
    assert (out / "model" / "model.json").is_file()


def test_a_scan_whose_worker_is_killed_in_the_middle_is_labelled_by_the_next(
    cluster: Remote, tiny_bundle: Path, tmp_path: Path
) -> None:
    big = tmp_path / "big.tif"
    write_scan(big, OctScan(np.zeros((500, 64, 64), np.uint8), ("bscan", "depth", "width")))
    good = save_bscan(tmp_path / "good.png", seed=1)
    out = tmp_path / "out"

    command = [sys.executable, "-m", "napari_retseg", "predict", str(big), str(good)]
    command += [
        "--output",
        str(out),
        "--model",
        str(tiny_bundle),
        *EXACT,
        "--scheduler",
        cluster.address,
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        while not list(out.glob(".retseg-*.tif")):  # it is being written
            assert process.poll() is None
            time.sleep(0.02)
        cluster.kill_work()
        _, errors = process.communicate(timeout=2 * TIMEOUT)
    assert (process.returncode, errors) == (0, "")
    assert visible(out) == ["big.tif", "good.png"]


def test_an_address_where_nobody_answers_is_one_line(
    run: Run, tiny_bundle: Path, bscan: Path, tmp_path: Path
) -> None:
    options = ("--model", tiny_bundle, "--scheduler", "tcp://127.0.0.1:9")
    result = run("predict", bscan, "--output", tmp_path / "out", *options)
    assert result.exit_code == 1
    assert "tcp://127.0.0.1:9" in only_error(result)


def test_a_study_is_done_by_the_workers_of_a_scheduler(
    run: Run,
    cluster: Remote,
    small_values: dict[str, Any],
    write_recipe: Write,
    tiny_dataset: Path,
    tmp_path: Path,
) -> None:
    recipe = write_recipe({**small_values, "splits": {"folds": {"plan": "80/20"}}})
    small = ("study", recipe, "--data", f"target={tiny_dataset}", "--output", tmp_path / "there")
    there = run(*small, "--scheduler", cluster.address)
    assert there.exit_code == 0, there.output
    assert (tmp_path / "there" / "report.html").is_file()
    again = run(*small)
    assert "2 done" in again.output
    assert "begun" not in again.output
