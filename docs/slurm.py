"""Start workers of napari-retseg as jobs of SLURM, by dask-jobqueue.

    pip install dask-jobqueue
    napari-retseg cluster keys keys
    python slurm.py --keys keys --jobs 10 --host 10.0.0.5 -- --partition=gpu --gres=gpu:1

runs on the login node, until Ctrl-C, which ends the jobs. It prints the address of its scheduler,
for `--scheduler`. What stands after `--` goes to sbatch as it is.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from pathlib import Path
from typing import Any

from dask_jobqueue.slurm import SLURMCluster, SLURMJob

from napari_retseg.engine.quiet import QuietScheduler
from napari_retseg.engine.tls import VARIABLE, open_keys


class RetsegJob(SLURMJob):
    """A job that runs `napari-retseg worker`, with the cores and memory that SLURM gives it."""

    #: Folder of the keys, which every node sees.
    keys: Path

    def job_script(self) -> str:
        """Return what sbatch gets."""
        python, keys = shlex.quote(sys.executable), shlex.quote(str(self.keys))
        return (
            f"{self.shebang}\n{self.job_header}\n"
            f"export {VARIABLE}={keys}\n"
            f"exec {python} -m napari_retseg worker {self.scheduler}\n"
        )


def start(arguments: argparse.Namespace) -> Any:
    """Start the scheduler and submit the jobs."""
    RetsegJob.keys = arguments.keys.absolute()
    cluster = SLURMCluster(
        job_cls=RetsegJob,
        cores=arguments.cores,
        memory=arguments.memory,
        processes=1,
        walltime=arguments.time,
        job_name="retseg",
        job_extra_directives=arguments.sbatch,
        log_directory=str(arguments.logs),
        security=open_keys(arguments.keys),
        scheduler_cls=QuietScheduler,
        scheduler_options={"host": arguments.host, "port": arguments.port, "dashboard": False},
    )
    cluster.scale(jobs=arguments.jobs)
    return cluster


def main() -> None:
    """Run the scheduler until it is asked to stop."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--keys", type=Path, required=True, help="made by 'cluster keys'")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--cores", type=int, default=8, help="of each job")
    parser.add_argument("--memory", default="16GB", help="of each job")
    parser.add_argument("--time", default="04:00:00", help="after which SLURM ends a job")
    parser.add_argument("--host", required=True, help="this machine's address, seen from the nodes")
    parser.add_argument("--port", type=int, default=8786)
    parser.add_argument("--logs", type=Path, default=Path("logs"))
    parser.add_argument("sbatch", nargs="*", help="more options of sbatch, after --")
    asked = {signal.SIGINT, signal.SIGTERM}
    arguments = parser.parse_args()
    # before dask starts its threads, which then leave these signals to this one
    signal.pthread_sigmask(signal.SIG_BLOCK, asked)
    with start(arguments) as cluster:
        print(f"scheduler at {cluster.scheduler_address}; Ctrl-C ends the jobs", flush=True)
        signal.sigwait(asked)


if __name__ == "__main__":
    main()
