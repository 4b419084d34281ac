"""``napari-retseg train``: fine-tune a model, scored on patients that it never sees."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_retseg.cli.group import FAILED, INTERRUPTED
from napari_retseg.cli.options import (
    JsonOption,
    SchedulerOption,
    given_values,
    options_of,
    read_config,
)
from napari_retseg.config import TrainConfig
from napari_retseg.errors import JobError
from napari_retseg.runs.paths import RunPaths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_retseg.cli.reporting import Reporter
    from napari_retseg.engine import TrainJob
    from napari_retseg.events import Cancel, Event


@options_of(TrainConfig)
def train(
    dataset: Annotated[Path, typer.Argument(help="Dataset with labels.")],
    output: Annotated[Path, typer.Option(help="Folder for the run; created if missing.")],
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="MODEL",
            help="Starting model (name or folder). Default: train from scratch.",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="YAML file with the options below. Options on the command line take precedence."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume the run in --output where it stopped.")
    ] = False,
    scheduler: SchedulerOption = None,
    as_json: JsonOption = False,
    **options: Any,
) -> None:
    """Train or fine-tune a model on a dataset.

    The model is trained on the training patients and scored on the held-out patients.

    The best model is saved in OUTPUT/model. Ctrl-C stops after the current step and saves a
    checkpoint; --resume continues from there.
    """
    from napari_retseg.cli.reporting import Reporter
    from napari_retseg.cli.running import stopping_cleanly
    from napari_retseg.engine import TrainJob
    from napari_retseg.events import Finished
    from napari_retseg.models import find_model

    values = merge_options(output, config, options, resume=resume)
    job = TrainJob(
        dataset_path=dataset,
        config=TrainConfig.model_validate(values),
        output=output,
        start=None if start is None else find_model(start),
        resume=resume,
    )
    with Reporter(as_json=as_json) as reporter, stopping_cleanly() as cancel:
        finished = None
        for event in _run(job, scheduler, cancel):
            reporter.show(event)
            if isinstance(event, Finished):
                finished = event
        reporter.end_progress()
        if finished is None:
            raise typer.Exit(INTERRUPTED if cancel.is_cancelled() else FAILED)
        reporter.finish({"cancelled": finished.cancelled, "run": str(output), **finished.result})
        if finished.cancelled:
            reporter.say(
                f"stopped; resume with: napari-retseg train {dataset} --output {output} --resume"
            )
            raise typer.Exit(INTERRUPTED)
        if not as_json:
            _summarise(reporter, finished.result)


def _run(job: TrainJob, scheduler: str | None, cancel: Cancel) -> Iterator[Event]:
    """Train here, or on a worker; one that does not see the folders is sent what they hold."""
    from napari_retseg.cli.running import run_job

    # what lies on the machine of a scheduler only, that machine reads
    if scheduler is None or not job.dataset_path.exists():
        yield from run_job(job, scheduler=scheduler, cancel=cancel)
        return
    from napari_retseg.cli.away import explain_loss, train_away
    from napari_retseg.cli.courier import find_courier

    read = [Path(one) for one in (job.dataset_path, job.start, job.config.rehearse) if one]
    courier = find_courier(scheduler, read, output=job.output)
    if courier is None:
        yield from run_job(job, scheduler=scheduler, cancel=cancel)
        return
    try:
        yield from train_away(job, cancel, scheduler=scheduler, courier=courier)
    except JobError as error:
        command = f"napari-retseg train {job.dataset_path} --output {job.output} --resume"
        raise explain_loss(error, RunPaths(job.output), command) from error


def merge_options(
    run: Path, config: Path | None, options: dict[str, Any], *, resume: bool
) -> dict[str, Any]:
    """Return the fields of a TrainConfig: the file's, then the options given by hand.

    A resumed run's own configuration comes first of all.
    """
    values: dict[str, Any] = {}
    if resume and RunPaths(run).config.is_file():
        values.update(read_config(RunPaths(run).config))
    if config is not None:
        values.update(read_config(config))
    values.update(given_values(TrainConfig, options))
    return values


def _summarise(reporter: Reporter, result: dict[str, Any]) -> None:
    """Print the best scores, beside those of the starting model where there was one."""
    from napari_retseg.rounds.outcomes import remark_on_elsewhere
    from napari_retseg.scoretable import format_table

    best = result.get("best")
    if best is not None:
        reporter.say(f"best on the held-out patients: iteration {result['best_iteration']}")
        reporter.say_lines(format_table(best, before=result.get("start")))
    elsewhere = remark_on_elsewhere(result.get("elsewhere") or {})
    if elsewhere:
        reporter.say(f"{elsewhere[0].lower()}{elsewhere[1:].rstrip('.')}")
    verdict = {True: " (promoted)", False: " (not promoted: worse than the starting model)"}
    promoted = result.get("promoted")
    reporter.say(f"model: {result['model']}{'' if promoted is None else verdict[promoted]}")
