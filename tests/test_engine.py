"""The engine, with real worker processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from napari_retseg.config import TrainConfig
from napari_retseg.engine import (
    WORKER_DIED,
    Engine,
    EvaluateJob,
    LoadJob,
    PredictJob,
    PrepareJob,
    TrainJob,
)
from napari_retseg.errors import JobError
from napari_retseg.events import (
    BscanPredicted,
    CancelToken,
    Finished,
    Progress,
    StepDone,
    TrainingPlanned,
)
from napari_retseg.scan import OctScan
from tests.fakes import CountJob, DieJob, FailJob, ModulesJob, OnceJob, PaintJob
from tests.listening import TIMEOUT, Listener, run


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine() as engine:
        yield engine


def test_events_come_in_order_and_before_the_outcome(engine: Engine) -> None:
    listener = Listener()
    outcome = listener.submit(engine, CountJob(500)).wait(TIMEOUT)
    assert outcome.status == "done"
    assert outcome.result["counted"] == 500
    assert outcome.result["pid"] != os.getpid()
    steps = [event.done for event in listener.events if isinstance(event, Progress)]
    assert steps == list(range(1, 501))
    assert isinstance(listener.events[-1], Finished)
    assert listener.threads == {"retseg-engine"}


def test_labels_arrive_as_they_were(engine: Engine) -> None:
    outcome, events = run(engine, PaintJob(3, (7, 5)))
    assert outcome.status == "done"
    predicted = [event for event in events if isinstance(event, BscanPredicted)]
    assert [event.index for event in predicted] == [0, 1, 2]
    assert all((event.labels == event.index).all() for event in predicted)
    assert all(event.labels.shape == (7, 5) for event in predicted)


def test_cancel_stops_a_running_job(engine: Engine) -> None:
    listener = Listener()
    handle = listener.submit(engine, CountJob(100_000, seconds=0.01))
    listener.wait_for_events(3)
    assert handle.is_running
    handle.cancel()
    outcome = handle.wait(TIMEOUT)
    assert outcome.status == "cancelled"
    assert 3 <= outcome.result["counted"] < 100_000
    assert not handle.is_running


def test_cancel_drops_a_waiting_job(engine: Engine) -> None:
    first, second = Listener(), Listener()
    running = first.submit(engine, CountJob(100_000, seconds=0.01))
    first.wait_for_events(1)
    waiting = second.submit(engine, CountJob(3))
    waiting.cancel()
    assert waiting.wait(TIMEOUT).status == "cancelled"
    assert second.events == []
    assert running.is_running
    running.cancel()
    assert running.wait(TIMEOUT).status == "cancelled"


def test_error_for_the_user_is_its_message(engine: Engine) -> None:
    outcome, events = run(engine, FailJob("user"))
    assert outcome.status == "failed"
    assert outcome.error == "scan.tif: is empty; choose another file"
    assert events == [Progress(0, 1)]


def test_other_error_is_one_line_with_its_traceback_kept(engine: Engine) -> None:
    outcome, _ = run(engine, FailJob("bug"))
    assert outcome.status == "failed"
    assert outcome.error == "ZeroDivisionError: one over none"
    assert outcome.traceback is not None
    assert "tests/fakes.py" in outcome.traceback.replace("\\", "/")


def test_job_without_a_last_event_has_failed(engine: Engine) -> None:
    outcome, _ = run(engine, FailJob("silent"))
    assert outcome.status == "failed"


def test_killed_worker_fails_its_job_once_and_the_next_ones_run(
    engine: Engine, tmp_path: Path
) -> None:
    runs = tmp_path / "runs.txt"
    dying, following = Listener(), Listener()
    first = dying.submit(engine, OnceJob(runs))
    second = following.submit(engine, CountJob(3))
    outcome = first.wait(TIMEOUT)
    assert outcome.status == "failed"
    assert outcome.error == WORKER_DIED
    assert second.wait(TIMEOUT).status == "done"
    assert run(engine, CountJob(2))[0].status == "done"
    assert runs.read_text() == "run\n"


def test_worker_killed_between_jobs_is_not_noticed(engine: Engine) -> None:
    pid = run(engine, CountJob(1))[0].result["pid"]
    psutil.Process(pid).kill()
    outcome, _ = run(engine, CountJob(1))
    assert outcome.status == "done"
    assert outcome.result["pid"] != pid


def test_worker_that_cannot_import_the_job_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).parents[1]
    elsewhere = [path for path in sys.path if Path(path).resolve() != root]
    monkeypatch.setattr(sys, "path", elsewhere)
    with Engine() as engine:
        outcome, _ = run(engine, CountJob(1))
    assert outcome.status == "failed"
    assert outcome.error is not None
    assert outcome.error.startswith("the worker process cannot start (ModuleNotFoundError")


def test_killed_worker_of_a_lane_does_not_touch_the_other(engine: Engine) -> None:
    listener = Listener()
    training = listener.submit(engine, CountJob(100_000, seconds=0.01, lane="train"))
    listener.wait_for_events(1)
    assert run(engine, DieJob())[0].error == WORKER_DIED
    assert training.is_running
    training.cancel()
    assert training.wait(TIMEOUT).status == "cancelled"


def test_training_has_a_process_of_its_own_that_ends_with_it(engine: Engine) -> None:
    predicting, _ = run(engine, CountJob(1))
    training, _ = run(engine, CountJob(1, lane="train"))
    assert training.result["pid"] != predicting.result["pid"]
    assert not psutil.pid_exists(training.result["pid"])
    assert run(engine, CountJob(1))[0].result["pid"] == predicting.result["pid"]


def test_a_prepared_process_is_that_of_the_next_training(engine: Engine) -> None:
    prepared, _ = run(engine, PrepareJob())
    assert prepared.status == "done"
    loaded, _ = run(engine, ModulesJob(("torch", "napari_retseg.learn.train"), lane="train"))
    assert loaded.result["loaded"] == ["torch", "napari_retseg.learn.train"]
    again, _ = run(engine, ModulesJob(("torch",), lane="train"))  # the process before has ended
    assert again.result["loaded"] == []


def test_worker_knows_neither_qt_nor_this_main_module(engine: Engine) -> None:
    outcome, _ = run(engine, ModulesJob(("qtpy", "PyQt6", "napari", "pytest", "torch")))
    assert outcome.result["loaded"] == []
    assert "pytest" not in outcome.result["main"]


def test_run_yields_events_and_raises_the_line(engine: Engine) -> None:
    events = list(engine.run(CountJob(3)))
    assert events[:3] == [Progress(1, 3, "step"), Progress(2, 3, "step"), Progress(3, 3, "step")]
    assert isinstance(events[3], Finished)
    with pytest.raises(JobError) as failure:
        list(engine.run(FailJob("user")))
    assert str(failure.value) == "scan.tif: is empty; choose another file"


def test_run_stops_on_its_cancel(engine: Engine) -> None:
    token = CancelToken()
    events = []
    for event in engine.run(CountJob(100_000, seconds=0.01), cancel=token):
        events.append(event)
        token.cancel()
    assert isinstance(events[-1], Finished)
    assert events[-1].cancelled


def test_run_that_is_left_early_stops_its_job(engine: Engine) -> None:
    for _ in engine.run(CountJob(100_000, seconds=0.01)):
        break
    assert run(engine, CountJob(1))[0].status == "done"


def test_callback_that_fails_does_not_stop_the_engine(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object) -> None:
        raise ValueError("from a callback")

    assert engine.submit(CountJob(1), on_event=fail, on_done=fail).wait(TIMEOUT).status == "done"
    assert run(engine, CountJob(1))[0].status == "done"
    assert "from a callback" in caplog.text


def test_job_that_cannot_be_sent_fails(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    job = CountJob(1)
    object.__setattr__(job, "lock", threading.Lock())
    outcome, _ = run(engine, job)
    assert outcome.status == "failed"
    assert "could not be sent" in caplog.text


def test_nothing_is_left_after_close(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    before = set(threading.enumerate())
    children = set(psutil.Process().children(recursive=True))
    engine = Engine()
    listener = Listener()
    handle = listener.submit(engine, CountJob(100_000, seconds=0.01))
    listener.wait_for_events(1)
    engine.close()
    assert handle.wait(0).status == "cancelled"
    assert set(psutil.Process().children(recursive=True)) == children
    # two idle threads are dask's own, for the life of the process
    left = {t.name for t in set(threading.enumerate()) - before}
    assert {
        name for name in left if not name.startswith(("Dask-Offload", "Dask-Callback"))
    } == set()
    assert capfd.readouterr() == ("", "")
    assert caplog.text == ""
    with pytest.raises(JobError, match="closed"):
        listener.submit(engine, CountJob(1))
    engine.close()


def test_dasks_log_is_given_back_by_the_last_engine() -> None:
    script = (
        "import distributed, logging\n"
        "from napari_retseg.engine import Engine\n"
        "from tests.fakes import CountJob\n"
        "def tell(): print(logging.getLogger('distributed.client').level)\n"
        "engines = [Engine(), Engine()]\n"
        "tell()\n"
        "for engine in engines: list(engine.run(CountJob(1))); tell()\n"
        "for engine in engines: engine.close(); tell()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    before, *silent, after = done.stdout.split()
    assert before == after != silent[0]
    assert len(set(silent)) == 1
    assert done.stderr == ""


def test_close_with_grace_lets_a_job_stop_by_itself() -> None:
    engine = Engine()
    listener = Listener()
    handle = listener.submit(engine, CountJob(100_000, seconds=0.01))
    listener.wait_for_events(1)
    engine.close(grace=TIMEOUT)
    assert handle.wait(0).result["counted"] >= 1


def test_close_before_any_job_starts_nothing() -> None:
    before = set(threading.enumerate())
    Engine().close()
    assert set(threading.enumerate()) == before


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX's")
def test_worker_ends_when_its_owner_is_killed() -> None:
    script = (
        "from napari_retseg.engine import Engine\n"
        "from tests.fakes import CountJob\n"
        "def tell(event): print(event, flush=True)\n"
        "Engine().submit(CountJob(100_000, 0.01), on_event=tell, on_done=print).wait()\n"
    )
    root = Path(__file__).parents[1]
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=root, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline().startswith("Progress")
        (worker,) = psutil.Process(owner.pid).children()
        owner.send_signal(signal.SIGKILL)
    worker.wait(TIMEOUT)


def test_a_model_is_trained_scored_and_used(
    tiny_bundle: Path, tiny_dataset: Path, tmp_path: Path
) -> None:
    config = TrainConfig(
        iterations=3, batch_size=2, resize="none", score_every=3, device="cpu", precision="fp32"
    )
    output = tmp_path / "run"
    scan = OctScan(pixels=np.zeros((3, 64, 64), np.uint8), axes=("bscan", "depth", "width"))
    with Engine() as engine:
        trained, events = run(engine, TrainJob(tiny_dataset, config, output, start=tiny_bundle))
        assert (trained.status, trained.error) == ("done", None)
        assert any(isinstance(event, TrainingPlanned) for event in events)
        assert sum(isinstance(event, StepDone) for event in events) == 3

        scored, _ = run(engine, EvaluateJob(output, tiny_dataset))
        assert (scored.status, scored.error) == ("done", None)
        assert {"upper", "lower", "fluid"} <= scored.result["classes"].keys()

        loaded, _ = run(engine, LoadJob(output))
        assert loaded.status == "done"
        assert "cpu" in loaded.result["device"] or "cuda" in loaded.result["device"]
        predicted, events = run(engine, PredictJob(scan, output, bscans=(2, 0)))
        assert (predicted.status, predicted.error) == ("done", None)
        bscans = [event for event in events if isinstance(event, BscanPredicted)]
        assert [event.index for event in bscans] == [2, 0]
        assert bscans[0].labels.shape == (64, 64)

        missing, _ = run(engine, PredictJob(scan, tmp_path / "nowhere"))
        assert missing.status == "failed"
        assert missing.error is not None
        assert missing.error.startswith(f"{tmp_path / 'nowhere'}: found no model")
