"""From logits to what is handed out: labels, and how sure they are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from napari_retseg.classes import LabelSet
from napari_retseg.config import PredictConfig
from napari_retseg.errors import ModelError
from napari_retseg.events import BscanUncertainty
from napari_retseg.infer.layer_order import repair_layers, repair_order
from napari_retseg.infer.uncertainty import measure_uncertainty


@dataclass(frozen=True, slots=True)
class BscanResult:
    """What a model says of one B-scan.

    Attributes
    ----------
    labels
        Class *indices*, ``(depth, width)``, uint8.
    uncertainty
        Where it was asked for.
    """

    labels: NDArray[np.uint8]
    uncertainty: BscanUncertainty | None = None


class Decision:
    """Turns logits into labels: operating point, order of the layers, uncertainty.

    Parameters
    ----------
    classes
        Of the logits' channels.
    thresholds
        Operating point by class name, each between 0 and 1; 0.5 for those not named. The scores
        p (1 - t) / t compete, so that with two classes the second wins where p > t.
    config
        Whether layers are put in order and uncertainty is measured.

    Raises
    ------
    ModelError
        Where a threshold is of a class that is not there, or not between 0 and 1.
    UsageError
        Where layers shall be put in order and there are not two.
    """

    def __init__(
        self, classes: LabelSet, thresholds: dict[str, float], config: PredictConfig
    ) -> None:
        self._offsets = _offsets(classes, thresholds)
        self._order = repair_order(classes) if config.repair else None
        self._uncertainty = config.uncertainty

    @torch.inference_mode()
    def decide(self, logits: torch.Tensor) -> list[BscanResult]:
        """Label some B-scans from logits ``(n, class, depth, width)`` of any precision."""
        uncertainties: list[BscanUncertainty] | list[None] = [None] * len(logits)
        if self._uncertainty:
            uncertainties = measure_uncertainty(logits.float().log_softmax(dim=1))
        if self._offsets is not None:
            logits = logits.float() + self._offsets.to(logits.device)
        if self._order is None:
            labels = list(logits.argmax(dim=1).to(torch.uint8).cpu().numpy())
        else:
            labels = [repair_layers(s, self._order) for s in logits.float().cpu().numpy()]
        return [BscanResult(*pair) for pair in zip(labels, uncertainties, strict=True)]


def _offsets(classes: LabelSet, thresholds: dict[str, float]) -> torch.Tensor | None:
    """What is added to the logits, ``(class, 1, 1)``: ln((1 - t) / t)."""
    unknown = [name for name in thresholds if name not in classes.names]
    outside = [f"{name} {t:g}" for name, t in thresholds.items() if not 0 < t < 1]
    if unknown or outside:
        raise ModelError(
            f"the model's thresholds are invalid ({', '.join(unknown + outside)}); they must be "
            "between 0 and 1, for classes of the model: correct model.json"
        )
    if not thresholds:
        return None
    shares = [thresholds.get(name, 0.5) for name in classes.names]
    return torch.tensor([math.log((1 - t) / t) for t in shares])[:, None, None]
