"""Learning rate as a function of the place in a training, so that resuming needs no state."""

from __future__ import annotations

import math
from collections.abc import Sequence

from napari_retseg.config import TrainConfig


def learning_rate(config: TrainConfig, *, iteration: int, position: float, drops: int = 0) -> float:
    """Learning rate of a step.

    Parameters
    ----------
    config
        The rate is the product of `lr`, the factor of `schedule` and that of the warm-up, which
        rises from ``1 / (warmup + 1)`` to 1 in `warmup` steps.
    iteration
        Of the step, from 0.
    position
        Share of the schedule that is done, 0 to 1; beyond its end, its last rate holds.
    drops
        Of plateau, so far (see :func:`count_drops`).
    """
    warm = min(1.0, (iteration + 1) / (config.warmup + 1))
    return config.lr * warm * _factor(config, iteration, min(max(position, 0.0), 1.0), drops)


def _factor(config: TrainConfig, iteration: int, position: float, drops: int) -> float:
    if config.schedule == "poly":
        remaining: float = (1 - position) ** config.poly_power
        return remaining
    if config.schedule == "cosine":
        return _cosine(1.0, 0.0, position)
    if config.schedule == "onecycle":
        return _onecycle(config, position)
    if config.schedule == "step":
        return _drop(config, max(0, iteration - config.warmup) // config.drop_every)
    if config.schedule == "plateau":
        return _drop(config, drops)
    return 1.0


def _onecycle(config: TrainConfig, position: float) -> float:
    """Cosine from 1 / div_factor to 1 and on to 1 / final_div_factor (Smith and Topin 2019)."""
    if position < config.pct_start:
        return _cosine(1 / config.div_factor, 1.0, position / config.pct_start)
    falling = (position - config.pct_start) / (1 - config.pct_start)
    return _cosine(1.0, 1 / config.final_div_factor, falling)


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def _drop(config: TrainConfig, times: int) -> float:
    factor: float = config.drop_factor**times
    return factor


def count_drops(scores: Sequence[float], patience: int) -> int:
    """Count the drops of plateau.

    The rate drops after `patience` scores in a row that are not better than the best before
    them; then the count begins again.

    Parameters
    ----------
    scores
        All scores of the training so far, oldest first; higher is better.
    """
    best, waiting, drops = -math.inf, 0, 0
    for score in scores:
        if score > best:
            best, waiting = score, 0
            continue
        waiting += 1
        if waiting == patience:
            waiting, drops = 0, drops + 1
    return drops
