"""What a training does to a model on other kinds of scans: simulated eyes, before and after."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from napari_retseg.classes import LabelSet
from napari_retseg.config import PredictConfig
from napari_retseg.events import Cancel, Progress
from napari_retseg.infer.predictor import Predictor
from napari_retseg.layers import find_common_classes, translate_indices
from napari_retseg.learn.eyes import SimulatedEye, can_forget, choose_kind, draw_scored
from napari_retseg.learn.setup import Setup
from napari_retseg.nets.bundle import Model
from napari_retseg.scores import ScoreCounter

Scoring = Generator[Progress, None, dict[str, Any] | None]


def score_elsewhere(setup: Setup, new: Model, cancel: Cancel) -> Scoring:
    """Score the starting and the new model on the same simulated eyes.

    Returns
    -------
    dict or None
        ``start`` and ``best``, scores as JSON without the per-B-scan list, over the classes that
        both models and the simulator know. None where the training does not put at risk what was
        learned from simulated scans, or where it was cancelled.
    """
    start = setup.start
    if start is None or not can_forget(start.info, setup.dataset, setup.info):
        return None
    classes = find_common_classes(new.info.classes, start.info.classes)
    if choose_kind(classes) is None:
        return None
    eyes = list(draw_scored(classes))
    found = {}
    for done, (name, model) in enumerate((("start", start), ("best", new))):
        scores = yield from _score(model, classes, eyes, setup, cancel, done=done * len(eyes))
        if scores is None:
            return None
        found[name] = scores
    return found


def _score(
    model: Model,
    classes: LabelSet,
    eyes: Sequence[SimulatedEye],
    setup: Setup,
    cancel: Cancel,
    *,
    done: int,
) -> Scoring:
    """Score one of the two models; `done` eyes were before."""
    config = PredictConfig(
        device=setup.config.device, precision=setup.config.precision, decode="plain"
    )
    info = model.info.model_copy(update={"thresholds": {}})
    predictor = Predictor(model.network, info, config)
    table = translate_indices(classes, info.classes)
    counter = ScoreCounter(classes)
    for number, eye in enumerate(eyes):
        for _, result in predictor.label_scan(eye.scan, [0], cancel=cancel):
            counter.compare(eye.labels, table[result.labels], name=f"{number}", group=f"{number}")
        if cancel.is_cancelled():
            return None
        yield Progress(done + number + 1, 2 * len(eyes), unit="simulated B-scan")
    return counter.scores().to_json(per_bscan=False)
