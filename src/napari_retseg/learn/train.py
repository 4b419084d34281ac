"""Fine-tuning: the loop, as a generator of events."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from napari_retseg.config import TrainConfig
from napari_retseg.dataset import Dataset
from napari_retseg.events import (
    Cancel,
    CancelToken,
    CheckpointSaved,
    Event,
    Finished,
    Message,
    Progress,
    StepDone,
    TrainingPlanned,
)
from napari_retseg.learn.batches import Batches
from napari_retseg.learn.budget import Budget
from napari_retseg.learn.checkpoint import load_checkpoint, save_checkpoint
from napari_retseg.learn.elsewhere import score_elsewhere
from napari_retseg.learn.ema import can_keep_start, share_of_start
from napari_retseg.learn.inputs import RunInputs, check_inputs, keep_inputs
from napari_retseg.learn.landmarks import learn_landmarks
from napari_retseg.learn.losses import build_loss
from napari_retseg.learn.peers import Peers, check_devices, open_peers
from napari_retseg.learn.run import RunFolder
from napari_retseg.learn.schedule import count_drops, learning_rate
from napari_retseg.learn.setup import Setup, prepare
from napari_retseg.learn.state import TrainingState
from napari_retseg.learn.step import take_step
from napari_retseg.learn.teacher import LESSON_RATE
from napari_retseg.learn.validation import (
    choose_operating_point,
    compare_lessons,
    is_score_due,
    judge,
    judge_lessons,
    score,
    score_start,
)
from napari_retseg.learn.weights import class_weights
from napari_retseg.nets.build import count_parameters
from napari_retseg.nets.bundle import load_model, save_model
from napari_retseg.plural import count_noun
from napari_retseg.runs.paths import RunPaths
from napari_retseg.runs.record import read_config, read_run_model


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
        Bundle to start from; from scratch without one.
    resume
        Go on with the run in `output` from its last checkpoint: the result is that of a
        run that never stopped.

    Yields
    ------
    Event
        :class:`TrainingPlanned` before any work, then steps, scores and checkpoints, and
        :class:`Finished` at last with ``best``, ``best_iteration``, ``last``, ``start``
        (scores as JSON; None where not measured), ``promoted``, ``split`` (in words),
        ``model`` and ``last_model`` (folders), ``rehearsed`` (start and last scores on the
        older dataset), ``elsewhere`` (start and best scores on simulated eyes), and
        ``unlabelled`` (how many unlabelled B-scans there were, and the best mean foreground
        Dice without and with them).

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
    check_devices(setup)
    start_model = RunPaths(output).start_model
    if resume and start_model.is_dir():
        setup = replace(setup, start=load_model(start_model))
    with (
        repeating_exactly(enabled=config.deterministic),
        RunFolder(output, config, setup.info, resume=resume) as run,
    ):
        setup = yield from learn_landmarks(setup, cancel)
        run.keep_info(setup.info)
        state = TrainingState(setup)
        if resume:
            check_inputs(output, RunInputs.of(setup, run.start_model))
            state.restore(load_checkpoint(run.checkpoint), run.checkpoint)
        else:
            if setup.start is not None:
                save_model(run.start_model, setup.start.network, setup.start.info)
            keep_inputs(output, RunInputs.of(setup, run.start_model))
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
    batches = Batches(setup)
    with closing(batches), open_peers(setup, run.path) as peers:
        begun = yield from _begin(setup, state, batches, cancel)
        finished = begun and (yield from _loop(setup, state, run, batches, peers, cancel))
    if not begun:
        yield Finished(cancelled=True, result=_result(state, run))
        return
    if finished and setup.config.operating_point:
        yield from choose_operating_point(setup, run)
    yield _save(state, run)
    told: dict[str, Any] = {}
    if finished:
        told = yield from _judge(setup, state, run, batches, cancel)
    yield Finished(cancelled=not finished, result={**_result(state, run), **told})


def _judge(
    setup: Setup, state: TrainingState, run: RunFolder, batches: Batches, cancel: Cancel
) -> Generator[Event, None, dict[str, Any]]:
    """Say what came of the training; return what the result holds of it."""
    lessons = compare_lessons(state, _find_budget(setup, batches), len(batches.lessons))
    if lessons is not None:
        yield judge_lessons(lessons)
    elsewhere = yield from score_elsewhere(setup, load_model(run.model), cancel)
    yield from judge(state, run)
    return {"unlabelled": lessons, "elsewhere": elsewhere}


def _begin(
    setup: Setup, state: TrainingState, batches: Batches, cancel: Cancel
) -> Generator[Event, None, bool]:
    """Read the scans, say what is about to happen, score the starting model; False: cancelled."""
    if cancel.is_cancelled():
        return False
    yield from (Message(text, "warning") for text in setup.warnings)
    if setup.report is not None:
        yield Message(setup.report.describe())
    for progress in batches.load():
        yield progress
        if cancel.is_cancelled():
            return False
    yield from _warn_of_missing(batches)
    yield from _tell_of_more(setup, batches)
    yield _plan(setup, state, batches)
    if state.iteration == 0 and state.start_scores is None:
        yield from score_start(setup, state, cancel)
    yield from _keep_start(setup, state, batches)
    return True


def _loop(
    setup: Setup,
    state: TrainingState,
    run: RunFolder,
    batches: Batches,
    peers: Peers,
    cancel: Cancel,
) -> Generator[Event, None, bool]:
    """Step and score until the budget is spent; False: cancelled before that."""
    budget = _find_budget(setup, batches)
    loss = build_run_loss(setup, batches)
    peers.meet()
    saved_at = time.monotonic()
    while not cancel.is_cancelled():
        is_over = budget.is_over(state.iteration, state.seconds)
        if is_score_due(state, budget, is_over=is_over):
            if not (yield from score(setup, state, run, cancel, is_over=is_over)):
                continue
            if state.is_stale and not is_over:
                text = f"no better score in the last {setup.config.patience} scores"
                yield Message(f"stopped early: {text}")
                return True
        if is_over:
            return True
        yield from _step(state, batches, loss, budget, peers)
        if time.monotonic() - saved_at >= setup.config.checkpoint_seconds:
            yield _save(state, run)
            saved_at = time.monotonic()
    return False


def _warn_of_missing(batches: Batches) -> Iterator[Message]:
    missing = batches.store.missing_classes
    if missing:
        yield Message(
            f"no training scan has labelled pixels of {', '.join(missing)}, so these classes "
            "cannot be learned; label some, or remove them from the classes of the dataset",
            "warning",
        )


def _tell_of_more(setup: Setup, batches: Batches) -> Iterator[Message]:
    """Say what is learned from besides the labelled scans."""
    if setup.eye_share:
        yield Message(
            f"simulated B-scans are added to each batch ({setup.eye_share:.0%} of it), so that "
            "the new model forgets less"
        )
    if len(batches.lessons):
        scans = count_noun(len(batches.lessons), "unlabelled B-scan")
        yield Message(
            f"after the labelled B-scans, the model learns from {scans}, too; the held-out scores "
            "decide whether that is kept"
        )


def _keep_start(setup: Setup, state: TrainingState, batches: Batches) -> Iterator[Message]:
    """Decide how much of the starting weights is kept, and say so."""
    before = (state.start_scores or {}).get("mean_foreground_dice")
    share = share_of_start(setup.config, n_samples=len(batches.store), start_dice=before)
    if setup.start is None or share == 0:
        return
    if can_keep_start(setup):
        state.share_of_start = share
        yield Message(
            f"the new model keeps {share:.0%} of the starting weights, so that it forgets less "
            "(initial-weight fraction)"
        )
    elif setup.config.keep_start != "auto":
        yield Message(
            "the initial-weight fraction (WiSE-FT) is not used: network, classes or input "
            "differ from the starting model",
            "warning",
        )


def _find_budget(setup: Setup, batches: Batches) -> Budget:
    return Budget.of(
        setup.config,
        n_samples=len(batches.store),
        is_new=setup.start is None,
        n_unlabelled=len(batches.lessons),
    )


def build_run_loss(setup: Setup, batches: Batches) -> torch.nn.Module:
    """Build the loss of a training, whose scans have been read."""
    pixels = batches.store.class_pixels.sum(axis=0)
    weights = class_weights(setup.config.class_weights, pixels=pixels)
    loss = build_loss(setup.config.loss, weights=weights, partial=batches.partial)
    return loss.to(setup.compute.device)


def _plan(setup: Setup, state: TrainingState, batches: Batches) -> TrainingPlanned:
    budget = _find_budget(setup, batches)
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
        iterations=budget.iterations + budget.lessons,
        start_iteration=state.iteration,
        minutes=setup.config.minutes,
        strategy=setup.config.strategy,
        split="" if trained_on is None else trained_on.split,
    )


def _step(
    state: TrainingState, batches: Batches, loss: torch.nn.Module, budget: Budget, peers: Peers
) -> Iterator[Event]:
    """Draw a batch and take one optimizer step on it."""
    began = time.perf_counter()
    config = state.setup.config
    rate = learning_rate(
        config,
        iteration=state.iteration,
        position=budget.schedule_position(state.iteration, state.seconds),
        drops=count_drops(state.history, config.plateau_patience),
    )
    place = None
    if budget.is_lesson(state.iteration):
        rate *= LESSON_RATE
        place = budget.lesson_position(state.iteration)
    peers.order(state.iteration, rate, state.share_of_start, place)
    images, labels = batches.draw(state.iteration)
    lesson = None if place is None else batches.lessons.draw(state.iteration, place)
    exchange = peers.exchange
    done = take_step(state, loss, images, labels, rate=rate, lesson=lesson, exchange=exchange)
    seconds = time.perf_counter() - began
    state.seconds += seconds
    yield from done.notes
    position = budget.position(state.iteration, state.seconds)
    yield StepDone(state.iteration, done.loss, rate, seconds, position)


def _save(state: TrainingState, run: RunFolder) -> CheckpointSaved:
    save_checkpoint(run.checkpoint, state.snapshot())
    return CheckpointSaved(state.iteration, str(run.checkpoint))


def _result(state: TrainingState, run: RunFolder) -> dict[str, Any]:
    trained_on = state.setup.info.trained_on
    return {
        "start": state.start_scores,
        "best": state.best_scores,
        "best_iteration": state.best_iteration,
        "last": state.last_scores,
        "promoted": state.is_promoted,
        "split": "" if trained_on is None else trained_on.split,
        "rehearsed": {"start": state.start_rehearsed, "last": state.last_rehearsed},
        "iterations": state.iteration,
        "model": str(run.model),
        "last_model": str(run.last_model),
    }
