"""How sure the numbers of labels are: which intervals they have, and why they have none."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from napari_retseg.errors import ModelError
from napari_retseg.measures import Measures
from napari_retseg.measures.intervals import Intervals, Widener
from napari_retseg.models import find_calibrated, find_model
from napari_retseg.scan import OctScan


@dataclass(frozen=True)
class Sureness:
    """Intervals of the model that predicted some labels.

    Attributes
    ----------
    intervals
        None where there are none.
    confirmed
        B-scans whose labels a person has confirmed.
    note
        Why there are none, as the user should know it; empty where that is plain.
    """

    intervals: Intervals | None = None
    confirmed: frozenset[int] = frozenset()
    note: str = ""

    @property
    def digest(self) -> str | None:
        """SHA-256 of what decides on the intervals; None where there are none."""
        if self.intervals is None:
            return None
        text = f"{self.intervals.model_dump_json()} {sorted(self.confirmed)}"
        return hashlib.sha256(text.encode()).hexdigest()

    def widen(self, measures: Measures, scan: OctScan) -> Measures:
        """Give the numbers of the scan their intervals, or say why they have none."""
        if self.intervals is None:
            notes = (*measures.notes, self.note) if self.note else measures.notes
            return replace(measures, notes=notes)
        return Widener(self.intervals, scan, self.confirmed).widen_all(measures)


def find_sureness(
    weights: Collection[str], confirmed: frozenset[int] = frozenset(), *, model: str | None = None
) -> Sureness:
    """Find the intervals of labels.

    Parameters
    ----------
    weights
        Of the models that predicted what nobody has confirmed: the SHA-256 of their weights file,
        or their weights_id; empty text where none did.
    model
        Name or folder of a model that may be the one.
    """
    said_by = set(weights)
    if not said_by:  # by hand, or all confirmed
        return Sureness(confirmed=confirmed)
    if "" in said_by:
        note = "no intervals: some labels are not from a model, and nobody has confirmed them"
        return Sureness(confirmed=confirmed, note=note)
    if len(said_by) > 1:
        note = "no intervals: the labels are from several models; predict them with one"
        return Sureness(confirmed=confirmed, note=note)
    intervals, note = find_calibrated(said_by.pop(), _find_folders(model))
    return Sureness(intervals, confirmed, note)


def _find_folders(model: str | None) -> list[Path]:
    try:
        return [] if model is None else [find_model(model)]
    except ModelError:  # the names of the classes are asked for next, which says it
        return []
