"""``napari-retseg evaluate``: scores of a model, or of predictions on disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from napari_retseg.cli.group import INTERRUPTED
from napari_retseg.cli.options import (
    DeviceOption,
    JsonOption,
    PrecisionOption,
    SchedulerOption,
    WorkersOption,
    parse_workers,
)
from napari_retseg.cli.predict import AxisOption, DecodeOption, TtaOption
from napari_retseg.errors import InputError, ModelError, UsageError
from napari_retseg.plural import count_noun

if TYPE_CHECKING:
    from napari_retseg.engine import EvaluateJob
    from napari_retseg.events import Cancel, Event

Split = Literal["train", "val", "test"]


def evaluate(
    dataset: Annotated[Path, typer.Argument(help="Dataset with labels.")],
    model: Annotated[str | None, typer.Option(help="Name or folder of a model.")] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Folder of label files written by 'predict'.")
    ] = None,
    split: Annotated[Split, typer.Option(help="Part of the dataset to score.")] = "val",
    output: Annotated[Path | None, typer.Option(help="JSON file for the scores.")] = None,
    tta: TtaOption = False,
    decode: DecodeOption = "auto",
    axis: AxisOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    workers: WorkersOption = "1",
    scheduler: SchedulerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score a model, or label files that were predicted before."""
    from napari_retseg.cli.reporting import Reporter
    from napari_retseg.cli.running import stopping_cleanly
    from napari_retseg.config import PredictConfig
    from napari_retseg.engine import EvaluateJob
    from napari_retseg.events import Finished
    from napari_retseg.io.atomic import write_json

    if (model is None) == (predictions is None):
        raise UsageError("give either --model or --predictions")
    if predictions is not None and (scheduler is not None or workers != "1"):
        raise UsageError("--workers and --scheduler can only be used with --model")
    if predictions is not None and (tta or decode != "auto" or axis is not None):
        raise UsageError("--tta, --decode and --axis can only be used with --model")
    config = PredictConfig(device=device, precision=precision, tta=tta, decode=decode, axis=axis)
    with Reporter(as_json=as_json) as reporter, stopping_cleanly() as cancel:
        if predictions is not None:
            events = _score_files(predictions, dataset, split, cancel)
        else:
            job = EvaluateJob(model or "", dataset, split=split, config=config)
            events = _score_model(job, cancel, workers=workers, scheduler=scheduler)
        result: dict[str, Any] = {}
        for event in events:
            reporter.show(event, subject="scoring")
            if isinstance(event, Finished):
                if event.cancelled:
                    raise typer.Exit(INTERRUPTED)
                result = event.result
        reporter.end_progress()
        if output is not None:
            write_json(output, result)
        if not as_json:
            reporter.say(_headline(result, split))
            reporter.say_lines(_lay_out(result))
        reporter.finish(result)


def _score_model(
    job: EvaluateJob, cancel: Cancel, *, workers: str, scheduler: str | None
) -> Iterator[Event]:
    """Score case by case on several workers, or all in one job."""
    from napari_retseg.cli.evaluate_batch import evaluate_side_by_side
    from napari_retseg.cli.running import run_job
    from napari_retseg.dataset import load_dataset

    number = parse_workers(workers, 1, scheduler=scheduler)
    # what lies on the machine of a scheduler only, that machine reads
    if workers == "1" and (scheduler is None or not _is_here(job)):
        return run_job(job, scheduler=scheduler, cancel=cancel)
    dataset = load_dataset(job.dataset_path)
    if workers == "auto":
        n_cases = len(dataset.of_split(job.split))
        number = parse_workers(workers, n_cases, scheduler=scheduler, device=job.config.device)
    return evaluate_side_by_side(
        str(job.model),
        dataset,
        split=job.split,
        config=job.config,
        cancel=cancel,
        workers=number,
        scheduler=scheduler,
    )


def _is_here(job: EvaluateJob) -> bool:
    """Whether this machine sees the dataset and the model."""
    from napari_retseg.models import find_model

    try:
        find_model(job.model)
    except ModelError:
        return False
    return job.dataset_path.exists()


def _score_files(folder: Path, dataset: Path, split: Split, cancel: Cancel) -> Iterator[Event]:
    from napari_retseg.dataset import load_dataset
    from napari_retseg.infer.evaluate import evaluate_predictions

    if not folder.is_dir():
        raise InputError(f"{folder}: folder of predictions not found")
    loaded = load_dataset(dataset)
    return evaluate_predictions(folder, loaded, split=split, cancel=cancel)


def _lay_out(result: dict[str, Any]) -> str:
    """The classes, and below them the boundaries of layers."""
    from napari_retseg.scoretable import format_boundaries, format_table

    tables = (format_table(result), format_boundaries(result))
    return "\n\n".join(table for table in tables if table)


def _headline(result: dict[str, Any], split: str) -> str:
    bscans = count_noun(result["n_bscans"], "B-scan")
    patients = count_noun(result["n_groups"], "patient")
    return f"{result['dataset']}, split {split}: {bscans} of {patients}"
