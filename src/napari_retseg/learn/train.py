"""Fine-tuning: the loop, as a generator of events."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from napari_retseg.config import PredictConfig, TrainConfig
from napari_retseg.dataset import Dataset
from napari_retseg.events import (
    Cancel,
    CancelToken,
    CheckpointSaved,
    Event,
    Finished,
    Message,
    Progress,
    Scored,
    StepDone,
    TrainingPlanned,
)
from napari_retseg.infer.operating import choose_thresholds
from napari_retseg.infer.predictor import Predictor
from napari_retseg.learn.batches import Batches
from napari_retseg.learn.budget import Budget
from napari_retseg.learn.checkpoint import load_checkpoint, save_checkpoint
from napari_retseg.learn.heldout import score_heldout, score_on
from napari_retseg.learn.losses import build_loss
from napari_retseg.learn.run import START_MODEL, RunFolder, read_config, read_run_model
from napari_retseg.learn.schedule import count_drops, learning_rate
from napari_retseg.learn.setup import Setup, prepare
from napari_retseg.learn.state import TrainingState
from napari_retseg.learn.step import take_step
from napari_retseg.learn.weights import class_weights
from napari_retseg.models import ModelInfo
from napari_retseg.nets.build import count_parameters
from napari_retseg.nets.bundle import load_model, save_model


def fine_tune(
    dataset: Dataset,
    config: TrainConfig | None = None,
    cancel: Cancel | None = None,
    *,
    output: Path,
    start: Path | None = None,
    resume: bool = False,
) -> Iterator[Event]:
    """Train a network on the training split, scoring it on the held-out one.

    Parameters
    ----------
    dataset
        Its split must be pinned (:func:`napari_retseg.dataset.pin_split`) or is pinned in
        memory with the defaults.
    config
        Defaults without one; with `resume`, the run's own.
    output
        The run's folder.
    start
        Bundle to start from; new weights without one.
    resume
        Go on with the run in `output` from its last checkpoint: the result is that of a
        run that never stopped.

    Yields
    ------
    Event
        :class:`TrainingPlanned` before any work, then steps, scores and checkpoints, and
        :class:`Finished` at last with ``best``, ``best_iteration``, ``last``, ``start``
        (scores as JSON; None where not measured), ``promoted``, ``model`` and ``last_model``
        (folders), and ``rehearsed`` (start and last scores on the older data set).

    Raises
    ------
    RetsegError
        Where data, model and configuration do not go together (before any work), or the
        loss is no longer a number (the last good state is on disk).
    """
    cancel = cancel or CancelToken()
    config = config or (read_config(output) if resume else TrainConfig())
    resumed = read_run_model(output) if resume else None
    setup = prepare(dataset, config, start=start, resumed=resumed)
    if resume and (output / START_MODEL).is_dir():
        setup = replace(setup, start=load_model(output / START_MODEL))
    with (
        repeating_exactly(enabled=config.deterministic),
        RunFolder(output, config, setup.info, resume=resume) as run,
    ):
        state = TrainingState(setup)
        if resume:
            state.restore(load_checkpoint(run.checkpoint))
        else:
            if setup.start is not None:
                save_model(run.start_model, setup.start.network, setup.start.info)
            save_checkpoint(run.checkpoint, state.snapshot())
        run.start_log(state.iteration, scored_until=state.scored_until)
        for event in _train(setup, state, run, cancel):
            if not isinstance(event, Progress):
                run.log(event)
            yield event


@contextmanager
def repeating_exactly(*, enabled: bool) -> Iterator[None]:
    """Let torch take only algorithms that give the same bits again; as before afterwards.

    Where a device has no such algorithm for an operation, torch warns and goes on.
    """
    if not enabled:
        yield
        return
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.backends.cudnn.benchmark,
    )
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        torch.backends.cudnn.benchmark = before[2]


def _train(setup: Setup, state: TrainingState, run: RunFolder, cancel: Cancel) -> Iterator[Event]:
    yield from (Message(text, "warning") for text in setup.warnings)
    if setup.report is not None:
        yield Message(setup.report.describe())
    batches = Batches(setup)
    for progress in batches.load():
        yield progress
        if cancel.is_cancelled():
            yield Finished(cancelled=True, result=_result(state, run))
            return
    yield from _warn_of_missing(batches)
    budget = Budget.of(setup.config, n_samples=len(batches.store))
    loss = _build_loss(setup, batches)
    yield _plan(setup, state, batches, budget)
    if state.iteration == 0 and state.start_scores is None:
        yield from _score_start(setup, state, cancel)
    saved_at = time.monotonic()
    while True:
        if cancel.is_cancelled():
            yield _save(state, run)
            yield Finished(cancelled=True, result=_result(state, run))
            return
        is_over = budget.is_over(state.iteration, state.seconds)
        if _is_score_due(state, is_over=is_over):
            if not (yield from _score(setup, state, run, cancel, is_over=is_over)):
                continue
            if state.is_stale and not is_over:
                yield Message(
                    f"stopped early: no better score for {setup.config.patience} scorings"
                )
                break
        if is_over:
            break
        yield from _step(state, batches, loss, budget)
        if time.monotonic() - saved_at >= setup.config.checkpoint_seconds:
            yield _save(state, run)
            saved_at = time.monotonic()
    if setup.config.operating_point:
        yield from _choose_operating_point(setup, run)
    yield _save(state, run)
    yield from _judge(state, run)
    yield Finished(result=_result(state, run))


def _warn_of_missing(batches: Batches) -> Iterator[Message]:
    missing = batches.store.missing_classes
    if missing:
        yield Message(
            f"no training scan has a labelled pixel of {', '.join(missing)}: nothing can be "
            "learnt about it; label some, or take it out of the data set's classes",
            "warning",
        )


def _build_loss(setup: Setup, batches: Batches) -> torch.nn.Module:
    pixels = batches.store.class_pixels.sum(axis=0)
    weights = class_weights(setup.config.class_weights, pixels=pixels)
    return build_loss(setup.config.loss, weights=weights).to(setup.compute.device)


def _plan(
    setup: Setup, state: TrainingState, batches: Batches, budget: Budget
) -> TrainingPlanned:
    trainable, frozen = count_parameters(state.network)
    dataset = setup.dataset
    trained_on = setup.info.trained_on
    return TrainingPlanned(
        device=setup.compute.name,
        precision=setup.compute.precision,
        parameters_trainable=trainable,
        parameters_frozen=frozen,
        training_groups=dataset.groups("train"),
        training_bscans=len(batches.store),
        heldout_groups=dataset.groups("val"),
        heldout_bscans=setup.heldout_bscans,
        iterations=budget.iterations,
        start_iteration=state.iteration,
        minutes=setup.config.minutes,
        strategy=setup.config.strategy,
        split="" if trained_on is None else trained_on.split,
    )


def _step(
    state: TrainingState, batches: Batches, loss: torch.nn.Module, budget: Budget
) -> Iterator[Event]:
    """Draw a batch and take one optimiser step on it."""
    began = time.perf_counter()
    config = state.setup.config
    rate = learning_rate(
        config,
        iteration=state.iteration,
        position=budget.schedule_position(state.iteration, state.seconds),
        drops=count_drops(state.history, config.plateau_patience),
    )
    images, labels = batches.draw(state.iteration)
    done = take_step(state, loss, images, labels, rate=rate)
    seconds = time.perf_counter() - began
    state.seconds += seconds
    yield from done.notes
    position = budget.position(state.iteration, state.seconds)
    yield StepDone(state.iteration, done.loss, rate, seconds, position)


def _is_score_due(state: TrainingState, *, is_over: bool) -> bool:
    """Whether the held-out scans are to be scored before the next step."""
    if state.scored_at == state.iteration:
        return False
    return is_over or state.iteration % state.setup.config.score_every == 0


def _score_start(setup: Setup, state: TrainingState, cancel: Cancel) -> Iterator[Event]:
    """Score the starting model before the first step, for comparison."""
    model = setup.start
    if model is None:
        return
    if model.info.network.in_channels != setup.info.network.in_channels:
        yield Message("the starting model takes other channels, so it is not scored", "warning")
        return
    scores = yield from score_on(setup.dataset, model.network, model.info, setup, cancel)
    if scores is None:
        return
    if setup.rehearsal is not None:
        rehearsed = yield from score_on(setup.rehearsal, model.network, model.info, setup, cancel)
        if rehearsed is None:
            return
        state.start_rehearsed = rehearsed
    state.start_scores = scores
    yield Scored(0, scores, is_best=False, rehearsed=state.start_rehearsed)


def _score(
    setup: Setup, state: TrainingState, run: RunFolder, cancel: Cancel, *, is_over: bool
) -> Generator[Event, None, bool]:
    """Score the averaged weights; keep them where they are the best so far."""
    network = state.average.network
    scores = yield from score_heldout(network, setup, cancel)
    if scores is None:
        return False
    rehearsed = None
    if setup.rehearsal is not None:
        rehearsed = yield from score_on(setup.rehearsal, network, setup.info, setup, cancel)
        if rehearsed is None:
            return False
    is_best = state.take_scores(scores, rehearsed=rehearsed)
    yield Scored(state.iteration, scores, is_best=is_best, rehearsed=rehearsed)
    info = _describe(state, scores)
    if is_best:
        save_model(run.model, network, info)
    if is_over or state.is_stale:
        save_model(run.last_model, network, info)
    return True


def _describe(state: TrainingState, scores: dict[str, Any]) -> ModelInfo:
    start = state.start_scores
    before = None if start is None else start["mean_foreground_dice"]
    now = scores["mean_foreground_dice"]
    promoted = None if start is None else before is None or (now is not None and now >= before)
    return state.setup.describe(
        scores, iteration=state.iteration, start_scores=start, promoted=promoted
    )


def _choose_operating_point(setup: Setup, run: RunFolder) -> Iterator[Event]:
    """Choose thresholds on the held-out scans, and store them with the best model."""
    model = load_model(run.model)
    config = PredictConfig(device=setup.config.device, precision=setup.config.precision)
    thresholds = choose_thresholds(Predictor(model.network, model.info, config), setup.dataset)
    if not thresholds:
        yield Message("no operating point is better than the most probable class; none is stored")
        return
    save_model(run.model, model.network, model.info.model_copy(update={"thresholds": thresholds}))
    listed = ", ".join(f"{name} {value:.2f}" for name, value in thresholds.items())
    yield Message(
        f"operating point, chosen on the held-out scans: {listed}; scores on these scans are now "
        "optimistic, so report those of a test split"
    )


def _judge(state: TrainingState, run: RunFolder) -> Iterator[Message]:
    """Say whether the new model takes the old one's place."""
    if state.is_promoted is None or state.start_scores is None or state.best_scores is None:
        return
    before = state.start_scores["mean_foreground_dice"]
    after = state.best_scores["mean_foreground_dice"]
    numbers = f"mean foreground Dice {_number(before)} before, {_number(after)} now"
    if state.is_promoted:
        yield Message(f"promoted: {numbers}")
    else:
        yield Message(
            f"not promoted: {numbers}; keep the starting model; the new one is in {run.model}",
            "warning",
        )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _save(state: TrainingState, run: RunFolder) -> CheckpointSaved:
    save_checkpoint(run.checkpoint, state.snapshot())
    return CheckpointSaved(state.iteration, str(run.checkpoint))


def _result(state: TrainingState, run: RunFolder) -> dict[str, Any]:
    return {
        "start": state.start_scores,
        "best": state.best_scores,
        "best_iteration": state.best_iteration,
        "last": state.last_scores,
        "promoted": state.is_promoted,
        "rehearsed": {"start": state.start_rehearsed, "last": state.last_rehearsed},
        "iterations": state.iteration,
        "model": str(run.model),
        "last_model": str(run.last_model),
    }
