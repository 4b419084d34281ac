"""A job that was submitted to an engine."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari_retseg.engine.jobs import Job, JobOutcome
from napari_retseg.events import Event, Finished

if TYPE_CHECKING:
    from napari_retseg.engine.dispatch import Engine

logger = logging.getLogger(__name__)


class JobHandle:
    """A job that was submitted."""

    def __init__(
        self,
        engine: Engine,
        job: Job,
        *,
        on_event: Callable[[Event], None],
        on_done: Callable[[JobOutcome], None],
    ) -> None:
        self.id = f"retseg-{uuid.uuid4().hex}"
        self.job = job
        self._engine = engine
        self._on_event = on_event
        self._on_done = on_done
        self._ended = threading.Event()
        self._outcome: JobOutcome | None = None
        # the rest is used on the engine's thread only
        self.future: Any = None
        self.has_started = False
        self.finished: Finished | None = None

    @property
    def is_running(self) -> bool:
        """Whether the job has not ended yet (it may still wait for its turn)."""
        return not self._ended.is_set()

    def cancel(self) -> None:
        """Ask the job to stop; returns at once."""
        self._engine.cancel(self)

    def wait(self, timeout: float | None = None) -> JobOutcome:
        """Wait for the end.

        Raises
        ------
        TimeoutError
            Where it has not ended after `timeout` seconds.
        """
        if not self._ended.wait(timeout):
            raise TimeoutError(f"the job has not ended after {timeout} s")
        assert self._outcome is not None
        return self._outcome

    def tell(self, event: Event) -> None:
        """Pass an event on (on the engine's thread)."""
        try:
            self._on_event(event)
        except Exception:
            logger.exception("on_event of %s failed", self.id)

    def end(self, outcome: JobOutcome) -> None:
        """Pass the outcome on (on the engine's thread)."""
        self._outcome = outcome
        try:
            self._on_done(outcome)
        except Exception:
            logger.exception("on_done of %s failed", self.id)
        finally:
            self._ended.set()


def restore_lists(value: Any) -> Any:
    """Turn tuples back into the lists that they were before dask sent them."""
    if isinstance(value, dict):
        return {key: restore_lists(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [restore_lists(item) for item in value]
    return value
