"""The scores of a model on many cases, counted side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from napari_retseg.cli.courier import SENT, find_courier
from napari_retseg.config import PredictConfig
from napari_retseg.dataset import Case, Dataset
from napari_retseg.engine.jobs import ScoreCaseJob
from napari_retseg.engine.machine import share_cores
from napari_retseg.engine.spread import spread
from napari_retseg.errors import JobError
from napari_retseg.events import Cancel, Event, Finished, Message, Progress
from napari_retseg.models import find_model, read_info
from napari_retseg.scores import ScoreCounter


def evaluate_side_by_side(
    model: str,
    dataset: Dataset,
    *,
    split: str,
    config: PredictConfig,
    cancel: Cancel,
    workers: int = 1,
    scheduler: str | None = None,
) -> Iterator[Event]:
    """Score a model, case by case in several processes.

    Yields
    ------
    Event
        Those of :func:`napari_retseg.infer.evaluate.evaluate`, with the same scores.

    Raises
    ------
    RetsegError
        As there; and where there are no workers, or they do not see the files.
    """
    from napari_retseg.infer.evaluate import describe_scores, list_work, warn_before

    folder = find_model(model).absolute()
    info = read_info(folder)
    yield from warn_before(info, dataset, split)
    work = list_work(dataset, split)
    threads = 0 if scheduler else share_cores(workers)
    courier = None
    needs: tuple[Path, ...] = ()
    if scheduler is not None:
        courier = find_courier(scheduler, {folder, dataset.root, *_list_folders(work)})
        if courier is None:
            needs = (dataset.root, folder)
        else:
            yield Message(SENT)
    jobs = (
        ScoreCaseJob(folder, _keep_one(dataset, case), tuple(bscans), config, threads, needs)
        for case, bscans in work
    )
    counter = ScoreCounter(dataset.labels)
    done, total = 0, sum(len(bscans) for _, bscans in work)
    outcomes = spread(jobs, cancel, workers=workers, scheduler=scheduler, courier=courier)
    for (_, bscans), outcome in zip(work, outcomes, strict=False):
        if outcome.status == "failed":
            raise JobError(outcome.error)
        if outcome.status == "cancelled":
            break
        counter.merge_plain(outcome.result["counts"])
        done += len(bscans)
        yield Progress(done, total)
    if done < total:
        yield Finished(cancelled=True)
        return
    result = {**describe_scores(info, dataset, split), **counter.scores().to_json()}
    yield Finished(result=result)


def _list_folders(work: Sequence[tuple[Case, list[int]]]) -> set[Path]:
    """Where scans and labels lie."""
    return {path.parent for case, _ in work for path in (case.image, case.label) if path}


def _keep_one(dataset: Dataset, case: Case) -> Dataset:
    """Leave the other cases out, so that little is sent."""
    return dataset.model_copy(update={"cases": (case,)})
