"""The engine with a scheduler and workers elsewhere: real processes on the loopback."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from napari_retseg.engine import WORKER_DIED, Engine, Job
from napari_retseg.engine.spread import spread
from napari_retseg.errors import JobError
from napari_retseg.events import CancelToken, Message, Progress
from tests.fakes import CountJob, DieJob, DieOnceJob
from tests.listening import TIMEOUT, Listener, run
from tests.remote import Remote


def test_address_without_a_scheduler_fails_with_one_line() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    with Engine(address) as engine:
        outcome, _ = run(engine, CountJob(1))
    assert outcome.status == "failed"
    assert outcome.error is not None
    assert outcome.error.startswith(f"{address}: no answer from a dask scheduler")
    assert "\n" not in outcome.error


def test_malformed_address_fails_with_one_line() -> None:
    with (
        Engine("nonsense://here") as engine,
        pytest.raises(JobError, match="no answer from a dask scheduler"),
    ):
        list(engine.run(CountJob(1)))


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[Remote]:
    remote = Remote(tmp_path)
    yield remote
    remote.close()


def test_jobs_run_on_a_scheduler_elsewhere(remote: Remote, tmp_path: Path) -> None:
    with Engine(remote.address) as engine:
        listener = Listener()
        handle = listener.submit(engine, CountJob(20))
        listener.wait_for_events(1)
        assert isinstance(listener.events[0], Message)
        assert "no worker is connected" in listener.events[0].text
        remote.add_worker()
        assert handle.wait(TIMEOUT).status == "done"
        assert [e.done for e in listener.events if isinstance(e, Progress)] == list(range(1, 21))

        outcome, _ = run(engine, DieJob())
        assert (outcome.status, outcome.error) == ("failed", WORKER_DIED)
        assert run(engine, CountJob(2))[0].status == "done"

        # of many jobs, the one whose worker dies is tried once more
        jobs: list[Job] = [DieOnceJob(tmp_path / "mark"), CountJob(2)]
        found = list(spread(jobs, CancelToken(), scheduler=remote.address))
        assert [one.result["counted"] for one in found] == [-1, 2]

        listener = Listener()
        handle = listener.submit(engine, CountJob(100_000, seconds=0.01))
        listener.wait_for_events(1)
        handle.cancel()
        assert handle.wait(TIMEOUT).status == "cancelled"

        # a job whose client is gone stops, so that the only worker can do the next one
        with Engine(remote.address) as gone:
            forsaken = Listener()
            forsaken.submit(gone, CountJob(100_000, seconds=0.01))
            forsaken.wait_for_events(1)
        assert run(engine, CountJob(2))[0].status == "done"

        lost = Listener()
        handle = lost.submit(engine, CountJob(100_000, seconds=0.01))
        lost.wait_for_events(1)
        remote.kill_scheduler()
        outcome = handle.wait(TIMEOUT)
        assert outcome.status == "failed"
        assert outcome.error is not None
        assert "connection to the scheduler was lost" in outcome.error


def test_the_last_worker_that_dies_without_a_nanny_is_one_line(remote: Remote) -> None:
    remote.add_worker("--no-nanny")
    with Engine(remote.address) as engine:
        assert run(engine, CountJob(2, seconds=1.5))[0].status == "done"
        outcome, _ = run(engine, DieJob())
        assert (outcome.status, outcome.error) == ("failed", WORKER_DIED)
        remote.add_worker("--no-nanny")
        assert run(engine, CountJob(2))[0].status == "done"
