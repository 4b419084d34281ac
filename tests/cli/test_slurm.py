"""Workers as jobs of SLURM: the script of the documents, with stand-ins for SLURM's commands."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.cli.conftest import Run, save_bscan, visible
from tests.cli.test_cluster import EXACT, keys, read_until

__all__ = ["keys"]

ROOT = Path(__file__).parents[2]
#: Runs a job at once, on this machine, as SLURM would on a node: from a copy of the script, with
#: the memory that the script asks for in the environment, and its output in a file.
SBATCH = """#!/bin/bash
here=$(dirname "$0")
cp "$1" "$here/job.sh"
read_option() { sed -n "s/^#SBATCH --$1=\\([0-9]*\\).*/\\1/p" "$here/job.sh"; }
export SLURM_CPUS_ON_NODE=$(read_option cpus-per-task)
export SLURM_MEM_PER_NODE=$(( $(read_option mem) * 1024 ))
setsid bash "$here/job.sh" > "$here/job.log" 2>&1 < /dev/null &
echo $! > "$here/job.pid"
echo "Submitted batch job $!"
"""
SCANCEL = '#!/bin/bash\nkill -TERM -- "-$1"\n'


@pytest.fixture
def slurm(tmp_path: Path) -> Path:
    """A folder with stand-ins for SLURM's commands."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def cluster(keys: Path, slurm: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The script of the documents, with one job."""
    pytest.importorskip("dask_jobqueue")
    script = [sys.executable, str(ROOT / "docs" / "slurm.py"), "--keys", str(keys)]
    options = ["--host", "127.0.0.1", "--port", "0", "--cores", "1", "--memory", "4GiB"]
    path = f"{slurm}{os.pathsep}{os.environ['PATH']}"
    with subprocess.Popen(
        [*script, *options, "--", "--partition=eyes"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=tmp_path,
        # the program as it is here, not as it may be installed
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT / "src")},
    ) as process:
        yield process
        process.kill()


def wait_for_end(pid: int) -> None:
    """Wait until the job has ended."""
    deadline = time.monotonic() + 30
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow  # a scheduler and a worker, each a process, are what it is about
@pytest.mark.skipif(sys.platform != "linux", reason="SLURM's stand-ins are for Linux")
def test_jobs_of_slurm_predict_a_scan_and_end_with_the_script(
    run: Run,
    cluster: subprocess.Popen[str],
    slurm: Path,
    keys: Path,
    tiny_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = read_until(cluster, r"scheduler at (tls://127\.0\.0\.1:\d+);")[1]
    scan = save_bscan(tmp_path / "scans" / "a.png", seed=1)
    monkeypatch.setenv("NAPARI_RETSEG_KEYS", str(keys))
    given = ("predict", scan, "--model", tiny_bundle, "--output", tmp_path / "labels", *EXACT)
    result = run(*given, "--scheduler", address)
    assert result.exit_code == 0, result.output
    assert visible(tmp_path / "labels") == ["a.png"]
    script = (slurm / "job.sh").read_text()
    assert "#SBATCH --partition=eyes" in script
    assert f"-m napari_retseg worker {address}" in script
    # nine tenths of what the script asked for
    assert f"1 worker for {address}, with 1 thread and 3.9 GB" in (slurm / "job.log").read_text()
    cluster.send_signal(signal.SIGINT)
    told, _ = cluster.communicate(timeout=30)
    assert (cluster.returncode, told) == (0, "")
    wait_for_end(int((slurm / "job.pid").read_text()))
