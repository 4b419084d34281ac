"""What a progress bar shows of a job's events, and how a job ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from napari_retseg.api.progressbar import run_job
from napari_retseg.events import (
    Cancel,
    Event,
    Finished,
    Message,
    Progress,
    Scored,
    StepDone,
    TrainingPlanned,
)

PLAN = TrainingPlanned(
    device="cpu",
    precision="fp32",
    parameters_trainable=1,
    parameters_frozen=0,
    training_groups=("P1",),
    training_bscans=2,
    heldout_groups=("P2",),
    heldout_bscans=2,
    iterations=8,
)
SCORES = {"classes": {}, "mean_foreground_dice": 0.75}


def play(*events: Event) -> dict[str, object]:
    """Run a job that tells these events."""

    def start(_cancel: Cancel) -> Iterator[Event]:
        yield from events

    return run_job(start, title="working", progress=True, stopped="it was stopped")


def test_the_result_comes_back(capsys: pytest.CaptureFixture[str]) -> None:
    assert play(Progress(1, 2), Progress(2, 2), Finished(result={"model": "tiny"})) == {
        "model": "tiny"
    }
    assert "working: 100%" in capsys.readouterr().err


def test_a_training_shows_steps_loss_and_dice(capsys: pytest.CaptureFixture[str]) -> None:
    steps = [StepDone(k, 0.5, 1e-3, 0.1, k / 8) for k in range(1, 9)]
    play(PLAN, Scored(0, SCORES, is_best=False), *steps, Progress(1, 9), Finished())
    last = capsys.readouterr().err.split("\r")[-1]
    assert "8/8" in last
    assert "Dice=0.750, loss=0.500" in last


def test_a_training_by_time_shows_its_share(capsys: pytest.CaptureFixture[str]) -> None:
    timed = TrainingPlanned(
        **{name: getattr(PLAN, name) for name in PLAN.__slots__ if name != "iterations"}
        | {"iterations": 0, "minutes": 1.0}
    )
    play(timed, StepDone(3, 0.5, 1e-3, 0.1, 0.4), Finished())
    assert "40/100" in capsys.readouterr().err


def test_warnings_are_pythons_and_name_options_as_python_does(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.warns(UserWarning, match="^batch_size is large$") as warned:
        play(Message("--batch-size is large", "warning"), Message("--seed 1"), Finished())
    assert warned[0].filename == __file__
    assert "seed 1" in capsys.readouterr().err


def test_a_job_that_was_stopped_or_does_not_end_is_an_interrupt() -> None:
    for events in ([Progress(1, 2), Finished(cancelled=True)], [Progress(1, 2)]):
        with pytest.raises(KeyboardInterrupt, match="it was stopped"):
            play(*events)
