"""A simulated volume, and predictions of it with errors that neighbouring B-scans share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_retseg.decode.propagation import Propagation
from napari_retseg.layers import boundaries_of_labels, labels_of_boundaries
from napari_retseg.simulate import draw_volume, make_device_config

LAYERS = tuple(range(1, 8))
FLUID = 8
SIZE = (256, 256)


@dataclass
class Volume:
    """Pixels and truth, ``(bscan, depth, width)``, and a prediction that a test spoils.

    `current` is what is predicted now; None: the prediction.
    """

    pixels: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    prediction: NDArray[np.uint8]
    current: NDArray[np.uint8] | None = None

    @classmethod
    def draw(cls, seed: int, n_bscans: int = 9) -> Volume:
        config = make_device_config("A", size=SIZE, n_bscans=n_bscans, bscan_um=60.0)
        drawn = draw_volume(config, seed)
        return cls(drawn.pixels, drawn.labels, drawn.labels.copy())

    def move(self, bscan: int, boundary: int, rows: float, columns: slice) -> None:
        """Move a boundary of the prediction of a B-scan, as a smooth bump."""
        found = boundaries_of_labels(self.prediction[bscan], LAYERS)
        bump = np.hanning(columns.stop - columns.start) * 1.6
        moved = found.rows.copy()
        moved[boundary, columns] += np.rint(rows * np.clip(bump, 0, 1))
        moved = np.maximum.accumulate(moved, axis=0)
        self.prediction[bscan] = labels_of_boundaries(moved, LAYERS, depth=SIZE[0], rest=found.rest)

    def propagation(self, confirmed: Mapping[int, NDArray[np.uint8]]) -> Propagation:
        numbers = np.arange(len(self.truth))
        return Propagation(
            grey=lambda bscan: self.pixels[bscan].astype(np.float32),
            prediction=lambda bscan: self.prediction[bscan],
            current=lambda bscan: (
                self.prediction[bscan] if self.current is None else self.current[bscan]
            ),
            labels=confirmed,
            layers=LAYERS,
            lesions=(FLUID,),
            distances=np.abs(np.subtract.outer(numbers, numbers)) / 5,
        )


def measure_error(labels: NDArray[np.uint8], truth: NDArray[np.uint8], boundary: int) -> float:
    """Mean absolute error of a boundary in rows."""
    reference = boundaries_of_labels(truth, LAYERS).visible_rows()[boundary]
    error = boundaries_of_labels(labels, LAYERS).rows[boundary] - reference
    return float(np.nanmean(np.abs(error)))
