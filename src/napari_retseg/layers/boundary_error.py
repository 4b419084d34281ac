"""How far predicted boundaries lie from those of a reference.

In each A-scan the error of a boundary is its predicted row minus its row in the reference:
positive where the prediction lies deeper. All A-scans of all B-scans count alike. The 95th
percentile is of the absolute error, by nearest rank: the smallest value that is not exceeded in
95 % of the A-scans (Hyndman and Fan, Am. Stat. 50:361, 1996, definition 1).

An A-scan has no error where the reference is not annotated, or where a pocket of fluid between
two layers hides where they meet. It is `missing` where only the prediction has no boundary. In a
pocket of the *prediction* the boundary counts at the place that is nearest to the reference:
otherwise fluid that reaches a boundary would move it by the whole depth of the pocket.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import LabelSet
from napari_retseg.layers.anatomy import layer_order, name_boundaries
from napari_retseg.layers.boundaries import boundaries_of_labels

#: Absolute errors are collected in steps of 1/16 px: exact for boundaries of label maps, which
#: lie between pixels.
_STEPS = 16
_PERCENTILE = 95


@dataclass(frozen=True, slots=True)
class BoundaryError:
    """The error of one boundary; None where no A-scan counts, or where the scale is not known.

    Attributes
    ----------
    ascans
        How many A-scans count.
    missing
        In how many more only the prediction has no such boundary.
    bias_px, mean_px, p95_px
        Mean error, mean absolute error, and 95th percentile of the absolute error, in pixels.
    bias_um, mean_um, p95_um
        The same in um; None unless the axial pixel size of all scans is known.
    """

    ascans: int
    missing: int
    bias_px: float | None = None
    mean_px: float | None = None
    p95_px: float | None = None
    bias_um: float | None = None
    mean_um: float | None = None
    p95_um: float | None = None


@dataclass(frozen=True, slots=True)
class BoundaryErrors:
    """The errors of all boundaries by name, from above; and their means."""

    boundaries: dict[str, BoundaryError]

    @property
    def mean_px(self) -> float | None:
        """Mean absolute error, the mean over the boundaries that have one."""
        return self._mean("mean_px")

    @property
    def mean_um(self) -> float | None:
        """The same in um."""
        return self._mean("mean_um")

    @property
    def p95_px(self) -> float | None:
        """95th percentile, the mean over the boundaries that have one."""
        return self._mean("p95_px")

    @property
    def p95_um(self) -> float | None:
        """The same in um."""
        return self._mean("p95_um")

    def to_json(self) -> dict[str, Any]:
        """Return the errors as plain values."""
        return {
            "boundaries": {name: asdict(one) for name, one in self.boundaries.items()},
            "mean_boundary_error_px": self.mean_px,
            "mean_boundary_error_um": self.mean_um,
            "p95_boundary_error_px": self.p95_px,
            "p95_boundary_error_um": self.p95_um,
        }

    def _mean(self, measure: str) -> float | None:
        values = [getattr(one, measure) for one in self.boundaries.values()]
        known = [value for value in values if value is not None]
        return sum(known) / len(known) if known else None


class BoundaryCounter:
    """Collects the errors of B-scans without keeping them: sums, and how often each error occurs.

    Parameters
    ----------
    names
        Of the boundaries, from above.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._missing = np.zeros(len(self._names), np.int64)
        self._tallies: dict[float | None, _Tally] = {}

    def add(
        self,
        reference: NDArray[np.floating[Any]],
        predicted: NDArray[np.floating[Any]],
        *,
        um_per_px: float | None = None,
        highest: NDArray[np.floating[Any]] | None = None,
    ) -> None:
        """Count the errors of some B-scans.

        Parameters
        ----------
        reference, predicted
            Rows of the boundaries, ``(..., n_boundaries, width)``; NaN where there is none.
        um_per_px
            Axial pixel size; None where it is not known.
        highest
            Where a predicted boundary may lie higher than in `predicted`: how high
            (:meth:`napari_retseg.layers.LayerMap.highest_rows`).
        """
        nearest = predicted
        if highest is not None:
            nearest = np.clip(reference, np.fmin(highest, predicted), predicted)
        error = np.moveaxis(nearest - reference, -2, 0).reshape(len(self._names), -1)
        there = np.moveaxis(np.isfinite(reference), -2, 0).reshape(error.shape)
        counted = np.isfinite(error)
        self._missing += (there & ~counted).sum(axis=1)
        self._tally(um_per_px).add(error, counted)

    def add_labels(
        self,
        reference: NDArray[np.uint8],
        predicted: NDArray[np.uint8],
        layers: Sequence[int],
        *,
        um_per_px: float | None = None,
    ) -> None:
        """Count the errors between two label maps ``(..., depth, width)`` of `layers`."""
        found = boundaries_of_labels(predicted, layers)
        self.add(
            boundaries_of_labels(reference, layers).visible_rows(),
            found.annotated_rows(),
            um_per_px=um_per_px,
            highest=found.highest_rows(),
        )

    def merge(self, other: BoundaryCounter) -> None:
        """Count what another counter of the same boundaries has counted."""
        if other._names != self._names:
            raise ValueError(f"boundaries {other._names} are not {self._names}")
        self._missing += other._missing
        for um_per_px, tally in other._tallies.items():
            self._tally(um_per_px).merge(tally)

    def to_plain(self) -> dict[str, Any]:
        """Return what was counted as plain values, which travel between processes."""
        tallies = [[um_per_px, tally.to_plain()] for um_per_px, tally in self._tallies.items()]
        return {"missing": self._missing.tolist(), "tallies": tallies}

    def merge_plain(self, plain: dict[str, Any]) -> None:
        """Count what :meth:`to_plain` of another counter has given."""
        self._missing += np.array(plain["missing"], np.int64)
        for um_per_px, values in plain["tallies"]:
            self._tally(um_per_px).merge(_Tally.from_plain(values))

    def errors(self) -> BoundaryErrors:
        """Return the errors of all that was counted."""
        pixels = [(1.0, tally) for tally in self._tallies.values()]
        scaled = [(um, tally) for um, tally in self._tallies.items() if um is not None]
        found = {}
        for k, name in enumerate(self._names):
            n, *in_px = _measure(k, pixels)
            _, *in_um = _measure(k, scaled) if len(scaled) == len(pixels) else (n, *[None] * 3)
            found[name] = BoundaryError(n, int(self._missing[k]), *in_px, *in_um)
        return BoundaryErrors(found)

    def _tally(self, um_per_px: float | None) -> _Tally:
        """Errors of one pixel size: a volume of another size has other pixels."""
        if um_per_px not in self._tallies:
            self._tallies[um_per_px] = _Tally(len(self._names))
        return self._tallies[um_per_px]


class _Tally:
    """Of each boundary: number and sums of errors, and how often each absolute error occurs."""

    def __init__(self, n_boundaries: int) -> None:
        self.n = np.zeros(n_boundaries, np.int64)
        self.total = np.zeros(n_boundaries)
        self.absolute = np.zeros(n_boundaries)
        self.counts = np.zeros((n_boundaries, 0), np.int64)

    def add(self, error: NDArray[np.floating[Any]], counted: NDArray[np.bool_]) -> None:
        """Count errors in pixels, ``(n_boundaries, n)``."""
        error = np.where(counted, error, 0)
        size = np.abs(error)
        self.n += counted.sum(axis=1)
        self.total += error.sum(axis=1, dtype=np.float64)
        self.absolute += size.sum(axis=1, dtype=np.float64)
        steps = np.rint(size * _STEPS).astype(np.int64)
        self._widen(int(steps.max(initial=0)) + 1)
        for k, row in enumerate(steps):
            self.counts[k] += np.bincount(row[counted[k]], minlength=self.counts.shape[1])

    def merge(self, other: _Tally) -> None:
        self.n += other.n
        self.total += other.total
        self.absolute += other.absolute
        self._widen(other.counts.shape[1])
        self.counts[:, : other.counts.shape[1]] += other.counts

    def to_plain(self) -> dict[str, Any]:
        return {name: array.tolist() for name, array in vars(self).items()}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> _Tally:
        tally = cls(len(plain["n"]))
        for name, array in vars(tally).items():
            values = np.array(plain[name], array.dtype)
            setattr(tally, name, values.reshape(len(plain["n"]), -1) if array.ndim == 2 else values)
        return tally

    def _widen(self, width: int) -> None:
        more = width - self.counts.shape[1]
        if more > 0:
            self.counts = np.pad(self.counts, ((0, 0), (0, more)))


def _measure(
    boundary: int, tallies: Sequence[tuple[float, _Tally]]
) -> tuple[int, float | None, float | None, float | None]:
    """Number of A-scans, mean, mean absolute error and its percentile; errors are scaled."""
    n = sum(int(tally.n[boundary]) for _, tally in tallies)
    if not n:
        return 0, None, None, None
    bias = sum(scale * float(tally.total[boundary]) for scale, tally in tallies) / n
    mean = sum(scale * float(tally.absolute[boundary]) for scale, tally in tallies) / n
    sizes = np.concatenate(
        [np.arange(tally.counts.shape[1]) * (scale / _STEPS) for scale, tally in tallies]
    )
    counts = np.concatenate([tally.counts[boundary] for _, tally in tallies])
    order = np.argsort(sizes, kind="stable")
    rank = -(-_PERCENTILE * n // 100)
    place = np.searchsorted(np.cumsum(counts[order]), rank)
    return n, bias, mean, float(sizes[order][place])


def count_boundaries(classes: LabelSet) -> BoundaryCounter | None:
    """Make a counter for the layers among some classes; None where fewer than two are layers."""
    order = layer_order(classes)
    if len(order) < 2:
        return None
    return BoundaryCounter(name_boundaries([classes.names[k] for k in order]))
