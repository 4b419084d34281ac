"""Every option of a training changes what comes out, or has its own test for what it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from napari_retseg.config import TrainConfig
from napari_retseg.dataset import load_dataset
from napari_retseg.events import (
    Event,
    Finished,
    Message,
    Scored,
    StepDone,
    TrainingPlanned,
)
from napari_retseg.learn.train import fine_tune
from napari_retseg.nets.bundle import hash_weights, load_model

BASE = {
    "iterations": 3,
    "batch_size": 2,
    "score_every": 2,
    "checkpoint_seconds": 600,
    "device": "cpu",
    "precision": "fp32",
    "lr": 5e-3,
    "ema": 0.5,
}


def train(dataset: Path, output: Path, start: Path | None, **options: Any) -> list[Event]:
    config = TrainConfig(**{**BASE, **options})
    return list(fine_tune(load_dataset(dataset), config, output=output, start=start))


def of(events: list[Event], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def outcome(events: list[Event]) -> tuple[Any, ...]:
    """What can be seen of a training: its weights, rates, when it scored, and on what."""
    finished = events[-1]
    assert isinstance(finished, Finished)
    plan = of(events, TrainingPlanned)[0]
    return (
        hash_weights(load_model(finished.result["last_model"]).network.state_dict()),
        tuple(step.learning_rate for step in of(events, StepDone)),
        tuple(scored.iteration for scored in of(events, Scored)),
        (plan.training_bscans, plan.heldout_groups, plan.parameters_trainable),
    )


#: One change for each option that has an effect on B-scans, beside what must be so for it.
CHANGES: dict[str, dict[str, Any]] = {
    "dims": {"dims": "2.5"},
    "neighbours": {"dims": "2.5", "neighbours": 5},
    "arch": {"arch": "unetplusplus", "strategy": "scratch"},
    "encoder": {"encoder": "tu-resnet14t", "strategy": "scratch"},
    "head": {"head": "fcn"},
    "aux_weight": {"aux_weight": 0.4},
    "strategy": {"strategy": "decoder"},
    "encoder_lr": {"encoder_lr": 0.1},
    "unfreeze": {"unfreeze": 1},
    "l2_sp": {"l2_sp": 0.1},
    "keep_start": {"keep_start": 0.7},
    "loss": {"loss": "focal"},
    "class_weights": {"loss": "wce", "class_weights": "inverse"},
    "optimizer": {"optimizer": "sgd"},
    "lr": {"lr": 1e-3},
    "momentum": {"optimizer": "sgd", "momentum": 0.0},
    "weight_decay": {"weight_decay": 0.5},
    "schedule": {"schedule": "cosine"},
    "schedule_iterations": {"schedule_iterations": 40},
    "warmup": {"warmup": 2},
    "pct_start": {"pct_start": 0.8},
    "div_factor": {"div_factor": 5},
    "final_div_factor": {"final_div_factor": 2.0},
    "poly_power": {"schedule": "poly", "poly_power": 3.0},
    "drop_every": {"schedule": "step", "drop_every": 1},
    "drop_factor": {"schedule": "step", "drop_every": 1, "drop_factor": 0.5},
    "plateau_patience": {
        "schedule": "plateau",
        "plateau_patience": 1,
        "lr": 1e-12,
        "score_every": 1,
    },
    "clip": {"clip": 1e-4, "optimizer": "sgd"},
    "accumulate": {"accumulate": 2},
    "iterations": {"iterations": 2},
    "epochs": {"epochs": 1},
    "minutes": {"minutes": 1e-6},
    "batch_size": {"batch_size": 3},
    "ema": {"ema": 0.0},
    "crop": {"crop": "32x32"},
    "class_share": {"class_share": 0.0},
    "crop_cap": {"crop": "32x32", "class_share": 0.0, "crop_cap": 0.5},
    "resize": {"resize": "64x32"},
    "fit": {"fit": "96x64"},
    "normalise": {"normalise": "z-score"},
    "n4": {"n4": "on"},
    "augment": {"augment": "none"},
    "split": {"split": "fold:1/3"},
    "split_by": {"split": "80/20", "split_by": "image"},
    "seed": {"seed": 5},
    "score_every": {"score_every": 1},
}
#: What each change is compared with, where that is not the defaults alone.
BESIDE: dict[str, dict[str, Any]] = {
    "neighbours": {"dims": "2.5"},
    "arch": {"strategy": "scratch"},
    "encoder": {"strategy": "scratch"},
    "class_weights": {"loss": "wce"},
    "crop_cap": {"crop": "32x32", "class_share": 0.0},
    "momentum": {"optimizer": "sgd"},
    "poly_power": {"schedule": "poly"},
    "drop_every": {"schedule": "step"},
    "drop_factor": {"schedule": "step", "drop_every": 1},
    "plateau_patience": {
        "schedule": "plateau",
        "lr": 1e-12,
        "score_every": 1,
        "strategy": "head",
    },
    "clip": {"optimizer": "sgd"},
    "split_by": {"split": "80/20"},
}
#: Tested below, or where they are at home.
ELSEWHERE = {
    "normalise_over",  # volumes
    "axis",  # volumes
    "patience",
    "rehearse",
    "rehearse_share",
    "rehearse_simulated",
    "unlabelled",
    "operating_point",
    "window",  # prediction: tests/infer/test_windows, test_predictor
    "deterministic",
    "checkpoint_seconds",  # test_train
    "device",  # tests/nets/test_device
    "devices",  # test_peers
    "precision",
}


#: What came out without the change: data, model and seed are the same in every test.
PLAIN: dict[str, tuple[Any, ...]] = {}


def test_the_same_options_give_the_same_bits(
    tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    first, second = (
        outcome(train(tiny_dataset, tmp_path / name, tiny_bundle)) for name in ("one", "two")
    )
    assert first == second


def test_every_option_is_here() -> None:
    assert set(CHANGES) | ELSEWHERE == set(TrainConfig.model_fields)
    assert not set(CHANGES) & ELSEWHERE


@pytest.mark.slow
@pytest.mark.parametrize("option", CHANGES)
def test_it_changes_the_training(
    option: str, tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    iterations = 6 if option == "plateau_patience" else 3
    common: dict[str, Any] = {"iterations": iterations, **BESIDE.get(option, {})}
    if repr(common) not in PLAIN:
        events = train(tiny_dataset, tmp_path / "plain", tiny_bundle, **common)
        PLAIN[repr(common)] = outcome(events)
    plain = PLAIN[repr(common)]
    changed = {**common, **CHANGES[option]}
    assert outcome(train(tiny_dataset, tmp_path / "changed", tiny_bundle, **changed)) != plain


def test_training_stops_early(tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    options = {
        "iterations": 50,
        "patience": 2,
        "score_every": 1,
        "lr": 1e-12,
        "strategy": "head",
    }
    events = train(tiny_dataset, tmp_path / "run", tiny_bundle, **options)
    result = events[-1].result  # type: ignore[union-attr]
    assert result["iterations"] == 3
    assert any("stopped early" in message.text for message in of(events, Message))
    assert load_model(result["last_model"]).info.trained_on.iterations == 3  # type: ignore[union-attr]


def test_algorithms_repeat_exactly_while_it_trains(
    tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    config = TrainConfig(**{**BASE, "deterministic": True})
    seen = set()
    dataset = load_dataset(tiny_dataset)
    for _ in fine_tune(dataset, config, output=tmp_path / "run", start=tiny_bundle):
        seen.add(torch.are_deterministic_algorithms_enabled())
    assert seen == {True}
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(
    "options",
    [{"normalise": "z-score", "normalise_over": "scan"}, {"axis": "1", "normalise": "z-score"}],
    ids=["normalise_over", "axis"],
)
def test_options_of_volumes_change_the_training(
    tiny_volumes: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    common = {"encoder": "tu-test_resnet", "crop": "64x64", "iterations": 1, "normalise": "z-score"}
    plain = outcome(train(tiny_volumes, tmp_path / "plain", None, **common))
    changed = outcome(train(tiny_volumes, tmp_path / "changed", None, **{**common, **options}))
    assert changed != plain


def test_an_operating_point_is_stored_with_the_model(
    tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    options = {"iterations": 25, "operating_point": True, "crop": "whole"}
    events = train(tiny_dataset, tmp_path / "run", tiny_bundle, **options)
    thresholds = load_model(tmp_path / "run" / "model").info.thresholds
    messages = [m.text for m in of(events, Message) if "operating point" in m.text]
    assert len(messages) == 1
    assert bool(thresholds) == ("chosen on the held-out" in messages[0])
    assert set(thresholds) <= {"upper", "lower", "fluid"}
