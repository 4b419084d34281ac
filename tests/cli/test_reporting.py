"""What a reader sees of the events."""

from __future__ import annotations

import io
import json
import sys

import numpy as np
import pytest

from napari_retseg.classes import LabelSet
from napari_retseg.cli.reporting import Reporter, describe_plan, format_seconds
from napari_retseg.events import Message, Progress, Scored, StepDone, TrainingPlanned
from napari_retseg.scores import ScoreCounter

PLAN = TrainingPlanned(
    device="cpu",
    precision="bf16",
    parameters_trainable=2_500_000,
    parameters_frozen=10_000,
    training_groups=("S01", "S02"),
    training_bscans=22,
    heldout_groups=("S03",),
    heldout_bscans=11,
    iterations=40,
)


def test_plain_progress_is_a_line_each_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    with Reporter() as reporter:
        for done in range(1, 101):
            reporter.show(Progress(done, 100), subject="eye.tif")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert lines[0].startswith("eye.tif: 10/100 B-scans, ")
    assert lines[0].endswith(" left")
    assert lines[-1] == "eye.tif: 100/100 B-scans"


def test_a_training_shows_its_plan_loss_and_rate(capsys: pytest.CaptureFixture[str]) -> None:
    with Reporter() as reporter:
        reporter.show(PLAN)
        for iteration in range(1, 41):
            reporter.show(StepDone(iteration, 0.5, 1e-3, 0.1))
    text = capsys.readouterr().out
    assert (
        "training on cpu in bf16, strategy all: 2.50 M trainable parameters, 0.01 M frozen" in text
    )
    assert "loss 0.5000, lr 1.00e-03: 40/40 iterations" in text


def test_scoring_in_the_midst_does_not_hide_the_training(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Reporter() as reporter:
        reporter.show(PLAN)
        for iteration in range(1, 41):
            reporter.show(StepDone(iteration, 0.5, 1e-3, 0.1))
            if iteration == 10:
                for done in range(1, 12):
                    reporter.show(Progress(done, 11, "held-out B-scan"))
    lines = capsys.readouterr().out.splitlines()
    assert sum("/40 iterations" in line for line in lines) == 10
    assert sum("/11 held-out B-scans" in line for line in lines) >= 5


def test_several_that_are_worked_on_side_by_side_have_their_own_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    with Reporter() as reporter:
        for done in range(1, 101):  # the second one was resumed, and is far ahead
            now += 1
            reporter.show(Progress(done, 200, "iteration"), subject="first")
            reporter.show(Progress(100 + done, 200, "iteration"), subject="second")
    lines = capsys.readouterr().out.splitlines()
    assert "first: 20/200 iterations, 3:00 left" in lines
    assert "second: 121/200 iterations, 1:19 left" in lines
    assert lines[-1] == "second: 200/200 iterations"


def test_scores_are_compared_with_the_starting_model_only(
    capsys: pytest.CaptureFixture[str],
) -> None:
    counter = ScoreCounter(LabelSet.from_names(["fluid"]))
    counter.add(np.array([[5, 1], [1, 3]]), name="S03_1", group="S03")
    scores = counter.scores().to_json(per_bscan=False)
    for first, compared in ((0, True), (50, False)):
        with Reporter() as reporter:
            reporter.show(Scored(first, scores, is_best=True))
            reporter.show(Scored(100, scores, is_best=False))
        text = capsys.readouterr().out
        assert "held-out scores after 100 iterations\n" in text
        name = f"after {first} iterations" if first else "of the starting model"
        assert f"held-out scores {name} (best so far)\n" in text
        assert ("Dice before" in text) is compared


def test_the_plan_names_who_is_held_out() -> None:
    text = describe_plan(PLAN)
    assert "22 B-scans of 2 patients (S01, S02)" in text
    assert "11 B-scans of 1 patient (S03)" in text


def test_a_warning_says_that_it_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    with Reporter() as reporter:
        reporter.show(Message("one patient only", "warning"))
        reporter.show(Message("all is well"))
    assert capsys.readouterr().out == "warning: one patient only\nall is well\n"


def test_json_keeps_standard_output_to_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with Reporter(as_json=True) as reporter:
        reporter.show(Message("all is well"))
        reporter.show(Progress(1, 1))
        reporter.finish({"a": None})
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"a": None}
    assert "all is well" in captured.err


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def use_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Let standard output be a terminal of 100 columns."""
    made = Terminal()
    monkeypatch.setattr(sys, "stdout", made)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    return made


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = use_terminal(monkeypatch)
    with Reporter() as reporter:
        for done in range(1, 5):
            reporter.show(Progress(done, 4), subject="eye.tif")
        reporter.say("in [between]")
    text = terminal.getvalue()
    assert "eye.tif" in text
    assert "4/4" in text
    assert "in [between]" in text


def test_what_came_to_no_end_is_shown_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = use_terminal(monkeypatch)
    with Reporter() as reporter:
        reporter.show(Progress(1, 4), subject="failing")
        reporter.show(Progress(1, 4), subject="going on")
        reporter.forget("failing")
        terminal.seek(0)
        terminal.truncate()
        reporter.show(Progress(3, 4), subject="going on")
        reporter.say("a line")
    text = terminal.getvalue()
    assert "going on" in text
    assert "failing" not in text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (61, "1:01"), (3599.6, "1:00:00"), (7322, "2:02:02")]
)
def test_durations(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


class AsciiTerminal(Terminal):
    """A terminal of ASCII."""

    encoding = "ascii"


def test_names_do_not_act_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = AsciiTerminal()
    monkeypatch.setattr("sys.stdout", terminal)
    name = "\x1b[2J[red]:smile:\udcff größe"
    with Reporter() as reporter:
        for done in range(3):
            reporter.show(Progress(done, 3), subject=name)
            reporter.say(name)
            reporter.show(Message(name))
    shown = terminal.getvalue()
    assert "\x1b[2J" not in shown
    assert shown.count("\\x1b[2J[red]:smile:\\xff gr\\xf6\\xdfe\n") == 6
