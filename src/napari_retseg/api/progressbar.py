"""A job run to its end: a progress bar, its warnings, and Ctrl-C."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from tqdm import TqdmWarning, tqdm

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
from napari_retseg.interrupt import stopping_cleanly

_PACKAGE = str(Path(__file__).resolve().parents[1])
_LOSS_MEMORY = 0.9
_STOPPING = "stopping after everything is saved; press Ctrl-C again to stop at once"


# other libraries would have bars of widgets, which nothing here needs
warnings.filterwarnings("ignore", "IProgress not found", TqdmWarning)


class _Bar(tqdm):  # type: ignore[misc] # it has no types
    """A bar without a thread that watches it."""

    monitor_interval = 0


def run_job(
    start: Callable[[Cancel], Iterator[Event]],
    *,
    title: str,
    progress: bool,
    stopped: str,
    take: Callable[[Event], None] | None = None,
) -> dict[str, Any]:
    """Run an engine function to its end, and return what it came to.

    Parameters
    ----------
    start
        Gives the events; asked with what Ctrl-C sets.
    progress
        Whether to show a bar, on standard error.
    stopped
        What to say when it was stopped.
    take
        Gets each event.

    Returns
    -------
    dict
        The result of the last event.

    Raises
    ------
    KeyboardInterrupt
        Where Ctrl-C stopped it, after its state was saved.
    """
    last = Finished(cancelled=True)
    with (
        _Bar(desc=title, unit=" B-scan", disable=not progress, dynamic_ncols=True) as bar,
        stopping_cleanly(lambda: _announce(bar)) as cancel,
    ):
        display = _Display(bar)
        for event in start(cancel):
            display.show(event)
            if take is not None:
                take(event)
            if isinstance(event, Finished):
                last = event
    if last.cancelled:
        raise KeyboardInterrupt(stopped)
    return last.result


class _Display:
    """What a bar shows of the events of a job."""

    def __init__(self, bar: _Bar) -> None:
        self._bar = bar
        self._plan: TrainingPlanned | None = None
        self._loss: float | None = None
        self._shown: dict[str, str] = {}

    def show(self, event: Event) -> None:
        match event:
            case Message(text, "warning"):
                warnings.warn(_name_options(text), UserWarning, stacklevel=_count_own_frames())
            case Message(text, _):
                self._write(_name_options(text))
            case Progress(done, total, unit) if self._plan is None:
                self._bar.unit, self._bar.total = f" {unit}", total
                self._move(done)
            case TrainingPlanned():
                self._begin(event)
            case StepDone():
                self._step(event)
            case Scored():
                dice = event.scores.get("mean_foreground_dice")
                self._shown["Dice"] = "-" if dice is None else f"{dice:.3f}"

    def _begin(self, plan: TrainingPlanned) -> None:
        self._plan = plan
        bar = self._bar
        if plan.iterations:
            bar.unit, bar.total = " step", plan.iterations
        else:  # the time is limited, not the steps
            bar.unit, bar.total = "%", 100
        bar.reset(bar.total)
        bar.initial = plan.start_iteration if plan.iterations else 0
        self._move(bar.initial)

    def _step(self, step: StepDone) -> None:
        last = step.loss if self._loss is None else self._loss
        self._loss = _LOSS_MEMORY * last + (1 - _LOSS_MEMORY) * step.loss
        self._shown["loss"] = f"{self._loss:.3f}"
        self._bar.set_postfix(self._shown, refresh=False)
        counts_steps = self._plan is not None and self._plan.iterations
        self._move(step.iteration if counts_steps else round(100 * step.position))

    def _move(self, done: int) -> None:
        if not self._bar.disable:
            self._bar.update(done - self._bar.n)

    def _write(self, text: str) -> None:
        if not self._bar.disable:
            self._bar.write(text, file=sys.stderr)


def _name_options(text: str) -> str:
    """Write options of the command line as the keywords that they are here."""
    return re.sub(r"--([a-z][a-z-]*)", lambda found: found[1].replace("-", "_"), text)


def _announce(bar: _Bar) -> None:
    with suppress(RuntimeError, OSError, ValueError):  # it came in the midst of another line
        bar.write(_STOPPING, file=sys.stderr)


def _count_own_frames() -> int:
    """How far up the caller of this package is: a warning names his line."""
    frame: FrameType | None = sys._getframe(1)
    count = 1
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
        count += 1
    return count
