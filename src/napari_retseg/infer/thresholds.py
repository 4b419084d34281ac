"""The operating point: a threshold for each class, chosen on validation scans."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from napari_retseg.classes import BACKGROUND, IGNORE
from napari_retseg.config import PredictConfig
from napari_retseg.dataset import Dataset
from napari_retseg.errors import InputError, UsageError
from napari_retseg.events import Cancel, CancelToken
from napari_retseg.infer.decision import Decision
from napari_retseg.infer.evaluate import check_classes, read_case
from napari_retseg.infer.predictor import Predictor
from napari_retseg.scores import ScoreCounter, confusion_matrix

#: Thresholds whose ln(t / (1 - t)) is between these are tried: t from 0.0025 to 0.9975.
_SPAN = 6.0
_BINS = 1200


def choose_thresholds(
    predictor: Predictor, dataset: Dataset, split: str = "val", *, cancel: Cancel | None = None
) -> dict[str, float]:
    """Choose the threshold of each foreground class that gives the best Dice.

    With thresholds t the scores p (1 - t) / t of the classes compete (see
    :class:`napari_retseg.infer.decision.Decision`). A class whose threshold alone is not 0.5
    wins where its log-ratio r = ln(p / largest p of the others) is above ln(t / (1 - t)), so
    histograms of r, of the class's own pixels and of all, give its Dice for every t from one
    pass over the scans. A second pass checks the thresholds together.

    Parameters
    ----------
    predictor
        With any operating point; its own is not looked at, nor is `decode`.
    split
        Not ``test``: what is chosen on scans cannot be judged on them.
    cancel
        Asked between B-scans; nothing is chosen where it stops the work.

    Returns
    -------
    dict
        Thresholds by class name, without those of 0.5. Empty where together they do not
        improve the mean foreground Dice of these scans.

    Raises
    ------
    UsageError
        For split ``test``.
    InputError
        Where the split holds no labelled B-scan.
    ModelError
        Where the model's classes are not those of the dataset.
    """
    if split == "test":
        raise UsageError(
            "thresholds must not be chosen on split 'test', which is for the final scores; use "
            "'val'"
        )
    check_classes(predictor.info.classes, dataset)
    cancel = cancel or CancelToken()
    n_classes = len(dataset.labels)
    counts = np.zeros((2, n_classes, _BINS), np.int64)
    for logits, reference in _walk(predictor, dataset, split, cancel):
        _add_ratios(counts, logits.numpy(), reference)
    if not counts.any() and not cancel.is_cancelled():
        raise InputError(
            f"{dataset.root}: split {split!r} has no labelled B-scans to choose thresholds on"
        )
    found = {
        name: _best_threshold(counts[0, k], counts[1, k])
        for k, name in enumerate(dataset.labels.names)
        if k != BACKGROUND
    }
    chosen = {name: threshold for name, threshold in found.items() if threshold != 0.5}
    if not chosen or cancel.is_cancelled():
        return {}
    before, after = _compare(predictor, dataset, split, chosen, cancel)
    return chosen if after > before and not cancel.is_cancelled() else {}


def _walk(
    predictor: Predictor, dataset: Dataset, split: str, cancel: Cancel
) -> Iterator[tuple[torch.Tensor, NDArray[np.uint8]]]:
    """Logits ``(class, depth, width)`` and class indices of each annotated B-scan."""
    try:
        for case in dataset.of_split(split):
            bscans = dataset.annotated_bscans(case, split)
            if not bscans or cancel.is_cancelled():
                continue
            scan, reference = read_case(case, dataset)
            predictor.check_channels(scan.n_channels, scan.source)
            for indices, logits in predictor.predict_logits(scan, bscans, cancel=cancel):
                for index, one in zip(indices, logits.float().cpu(), strict=True):
                    yield one, reference[index] if scan.is_volume else reference
    finally:
        predictor.forget()


def _compare(
    predictor: Predictor,
    dataset: Dataset,
    split: str,
    thresholds: dict[str, float],
    cancel: Cancel,
) -> tuple[float, float]:
    """Mean foreground Dice without and with the thresholds."""
    points: tuple[dict[str, float], ...] = ({}, thresholds)
    decisions = [Decision(dataset.labels, point, PredictConfig(decode="plain")) for point in points]
    counters = [ScoreCounter(dataset.labels) for _ in decisions]
    for logits, reference in _walk(predictor, dataset, split, cancel):
        for decision, counter in zip(decisions, counters, strict=True):
            labels = decision.decide(logits[None])[0].labels
            matrix = confusion_matrix(reference, labels, len(dataset.labels))
            counter.add(matrix, name="", group="")
    before, after = (counter.scores().mean_foreground_dice or 0.0 for counter in counters)
    return before, after


def _add_ratios(
    counts: NDArray[np.int64], logits: NDArray[np.float32], reference: NDArray[np.uint8]
) -> None:
    """Count the pixels of one B-scan; `counts` is ``(own or all, class, bin)``."""
    annotated = reference != IGNORE
    wanted = reference[annotated]
    scores = logits[:, annotated]
    largest = np.partition(scores, -2, axis=0)[-2:]
    for k, score in enumerate(scores):
        others = np.where(score == largest[1], largest[0], largest[1])
        places = bin_of(score - others)
        counts[0, k] += np.bincount(places[wanted == k], minlength=_BINS)
        counts[1, k] += np.bincount(places, minlength=_BINS)


def bin_of(ratio: NDArray[np.floating]) -> NDArray[np.int64]:
    """Bin of log-ratios; those above 0 lie in the upper half, as argmax has it."""
    # a ratio on a bin's lower edge is not above it, and belongs to the bin below
    scaled = np.ceil((ratio + _SPAN) * (_BINS / (2 * _SPAN))) - 1
    places: NDArray[np.int64] = np.clip(scaled, 0, _BINS - 1).astype(np.int64)
    return places


def _best_threshold(own: NDArray[np.int64], every: NDArray[np.int64]) -> float:
    """Threshold of the highest Dice; the nearest to 0.5 among equals, 0.5 for an absent class."""
    if not own.sum():
        return 0.5
    hits = own[::-1].cumsum()[::-1]
    predicted = every[::-1].cumsum()[::-1]
    dice = 2 * hits / (own.sum() + predicted)
    best = np.flatnonzero(dice >= dice.max())
    place = int(best[np.argmin(np.abs(best - _BINS // 2))])
    return 1 / (1 + math.exp(_SPAN - place * 2 * _SPAN / _BINS))
