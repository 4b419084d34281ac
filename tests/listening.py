"""Waits for what an engine tells."""

from __future__ import annotations

import threading
import time

from napari_retseg.engine import Engine, Job, JobHandle, JobOutcome
from napari_retseg.events import Event

TIMEOUT = 60.0


class Listener:
    """Keeps what the engine told, in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.outcomes: list[JobOutcome] = []
        self.threads: set[str] = set()

    def on_event(self, event: Event) -> None:
        assert not self.outcomes
        self.threads.add(threading.current_thread().name)
        self.events.append(event)

    def on_done(self, outcome: JobOutcome) -> None:
        self.outcomes.append(outcome)

    def submit(self, engine: Engine, job: Job) -> JobHandle:
        return engine.submit(job, on_event=self.on_event, on_done=self.on_done)

    def wait_for_events(self, count: int) -> None:
        deadline = time.monotonic() + TIMEOUT
        while len(self.events) < count:
            assert time.monotonic() < deadline, f"{len(self.events)} of {count} events"
            time.sleep(0.01)


def run(engine: Engine, job: Job) -> tuple[JobOutcome, list[Event]]:
    listener = Listener()
    outcome = listener.submit(engine, job).wait(TIMEOUT)
    assert listener.outcomes == [outcome]
    return outcome, listener.events
