"""Fine-tuning: the loop, as a generator of events."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_retseg.classes import IGNORE
from napari_retseg.config import AUGMENT_PRESETS, TrainConfig, parse_size
from napari_retseg.dataset import Dataset
from napari_retseg.errors import InputError
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
from napari_retseg.learn.augment import apply_augment, draw_augment
from napari_retseg.learn.checkpoint import load_checkpoint, save_checkpoint
from napari_retseg.learn.heldout import score_heldout
from napari_retseg.learn.run import RunFolder, read_config, read_run_model
from napari_retseg.learn.samples import CropSampler, SampleStore
from napari_retseg.learn.setup import Setup, prepare
from napari_retseg.learn.state import TrainingState
from napari_retseg.nets.build import count_parameters
from napari_retseg.nets.bundle import save_model


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
        (scores as JSON; None where not measured), ``model`` and ``last_model`` (folders).

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
    with RunFolder(output, config, setup.info, resume=resume) as run:
        state = TrainingState(setup)
        if resume:
            state.restore(load_checkpoint(run.checkpoint))
        else:
            save_checkpoint(run.checkpoint, state.snapshot())
        run.start_log(state.iteration, scored_until=state.scored_until)
        for event in _train(setup, state, run, cancel):
            if not isinstance(event, Progress):
                run.log(event)
            yield event


def _train(setup: Setup, state: TrainingState, run: RunFolder, cancel: Cancel) -> Iterator[Event]:
    config, dataset = setup.config, setup.dataset
    yield from (Message(text, "warning") for text in setup.warnings)
    store = SampleStore(dataset, setup.info.preprocess)
    for progress in store.load():
        yield progress
        if cancel.is_cancelled():
            yield Finished(cancelled=True, result=_result(state, run))
            return
    sampler = CropSampler(store, crop=parse_size(config.crop))
    yield _plan(setup, state, store)
    if setup.from_model and state.start_scores is None and state.iteration == 0:
        yield from _score_start(setup, state, cancel)
    saved_at = time.monotonic()
    while True:
        if cancel.is_cancelled():
            yield _save(state, run)
            yield Finished(cancelled=True, result=_result(state, run))
            return
        if state.is_score_due and not (yield from _score(setup, state, run, cancel)):
            continue
        if state.iteration >= config.iterations:
            break
        yield _step(state, sampler)
        if time.monotonic() - saved_at >= config.checkpoint_seconds:
            yield _save(state, run)
            saved_at = time.monotonic()
    yield _save(state, run)
    yield Finished(result=_result(state, run))


def _plan(setup: Setup, state: TrainingState, store: SampleStore) -> TrainingPlanned:
    trainable, frozen = count_parameters(state.network)
    dataset = setup.dataset
    return TrainingPlanned(
        device=setup.compute.name,
        precision=setup.compute.precision,
        parameters_trainable=trainable,
        parameters_frozen=frozen,
        training_groups=dataset.groups("train"),
        training_bscans=len(store),
        heldout_groups=dataset.groups("val"),
        heldout_bscans=setup.heldout_bscans,
        iterations=setup.config.iterations,
        start_iteration=state.iteration,
    )


def _step(state: TrainingState, sampler: CropSampler) -> StepDone:
    """Draw a batch and take one optimiser step on it."""
    began = time.perf_counter()
    config = state.setup.config
    rng = np.random.default_rng([config.seed, state.iteration])
    device = state.setup.compute.device
    images, labels = (t.to(device) for t in sampler.draw(config.batch_size, rng))
    draw = draw_augment(AUGMENT_PRESETS[config.augment], config.batch_size, rng)
    images, labels = _keep_annotated((images, labels), apply_augment(images, labels, draw))
    loss, rate = state.step(images, labels)
    if not np.isfinite(loss):
        raise InputError(
            f"the loss of iteration {state.iteration} is not a number; the last good state is "
            "kept in the run's folder; start again with a lower --lr"
        )
    return StepDone(state.iteration, loss, rate, time.perf_counter() - began)


def _keep_annotated(
    drawn: tuple[torch.Tensor, torch.Tensor], changed: tuple[torch.Tensor, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Take samples as drawn where the changes moved every annotated pixel out of view."""
    lost = ~(changed[1] != IGNORE).flatten(1).any(dim=1)
    if not lost.any():
        return changed
    images = torch.where(lost[:, None, None, None], drawn[0], changed[0])
    return images, torch.where(lost[:, None, None], drawn[1], changed[1])


def _score_start(setup: Setup, state: TrainingState, cancel: Cancel) -> Iterator[Event]:
    """Score the starting model before the first step, for comparison."""
    scores = yield from score_heldout(state.network, setup, cancel)
    if scores is not None:
        state.start_scores = scores
        yield Scored(0, scores, is_best=False)


def _score(
    setup: Setup, state: TrainingState, run: RunFolder, cancel: Cancel
) -> Generator[Event, None, bool]:
    """Score the averaged weights; keep them where they are the best so far."""
    scores = yield from score_heldout(state.average.network, setup, cancel)
    if scores is None:
        return False
    is_best = state.take_scores(scores)
    yield Scored(state.iteration, scores, is_best=is_best)
    info = setup.describe(scores, iteration=state.iteration)
    if is_best:
        save_model(run.model, state.average.network, info)
    if state.iteration == setup.config.iterations:
        save_model(run.last_model, state.average.network, info)
    return True


def _save(state: TrainingState, run: RunFolder) -> CheckpointSaved:
    save_checkpoint(run.checkpoint, state.snapshot())
    return CheckpointSaved(state.iteration, str(run.checkpoint))


def _result(state: TrainingState, run: RunFolder) -> dict[str, Any]:
    return {
        "start": state.start_scores,
        "best": state.best_scores,
        "best_iteration": state.best_iteration,
        "last": state.last_scores,
        "iterations": state.iteration,
        "model": str(run.model),
        "last_model": str(run.last_model),
    }
