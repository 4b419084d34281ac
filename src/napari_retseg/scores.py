"""Scores from confusion counts: Dice, IoU, precision and recall, per class and per B-scan.

Where the classes are layers the error of their boundaries comes with them
(:mod:`napari_retseg.layers.boundary_error`).

Dice = 2TP / (2TP + FP + FN) and IoU = TP / (TP + FP + FN), from counts that are pooled over
all annotated pixels. A class that is neither in the reference nor predicted has no value
(None, ``null`` in JSON). A class that is predicted but not in the reference has Dice 0. Means
are over the classes that the reference holds. Means with background exist only to compare
with published tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import IGNORE, LabelSet
from napari_retseg.errors import InputError
from napari_retseg.layers import BoundaryErrors, count_boundaries, layer_order


def confusion_matrix(
    reference: NDArray[np.uint8], predicted: NDArray[np.uint8], n_classes: int
) -> NDArray[np.int64]:
    """Count how the pixels of each reference class were predicted.

    Parameters
    ----------
    reference, predicted
        Class indices of the same shape. Pixels that are 255 in `reference` do not count.
    n_classes
        With background.

    Returns
    -------
    ndarray
        Shape ``(n_classes, n_classes)``: rows reference, columns predicted.

    Raises
    ------
    ValueError
        Where the shapes differ, or `reference` holds an index that is no class.
    InputError
        Where `predicted` holds an index that is no class (255, too) at an annotated pixel.
    """
    counts = count_pairs(reference, predicted)
    counts[IGNORE] = 0
    if counts[n_classes:].any():
        raise ValueError(f"reference contains an index that is not below {n_classes}")
    if counts[:, n_classes:].any():
        value = n_classes + int(np.flatnonzero(counts[:, n_classes:].any(axis=0))[0])
        raise InputError(
            f"a prediction contains {value} at {int(counts[:, value].sum())} annotated pixels; "
            "it must give every pixel a class"
        )
    return counts[:n_classes, :n_classes].copy()


def count_pairs(reference: NDArray[np.uint8], predicted: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Count how often each pair of values lies at the same pixel.

    Returns
    -------
    ndarray
        Shape ``(256, 256)``: rows reference, columns predicted.

    Raises
    ------
    ValueError
        Where the shapes differ.
    """
    if reference.shape != predicted.shape:
        raise ValueError(f"reference {reference.shape} and predicted {predicted.shape} differ")
    # an index of up to 255 for either needs 16 bits, whatever the number of classes
    pairs = reference.astype(np.uint16)
    pairs <<= 8
    pairs |= predicted
    return np.bincount(pairs.ravel(), minlength=256 * 256).reshape(256, 256).astype(np.int64)


@dataclass(frozen=True, slots=True)
class ClassScores:
    """The scores of one class; None where there is nothing to divide by.

    Attributes
    ----------
    bscans_present
        Number of B-scans whose reference holds the class.
    reference_pixels, predicted_pixels
        Number of annotated pixels that are of the class, and that were predicted to be.
    false_positive_pixels
        Those of the predicted ones that are of another class in the reference.
    """

    dice: float | None
    iou: float | None
    precision: float | None
    recall: float | None
    bscans_present: int
    reference_pixels: int
    predicted_pixels: int
    false_positive_pixels: int

    @property
    def is_present(self) -> bool:
        """Whether the reference holds the class."""
        return self.reference_pixels > 0


@dataclass(frozen=True, slots=True)
class Overlap:
    """The scores of some pixels: for each class by name, background first, and their means."""

    classes: dict[str, ClassScores]

    @property
    def mean_foreground_dice(self) -> float | None:
        """Mean Dice of the classes in the reference, without background."""
        return _mean(c.dice for c in self._foreground() if c.is_present)

    @property
    def mean_foreground_iou(self) -> float | None:
        """Mean IoU of the classes in the reference, without background."""
        return _mean(c.iou for c in self._foreground() if c.is_present)

    @property
    def mean_dice_with_background(self) -> float | None:
        """Mean Dice as tables that count background as a class have it."""
        return _mean(c.dice for c in self.classes.values() if c.is_present)

    @property
    def mean_iou_with_background(self) -> float | None:
        """Mean IoU as tables that count background as a class have it."""
        return _mean(c.iou for c in self.classes.values() if c.is_present)

    def to_json(self) -> dict[str, Any]:
        """Return the scores as plain values."""
        return {
            "classes": {name: asdict(scores) for name, scores in self.classes.items()},
            "mean_foreground_dice": self.mean_foreground_dice,
            "mean_foreground_iou": self.mean_foreground_iou,
            "mean_dice_with_background": self.mean_dice_with_background,
            "mean_iou_with_background": self.mean_iou_with_background,
        }

    def _foreground(self) -> list[ClassScores]:
        return list(self.classes.values())[1:]


@dataclass(frozen=True, slots=True)
class BscanScores:
    """The scores of one B-scan."""

    name: str
    group: str
    overlap: Overlap

    @property
    def is_exact(self) -> bool:
        """Whether there is foreground, and every annotated pixel was predicted right.

        No model does that by itself: the reference is then a prediction that was accepted.
        """
        background, *foreground = self.overlap.classes.values()
        return any(c.is_present for c in foreground) and not any(
            c.false_positive_pixels for c in (background, *foreground)
        )

    def to_json(self) -> dict[str, Any]:
        """Return the scores as plain values."""
        return {"name": self.name, "group": self.group, **self.overlap.to_json()}


@dataclass(frozen=True, slots=True)
class Scores(Overlap):
    """The scores of a set of B-scans: of all their pixels together, and of each.

    Attributes
    ----------
    n_groups
        Number of patients.
    boundaries
        Errors of the layers' boundaries; None where fewer than two classes are layers.
    """

    bscans: tuple[BscanScores, ...]
    n_groups: int
    boundaries: BoundaryErrors | None = None

    @property
    def n_bscans(self) -> int:
        """Number of B-scans."""
        return len(self.bscans)

    @property
    def n_exact(self) -> int:
        """Number of B-scans that hold just what was predicted, see `BscanScores.is_exact`."""
        return sum(bscan.is_exact for bscan in self.bscans)

    def to_json(self, *, per_bscan: bool = True) -> dict[str, Any]:
        """Return the scores as plain values.

        Parameters
        ----------
        per_bscan
            With a list ``bscans`` of each B-scan's scores.
        """
        numbers = {"n_bscans": self.n_bscans, "n_exact": self.n_exact, "n_groups": self.n_groups}
        boundaries = {} if self.boundaries is None else self.boundaries.to_json()
        data = {**Overlap.to_json(self), **numbers, **boundaries}
        if per_bscan:
            data["bscans"] = [bscan.to_json() for bscan in self.bscans]
        return data


class ScoreCounter:
    """Collects the confusion matrices of B-scans, and the errors of their boundaries.

    Parameters
    ----------
    classes
        Name the rows and columns of the matrices.
    """

    def __init__(self, classes: LabelSet) -> None:
        self._names = classes.names
        self._layers = layer_order(classes)
        self._boundaries = count_boundaries(classes)
        self._matrices: list[NDArray[np.int64]] = []
        self._origins: list[tuple[str, str]] = []

    def compare(
        self,
        reference: NDArray[np.uint8],
        predicted: NDArray[np.uint8],
        *,
        name: str,
        group: str,
        um_per_px: float | None = None,
    ) -> None:
        """Count one B-scan.

        Parameters
        ----------
        reference, predicted
            Class indices, ``(depth, width)``; 255 in `reference`: not annotated.
        name, group
            Of the B-scan and its patient.
        um_per_px
            Axial pixel size; None where it is not known.

        Raises
        ------
        ValueError, InputError
            As :func:`confusion_matrix`.
        """
        matrix = confusion_matrix(reference, predicted, len(self._names))
        self.add(matrix, name=name, group=group)
        if self._boundaries is not None:
            self._boundaries.add_labels(reference, predicted, self._layers, um_per_px=um_per_px)

    def add(self, matrix: NDArray[np.int64], *, name: str, group: str) -> None:
        """Count one B-scan by its :func:`confusion_matrix` alone, without boundaries."""
        n = len(self._names)
        if matrix.shape != (n, n):
            raise ValueError(f"a matrix of shape {matrix.shape} does not fit {n} classes")
        self._matrices.append(matrix.astype(np.int64))
        self._origins.append((name, group))

    def merge(self, other: ScoreCounter) -> None:
        """Count what another counter of the same classes has counted."""
        if other._names != self._names:
            raise ValueError(f"classes {other._names} are not {self._names}")
        self._matrices += other._matrices
        self._origins += other._origins
        if self._boundaries is not None and other._boundaries is not None:
            self._boundaries.merge(other._boundaries)

    def to_plain(self) -> dict[str, Any]:
        """Return what was counted as plain values, which travel between processes."""
        return {
            "matrices": [matrix.tolist() for matrix in self._matrices],
            "origins": self._origins,
            "boundaries": None if self._boundaries is None else self._boundaries.to_plain(),
        }

    def merge_plain(self, plain: dict[str, Any]) -> None:
        """Count what :meth:`to_plain` of another counter of the same classes has given."""
        for matrix, (name, group) in zip(plain["matrices"], plain["origins"], strict=True):
            self.add(np.array(matrix, np.int64), name=name, group=group)
        if self._boundaries is not None and plain["boundaries"] is not None:
            self._boundaries.merge_plain(plain["boundaries"])

    def scores(self) -> Scores:
        """Return the scores of all that was added; B-scans stay in the order of adding."""
        n = len(self._names)
        stack = np.array(self._matrices, dtype=np.int64).reshape(-1, n, n)
        bscans = tuple(
            BscanScores(name, group, score_counts(self._names, *pool_counts(matrix[np.newaxis])))
            for matrix, (name, group) in zip(stack, self._origins, strict=True)
        )
        return Scores(
            classes=score_counts(self._names, *pool_counts(stack)).classes,
            bscans=bscans,
            n_groups=len({group for _, group in self._origins}),
            boundaries=None if self._boundaries is None else self._boundaries.errors(),
        )


def pool_counts(matrices: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pool matrices ``(n_bscans, n_classes, n_classes)`` to what :func:`score_counts` takes."""
    return matrices.sum(axis=0), (matrices.sum(axis=2) > 0).sum(axis=0)


def score_counts(
    names: Sequence[str], counts: NDArray[np.int64], present: NDArray[np.int64]
) -> Overlap:
    """Score counts that are pooled already.

    Parameters
    ----------
    names
        Of the classes, background first.
    counts
        The sum of :func:`confusion_matrix` over some B-scans, ``(n_classes, n_classes)``.
    present
        In how many of them the reference holds each class, ``(n_classes,)``.
    """
    reference, predicted = counts.sum(axis=1).tolist(), counts.sum(axis=0).tolist()
    return Overlap(
        {
            name: _score_class(
                hits=int(counts[k, k]),
                reference=reference[k],
                predicted=predicted[k],
                bscans=int(present[k]),
            )
            for k, name in enumerate(names)
        }
    )


def _score_class(*, hits: int, reference: int, predicted: int, bscans: int) -> ClassScores:
    return ClassScores(
        dice=_divide(2 * hits, reference + predicted),
        iou=_divide(hits, reference + predicted - hits),
        precision=_divide(hits, predicted),
        recall=_divide(hits, reference),
        bscans_present=bscans,
        reference_pixels=reference,
        predicted_pixels=predicted,
        false_positive_pixels=predicted - hits,
    )


def _divide(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
