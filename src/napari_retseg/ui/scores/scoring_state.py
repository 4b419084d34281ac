"""What the Scores dock shows. Knows no Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from psygnal import SignalGroupDescriptor

from napari_retseg.classes import LabelSet
from napari_retseg.layers import BoundaryErrors
from napari_retseg.scores import Overlap

Scope = Literal["bscan", "volume", "heldout"]
Measure = Literal["classes", "boundaries"]
_NO_CLASSES = LabelSet.from_names([])


@dataclass
class ScoringState:
    """What the Scores dock shows.

    Attributes
    ----------
    layers
        Names of the labels layers.
    reference, predicted
        Indices of the two that are compared; -1: none.
    classes
        Of the reference.
    scores, before
        Of the scope; `before`: with the prediction before this one.
    measure
        What is shown of the scope: boundaries are measured only then.
    boundaries, um_per_px
        Errors of the layers' boundaries as far as they are measured, and the axial pixel size;
        None where they are not shown or not known.
    worst
        B-scans and mean foreground Dice, the lowest first.
    model
        Which model predicted; empty where it is not known.
    notice
        Why there are no scores, or what to know about them.
    """

    layers: tuple[str, ...] = ()
    reference: int = -1
    predicted: int = -1
    classes: LabelSet = _NO_CLASSES
    scope: Scope = "volume"
    scores: Overlap | None = None
    before: Overlap | None = None
    measure: Measure = "classes"
    boundaries: BoundaryErrors | None = None
    um_per_px: float | None = None
    worst: tuple[tuple[int, float], ...] = ()
    model: str = ""
    notice: str = ""
    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()
