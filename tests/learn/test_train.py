from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from napari_retseg.config import TrainConfig
from napari_retseg.dataset import load_dataset
from napari_retseg.errors import InputError, UsageError
from napari_retseg.events import (
    CancelToken,
    CheckpointSaved,
    Event,
    Finished,
    Message,
    Scored,
    StepDone,
    TrainingPlanned,
)
from napari_retseg.infer.evaluate import evaluate
from napari_retseg.learn import step
from napari_retseg.learn import train as training
from napari_retseg.learn.checkpoint import load_checkpoint
from napari_retseg.learn.train import fine_tune
from napari_retseg.nets.bundle import load_model
from napari_retseg.runs.record import read_config

CONFIG = TrainConfig(
    iterations=12,
    batch_size=2,
    crop="32x32",
    score_every=5,
    checkpoint_seconds=0,
    device="cpu",
    lr=5e-3,
)


def _train(
    dataset: Path, output: Path, config: TrainConfig = CONFIG, **options: Any
) -> list[Event]:
    return list(fine_tune(load_dataset(dataset), config, output=output, **options))


def _of(events: list[Event], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def _same_weights(first: Path, second: Path) -> bool:
    one, other = load_file(first / "model.safetensors"), load_file(second / "model.safetensors")
    return all(torch.equal(one[name], other[name]) for name in one | other)


@pytest.mark.parametrize(
    ("has_start", "strategy", "iterations"),
    [(True, "all", 124), (True, "scratch", 1000), (False, "all", 1000)],
)
def test_without_a_budget_the_labels_say_how_long(
    has_start: bool,
    strategy: str,
    iterations: int,
    tiny_dataset: Path,
    tiny_bundle: Path,
    tmp_path: Path,
) -> None:
    config = TrainConfig(strategy=strategy, crop="64x64", device="cpu")
    start = tiny_bundle if has_start else None
    events = fine_tune(load_dataset(tiny_dataset), config, output=tmp_path / "run", start=start)
    plan = next(event for event in events if isinstance(event, TrainingPlanned))
    assert (plan.training_bscans, plan.iterations) == (8, iterations)


def test_a_training_tells_what_it_does(
    tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    events = _train(tiny_dataset, tmp_path / "run", start=tiny_bundle)
    plan = _of(events, TrainingPlanned)[0]
    assert (plan.training_groups, plan.heldout_groups) == (("P1", "P2"), ("P3",))
    assert (plan.training_bscans, plan.heldout_bscans) == (8, 4)
    assert [s.iteration for s in _of(events, StepDone)] == list(range(1, 13))
    assert [s.iteration for s in _of(events, Scored)] == [0, 5, 10, 12]
    assert _of(events, CheckpointSaved)[-1].iteration == 12
    result = events[-1].result  # type: ignore[union-attr]
    assert result["start"] is not None
    assert result["best_iteration"] in (5, 10, 12)
    lines = (tmp_path / "run" / "events.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["event"] == "Finished"
    assert read_config(tmp_path / "run") == CONFIG


def test_it_learns_and_the_stored_scores_are_those_of_evaluate(
    tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    config = CONFIG.model_copy(
        update={"iterations": 60, "crop": "whole", "checkpoint_seconds": 600, "ema": 0.9}
    )
    events = _train(tiny_dataset, tmp_path / "run", config, start=tiny_bundle)
    result = events[-1].result  # type: ignore[union-attr]
    assert result["best"]["mean_foreground_dice"] > result["start"]["mean_foreground_dice"] + 0.3
    model = load_model(tmp_path / "run" / "model")
    assert model.info.scores == result["best"]
    assert model.info.parent == load_model(tiny_bundle).info.weights_id
    last = list(evaluate(model, load_dataset(tiny_dataset)))[-1]
    assert isinstance(last, Finished)
    assert last.result["classes"] == result["best"]["classes"]


def test_a_stopped_run_goes_on_as_if_it_had_never_stopped(
    tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    whole = _train(tiny_dataset, tmp_path / "whole", start=tiny_bundle)
    cancel = CancelToken()
    stopped = []
    for event in fine_tune(
        load_dataset(tiny_dataset), CONFIG, cancel, output=tmp_path / "cut", start=tiny_bundle
    ):
        stopped.append(event)
        if isinstance(event, StepDone) and event.iteration == 7:
            cancel.cancel()
    assert stopped[-1].cancelled  # type: ignore[union-attr]
    assert load_checkpoint(tmp_path / "cut" / "checkpoints" / "last.pt")["iteration"] == 7
    shutil.rmtree(tiny_bundle)  # the run needs the model that it started from no more
    resumed = _train(tiny_dataset, tmp_path / "cut", resume=True)
    assert _of(resumed, TrainingPlanned)[0].start_iteration == 7
    losses = [s.loss for s in _of(stopped, StepDone) + _of(resumed, StepDone)]
    assert losses == [s.loss for s in _of(whole, StepDone)]
    for kind in ("model", "model-last"):
        assert _same_weights(tmp_path / "whole" / kind, tmp_path / "cut" / kind)
    metrics = [(tmp_path / run / "metrics.csv").read_text() for run in ("whole", "cut")]
    assert metrics[0] == metrics[1]


@pytest.mark.slow
def test_a_killed_run_ends_like_an_undisturbed_one(
    tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path, rng: np.random.Generator
) -> None:
    """Kill the process at random moments until it comes through."""
    _train(tiny_dataset, tmp_path / "whole", start=tiny_bundle)
    script = tmp_path / "train.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from napari_retseg.config import TrainConfig\n"
        "from napari_retseg.dataset import load_dataset\n"
        "from napari_retseg.learn.train import fine_tune\n"
        f"config = TrainConfig.model_validate_json({CONFIG.model_dump_json()!r})\n"
        f"output = Path({str(tmp_path / 'cut')!r})\n"
        "resume = (output / 'checkpoints' / 'last.pt').is_file()\n"
        "for event in fine_tune(load_dataset(Path(sys.argv[1])), config, output=output,\n"
        "                       start=Path(sys.argv[2]), resume=resume):\n"
        "    print(type(event).__name__, flush=True)\n"
    )
    kills = 0
    while True:
        with subprocess.Popen(
            [sys.executable, str(script), str(tiny_dataset), str(tiny_bundle)],
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            limit = int(rng.integers(3, 14)) if kills < 4 else 10_000
            for seen, _ in enumerate(process.stdout, start=1):
                if seen >= limit:
                    time.sleep(float(rng.uniform(0, 0.05)))
                    process.send_signal(signal.SIGKILL)
                    break
            code = process.wait()
        if code == 0:
            break
        assert code == -signal.SIGKILL
        kills += 1
        if (tmp_path / "cut" / "model").is_dir() and any((tmp_path / "cut" / "model").iterdir()):
            load_model(tmp_path / "cut" / "model")
    assert kills >= 3
    metrics = [(tmp_path / run / "metrics.csv").read_text() for run in ("whole", "cut")]
    assert metrics[0] == metrics[1]
    for kind in ("model", "model-last"):
        assert _same_weights(tmp_path / "whole" / kind, tmp_path / "cut" / kind)


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_state(
    tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_step = step.take_step

    def broken(state: Any, loss: Any, images: torch.Tensor, labels: Any, **others: Any) -> Any:
        if state.iteration == 6:
            images = images * float("nan")
        return take_step(state, loss, images, labels, **others)

    monkeypatch.setattr(training, "take_step", broken)
    with pytest.raises(InputError, match="iteration 7 is not finite"):
        _train(tiny_dataset, tmp_path / "run", start=tiny_bundle)
    state = load_checkpoint(tmp_path / "run" / "checkpoints" / "last.pt")
    assert state["iteration"] == 6
    assert all(t.isfinite().all() for t in state["network"].values() if t.is_floating_point())
    load_model(tmp_path / "run" / "model")


def test_a_run_stopped_while_it_reads_the_scans_can_be_resumed(
    tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    cancel = CancelToken()
    cancel.cancel()
    short = CONFIG.model_copy(update={"iterations": 1})
    output = tmp_path / "run"
    dataset = load_dataset(tiny_dataset)
    events = list(fine_tune(dataset, short, cancel, output=output, start=tiny_bundle))
    assert isinstance(events[-1], Finished)
    assert events[-1].cancelled
    assert not _of(events, TrainingPlanned)
    resumed = _train(tiny_dataset, output, short, resume=True)
    assert [s.iteration for s in _of(resumed, Scored)] == [0, 1]


def test_scratch_takes_the_network_but_not_the_weights(
    tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    config = CONFIG.model_copy(update={"strategy": "scratch", "iterations": 1})
    events = _train(tiny_dataset, tmp_path / "run", config, start=tiny_bundle)
    assert events[-1].result["start"] is None  # type: ignore[union-attr]
    info = load_model(tmp_path / "run" / "model").info
    assert info.parent is None
    assert info.network == load_model(tiny_bundle).info.network


def test_nothing_held_out_is_refused_before_any_work(
    tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    path = tiny_dataset / "dataset.json"
    path.write_text(path.read_text().replace('"val"', '"train"'))
    with pytest.raises(InputError, match="held out"):
        _train(tiny_dataset, tmp_path / "run", start=tiny_bundle)
    assert not (tmp_path / "run").exists()


def _without_splits(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(path.read_text())
    for case in data["training"]:
        del case["split"]
    return data


def test_the_split_is_pinned_in_the_data_set(
    tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    path = tiny_dataset / "dataset.json"
    data = _without_splits(path)
    data["training"].append({"image": data["training"][0]["image"].replace("P1", "P4")})
    shutil.copyfile(tiny_dataset / "images" / "P1_B0.png", tiny_dataset / "images" / "P4_B0.png")
    path.write_text(json.dumps(data))
    short = CONFIG.model_copy(update={"iterations": 1})
    events = _train(tiny_dataset, tmp_path / "run", short, start=tiny_bundle)
    plan = _of(events, TrainingPlanned)[0]
    stored = load_dataset(tiny_dataset)
    assert stored.groups("val") == plan.heldout_groups
    assert stored.groups("train") == plan.training_groups
    assert len(plan.heldout_groups) == 1


def test_a_data_set_that_is_write_protected_stays_as_it_is(
    tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    path = tiny_dataset / "dataset.json"
    path.write_text(json.dumps(_without_splits(path)))
    before = path.read_bytes()
    path.chmod(0o444)
    short = CONFIG.model_copy(update={"iterations": 1})
    events = _train(tiny_dataset, tmp_path / "run", short, start=tiny_bundle)
    assert any("the split could not be saved" in e.text for e in _of(events, Message))
    assert path.read_bytes() == before


def test_a_damaged_checkpoint_is_named(
    tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    short = CONFIG.model_copy(update={"iterations": 1})
    _train(tiny_dataset, tmp_path / "run", short, start=tiny_bundle)
    checkpoint = tmp_path / "run" / "checkpoints" / "last.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:2000])
    with pytest.raises(InputError, match=r"last\.pt: this checkpoint cannot be read"):
        _train(tiny_dataset, tmp_path / "run", short, start=tiny_bundle, resume=True)
    checkpoint.unlink()
    with pytest.raises(UsageError, match="no run to resume"):
        _train(tiny_dataset, tmp_path / "run", short, start=tiny_bundle, resume=True)


def test_data_that_changed_since_the_run_began_is_refused(
    tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    short = CONFIG.model_copy(update={"iterations": 1})
    _train(tiny_dataset, tmp_path / "run", short, start=tiny_bundle)
    label = tiny_dataset / "labels" / "P1_B0.png"
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(label)
    with pytest.raises(UsageError, match="training data changed"):
        _train(tiny_dataset, tmp_path / "run", short, resume=True)


@pytest.mark.gpu
def test_it_trains_on_a_gpu(tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device on this machine")
    config = CONFIG.model_copy(update={"device": "cuda"})
    events = _train(tiny_dataset, tmp_path / "run", config, start=tiny_bundle)
    assert _of(events, TrainingPlanned)[0].device.startswith("cuda")
    assert isinstance(events[-1], Finished)
