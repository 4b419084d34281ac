"""How many processes this machine has room for, and how many threads each may use."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import suppress

import psutil

#: What a process takes that has torch, a model and a volume in it.
_PROCESS_BYTES = 2 << 30
#: A process takes some seconds to start; so many jobs are done here meanwhile.
_JOBS_EACH = 4
_QUERY_SECONDS = 10.0
#: Names the GPUs that a process sees.
GPU_VARIABLE = "CUDA_VISIBLE_DEVICES"


def count_cores() -> int:
    """Count the cores that this process may use; in a job of SLURM, those of the job."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return min(cores, _read_slurm("CPUS_ON_NODE") or cores)


def count_memory() -> int:
    """Count the bytes of memory that this machine has; in a job of SLURM, those of the job."""
    total = psutil.virtual_memory().total
    per_core = _read_slurm("MEM_PER_CPU") * count_cores()
    megabytes = _read_slurm("MEM_PER_NODE") or per_core
    return min(total, megabytes << 20) if megabytes else total


def _read_slurm(name: str) -> int:
    """Read what SLURM tells a job of its limits; 0 where it says nothing."""
    text = os.environ.get(f"SLURM_{name}", "")
    return int(text) if text.isdecimal() else 0


def share_cores(workers: int) -> int:
    """Tell how many threads each of several processes may use; 0 for one, which takes all."""
    return 0 if workers == 1 else max(1, count_cores() // workers)


def choose_workers(n_jobs: int, *, on_gpu: bool = False) -> int:
    """Choose a number of processes: as many as cores and free memory allow, and jobs are worth.

    Parameters
    ----------
    on_gpu
        Whether the jobs compute on a GPU, where there is one: then each GPU has one process.
    """
    free = psutil.virtual_memory().available // _PROCESS_BYTES
    gpus = list_gpus() if on_gpu else []
    return max(1, min(len(gpus) or count_cores(), free, n_jobs // _JOBS_EACH))


def list_gpus() -> list[str]:
    """List the NVIDIA GPUs that this process may use, by names that CUDA knows."""
    visible = os.environ.get(GPU_VARIABLE)
    if visible is not None:
        return [one.strip() for one in visible.split(",") if one.strip() not in ("", "-1")]
    query = shutil.which("nvidia-smi")
    if query is not None:
        command = [query, "--query-gpu=uuid", "--format=csv,noheader"]
        with suppress(OSError, subprocess.SubprocessError):
            told = subprocess.run(  # noqa: S603 - the driver's own program
                command, capture_output=True, text=True, check=True, timeout=_QUERY_SECONDS
            ).stdout
            return [line.strip() for line in told.splitlines() if line.strip()]
    return []


def share_gpus(workers: int) -> list[dict[str, str]]:
    """Return what each of several processes gets into its environment: its own GPU, in turn.

    Nothing, where there are not several GPUs.
    """
    gpus = list_gpus() if workers > 1 else []
    if len(gpus) < 2:
        return [{} for _ in range(workers)]
    return [{GPU_VARIABLE: gpus[number % len(gpus)]} for number in range(workers)]
