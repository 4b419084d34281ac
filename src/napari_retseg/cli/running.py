"""How a command runs a job: here or on a scheduler elsewhere, until it is asked to stop."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from napari_retseg import interrupt
from napari_retseg.cli.terminal import echo
from napari_retseg.engine import Engine, Job
from napari_retseg.events import Cancel, CancelToken, Event


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


@contextmanager
def stopping_cleanly() -> Iterator[CancelToken]:
    """Give a token that Ctrl-C and a termination request set.

    A second one raises KeyboardInterrupt.
    """
    signals = (signal.SIGINT, signal.SIGTERM)
    with interrupt.stopping_cleanly(_announce, signals=signals) as token:
        yield token


def _announce() -> None:
    with suppress(RuntimeError):  # it came in the midst of another line
        echo("stopping after everything is saved; press Ctrl-C again to stop at once", sys.stderr)
