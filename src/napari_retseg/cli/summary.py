"""What became of each scan of a batch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from napari_retseg.cli.group import FAILED, INTERRUPTED
from napari_retseg.cli.listing import LeftOut
from napari_retseg.cli.uncertainty_maps import RankedBscan, describe_next
from napari_retseg.plural import list_first

_NAMED = 10


@dataclass
class Summary:
    """What became of each scan.

    Attributes
    ----------
    predicted, skipped, kept, failed
        The scans that were labelled, whose labels are up to date, whose labels somebody has
        changed by hand, and that failed.
    not_tried
        Those that a stop has left.
    left_out
        What is no part of the batch.
    """

    model: str
    output: Path
    predicted: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, Any]] = field(default_factory=list)
    kept: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)
    not_tried: list[str] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    ranking: list[RankedBscan] | None = None
    interrupted: bool = False

    @property
    def exit_code(self) -> int:
        """The command's exit code."""
        if self.interrupted:
            return INTERRUPTED
        return FAILED if self.failed else 0

    def describe(self) -> list[str]:
        """Name what to label next, and count the scans in one line."""
        parts = [f"{len(self.predicted)} labelled"]
        for name, scans in (
            ("up to date", self.skipped),
            ("edited by hand and not replaced", self.kept),
            ("failed", self.failed),
            ("not tried", self.not_tried),
        ):
            if scans:
                parts.append(f"{len(scans)} {name}")
        line = f"{', '.join(parts)}; labels in {self.output}"
        return [describe_next(self.ranking), line] if self.ranking else [line]

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        data: dict[str, Any] = {
            "model": self.model,
            "output": str(self.output),
            "predicted": self.predicted,
            "skipped": self.skipped,
            "kept": self.kept,
            "failed": self.failed,
            "not_tried": self.not_tried,
            "left_out": [one.to_json() for one in self.left_out],
        }
        if self.ranking is not None:
            data["label_next"] = [asdict(one) for one in self.ranking]
        return data


#: What is wrong with labels that no eye can have.
IMPOSSIBLE_LAYERS = "layers are out of order, doubled or scattered"
#: What is wrong with B-scans of many doubtful A-scans.
DOUBTFUL_LAYERS = "the evidence for the layers is poor in more than 20 % of the A-scans"


def describe_check(what: str, bscans: Iterable[int], n_bscans: int) -> str:
    """Name the B-scans whose labels are to be checked, and why."""
    if n_bscans == 1:
        return f"check the labels: {what}"
    found = list(bscans)
    named = list_first(found, _NAMED)
    return f"check the labels of {len(found)} of {n_bscans} B-scans ({named}): {what}"
