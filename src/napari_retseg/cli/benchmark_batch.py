"""The sets of a scoreboard, scored side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from napari_retseg.benchmark.board import AnySet, Board
from napari_retseg.config import PredictConfig
from napari_retseg.engine.jobs import Lane, ready_predictor
from napari_retseg.engine.machine import share_cores
from napari_retseg.engine.sight import check_seen
from napari_retseg.engine.spread import spread
from napari_retseg.errors import JobError
from napari_retseg.events import Cancel, Event, Finished, Message, Progress
from napari_retseg.models import find_model, read_info

if TYPE_CHECKING:
    from napari_retseg.infer.predictor import Predictor


@dataclass(frozen=True)
class ScoreSetJob:
    """Score a model on one set of a scoreboard.

    Parameters
    ----------
    threads
        That the process may compute with; 0: as many as it likes.
    needs
        What a worker must see before it begins.
    """

    model: Path
    one: AnySet
    root: Path
    config: PredictConfig
    threads: int = 0
    needs: tuple[Path, ...] = ()
    lane: ClassVar[Lane] = "predict"

    def run(self, cancel: Cancel) -> Iterator[Event]:
        """Yield progress; the result has the scores, and the memory that the process has taken."""
        check_seen(self.needs)

        from napari_retseg.benchmark.running import measure_memory, score_set

        predictor = cast("Predictor", ready_predictor(self.model, self.config, self.threads))
        row = yield from score_set(self.one, self.root, predictor, cancel)
        if row is None:
            yield Finished(cancelled=True)
            return
        yield Finished(result={"row": row, "megabytes": measure_memory()})


def benchmark_side_by_side(
    board: Board,
    root: Path,
    model: str,
    output: Path,
    cancel: Cancel,
    *,
    config: PredictConfig,
    workers: int = 1,
    scheduler: str | None = None,
) -> Iterator[Event]:
    """Score a model on all sets, several at a time.

    Yields
    ------
    Event
        As :func:`napari_retseg.benchmark.run_board`, with the same scores but for the seconds.

    Raises
    ------
    RetsegError
        As there; and where there are no workers, or they do not see the files.
    """
    from napari_retseg.benchmark.running import Part, finish_board, list_parts

    folder, root = find_model(model).absolute(), root.absolute()
    info = read_info(folder)
    found = list(list_parts(board, root, info, output))
    yield from (one for one in found if isinstance(one, Message))
    parts = [one for one in found if isinstance(one, Part)]
    missing = [part for part in parts if part.row is None]
    rows = {part.one.name: part.row for part in parts}
    threads = 0 if scheduler else share_cores(workers)
    needs = (root, folder) if scheduler else ()
    jobs = (ScoreSetJob(folder, part.one, root, config, threads, needs) for part in missing)
    most = 0
    outcomes = spread(jobs, cancel, workers=workers, scheduler=scheduler)
    for done, (part, outcome) in enumerate(zip(missing, outcomes, strict=False), start=1):
        if outcome.status == "failed":
            raise JobError(f"{part.one.name}: {outcome.error}")
        if outcome.status == "cancelled":
            break
        rows[part.one.name] = outcome.result["row"]
        part.keep(outcome.result["row"])
        most = max(most, outcome.result["megabytes"])
        yield Progress(done, len(missing), unit="set")
    scored = {name: row for name, row in rows.items() if row is not None}
    if len(scored) < len(rows):
        yield Finished(cancelled=True)
        return
    yield finish_board(scored, root, info, output, megabytes=most)
