"""From logits to what is handed out: labels, and how sure they are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import BACKGROUND, LabelSet
from napari_retseg.config import PredictConfig
from napari_retseg.decode.choice import choose_layers
from napari_retseg.decode.pockets import enclose_pockets
from napari_retseg.decode.surfaces import Surfaces, find_surfaces
from napari_retseg.errors import ModelError
from napari_retseg.events import BscanUncertainty
from napari_retseg.infer.uncertainty import measure_uncertainty
from napari_retseg.layers import is_lesion, labels_of_boundaries
from napari_retseg.nets.arrays import Array, ops_of
from napari_retseg.nets.curves import restore_columns, restore_curves
from napari_retseg.nets.grid import Grid


@dataclass(frozen=True, slots=True)
class BscanResult:
    """What a model says of one B-scan.

    Attributes
    ----------
    labels
        Class *indices*, ``(depth, width)``, uint8.
    uncertainty
        Where it was asked for.
    doubtful
        A-scans ``(width,)`` in which the evidence for the layers is poor; None where nothing is
        known of it.
    """

    labels: NDArray[np.uint8]
    uncertainty: BscanUncertainty | None = None
    doubtful: NDArray[np.bool_] | None = None


class Decision:
    """Turns logits into labels: operating point, layers that an eye can have, uncertainty.

    Parameters
    ----------
    classes
        Of the logits' channels.
    thresholds
        Operating point by class name, each between 0 and 1; 0.5 for those not named. The scores
        p (1 - t) / t compete, so that with two classes the second wins where p > t.
    config
        How probabilities become labels, and whether uncertainty is measured.

    Raises
    ------
    ModelError
        Where a threshold is of a class that is not there, or not between 0 and 1.
    UsageError
        Where surfaces are asked for and the classes are no layers.
    """

    def __init__(
        self, classes: LabelSet, thresholds: dict[str, float], config: PredictConfig
    ) -> None:
        self._offsets = _offsets(classes, thresholds)
        self._order = choose_layers(classes, config.decode)
        others = [k for k in range(1, len(classes)) if k not in self._order]
        self._lesions = [k for k in others if is_lesion(classes.classes[k].name)]
        self._free = [k for k in others if k not in self._lesions]
        self._uncertainty = config.uncertainty

    def decide(self, logits: Array, grid: Grid | None = None) -> list[BscanResult]:
        """Label some B-scans.

        Parameters
        ----------
        logits
            ``(n, class, depth, width)`` of any precision, without padding at the end.
        grid
            On which they are; None where it is the scan's own.
        """
        with ops_of(logits).no_gradients():
            return self._decide(logits, grid)

    def _decide(self, logits: Array, grid: Grid | None) -> list[BscanResult]:
        ops = ops_of(logits)
        whole = None if self._order and not self._uncertainty else _restore(logits, grid)
        uncertainties: list[BscanUncertainty] | list[None] = [None] * len(logits)
        if self._uncertainty and whole is not None:
            uncertainties = measure_uncertainty(ops.log_softmax(ops.to_float(whole)))
        if self._order:
            results = self._draw_surfaces(self._offset(logits), grid)
        else:
            assert whole is not None
            labels = ops.to_numpy(ops.win(self._offset(whole)))
            results = [BscanResult(plane) for plane in labels]
        return [
            BscanResult(found.labels, uncertainty, found.doubtful)
            for found, uncertainty in zip(results, uncertainties, strict=True)
        ]

    def _offset(self, logits: Array) -> Array:
        if self._offsets is None:
            return logits
        ops = ops_of(logits)
        moved: Array = ops.to_float(logits) + ops.like(self._offsets, logits)
        return moved

    def _draw_surfaces(self, logits: Array, grid: Grid | None) -> list[BscanResult]:
        """Surfaces on the network's grid, drawn on the scan's own with what lies between them."""
        ops = ops_of(logits)
        logits = ops.to_float(logits)
        probabilities = ops.to_numpy(ops.softmax(logits))
        results = []
        for one, winners in zip(probabilities, self._win_others(logits, grid), strict=True):
            surfaces = find_surfaces(one, self._order)
            if grid is not None:
                surfaces = Surfaces(
                    restore_curves(surfaces.rows, grid), restore_columns(surfaces.doubtful, grid)
                )
            results.append(BscanResult(self._draw(surfaces, winners), None, surfaces.doubtful))
        return results

    def _draw(self, surfaces: Surfaces, others: NDArray[np.uint8]) -> NDArray[np.uint8]:
        pockets = np.isin(others, self._lesions) if self._lesions else np.zeros(others.shape, bool)
        pockets = enclose_pockets(pockets, surfaces.rows)
        labels = labels_of_boundaries(surfaces.rows, self._order, depth=len(others))
        shown = pockets | np.isin(others, self._free) if self._free else pockets
        return np.where(shown, others, labels)

    def _win_others(self, logits: Array, grid: Grid | None) -> NDArray[np.uint8]:
        """Class indices where one that is no layer wins, 0 elsewhere; on the scan's own grid."""
        ops = ops_of(logits)
        others: list[int] = [*self._lesions, *self._free]
        states = ops.largest(logits[:, [BACKGROUND, *self._order]])
        planes = _restore(ops.concatenate([states, logits[:, others]]), grid)
        table = np.array([BACKGROUND, *others], np.uint8)
        found: NDArray[np.uint8] = table[ops.to_numpy(ops.win(planes))]
        return found


def _restore(logits: Array, grid: Grid | None) -> Array:
    return logits if grid is None else grid.restore(logits)


def _offsets(classes: LabelSet, thresholds: dict[str, float]) -> NDArray[np.float32] | None:
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
    return np.array([math.log((1 - t) / t) for t in shares], np.float32)[:, None, None]
