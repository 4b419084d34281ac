"""Uncertainty of a batch of scans on disk: a map of each, and one ranking of all B-scans."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from napari_retseg.config import Frozen
from napari_retseg.errors import InputError, JobError, UsageError
from napari_retseg.events import POOR, BscanPredicted
from napari_retseg.infer.anatomy import IMPOSSIBLE
from napari_retseg.io import LabelWriter
from napari_retseg.io.atomic import write_json, write_text
from napari_retseg.plaintext import make_cell
from napari_retseg.ranking import rank_bscans
from napari_retseg.records import read_record
from napari_retseg.scan import OctScan

FOLDER = "uncertainty"
TABLE = "uncertainty.csv"
#: B-scans that are ranked with regard to each other; the rest follow by score.
_RANKED = 500
_NAMED = 5


@dataclass(frozen=True, slots=True)
class RankedBscan:
    """One line of the table; `bscan` counts from 0, `rank` from 1.

    `misplaced` is the share that :class:`napari_retseg.infer.anatomy.Anatomy` measures,
    `doubtful` that of the A-scans with poor evidence for their layers.
    """

    file: str
    bscan: int
    score: float
    rank: int
    misplaced: float
    doubtful: float


class _Measured(Frozen):
    """What the ranking knows of a B-scan; kept beside the map."""

    bscan: Annotated[int, Field(ge=0)]
    score: Annotated[float, Field(ge=0, le=1)]
    descriptor: tuple[float, ...]
    misplaced: Annotated[float, Field(ge=0, le=1)] = 0.0
    doubtful: Annotated[float, Field(ge=0, le=1)] = 0.0

    @property
    def is_faulty(self) -> bool:
        """Whether the labels are to be checked before any others."""
        return self.misplaced > IMPOSSIBLE or self.doubtful > POOR


class _Scan(Frozen):
    """The content of the JSON file beside a map."""

    bscans: tuple[_Measured, ...]


class Ranking:
    """Collects the uncertainty of B-scans whose labels lie in the folder `output`.

    What the ranking needs of a scan lies beside its map as JSON: another process may have written
    it, or an earlier run.
    """

    def __init__(self, output: Path) -> None:
        self._output = output
        self._bscans: list[tuple[str, _Measured]] = []

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
    ) -> Iterator[Callable[[BscanPredicted, float], None]]:
        """Open the map of a scan; what is given takes its B-scans, in any order.

        With each comes the share of it that is misplaced.

        At the end the map appears whole, and beside it what :meth:`recall` takes.
        """
        bscans: list[_Measured] = []

        def write(event: BscanPredicted, misplaced: float) -> None:
            found = event.uncertainty
            if found is None:
                raise JobError(
                    f"{path}: uncertainty was not measured; update napari-retseg on the workers"
                )
            writer.write(event.index, found.entropy)
            descriptor = tuple(round(value, 6) for value in found.descriptor)
            bscans.append(
                _Measured(
                    bscan=event.index,
                    score=found.score,
                    descriptor=descriptor,
                    misplaced=round(misplaced, 6),
                    doubtful=round(event.doubtful_share, 6),
                )
            )

        with LabelWriter(self.map_path(target), scan=scan) as writer:
            yield write
            bscans.sort(key=lambda b: b.bscan)
            about = _Scan(bscans=tuple(bscans))
            write_json(self._scores_path(target), about.model_dump(mode="json"))

    def recall(self, path: Path, target: Path, *, n_bscans: int) -> bool:
        """Take the B-scans of a scan whose map was written; False where it is not whole."""
        if not self.map_path(target).is_file():
            return False
        try:
            about = read_record(self._scores_path(target), _Scan)
        except InputError:
            return False
        if len(about.bscans) != n_bscans:
            return False
        self._bscans += [(str(path), one) for one in about.bscans]
        return True

    def rank(self) -> list[RankedBscan]:
        """Rank all B-scans: faulty ones come first, then those to label next."""
        measured = [one for _, one in self._bscans]
        first = [k for k, one in enumerate(measured) if one.is_faulty]
        first.sort(key=lambda k: (-measured[k].misplaced, -measured[k].doubtful, k))
        others = [k for k, one in enumerate(measured) if not one.is_faulty]
        chosen = rank_bscans(
            [measured[k].score for k in others],
            [measured[k].descriptor for k in others],
            known=[measured[k].descriptor for k in first],
            n=_RANKED,
        )
        order = [*first, *(others[place] for place in chosen)]
        rest = set(range(len(measured))).difference(order)
        order += sorted(rest, key=lambda k: (-measured[k].score, k))
        return [
            RankedBscan(
                file=self._bscans[k][0],
                bscan=measured[k].bscan,
                score=round(measured[k].score, 6),
                rank=rank,
                misplaced=measured[k].misplaced,
                doubtful=measured[k].doubtful,
            )
            for rank, k in enumerate(order, start=1)
        ]

    def write(self) -> list[RankedBscan]:
        """Rank, and write the table."""
        ranked = self.rank()
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["file", "bscan", "score", "rank", "misplaced", "doubtful"])
        writer.writerows(
            [
                *(make_cell(one.file), one.bscan, f"{one.score:.6f}", one.rank),
                *(f"{one.misplaced:.4f}", f"{one.doubtful:.4f}"),
            ]
            for one in ranked
        )
        write_text(self.table, text.getvalue())
        return ranked

    def _scores_path(self, target: Path) -> Path:
        place = self.map_path(target)
        return place.with_name(f"{place.name}.json")


def describe_next(ranked: Sequence[RankedBscan]) -> str:
    """Name the first few B-scans of a ranking in one line."""
    named = [f"{Path(one.file).name} B-scan {one.bscan}" for one in ranked[:_NAMED]]
    return f"label these next: {', '.join(named)}"
