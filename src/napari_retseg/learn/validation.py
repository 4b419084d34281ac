"""Scores of a training: of the starting model, at intervals, and the verdict at the end."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Any

from napari_retseg.config import PredictConfig
from napari_retseg.events import Cancel, Event, Message, Scored
from napari_retseg.infer.predictor import Predictor
from napari_retseg.infer.thresholds import choose_thresholds
from napari_retseg.learn.budget import Budget
from napari_retseg.learn.gate import pass_gate
from napari_retseg.learn.heldout import score_heldout, score_on
from napari_retseg.learn.run import RunFolder
from napari_retseg.learn.setup import Setup
from napari_retseg.learn.state import TrainingState
from napari_retseg.models import ModelInfo
from napari_retseg.nets.bundle import load_model, save_model


def is_score_due(state: TrainingState, budget: Budget, *, is_over: bool) -> bool:
    """Whether the held-out scans are to be scored before the next step."""
    if state.scored_at == state.iteration:
        return False
    is_turn = budget.lessons > 0 and state.iteration == budget.iterations
    return is_over or is_turn or state.iteration % budget.score_every == 0


def score_start(setup: Setup, state: TrainingState, cancel: Cancel) -> Iterator[Event]:
    """Score the starting model before the first step, for comparison."""
    model = setup.start
    if model is None:
        return
    if model.info.network.in_channels != setup.info.network.in_channels:
        yield Message("the starting model has other input channels, so it is not scored", "warning")
        return
    info = model.info.model_copy(update={"thresholds": {}})  # as the new one will be
    scores = yield from score_on(setup.dataset, model.network, info, setup, cancel)
    if scores is None:
        return
    if setup.rehearsal is not None:
        rehearsed = yield from score_on(setup.rehearsal, model.network, info, setup, cancel)
        if rehearsed is None:
            return
        state.start_rehearsed = rehearsed
    state.start_scores = scores
    kept = max(scores["n_exact"], scores["n_kept"])
    if kept:
        yield Message(
            f"{kept} of {scores['n_bscans']} held-out B-scans are {_what_is_kept(scores)} of the "
            "starting model, so the scores favour the starting model",
            "warning",
        )
    yield Scored(0, scores, is_best=False, rehearsed=state.start_rehearsed)


def _what_is_kept(scores: dict[str, Any]) -> str:
    return (
        "unchanged predictions"
        if scores["n_exact"] >= scores["n_kept"]
        else "hardly changed predictions"
    )


def score(
    setup: Setup, state: TrainingState, run: RunFolder, cancel: Cancel, *, is_over: bool
) -> Generator[Event, None, bool]:
    """Score the averaged weights; keep them where they are the best so far."""
    network = state.kept_network
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
    return state.setup.describe(
        scores,
        iteration=state.iteration,
        kept_start=state.share_of_start,
        start_scores=start,
        promoted=pass_gate(start, scores),
    )


def choose_operating_point(setup: Setup, run: RunFolder) -> Iterator[Event]:
    """Choose thresholds on the held-out scans, and store them with the best model."""
    model = load_model(run.model)
    config = PredictConfig(
        device=setup.config.device, precision=setup.config.precision, decode="plain"
    )
    thresholds = choose_thresholds(Predictor(model.network, model.info, config), setup.dataset)
    if not thresholds:
        yield Message("no operating point is saved: thresholds do not improve the held-out scores")
        return
    save_model(run.model, model.network, model.info.model_copy(update={"thresholds": thresholds}))
    listed = ", ".join(f"{name} {value:.2f}" for name, value in thresholds.items())
    yield Message(
        f"operating point, chosen on the held-out scans: {listed}; scores on these scans are now "
        "optimistic, so report scores of a test split"
    )


def compare_lessons(
    state: TrainingState, budget: Budget, n_unlabelled: int
) -> dict[str, Any] | None:
    """Compare the best scores before and after B-scans without labels were learned from.

    Returns
    -------
    dict or None
        ``bscans``, and the best mean foreground Dice on the held-out scans without and with
        them, ``dice_without`` and ``dice_with``; None where there was no such comparison.
    """
    n = budget.labelled_scores
    if not budget.lessons or len(state.history) <= n:
        return None
    before, after = max(state.history[:n]), max(state.history[n:])
    if min(before, after) < 0:
        return None
    return {"bscans": n_unlabelled, "dice_without": before, "dice_with": after}


def judge_lessons(found: Mapping[str, Any]) -> Message:
    """Say whether B-scans without labels helped; the best model is of the better part."""
    before, after = found["dice_without"], found["dice_with"]
    numbers = f"mean foreground Dice {before:.3f} without, {after:.3f} with them"
    if after > before:
        return Message(f"unlabelled B-scans helped: {numbers}")
    return Message(f"unlabelled B-scans did not help: {numbers}; the model is the one without them")


def judge(state: TrainingState, run: RunFolder) -> Iterator[Message]:
    """Say whether the new model takes the old one's place."""
    if state.start_scores is None or state.best_scores is None:
        return
    before = state.start_scores["mean_foreground_dice"]
    after = state.best_scores["mean_foreground_dice"]
    numbers = f"mean foreground Dice {_number(before)} before, {_number(after)} now"
    if state.is_promoted is None:
        yield Message(
            f"undecided: {numbers}, but most held-out labels are predictions of the starting "
            "model, so the scores favour it; compare both models by eye, or label held-out "
            "B-scans without a prediction",
            "warning",
        )
    elif state.is_promoted:
        yield Message(f"promoted: {numbers}")
    else:
        yield Message(
            f"not promoted: {numbers}; the starting model stays; the new model is in {run.model}",
            "warning",
        )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
