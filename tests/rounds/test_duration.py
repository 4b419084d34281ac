"""How long a training will take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from napari_retseg.config import TrainConfig
from napari_retseg.events import StepDone, encode
from napari_retseg.models import ModelInfo
from napari_retseg.rounds import describe_duration, seconds_per_step


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.1, "about 10 seconds"),
        (31, "about 30 seconds"),
        (55, "about 1 minute"),
        (100, "about 2 minutes"),
        (358, "about 6 minutes"),
        (27 * 60, "about 25 minutes"),
        (61 * 60, "about 1 hour"),
        (95 * 60, "about 1.5 hours"),
        (3.9 * 3600, "about 4 hours"),
    ],
)
def test_durations_are_as_rough_as_they_are_known(seconds: float, words: str) -> None:
    assert describe_duration(seconds) == words


class Rounds:
    """Folders of runs whose steps took so long."""

    def __init__(self, folder: Path, info: ModelInfo) -> None:
        self.folder, self.info = folder, info
        self.runs: list[Path] = []

    def add(self, seconds: list[float], **options: Any) -> Path:
        run = self.folder / f"{len(self.runs) + 1:04d}"
        run.mkdir(parents=True)
        config = TrainConfig(**options).model_dump(mode="json")
        (run / "config.yaml").write_text(yaml.safe_dump(config))
        (run / "run.json").write_text(json.dumps(self.info.model_dump(mode="json")))
        steps = [StepDone(i + 1, 1.0, 0.1, s) for i, s in enumerate(seconds)]
        lines = [json.dumps(encode(step)) + "\n" for step in steps]
        (run / "events.jsonl").write_text("".join(lines))
        self.runs.append(run)
        return run


@pytest.fixture
def rounds(tmp_path: Path, tiny_info: ModelInfo) -> Rounds:
    return Rounds(tmp_path / "rounds", tiny_info)


def test_the_newest_run_that_is_like_it_counts(rounds: Rounds, tiny_info: ModelInfo) -> None:
    rounds.add([9, 9, 9, 0.5, 0.5, 0.5])
    rounds.add([9, 9, 9, 0.2, 0.3, 7.0, 0.3])  # the first steps and an outlier do not count
    rounds.add([9, 9, 9, 5, 5, 5], crop="64x64")
    rounds.add([0.1, 0.1])  # too short
    rounds.add([1] * 9, strategy="head")
    found = seconds_per_step(rounds.runs, TrainConfig(lr=0.5), start=tiny_info)
    assert found == pytest.approx(0.3)
    assert seconds_per_step(rounds.runs) == 1
    larger = TrainConfig(batch_size=8, accumulate=3)
    assert seconds_per_step(rounds.runs, larger) == pytest.approx(0.3 * 6)


def test_nothing_is_known_without_a_run_like_it(rounds: Rounds, tiny_info: ModelInfo) -> None:
    assert seconds_per_step([], TrainConfig()) is None
    run = rounds.add([1] * 9)
    other = tiny_info.network.model_copy(update={"encoder": "resnet50"})
    start = tiny_info.model_copy(update={"network": other})
    assert seconds_per_step(rounds.runs, TrainConfig(), start=start) is None
    assert seconds_per_step(rounds.runs, TrainConfig(device="cuda")) is None
    (run / "events.jsonl").unlink()
    assert seconds_per_step([*rounds.runs, run / "gone"], TrainConfig()) is None
