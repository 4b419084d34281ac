"""How sure the numbers of labels are: which intervals they have, and why they have none."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_retseg.device_layers import DEVICE_ID
from napari_retseg.errors import ModelError
from napari_retseg.measures import Intervals, Measurement, Measures, Sectors, Widener
from napari_retseg.models.calibrated import find_calibrated, find_retest
from napari_retseg.models.lookup import find_model
from napari_retseg.scan import OctScan
from napari_retseg.visits import Repeatability, Visit


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

    def widen_some(
        self, numbers: Sequence[Measurement], scan: OctScan, sectors: Sectors | None
    ) -> Iterator[Measurement]:
        """Give some numbers of the scan their intervals."""
        if self.intervals is None:
            yield from numbers
        else:
            yield from Widener(self.intervals, scan, self.confirmed).widen(numbers, sectors)


def find_unconfirmed(
    states: Mapping[int, str], said_by: Mapping[int, str]
) -> tuple[set[str], frozenset[int]]:
    """Find who is to be trusted with the B-scans of a workspace.

    Parameters
    ----------
    states
        Of the B-scans that have labels.
    said_by
        The weights_id of the model behind each prediction.

    Returns
    -------
    weights, confirmed
        Whose predictions nobody has confirmed, empty text for labels without one; and which
        B-scans are confirmed.
    """
    confirmed = frozenset(bscan for bscan, state in states.items() if state == "confirmed")
    return {said_by.get(bscan, "") for bscan in {*states, *said_by} - confirmed}, confirmed


def find_sureness(
    weights: Collection[str],
    confirmed: frozenset[int] = frozenset(),
    *,
    model: str | None = None,
    known: Iterable[Path] = (),
) -> Sureness:
    """Find the intervals of labels.

    Parameters
    ----------
    weights
        Of the models that predicted what nobody has confirmed: the SHA-256 of their weights file,
        or their weights_id; empty text where none did.
    model
        Name or folder of a model that may be the one.
    known
        Folders of others.
    """
    said_by = set(weights)
    if not said_by:  # by hand, or all confirmed
        return Sureness(confirmed=confirmed)
    if "" in said_by:
        note = "no intervals: some labels are neither predicted nor confirmed"
        return Sureness(confirmed=confirmed, note=note)
    if DEVICE_ID in said_by:
        note = "no intervals: it is not known how far the layers of the device are off"
        return Sureness(confirmed=confirmed, note=note)
    if len(said_by) > 1:
        note = "no intervals: the labels are from several models; predict them with one"
        return Sureness(confirmed=confirmed, note=note)
    intervals, note = find_calibrated(said_by.pop(), [*_find_folders(model), *known])
    return Sureness(intervals, confirmed, note)


def find_repeatability(before: Visit, after: Visit, *, model: str | None = None) -> Repeatability:
    """Find how well the numbers of two visits repeat.

    As well as those of the model that predicted the labels of both, where nobody has changed or
    confirmed them; else as in the literature.

    Parameters
    ----------
    model
        Name or folder of a model that may be the one.
    """
    if not (len(before.said_by) == len(after.said_by) == 1):
        return Repeatability()
    # one model may be named by its weights_id and by the hash of its weights
    folders = _find_folders(model)
    found = [find_retest(name, folders) for name in {*before.said_by, *after.said_by}]
    if found[0] is None or found[-1] != found[0]:
        return Repeatability()
    return Repeatability.of_model(found[0])


def _find_folders(model: str | None) -> list[Path]:
    try:
        return [] if model is None else [find_model(model)]
    except ModelError:  # the names of the classes are asked for next, which says it
        return []
