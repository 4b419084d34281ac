"""Trainings from Python: what they take, their run, Ctrl-C and going on."""

from __future__ import annotations

import io
import re
import signal
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

import napari_retseg as rs
from napari_retseg.dataset import load_dataset
from napari_retseg.errors import InputError, ModelError, RetsegError, UsageError
from tests.conftest import check_line

#: Few held-out B-scans: the training says so.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

SHORT: dict[str, Any] = {
    "iterations": 4,
    "score_every": 2,
    "batch_size": 2,
    "device": "cpu",
    "progress": False,
}


@pytest.fixture
def run(model: rs.Model, tiny_dataset: Path, tmp_path: Path) -> rs.Run:
    """A finished training."""
    return rs.train(tiny_dataset, start=model, output=tmp_path / "run", **SHORT)


def test_a_run_tells_scores_history_verdict_and_model(run: rs.Run, tiny_dataset: Path) -> None:
    assert run.is_finished
    assert list(run.scores.index) == ["upper", "lower", "fluid", "mean"]
    assert {"dice", "dice_start", "iou", "iou_start", "bscans"} < set(run.scores.columns)
    assert list(run.history.index) == [0, 2, 4]
    assert run.history.loc[0, "mean"] == pytest.approx(run.scores.loc["mean", "dice_start"])
    assert run.history["mean"].iloc[1:].max() == pytest.approx(run.scores.loc["mean", "dice"])
    assert "Dice" in run.verdict
    assert re.search(r"\d\. [A-Z]", run.verdict)  # the remarks are sentences of their own
    assert run.config.iterations == 4
    scored = rs.evaluate(run.model, tiny_dataset, progress=False)
    assert scored.loc["mean", "dice"] == pytest.approx(run.scores.loc["mean", "dice"], abs=1e-3)


def test_a_run_shows_itself(run: rs.Run) -> None:
    assert repr(run).startswith(f"Run({str(run.path)!r}: 4 iterations, finished, Dice ")
    assert "<table" in run._repr_html_()
    losses, scores = run.plot()
    assert len(losses.lines[0].get_xdata()) == 4  # type: ignore[arg-type]
    names = [text.get_text() for text in scores.get_legend().get_texts()]  # type: ignore[union-attr]
    assert names == ["mean", "upper", "lower", "fluid"]
    assert list(np.asarray(scores.lines[0].get_xdata())) == [0, 2, 4]
    plt.close("all")


def test_a_run_is_opened_again(run: rs.Run) -> None:
    for path in (str(run.path), run.path):
        assert rs.load_run(path).scores.equals(run.scores)


def test_text_paths_and_values_give_the_same_run(
    run: rs.Run, tiny_bundle: Path, tiny_dataset: Path, tmp_path: Path
) -> None:
    named: list[tuple[Any, Any]] = [
        (str(tiny_dataset), str(tiny_bundle)),
        (load_dataset(tiny_dataset), tiny_bundle),
    ]
    for number, (data, start) in enumerate(named):
        again = rs.train(data, start=start, output=str(tmp_path / f"{number}"), **SHORT)
        assert again.scores.equals(run.scores)


def test_arrays_are_trained_on(model: rs.Model, tiny_dataset: Path, tmp_path: Path) -> None:
    cases = load_dataset(tiny_dataset).cases
    images = [np.asarray(Image.open(case.image)) for case in cases]
    labels = [np.asarray(Image.open(case.label)) for case in cases if case.label]
    study = rs.make_dataset(
        tmp_path / "arrays",
        images,
        labels,
        patients=[case.group for case in cases],
        classes=model.classes,
    )
    run = rs.train(study, start=model, output=tmp_path / "of-arrays", **SHORT)
    assert run.scores.loc["mean", "bscans"] == 4


def test_from_scratch_there_is_no_start_to_compare_with(tiny_dataset: Path, tmp_path: Path) -> None:
    scratch = rs.train(tiny_dataset, output=tmp_path / "scratch", encoder="tu-test_resnet", **SHORT)
    assert "dice_start" not in scratch.scores


class InterruptingScreen(io.StringIO):
    """A screen in front of which the user presses Ctrl-C once steps are shown."""

    def write(self, text: str) -> int:
        is_first = "loss" in text and "loss" not in self.getvalue()
        written = super().write(text)
        if is_first:
            signal.raise_signal(signal.SIGINT)
        return written


def test_ctrl_c_saves_the_state_and_resume_goes_on(
    model: rs.Model, tiny_dataset: Path, tmp_path: Path
) -> None:
    options = {**SHORT, "iterations": 400, "score_every": 400, "progress": True}
    with (
        redirect_stderr(InterruptingScreen()) as screen,
        pytest.raises(KeyboardInterrupt, match="resume=True"),
    ):
        rs.train(tiny_dataset, start=model, output=tmp_path / "run", **options)
    assert "stopping after everything is saved" in screen.getvalue()
    stopped = rs.load_run(tmp_path / "run")
    assert not stopped.is_finished
    assert "not finished" in repr(stopped)
    assert stopped._repr_html_() == f"<p>{repr(stopped).replace(chr(39), '&#x27;')}</p>"
    with pytest.raises(InputError, match="no scores yet"):
        _ = stopped.scores
    with pytest.raises(InputError, match="no scored model yet"):
        _ = stopped.model
    steps = int(repr(stopped).split(": ")[1].split()[0])
    assert 0 < steps < 400
    with pytest.raises(UsageError) as caught:
        rs.train(tiny_dataset, output=tmp_path / "run", resume=True, lr=1)
    check_line(caught.value)


def test_a_stopped_run_ends_as_one_that_never_stopped(
    model: rs.Model,
    tiny_dataset: Path,
    tmp_path: Path,
) -> None:
    options = {**SHORT, "iterations": 30, "score_every": 15}
    whole = rs.train(tiny_dataset, start=model, output=tmp_path / "whole", **options)
    with redirect_stderr(InterruptingScreen()), pytest.raises(KeyboardInterrupt):
        rs.train(
            tiny_dataset, start=model, output=tmp_path / "run", **{**options, "progress": True}
        )
    resumed = rs.train(tiny_dataset, output=tmp_path / "run", resume=True, progress=False)
    assert resumed.scores.equals(whole.scores)


@pytest.mark.parametrize(
    ("change", "kind", "line"),
    [
        ({"dataset": "nowhere"}, InputError, "nowhere: dataset not found"),
        ({"dataset": ["a", "b"]}, UsageError, "a dataset's folder (make_dataset writes one"),
        ({"dataset": np.ones((3, 8, 8))}, UsageError, "make_dataset"),
        ({"start": "nowhere"}, ModelError, "no model of this name"),
        ({"start": 7}, UsageError, "expected a model, its name or its folder"),
        ({"output": 7}, UsageError, "expected a folder for the run"),
        ({"resume": True}, UsageError, "found no run to continue"),
        ({"iteration": 7}, UsageError, "did you mean 'iterations'?"),
        ({"lr": "high"}, UsageError, "lr"),
        ({"epochs": 2, "minutes": 1}, UsageError, "epochs or minutes"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_cannot_be_trained_is_one_line(
    model: rs.Model,
    tiny_dataset: Path,
    tmp_path: Path,
    change: dict[str, Any],
    kind: type[RetsegError],
    line: str,
) -> None:
    arguments: dict[str, Any] = {
        "dataset": tiny_dataset,
        "start": model,
        "output": tmp_path / "run",
        **SHORT,
    }
    with pytest.raises(kind) as caught:
        rs.train(**{**arguments, **change})
    assert line in check_line(caught.value)


def test_a_run_is_never_written_over(run: rs.Run, tiny_dataset: Path) -> None:
    with pytest.raises(UsageError) as caught:
        rs.train(tiny_dataset, output=run.path, **SHORT)
    assert "resume=True" in check_line(caught.value)


@pytest.mark.parametrize(("path", "kind"), [("nowhere", InputError), (None, UsageError)])
def test_what_is_no_run_is_one_line(path: Any, kind: type[RetsegError]) -> None:
    with pytest.raises(kind) as caught:
        rs.load_run(path)
    check_line(caught.value)
