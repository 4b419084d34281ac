"""What correcting has cost: active seconds and edits of each B-scan, kept in the workspace.

Nothing else is kept: no dates, and nothing about the person. The file goes nowhere by itself.
"""

from __future__ import annotations

import statistics
import threading
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from napari_retseg.anchor import Anchor
from napari_retseg.errors import InputError, NotThereError
from napari_retseg.io.atomic import write_json
from napari_retseg.plural import count_noun
from napari_retseg.records import read_record
from napari_retseg.scorerecord import Count, Share

FILE = "costs.json"
#: Of so many B-scans of one model the seconds must be known before others are expected from them.
ENOUGH_MEASURED = 3
#: Scores of a model that are nearer than this are alike, whatever was measured.
_ALIKE = 0.02

_Seconds = Annotated[float, Field(ge=0, le=1e7)]
_Name = Annotated[str, Field(max_length=1000)]


@dataclass(frozen=True)
class BscanCost:
    """What a B-scan has cost so far.

    Attributes
    ----------
    scan, bscan
        Which one, by the scan's name in the workspace.
    seconds
        In which somebody worked on it.
    edits
        Strokes and other changes of its labels; to take one back is one, too.
    round
        How many rounds of training there were when it was last worked on.
    score, weights_id
        How unsure which model was of it; None and empty where nothing was predicted.
    """

    scan: _Name
    bscan: Count
    seconds: _Seconds = 0.0
    edits: Count = 0
    round: Count = 0
    score: Share | None = None
    weights_id: _Name = ""

    def and_more(self, more: BscanCost) -> BscanCost:
        """Return this with what came later."""
        return replace(more, seconds=self.seconds + more.seconds, edits=self.edits + more.edits)


class _File(BaseModel):
    """``costs.json``."""

    model_config = ConfigDict(strict=False)

    schema_version: Literal[1] = 1
    bscans: Annotated[list[BscanCost], Field(max_length=1_000_000)] = Field(default_factory=list)


class Costs:
    """The costs of a workspace's B-scans. What cannot be read is left as it is, and not added to.

    Parameters
    ----------
    anchor
        The workspace's folder.
    """

    def __init__(self, anchor: Anchor) -> None:
        self._anchor = anchor
        self._lock = threading.Lock()
        self._known: dict[tuple[str, int], BscanCost] | None = None
        self.problem = ""

    def list(self) -> tuple[BscanCost, ...]:
        """Return what is known, by scan and B-scan."""
        with self._lock:
            known = self._read()
            return tuple(known[place] for place in sorted(known))

    def add(self, more: BscanCost) -> None:
        """Add what a B-scan has cost since the last time.

        Raises
        ------
        InputError
            Where the file cannot be written.
        """
        with self._lock:
            known, place = self._read(), (more.scan, more.bscan)
            before = known.get(place)
            self._write({**known, place: more if before is None else before.and_more(more)})

    def forget(self, scan: str) -> None:
        """Forget a scan that is not in the workspace any more, or is another one now.

        Raises
        ------
        InputError
            Where the file cannot be written.
        """
        with self._lock:
            known = self._read()
            kept = {place: one for place, one in known.items() if one.scan != scan}
            if len(kept) < len(known):
                self._write(kept)

    def _read(self) -> dict[tuple[str, int], BscanCost]:
        if self._known is None:
            self._known = {}
            try:
                found = read_record(self._anchor.folder(Path(FILE)), _File).bscans
            except NotThereError:
                found = []
            except InputError as error:
                self.problem = f"{error}; remove this file to measure anew"
                found = []
            self._known = {(one.scan, one.bscan): one for one in found}
        return self._known

    def _write(self, known: dict[tuple[str, int], BscanCost]) -> None:
        if self.problem:
            return
        bscans = [asdict(known[place]) for place in sorted(known)]
        write_json(self._anchor.root / FILE, {"schema_version": 1, "bscans": bscans})
        self._known = known


def describe_costs(costs: Collection[BscanCost], *, n_rounds: int) -> str:
    """Say what a confirmed B-scan has cost: all in all, and since the last round.

    Parameters
    ----------
    costs
        Of confirmed B-scans.
    n_rounds
        How many rounds of training there were.

    Returns
    -------
    str
        Empty where nothing was measured.
    """
    if not costs:
        return ""
    seconds = statistics.median(one.seconds for one in costs)
    edits = round(statistics.median(one.edits for one in costs))
    text = f"median {describe_seconds(seconds)} and {count_noun(edits, 'edit')} a B-scan"
    last = [one.seconds for one in costs if one.round == n_rounds]
    if n_rounds and 0 < len(last) < len(costs):
        text += f", {describe_seconds(statistics.median(last))} after the last round"
    return text


def describe_seconds(seconds: float) -> str:
    """Write a time as a person says it."""
    whole = round(seconds)
    return f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60:02d} s"


def expect_seconds(
    scores: Sequence[float], costs: Collection[BscanCost], *, weights_id: str
) -> list[float] | None:
    """Say how many seconds B-scans will take: as those did that the model was as unsure of.

    The mean of the measured seconds, weighted by a Gaussian kernel of the difference in
    uncertainty (Nadaraya, Theory of Probability and its Applications 9, 1964; Watson, Sankhya A
    26, 1964), as wide as the measured scores scatter.

    Parameters
    ----------
    scores
        How unsure the model is of each, 0 to 1.
    costs
        What was measured, of any model.
    weights_id
        Of the model: scores of two models do not compare.

    Returns
    -------
    list of float or None
        None where too little was measured.
    """
    found = [c for c in costs if c.score is not None and c.weights_id == weights_id and c.seconds]
    if len(found) < ENOUGH_MEASURED:
        return None
    at = np.array([c.score for c in found], dtype=np.float64)
    seconds = np.array([c.seconds for c in found])
    away = (np.asarray(scores, dtype=np.float64)[:, None] - at) / max(float(at.std()), _ALIKE)
    # the nearest weighs 1, so that far away from all something is left
    squares = away**2 / 2
    weights = np.exp(squares.min(axis=1, keepdims=True) - squares)
    expected: list[float] = (weights @ seconds / weights.sum(axis=1)).tolist()
    return expected
