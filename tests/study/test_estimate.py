"""How long a study still takes: what was done before does not make it look fast."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from napari_retseg.study import estimate as module
from napari_retseg.study.estimate import Pace, estimate, measure_left
from napari_retseg.study.study_run import StudyFolder
from tests.study.conftest import Plan, make_result


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    own = Clock()
    monkeypatch.setattr(module, "time", own)
    return own


def _begin(folder: StudyFolder, key: str, steps: int) -> None:
    """A run that was stopped after so many steps."""
    training = folder.run(key).training
    training.checkpoint.parent.mkdir(parents=True)
    training.checkpoint.touch()
    training.metrics.write_text("head\n" + "row\n" * steps)


def test_the_pace_is_of_the_work_since_the_start(
    small_values: dict[str, Any], plan: Plan, tmp_path: Path, clock: Clock
) -> None:
    runs = plan(small_values).unique[:4]
    folder = StudyFolder(tmp_path / "out")
    folder.run(runs[0].key).finish(make_result(seconds=1.0))
    pace = Pace(runs, folder)
    assert pace.seconds_left() == 0.0  # nothing is known yet
    clock.now += 10
    pace.reach(runs[1].key, 1.0)
    assert pace.seconds_left() == pytest.approx(20)
    pace.reach(runs[2].key, 0.5)
    assert pace.seconds_left() == pytest.approx(10)
    pace.drop(runs[3].key)
    assert pace.seconds_left() == pytest.approx(10 / 3)
    pace.reach(runs[2].key, 1.0)
    assert pace.seconds_left() == 0.0


def test_what_a_begun_run_had_done_is_not_counted_as_work(
    small_values: dict[str, Any], plan: Plan, tmp_path: Path, clock: Clock
) -> None:
    small_values["train"]["iterations"] = 10
    runs = plan(small_values).unique[:2]
    folder = StudyFolder(tmp_path / "out")
    _begin(folder, runs[0].key, steps=8)
    pace = Pace(runs, folder)
    clock.now += 10
    pace.reach(runs[0].key, 1.0)  # a fifth of a run in ten seconds
    assert pace.seconds_left() == pytest.approx(50)


def test_the_rest_of_a_study_is_what_is_not_done(
    small_values: dict[str, Any], plan: Plan, tmp_path: Path
) -> None:
    small_values["train"]["iterations"] = 10
    runs = plan(small_values).unique[:3]
    folder = StudyFolder(tmp_path / "out")
    folder.run(runs[0].key).finish(make_result(seconds=60.0))
    assert measure_left(runs, folder) == pytest.approx(120)
    _begin(folder, runs[1].key, steps=5)
    assert measure_left(runs, folder) == pytest.approx(90)
    assert estimate(runs[1]).steps == 10
