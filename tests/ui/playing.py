"""An engine that the test plays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_retseg.engine import Job, JobOutcome, LoadJob
from napari_retseg.events import BscanPredicted, Event, Finished, Progress


@dataclass
class PlayedJob:
    """A job in the played engine."""

    job: Job
    on_event: Callable[[Event], None]
    on_done: Callable[[JobOutcome], None]
    is_cancelled: bool = False

    def cancel(self) -> None:
        self.is_cancelled = True

    def predict(self, index: int, value: int, *, total: int = 5) -> None:
        self.on_event(BscanPredicted(index, np.full((64, 96), value, np.uint8)))
        self.on_event(Progress(index + 1, total))

    def end(self, status: str = "done", error: str | None = None, **result: Any) -> None:
        self.on_event(Finished(cancelled=status == "cancelled", result=result))
        self.on_done(JobOutcome(status, error, result))  # type: ignore[arg-type]


@dataclass
class PlayedEngine:
    """An engine whose jobs do what the test says."""

    loads: list[PlayedJob] = field(default_factory=list)
    jobs: list[PlayedJob] = field(default_factory=list)
    is_closed: bool = False
    grace: float = 0.0

    def submit(self, job: Job, **callbacks: Any) -> PlayedJob:
        played = PlayedJob(job, **callbacks)
        (self.loads if isinstance(job, LoadJob) else self.jobs).append(played)
        return played

    def close(self, *, grace: float = 0.0) -> None:
        self.is_closed, self.grace = True, grace
