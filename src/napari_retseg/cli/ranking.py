"""Uncertainty of a batch of scans on disk: a map of each, and one ranking of all B-scans."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_retseg.errors import JobError, UsageError
from napari_retseg.events import BscanPredicted
from napari_retseg.io import open_label_writer
from napari_retseg.io.atomic import write_json, write_text
from napari_retseg.plaintext import make_cell
from napari_retseg.ranking import rank_bscans
from napari_retseg.scan import OctScan

FOLDER = "uncertainty"
TABLE = "uncertainty.csv"
#: B-scans that are ranked with regard to each other; the rest follow by score.
_RANKED = 500
_NAMED = 5


@dataclass(frozen=True, slots=True)
class RankedBscan:
    """One line of the table; `bscan` counts from 0, `rank` from 1."""

    file: str
    bscan: int
    score: float
    rank: int

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {"file": self.file, "bscan": self.bscan, "score": self.score, "rank": self.rank}


class Ranking:
    """Collects the uncertainty of B-scans.

    What the ranking needs of a scan lies beside its map as JSON, so that scans that an
    earlier run has labelled take part again.

    Parameters
    ----------
    output
        The folder of the labels.
    """

    def __init__(self, output: Path) -> None:
        self._output = output
        self._bscans: list[tuple[str, int, float, Sequence[float]]] = []

    @property
    def table(self) -> Path:
        """Where the ranking goes."""
        return self._output / TABLE

    def check_sources(self, paths: Sequence[Path]) -> None:
        """Refuse scans that a map could replace.

        Raises
        ------
        UsageError
            Naming the first.
        """
        folder = (self._output / FOLDER).resolve()
        inside = [path for path in paths if path.resolve().is_relative_to(folder)]
        if inside:
            raise UsageError(
                f"{inside[0]}: lies in the folder of uncertainty maps; choose another --output"
            )

    def map_path(self, target: Path) -> Path:
        """Where the map goes that belongs to a label file; it has the same format."""
        return self._output / FOLDER / target.relative_to(self._output)

    @contextmanager
    def open_map(
        self, path: Path, scan: OctScan, target: Path
    ) -> Iterator[Callable[[BscanPredicted], None]]:
        """Open the map of a scan; what is given takes its B-scans, in any order.

        At the end the map appears whole, and beside it what a later run needs for its ranking.
        """
        bscans: list[dict[str, Any]] = []

        def write(event: BscanPredicted) -> None:
            found = event.uncertainty
            if found is None:
                raise JobError(f"{path}: the uncertainty was not measured; update the workers")
            writer.write(event.index, found.entropy)
            descriptor = [round(value, 6) for value in found.descriptor]
            bscans.append({"bscan": event.index, "score": found.score, "descriptor": descriptor})

        with open_label_writer(self.map_path(target), scan=scan) as writer:
            yield write
            bscans.sort(key=lambda b: b["bscan"])
            write_json(self._scores_path(target), {"bscans": bscans})
            self._take(path, bscans)

    def recall(self, path: Path, target: Path, *, n_bscans: int) -> bool:
        """Take the B-scans of a scan from an earlier run; False where it left nothing whole."""
        if not self.map_path(target).is_file():
            return False
        try:
            bscans = json.loads(self._scores_path(target).read_text(encoding="utf-8"))["bscans"]
            if len(bscans) != n_bscans:
                return False
            self._take(path, bscans)
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return True

    def rank(self) -> list[RankedBscan]:
        """Rank all B-scans: those to label next come first."""
        scores = [score for _, _, score, _ in self._bscans]
        order = rank_bscans(scores, [values for *_, values in self._bscans], n=_RANKED)
        rest = set(range(len(scores))).difference(order)
        order += sorted(rest, key=lambda k: (-scores[k], k))
        return [
            RankedBscan(self._bscans[k][0], self._bscans[k][1], round(scores[k], 6), rank)
            for rank, k in enumerate(order, start=1)
        ]

    def write(self) -> list[RankedBscan]:
        """Rank, and write the table."""
        ranked = self.rank()
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["file", "bscan", "score", "rank"])
        writer.writerows(
            [make_cell(one.file), one.bscan, f"{one.score:.6f}", one.rank] for one in ranked
        )
        write_text(self.table, text.getvalue())
        return ranked

    def _scores_path(self, target: Path) -> Path:
        place = self.map_path(target)
        return place.with_name(f"{place.name}.json")

    def _take(self, path: Path, bscans: Sequence[dict[str, Any]]) -> None:
        self._bscans += [
            (str(path), int(b["bscan"]), float(b["score"]), [float(v) for v in b["descriptor"]])
            for b in bscans
        ]


def describe_next(ranked: Sequence[RankedBscan]) -> str:
    """Name the first few B-scans of a ranking in one line."""
    named = [f"{Path(one.file).name} B-scan {one.bscan}" for one in ranked[:_NAMED]]
    return f"label these next: {', '.join(named)}"
