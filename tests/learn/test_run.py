from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from napari_retseg.config import TrainConfig
from napari_retseg.errors import InputError, UsageError
from napari_retseg.events import Scored, StepDone
from napari_retseg.io.atomic import write_json
from napari_retseg.learn.checkpoint import save_checkpoint
from napari_retseg.learn.run import RunFolder
from napari_retseg.models import ModelInfo
from napari_retseg.runs.record import read_config, read_run_model

CONFIG = TrainConfig(iterations=5)
SCORES = {"mean_foreground_dice": 0.25, "mean_foreground_iou": None}


def _begin(path: Path, info: ModelInfo) -> None:
    with RunFolder(path, CONFIG, info, resume=False) as run:
        run.checkpoint.write_bytes(b"state")


def _log(run: RunFolder, iterations: range) -> None:
    for iteration in iterations:
        run.log(StepDone(iteration, 0.5, 1e-3, 0.1))
    run.log(Scored(iterations[-1], SCORES, is_best=True))


def test_events_and_metrics_are_written_at_once(tmp_path: Path, tiny_info: ModelInfo) -> None:
    with RunFolder(tmp_path / "run", CONFIG, tiny_info, resume=False) as run:
        run.start_log(0, scored_until=-1)
        _log(run, range(1, 3))
        events = [json.loads(x) for x in (run.path / "events.jsonl").read_text().splitlines()]
        assert [e["event"] for e in events] == ["StepDone", "StepDone", "Scored"]
        metrics = (run.path / "metrics.csv").read_text().splitlines()
        assert metrics[0].startswith("iteration,loss")
        assert metrics[1:] == ["1,0.5,0.001,,", "2,0.5,0.001,,", "2,,,0.25,"]
    assert read_config(run.path) == CONFIG
    assert read_run_model(run.path) == tiny_info


def test_resuming_cuts_back_to_the_checkpoint(tmp_path: Path, tiny_info: ModelInfo) -> None:
    with RunFolder(tmp_path / "run", CONFIG, tiny_info, resume=False) as run:
        run.start_log(0, scored_until=-1)
        _log(run, range(1, 5))
        run.checkpoint.write_bytes(b"state")
    with (run.path / "events.jsonl").open("a") as file:
        file.write('{"event": "StepDone", "iter')  # a line that a crash cut
    leftover = run.path / "checkpoints" / ".retseg-0123456789ab.pt"
    leftover.write_bytes(b"half a state")
    with RunFolder(run.path, CONFIG, tiny_info, resume=True) as run:
        run.start_log(2, scored_until=0)
        assert not leftover.exists()
        _log(run, range(3, 6))
    metrics = (run.path / "metrics.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in metrics[1:]] == ["1", "2", "3", "4", "5", "5"]
    lines = (run.path / "events.jsonl").read_text().splitlines()
    assert len([json.loads(line) for line in lines]) == 6


def test_scores_that_the_state_does_not_know_are_cut(tmp_path: Path, tiny_info: ModelInfo) -> None:
    """A kill between scoring and the next checkpoint: they are measured again."""
    with RunFolder(tmp_path / "run", CONFIG, tiny_info, resume=False) as run:
        run.start_log(0, scored_until=-1)
        _log(run, range(1, 3))
        run.checkpoint.write_bytes(b"state")
    with RunFolder(run.path, CONFIG, tiny_info, resume=True) as run:
        run.start_log(2, scored_until=1)
    metrics = (run.path / "metrics.csv").read_text().splitlines()
    assert metrics[1:] == ["1,0.5,0.001,,", "2,0.5,0.001,,"]


def test_a_folder_holds_one_run(tmp_path: Path, tiny_info: ModelInfo) -> None:
    _begin(tmp_path / "run", tiny_info)
    with (
        pytest.raises(UsageError, match="already contains a run; use --resume"),
        RunFolder(tmp_path / "run", CONFIG, tiny_info, resume=False),
    ):
        pass


def test_there_must_be_a_run_to_resume(tmp_path: Path, tiny_info: ModelInfo) -> None:
    with pytest.raises(InputError, match="no run to resume"):
        read_run_model(tmp_path / "run")
    with (
        pytest.raises(UsageError, match="no run to resume"),
        RunFolder(tmp_path / "run", CONFIG, tiny_info, resume=True),
    ):
        pass


def test_only_one_training_writes_at_a_time(tmp_path: Path, tiny_info: ModelInfo) -> None:
    with (
        RunFolder(tmp_path / "run", CONFIG, tiny_info, resume=False),
        pytest.raises(UsageError, match="another training is writing"),
        RunFolder(tmp_path / "run", CONFIG, tiny_info, resume=True),
    ):
        pass


def test_a_resumed_run_keeps_its_options(tmp_path: Path, tiny_info: ModelInfo) -> None:
    _begin(tmp_path / "run", tiny_info)
    other = CONFIG.model_copy(update={"lr": 0.5})
    with (
        pytest.raises(UsageError, match=r"changed: lr \(0.001, now 0.5\)"),
        RunFolder(tmp_path / "run", other, tiny_info, resume=True),
    ):
        pass
    moved = CONFIG.model_copy(update={"device": "cpu", "checkpoint_seconds": 5})
    with RunFolder(tmp_path / "run", moved, tiny_info, resume=True):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, tiny_info: ModelInfo) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match="cannot be written"),
        RunFolder(tmp_path / "file" / "run", CONFIG, tiny_info, resume=False),
    ):
        pass


@pytest.mark.parametrize("what", ["renamed", "removed", "replaced"])
def test_a_folder_that_goes_away_is_not_made_again(
    tmp_path: Path, tiny_info: ModelInfo, what: str
) -> None:
    path = tmp_path / "run"
    with RunFolder(path, CONFIG, tiny_info, resume=False) as run:
        run.start_log(0, scored_until=-1)
        run.log(StepDone(1, 0.5, 0.1, 1.0))
        if what == "removed":
            shutil.rmtree(path)
        else:
            path.rename(tmp_path / "elsewhere")
        if what == "replaced":
            path.mkdir()
        for write in (
            lambda: run.log(StepDone(2, 0.5, 0.1, 1.0)),
            lambda: save_checkpoint(run.checkpoint, {}),
            lambda: write_json(run.model / "model.json", {}),
        ):
            with pytest.raises(InputError, match="was moved, renamed or removed") as caught:
                write()
            assert str(path) in str(caught.value)
    assert not path.exists() or list(path.iterdir()) == []


@pytest.mark.parametrize("link", ["checkpoints", "model", ".lock", "events.jsonl", "config.yaml"])
def test_links_in_a_strangers_run_change_nothing_elsewhere(
    tmp_path: Path, tiny_info: ModelInfo, link: str
) -> None:
    path, outside = tmp_path / "run", tmp_path / "outside"
    _begin(path, tiny_info)
    (path / "model").mkdir()
    (path / "events.jsonl").touch()
    (path / "model" / "model.json").write_text("{}")
    (path / link).rename(outside)
    (path / link).symlink_to(outside)
    places = [outside, *outside.rglob("*")] if outside.is_dir() else [outside]
    before = {p: p.read_bytes() for p in places if p.is_file()}
    with suppress(InputError), RunFolder(path, CONFIG, tiny_info, resume=True) as run:
        run.start_log(0, scored_until=-1)
        run.log(StepDone(1, 0.5, 0.1, 1.0))
        for file in (run.checkpoint, run.model / "model.json"):
            with suppress(InputError):
                write_json(file, {"a": 1})
    places = [outside, *outside.rglob("*")] if outside.is_dir() else [outside]
    assert {p: p.read_bytes() for p in places if p.is_file()} == before
