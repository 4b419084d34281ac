"""Events for a reader: a progress bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Any, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar
from rich.text import Text

from napari_retseg.cli.terminal import complain, echo, echo_json, make_printable
from napari_retseg.events import Event, Message, Progress, Scored, StepDone, TrainingPlanned
from napari_retseg.plaintext import make_visible
from napari_retseg.plural import count_noun, list_first, plural
from napari_retseg.scoretable import format_table

#: Without a terminal, a line is printed each time this share of the work is done, and after so
#: many seconds.
_PLAIN_STEP = 0.1
_PLAIN_SECONDS = 30.0
_LOSS_MEMORY = 0.9


@dataclass
class _Track:
    """How far one kind of work has come: scoring goes on in the midst of training."""

    first: int
    since: float
    task: TaskID | None = None
    said_share: float = 0.0
    said_at: float = 0.0

    def time_left(self, done: int, total: int, to_go: float | None) -> str:
        if done <= self.first or done == total:
            return ""
        if to_go is None:
            to_go = (total - done) / (done - self.first)
        return f"{format_seconds((time.monotonic() - self.since) * to_go)} left"

    def is_due(self, done: int, total: int) -> bool:
        """Whether it is time for a plain line."""
        share = done / max(total, 1)
        now = time.monotonic()
        late = now - max(self.said_at, self.since) >= _PLAIN_SECONDS
        if not late and share < self.said_share + _PLAIN_STEP and done != total:
            return False
        self.said_share, self.said_at = share, now
        return total > 1


class _TimeLeft(TimeRemainingColumn):
    """The time left as it is known, else by how fast it went lately."""

    def render(self, task: Task) -> Text:
        left = task.fields.get("left")
        return Text(left, style="progress.remaining") if left else super().render(task)


class Reporter:
    """Prints the events of a job, and what a command has to say.

    Parameters
    ----------
    as_json
        Standard output is kept for one JSON document (:meth:`finish`); all else goes to
        standard error.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self._as_json = as_json
        self._stream: TextIO = sys.stderr if as_json else sys.stdout
        self._console = Console(file=self._stream, highlight=False, markup=False)
        self._bar: Bar | None = None
        self._tracks: dict[tuple[str, str], _Track] = {}
        self._loss: float | None = None
        self._plan: TrainingPlanned | None = None
        self._start_scores: dict[str, Any] | None = None
        self._start_rehearsed: dict[str, Any] | None = None
        self._heard: set[str] = set()

    def __enter__(self) -> Reporter:
        return self

    def __exit__(self, *raised: object) -> None:
        self.end_progress()

    def say(self, text: str) -> None:
        """Print one line for the reader."""
        self._print(text, self._stream)

    def say_lines(self, text: str) -> None:
        """Print a table or another text of several lines, whose ends are the program's own."""
        for line in text.split("\n"):
            self.say(line)

    def fail(self, text: str) -> None:
        """Print one line on standard error about an input that failed."""
        complain(text)

    def finish(self, document: Any) -> None:
        """Print the JSON document where one was asked for."""
        self.end_progress()
        if self._as_json:
            echo_json(document, sys.stdout)

    def _print(self, text: str, stream: TextIO) -> None:
        if self._bar is not None and stream is self._stream:
            # above the bar; a plain Text, so that nothing in it is markup or an emoji
            self._bar.console.print(Text(make_printable(text, stream)), soft_wrap=True)
        else:
            echo(text, stream)

    def show(self, event: Event, *, subject: str = "", to_go: float | None = None) -> None:
        """Show one event of a job.

        Parameters
        ----------
        subject
            Names what is worked on; several are followed side by side.
        to_go
            Of progress: the work that is left, as a multiple of what was done since the first
            event; None: each part takes as long as the others.
        """
        match event:
            case Message(text, level):
                self.say(f"warning: {text}" if level == "warning" else text)
            case Progress(done, total, unit):
                self._advance(done, total, unit, subject, subject, to_go)
            case TrainingPlanned():
                self._plan = event
                self.say_lines(describe_plan(event))
            case StepDone():
                self._show_step(event)
            case Scored():
                self._show_scores(event)

    def hear(self, _number: int, event: Event) -> None:
        """Listen to many jobs side by side: show what they say once, not for each of them."""
        if isinstance(event, Message) and event.text not in self._heard:
            self._heard.add(event.text)
            self.show(event)

    def end_progress(self) -> None:
        """Take the bar away; the next progress starts anew."""
        if self._bar is not None:
            self._bar.stop()
        self._bar = None
        self._tracks.clear()

    def forget(self, subject: str) -> None:
        """Follow this one no longer: it came to no end."""
        for key in [key for key in self._tracks if key[1] == subject]:
            task = self._tracks.pop(key).task
            if self._bar is not None and task is not None:
                self._bar.remove_task(task)
                self._bar.refresh()

    def _advance(
        self,
        done: int,
        total: int,
        unit: str,
        text: str,
        subject: str = "",
        to_go: float | None = None,
    ) -> None:
        key = unit, subject
        track = self._tracks.setdefault(key, _Track(first=done, since=time.monotonic()))
        if self._console.is_terminal:
            left = "" if to_go is None else track.time_left(done, total, to_go)
            self._draw(track, done, total, text or f"{unit}s", left)
        elif track.is_due(done, total):
            before = f"{text}: " if text else ""
            left = track.time_left(done, total, to_go)
            self.say(f"{before}{done}/{total} {unit}s{left and f', {left}'}")
        if done == total:
            del self._tracks[key]

    def _draw(self, track: _Track, done: int, total: int, text: str, left: str) -> None:
        text = make_printable(text, self._stream)
        if self._bar is None:
            columns = (BarColumn(), MofNCompleteColumn(), _TimeLeft())
            text_column = TextColumn("{task.description}", markup=False)
            self._bar = Bar(text_column, *columns, console=self._console, transient=True)
            self._bar.start()
        if track.task is None:
            track.task = self._bar.add_task(text, total=total)
        self._bar.update(track.task, completed=done, total=total, description=text, left=left)
        if done == total:
            self._bar.refresh()
            self._bar.remove_task(track.task)

    def _show_step(self, event: StepDone) -> None:
        before = event.loss if self._loss is None else self._loss
        self._loss = _LOSS_MEMORY * before + (1 - _LOSS_MEMORY) * event.loss
        text = f"loss {self._loss:.4f}, lr {event.learning_rate:.2e}"
        if self._plan is not None and self._plan.minutes:
            total = round(60 * self._plan.minutes)
            self._advance(int(event.position * total), total, "second", text)
            return
        total = self._plan.iterations if self._plan else event.iteration
        self._advance(event.iteration, total, "iteration", text)

    def _show_scores(self, event: Scored) -> None:
        best = " (best so far)" if event.is_best else ""
        name = (
            f"after {count_noun(event.iteration, 'iteration')}"
            if event.iteration
            else "of the starting model"
        )
        self.say("")
        self.say(f"held-out scores {name}{best}")
        self.say_lines(format_table(event.scores, before=self._start_scores))
        if event.rehearsed is not None:
            self.say(f"on the held-out scans of the rehearsal dataset, {name}")
            self.say_lines(format_table(event.rehearsed, before=self._start_rehearsed))
        self.say("")
        if event.iteration == 0:
            self._start_scores, self._start_rehearsed = event.scores, event.rehearsed


def describe_plan(plan: TrainingPlanned) -> str:
    """Say what a training is about to do."""
    millions = plan.parameters_trainable / 1e6
    frozen = plan.parameters_frozen / 1e6
    start = f", resumed after iteration {plan.start_iteration}" if plan.start_iteration else ""
    length = (
        count_noun(plan.iterations, "iteration")
        if plan.iterations
        else f"{plan.minutes:g} {plural('minute', plan.minutes)}"
    )
    lines = (
        f"training on {plan.device} in {plan.precision}, strategy {plan.strategy}: "
        f"{millions:.2f} M trainable parameters, {frozen:.2f} M frozen",
        f"  trained on  {count_noun(plan.training_bscans, 'B-scan')} of "
        f"{_name_groups(plan.training_groups)}",
        f"  scored on   {count_noun(plan.heldout_bscans, 'B-scan')} of "
        f"{_name_groups(plan.heldout_groups)}",
        f"  held out    {plan.split}",
        f"  {length}{start}",
    )
    return "\n".join(make_visible(line) for line in lines)


def format_seconds(seconds: float) -> str:
    """Write a duration as ``m:ss`` or ``h:mm:ss``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _name_groups(groups: tuple[str, ...]) -> str:
    return f"{count_noun(len(groups), 'patient')} ({list_first(groups, 12)})"
