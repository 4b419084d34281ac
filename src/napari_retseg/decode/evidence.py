"""What a network says of one B-scan, for editing: class probabilities and where they lie on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import LabelSet
from napari_retseg.layers import is_lesion

#: No pixel says more for or against a boundary than these odds, as a natural logarithm.
LARGEST_LOG_ODDS = 7.0
_LEAST = 1e-6


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the network's rows or columns lie on the scan: ``scan = scale * network + offset``."""

    scale: float
    offset: float

    def locate(self, size: int, n: int) -> NDArray[np.float32]:
        """Return the places of `size` scan pixels among `n` of the network, within 0 to n - 1."""
        places = (np.arange(size, dtype=np.float32) - self.offset) / self.scale
        clipped: NDArray[np.float32] = np.clip(places, 0, n - 1, dtype=np.float32)
        return clipped


@dataclass(frozen=True, slots=True)
class Evidence:
    """Class probabilities of one B-scan on the network's own grid.

    Attributes
    ----------
    classes
        Of the model.
    probabilities
        ``(class, rows, columns)``, float16, in the order of `classes`.
    rows, columns
        Where these lie on the scan.
    """

    classes: LabelSet
    probabilities: NDArray[np.float16]
    rows: Placement
    columns: Placement

    def probability(self, name: str, shape: tuple[int, int]) -> NDArray[np.float32]:
        """Return the probability of a class on the scan's grid; 0 for one the model lacks.

        Parameters
        ----------
        shape
            Of the B-scan, ``(depth, width)``.
        """
        if name not in self.classes.names:
            return np.zeros(shape, np.float32)
        return self._resample(self.probabilities[self.classes.names.index(name)], shape)

    def gain(self, layers: Sequence[str], shape: tuple[int, int]) -> NDArray[np.float32]:
        """Return what speaks for each boundary at each place, ``(K + 1, depth + 1, width)``.

        Entry ``[j, r, x]`` is the log-odds, summed over the rows above r of A-scan x, that these
        pixels lie above boundary j: with all pixels above row r above the boundary, that is with
        the boundary at row r - 0.5, it is as large as it gets. Pixels where a lesion wins have no
        say. A boundary between layers of which the model knows neither has no evidence: 0.

        Parameters
        ----------
        layers
            Names of the K layers, from the vitreous to the sclera.
        shape
            Of the B-scan, ``(depth, width)``.
        """
        gains = np.zeros((len(layers) + 1, shape[0] + 1, shape[1]), np.float32)
        for j, odds in enumerate(self._weigh(layers)):
            if odds is not None:
                np.cumsum(self._resample(odds, shape), axis=0, out=gains[j, 1:])
        return gains

    def _weigh(self, layers: Sequence[str]) -> list[NDArray[np.float32] | None]:
        """Log-odds of each pixel to lie above each boundary, on the network's grid."""
        names = self.classes.names
        known = self.probabilities.astype(np.float32)
        nothing = np.zeros(known.shape[1:], np.float32)
        states = [known[names.index(n)] if n in names else nothing for n in layers]
        lesions = [known[k] for k, name in enumerate(names) if is_lesion(name)]
        lesion = np.sum(lesions, axis=0) if lesions else nothing
        foreground = np.sum(states, axis=0) + lesion
        background = np.maximum(1 - foreground, 0)
        is_top = np.cumsum(foreground, axis=0) < 0.5 * foreground.sum(axis=0)
        strongest = np.maximum(np.max([background, *states], axis=0), _LEAST)
        weight = np.clip(1 - lesion / strongest, 0, 1)
        above = np.where(is_top, background, 0)
        every = background + foreground - lesion
        found: list[NDArray[np.float32] | None] = []
        for j in range(len(layers) + 1):
            if j:
                above = above + states[j - 1]
            beside = [n for n in layers[max(0, j - 1) : j + 1] if n in names]
            odds = np.log((above + _LEAST) / (np.maximum(every - above, 0) + _LEAST))
            limited = np.clip(odds, -LARGEST_LOG_ODDS, LARGEST_LOG_ODDS) * weight
            found.append(limited if beside else None)
        return found

    def _resample(self, plane: NDArray[np.floating], shape: tuple[int, int]) -> NDArray[np.float32]:
        """Interpolate linearly on the scan's grid."""
        by_row = _interpolate(plane.astype(np.float32), self.rows.locate(shape[0], len(plane)))
        places = self.columns.locate(shape[1], plane.shape[1])
        return np.ascontiguousarray(_interpolate(np.ascontiguousarray(by_row.T), places).T)


def _interpolate(plane: NDArray[np.float32], places: NDArray[np.float32]) -> NDArray[np.float32]:
    """Values along the first axis at places between its pixels."""
    low = np.minimum(places.astype(np.int64), max(0, len(plane) - 2))
    high = np.minimum(low + 1, len(plane) - 1)
    share = (places - low)[:, None]
    found: NDArray[np.float32] = plane[low] * (1 - share) + plane[high] * share
    return found
