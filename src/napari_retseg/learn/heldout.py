"""Scores on whole held-out scans while a training goes on."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_retseg.config import PredictConfig
from napari_retseg.dataset import Dataset
from napari_retseg.events import Cancel, Progress
from napari_retseg.infer.evaluate import count_scores
from napari_retseg.infer.predictor import Predictor
from napari_retseg.layers import translate_indices
from napari_retseg.learn.gate import count_kept
from napari_retseg.learn.setup import Setup
from napari_retseg.models import ModelInfo
from napari_retseg.scan import OctScan
from napari_retseg.scores import Scores

Scoring = Generator[Progress, None, dict[str, Any] | None]


def score_heldout(network: torch.nn.Module, setup: Setup, cancel: Cancel) -> Scoring:
    """Predict and score every annotated B-scan of the held-out split.

    The same code as ``evaluate`` does it, so that both give the same numbers.

    Returns
    -------
    dict or None
        The scores' JSON without the per-B-scan list, and ``n_kept``
        (:func:`napari_retseg.learn.gate.count_kept`); None where it was cancelled.
    """
    return score_on(setup.dataset, network, setup.info, setup, cancel)


def score_on(
    dataset: Dataset,
    network: torch.nn.Module,
    info: ModelInfo,
    setup: Setup,
    cancel: Cancel,
) -> Scoring:
    """Score a network with its own classes on a dataset that may have others.

    Classes are taken by name (:func:`napari_retseg.layers.translate_classes`): one that the
    dataset does not know counts as background, one that the network does not know is never
    predicted.
    """
    config = PredictConfig(
        device=setup.config.device, precision=setup.config.precision, decode="plain"
    )
    predictor = Predictor(network, info, config)
    table = translate_indices(dataset.labels, info.classes)

    def label(scan: OctScan, bscans: Sequence[int]) -> Sequence[NDArray[np.uint8]]:
        found = predictor.label_scan(scan, bscans, cancel=cancel)
        return [table[one.labels] for _, one in found]

    counting = count_scores(dataset, "val", label, batch_size=predictor.batch_size, cancel=cancel)
    try:
        for step in counting:
            if isinstance(step, Scores):
                kept = count_kept(dataset, step.bscans, info.weights_id) if info.weights_id else 0
                return {**step.to_json(per_bscan=False), "n_kept": kept}
            yield Progress(step.done, step.total, unit="held-out B-scan")
    finally:
        predictor.forget()
    return None
