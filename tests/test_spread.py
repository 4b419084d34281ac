"""Many jobs side by side, with real worker processes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from napari_retseg.engine import WORKER_DIED, Job, JobOutcome
from napari_retseg.engine import spread as module
from napari_retseg.engine.jobs import Lane
from napari_retseg.engine.sight import marking
from napari_retseg.engine.spread import spread
from napari_retseg.errors import JobError
from napari_retseg.events import Cancel, CancelToken, Event, Finished, Progress
from tests.fakes import CountJob, DieJob, DieOnceJob, FailJob, SeeJob


def test_outcomes_come_in_order_whatever_happens_to_the_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AHEAD", 6)
    jobs: list[Job] = [
        CountJob(10, seconds=0.1),
        CountJob(2),
        FailJob("user"),
        DieOnceJob(tmp_path / "mark"),
        DieJob(),
        *(CountJob(number) for number in range(3, 9)),
    ]
    taken: list[int] = []
    heard: list[tuple[int, Event]] = []

    def take() -> Iterator[Job]:
        for number, job in enumerate(jobs):
            taken.append(number)
            yield job

    found: list[JobOutcome] = []
    for outcome in spread(
        take(), CancelToken(), workers=2, listen=lambda number, event: heard.append((number, event))
    ):
        if not found:
            n_ahead = len(taken)
        found.append(outcome)
    counted = [10, 2, None, -1, None, *range(3, 9)]
    assert [one.result.get("counted") for one in found] == counted
    assert found[2].error == "scan.tif: is empty; choose another file"
    assert found[4].error == WORKER_DIED  # the second time, too
    pids = {one.result["pid"] for one in found if "pid" in one.result}
    assert len(pids) >= 2
    assert os.getpid() not in pids
    # the first job ended late: the others waited with their outcomes, and only so many
    assert n_ahead <= 6
    assert [event for number, event in heard if number == 1] == [
        Progress(1, 2, "step"),
        Progress(2, 2, "step"),
    ]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_cancel_stops_all_within_a_second(workers: int) -> None:
    cancel = CancelToken()
    at = 0.0

    def stop(_number: int, event: Event) -> None:
        nonlocal at
        if isinstance(event, Progress) and event.done == 3:
            at = at or time.monotonic()
            cancel.cancel()

    jobs = [CountJob(100_000, seconds=0.01)] * 5
    found = list(spread(jobs, cancel, workers=workers, listen=stop))
    # the others have not begun
    assert [one.status for one in found] == ["cancelled"] * workers
    assert time.monotonic() - at < 3  # a busy machine ends its processes slowly


def test_without_workers_there_is_one_line() -> None:
    jobs = [CountJob(1)] * 3
    with pytest.raises(JobError, match="no answer from a dask scheduler"):
        list(spread(jobs, CancelToken(), scheduler="tcp://127.0.0.1:9"))


def test_a_worker_must_see_the_folder_and_no_namesake(tmp_path: Path) -> None:
    with marking(tmp_path) as mark:
        assert [one.status for one in spread([SeeJob(mark)], CancelToken())] == ["done"]
    assert list(tmp_path.iterdir()) == []
    told = spread([SeeJob(mark), CountJob(1)], CancelToken())
    with pytest.raises(JobError, match=f"{tmp_path}: the worker on .* does not see this folder"):
        list(told)


@dataclass(frozen=True)
class MeetJob:
    """End when another job of its kind runs at the same time."""

    barrier: threading.Barrier
    lane: Lane = "predict"

    def run(self, cancel: Cancel) -> Iterator[Event]:
        self.barrier.wait(timeout=10)
        yield Finished(result={"counted": 0})


def test_threads_of_this_process_do_several_jobs_at_a_time_and_stop_when_asked() -> None:
    barrier, cancel, taken = threading.Barrier(2), CancelToken(), []

    def take() -> Iterator[Job]:
        first: list[Job] = [CountJob(3, seconds=0.02), FailJob("user"), *[MeetJob(barrier)] * 2]
        for job in [*first, *[CountJob(1000, seconds=0.01)] * 9]:
            taken.append(job)
            yield job

    heard: list[int] = []
    found: list[JobOutcome] = []
    for outcome in spread(take(), cancel, threads=2, listen=lambda n, _: heard.append(n)):
        found.append(outcome)
        if len(found) == 4:
            cancel.cancel()
    assert [one.result.get("counted") for one in found[:4]] == [3, None, 0, 0]
    assert found[0].result["pid"] == os.getpid()
    assert found[1].error == "scan.tif: is empty; choose another file"
    assert heard.count(0) == 3
    assert {one.status for one in found[4:]} <= {"cancelled"}
    assert len(taken) <= 6  # those that ran, and no others
    assert not [one for one in threading.enumerate() if one.name.startswith("retseg-job")]
