"""A training in its folder: scores, curves and the model that it made."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_retseg.api.arguments import PathLike, as_path
from napari_retseg.api.frames import MEAN, tabulate_classes, tabulate_history
from napari_retseg.api.model import Model, load_model
from napari_retseg.config import TrainConfig
from napari_retseg.errors import InputError, UsageError
from napari_retseg.events import Scored
from napari_retseg.models import DESCRIPTION
from napari_retseg.rounds import Curves, judge_round
from napari_retseg.runs.eventlog import read_events
from napari_retseg.runs.paths import RunPaths
from napari_retseg.runs.record import read_config

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_FIGURE_INCHES = (10.0, 3.6)


@dataclass(frozen=True, repr=False)
class Run:
    """A training, finished or not; :func:`train` and :func:`load_run` give one.

    It is read from its folder each time, so that it also shows a training that goes on.

    Attributes
    ----------
    path
        The run's folder.
    """

    path: Path

    @property
    def config(self) -> TrainConfig:
        """Every option of the training."""
        return read_config(self.path)

    @property
    def is_finished(self) -> bool:
        """Whether the training came to its end; if not, ``train(..., resume=True)`` goes on."""
        finished = Curves.read(self.path).finished
        return finished is not None and not finished.cancelled

    @property
    def model(self) -> Model:
        """The model with the best score on the held-out scans.

        Raises
        ------
        InputError
            Where the training has not come to its first scores.
        """
        if not (RunPaths(self.path).model / DESCRIPTION).is_file():
            raise InputError(f"{self.path}: no scored model yet; continue with resume=True")
        return load_model(RunPaths(self.path).model)

    @property
    def scores(self) -> pd.DataFrame:
        """Scores on the held-out scans: a row for each class and their mean.

        Columns ``dice``, ``iou``, ``precision`` and ``recall`` (0 to 1) are of the best model,
        ``dice_start`` and ``iou_start`` of the starting model where there was one, ``bscans`` says
        how many B-scans hold the class.

        Raises
        ------
        InputError
            Where the training has not come to its first scores.
        UsageError
            Where pandas is not installed.
        """
        result = self._read_result()
        if result.get("best") is None:
            raise InputError(f"{self.path}: no scores yet; continue with resume=True")
        return tabulate_classes(result["best"], start=result.get("start"))

    @property
    def history(self) -> pd.DataFrame:
        """Dice on the held-out scans in the course of the training.

        A row for each iteration that was scored (0 is the starting model), columns for the mean
        and each class.
        """
        scored = self._read_scored()
        return tabulate_history((one.iteration, one.scores) for one in scored)

    @property
    def verdict(self) -> str:
        """Whether the new model is better than the starting one, and how sure that is."""
        finished = Curves.read(self.path).finished
        cancelled = finished is None or finished.cancelled
        verdict = judge_round(self._read_result(), cancelled=cancelled)
        return " ".join((f"{verdict.text}.", *verdict.remarks))

    def plot(self) -> tuple[Axes, Axes]:
        """Draw the loss, and the Dice of each class on the held-out scans.

        Returns
        -------
        tuple of matplotlib.axes.Axes
            That of the loss and that of the scores.
        """
        import matplotlib.pyplot as plt
        from matplotlib.ticker import MaxNLocator

        curves = Curves.read(self.path)
        _, (left, right) = plt.subplots(1, 2, figsize=_FIGURE_INCHES, layout="constrained")
        left.plot(curves.iterations, curves.losses, color="0.8", label="each batch")
        left.plot(curves.iterations, curves.smoothed_losses, color="C0", label="smoothed")
        left.set(xlabel="iteration", ylabel="loss")
        left.legend()
        for name in (None, *curves.class_names):
            _draw_scores(right, curves, name)
        right.set(xlabel="iteration", ylabel="Dice on held-out scans")
        right.set_ylim(top=1)
        for ax in (left, right):
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        right.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
        return left, right

    def _read_scored(self) -> list[Scored]:
        return [event for event in read_events(self.path) if isinstance(event, Scored)]

    def _read_result(self) -> dict[str, Any]:
        """What the training came to, or has come to so far."""
        finished = Curves.read(self.path).finished
        if finished is not None and finished.result:
            return finished.result
        scored = self._read_scored()
        best = [one.scores for one in scored if one.is_best]
        start = [one.scores for one in scored if one.iteration == 0]
        return {"best": best[-1] if best else None, "start": start[0] if start else None}

    def __repr__(self) -> str:
        """Its folder, how far it came, and its mean Dice."""
        curves = Curves.read(self.path)
        steps = int(curves.iterations[-1]) if len(curves.iterations) else 0
        parts = [f"{steps} iterations", "finished" if self.is_finished else "not finished"]
        result = self._read_result()
        for name, key in (("Dice", "best"), ("at the start", "start")):
            scores = result.get(key)
            dice = None if scores is None else scores.get("mean_foreground_dice")
            if dice is not None:
                parts.append(f"{name} {dice:.3f}")
        return f"Run({str(self.path)!r}: {', '.join(parts)})"

    def _repr_html_(self) -> str:
        """Show its scores in a notebook."""
        text = f"<p>{escape(repr(self))}</p>"
        try:
            return text + self.scores.to_html(float_format="{:.3f}".format, na_rep="-")
        except (InputError, UsageError):
            return text


def load_run(path: PathLike) -> Run:
    """Open the folder of a training that was run before, here or by the command line.

    Parameters
    ----------
    path
        The folder that ``output`` named.

    Raises
    ------
    InputError
        Where there is no run.
    UsageError
        Where it is neither text nor a path.

    Examples
    --------
    >>> import napari_retseg as rs
    >>> rs.load_run("nothing-here")
    Traceback (most recent call last):
    ...
    napari_retseg.errors.InputError: nothing-here: found no run in this folder
    """
    run = Run(as_path(path, expected="the folder of a run"))
    read_config(run.path)
    return run


def _draw_scores(ax: Axes, curves: Curves, name: str | None) -> None:
    """Draw the Dice of a class, or of the mean as a thick black line."""
    style: dict[str, Any] = {"color": "black", "linewidth": 2.5} if name is None else {}
    start = curves.start_score(name)
    iterations, scores = curves.scored_iterations, curves.scores_of(name)
    if start is not None:
        iterations, scores = np.append(0, iterations), np.append(start, scores)
    ax.plot(iterations, scores, marker="o", markersize=3, label=name or MEAN, **style)
