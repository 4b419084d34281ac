"""Where a job runs: in this process, or on a scheduler elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from napari_retseg.engine import Engine, Job
from napari_retseg.events import Cancel, Event


def run_job(job: Job, *, scheduler: str | None, cancel: Cancel) -> Iterator[Event]:
    """Run a job and yield its events.

    Without a scheduler it runs in this process: a command that is killed leaves no worker behind
    that goes on writing, and large results need not travel.

    Raises
    ------
    RetsegError
        Where the job failed.
    """
    if scheduler is None:
        yield from job.run(cancel)
        return
    with Engine(scheduler) as engine:
        yield from engine.run(job, cancel=cancel)
