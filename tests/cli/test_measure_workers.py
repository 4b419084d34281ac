"""`measure` over several processes: the same files, and Ctrl-C."""

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

from napari_retseg.io import write_labels
from napari_retseg.io.scans import write_tiff_copy
from tests.cli.conftest import Run, invoke, only_error
from tests.cli.test_measure import SPACING, draw_labels
from tests.measures.eyes import make_scan
from tests.remote import Remote

NAMES = ["a", "b", "c", "d", "e"]
CENTRE = ("--centre", "12,35")

# these processes are what the tests are about, and each takes seconds to start
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five labels, one of them without its scan, measured by this process into ``here``."""
    folder = tmp_path_factory.mktemp("study")
    for name in ("scans", "labels"):
        (folder / name).mkdir()
    (folder / "labels" / "classes.json").write_text(json.dumps({"NFL": 1, "RPE": 2}))
    scan = make_scan((25, 64, 70), SPACING, eye="OS")
    for number, name in enumerate(NAMES):
        write_labels(folder / "labels" / f"{name}.tif", draw_labels(number), scan=scan)
        if name != "b":
            write_tiff_copy(folder / "scans" / f"{name}.tif", scan)
    result = invoke(*command(folder, folder / "here"))
    assert "no scan b" in only_error(result)
    return folder


def command(study: Path, output: Path, *more: str) -> list[str | Path]:
    return [
        "measure",
        study / "labels",
        "--scan",
        study / "scans",
        "--output",
        output,
        *CENTRE,
        *more,
    ]


def read_all(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_schedulers_worker_writes_what_this_process_writes(
    run: Run, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cluster").mkdir()
    cluster = Remote(tmp_path / "cluster")
    try:
        cluster.add_worker()
        # paths as a user writes them; the worker's current folder is another
        monkeypatch.chdir(study)
        given = ("--scan", "scans", "--output", "there", *CENTRE)
        result = run("measure", "labels/c.tif", *given, "--scheduler", cluster.address)
    finally:
        cluster.close()
    assert result.exit_code == 0, result.output
    assert read_all(study / "there" / "c") == read_all(study / "here" / "c")
    assert sorted(path.name for path in (study / "there").iterdir()) == ["c", "measures.csv"]


def test_ctrl_c_leaves_whole_folders_and_workers_that_go_on_write_what_one_process_writes(
    run: Run, study: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    words = [str(word) for word in command(study, output, "--workers", "2")]
    with subprocess.Popen(
        [sys.executable, "-m", "napari_retseg", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        while " -> " not in process.stdout.readline():
            assert process.poll() is None
        # as a terminal does it: to all processes of the group
        os.killpg(process.pid, signal.SIGINT)
        began = time.monotonic()
        told, errors = process.communicate(timeout=60)
    assert time.monotonic() - began < 6  # about one second, where the machine is not busy
    assert process.returncode == 130, errors
    assert "stopped: " in told
    assert "of 5 scans measured" in told
    assert "worker process" not in errors
    done = [folder for folder in output.iterdir() if folder.is_dir()]
    assert 1 <= len(done) <= 3
    assert all((folder / "about.json").is_file() for folder in done)
    assert not (output / "measures.csv").exists()
    result = run(*command(study, output, "--resume", "--workers", "2"))
    assert result.exit_code == 1
    assert "b.tif: no scan b" in only_error(result)
    lines = [line for line in result.stdout.splitlines() if re.search(" -> |: already", line)]
    assert [Path(re.split(" -> |: already", line)[0]).stem for line in lines] == [
        "a",
        "c",
        "d",
        "e",
    ]
    assert result.stdout.count("already measured") == len(done)
    assert read_all(output) == read_all(study / "here")


def test_either_workers_or_a_scheduler(run: Run, study: Path, tmp_path: Path) -> None:
    both = ("--workers", "2", "--scheduler", "tcp://127.0.0.1:9")
    result = run(*command(study, tmp_path / "out", *both))
    assert result.exit_code == 2
    assert "not both" in only_error(result)
    result = run(*command(study, tmp_path / "out", *both[2:]))
    assert result.exit_code == 1
    assert "no answer from a dask scheduler" in only_error(result)
