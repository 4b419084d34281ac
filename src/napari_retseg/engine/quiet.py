"""dask's scheduler and worker without their web servers, which anybody on the machine could read.

They would list the tasks, their keys and the configuration, and ask nobody for a login.
"""

from __future__ import annotations

from typing import Any

from distributed import Scheduler, Worker

from napari_retseg.headless import declare_headless


class QuietScheduler(Scheduler):
    """A scheduler that listens for its own workers and clients only."""

    def start_http_server(self, *_: Any, **__: Any) -> None:
        """Start none."""


class QuietWorker(Worker):
    """A worker that listens for its own scheduler only, in a process of its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        declare_headless()
        super().__init__(*args, **kwargs)

    def start_http_server(self, *_: Any, **__: Any) -> None:
        """Start none."""
