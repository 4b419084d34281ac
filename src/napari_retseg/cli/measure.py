"""``napari-retseg measure``: thickness, ETDRS sectors and fluid of labelled scans."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_retseg.cli.group import FAILED, INTERRUPTED
from napari_retseg.cli.options import (
    CentreOption,
    ClassNamesOption,
    JsonOption,
    SchedulerOption,
    WorkersOption,
    parse_centre,
    parse_workers,
)


def measure(
    labels: Annotated[
        list[Path],
        typer.Argument(
            help="Label files, folders of label files, such as from 'predict', or workspaces."
        ),
    ],
    output: Annotated[
        Path, typer.Option(help="Folder for the table, reports and maps; created if missing.")
    ],
    scan: Annotated[
        Path | None,
        typer.Option(
            help="Scan that the labels belong to; of several label files, the folder of scans with "
            "the same names. A workspace knows its scans."
        ),
    ] = None,
    model: ClassNamesOption = None,
    centre: CentreOption = "fovea",
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Skip scans that are already measured from the same scan, labels and options.",
        ),
    ] = False,
    workers: WorkersOption = "1",
    scheduler: SchedulerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure the thickness of layers, ETDRS sectors and fluid.

    OUTPUT/measures.csv has a row for each number, with its unit, and with its interval where the
    labels are a calibrated model's. OUTPUT/STEM contains report.html, which prints on one page,
    and maps of the thickness: values in µm as TIFF, and pictures as PNG. OUTPUT/cohort.html shows
    several scans: their numbers, and which ones to look at first.

    Without --model, the names of the classes come from dataset.json or classes.json beside the
    labels. If a scan fails, it is named and the others are still measured.
    """
    from napari_retseg.cli.label_sources import find_sources
    from napari_retseg.cli.measure_batch import MeasureBatch
    from napari_retseg.cli.reporting import Reporter
    from napari_retseg.cli.running import stopping_cleanly

    parse_workers(workers, 1, scheduler=scheduler)  # what is wrong with it, before any work
    with Reporter(as_json=as_json) as reporter, stopping_cleanly() as cancel:
        sources = find_sources(labels, scan, model)
        work = MeasureBatch(
            output=output,
            centre=parse_centre(centre),
            reporter=reporter,
            resume=resume,
            workers=parse_workers(workers, len(sources), scheduler=scheduler),
            scheduler=scheduler,
        )
        work.run(sources, cancel)
        reporter.finish(work.summarise())
    if work.is_stopped:
        raise typer.Exit(INTERRUPTED)
    if work.failed:
        raise typer.Exit(FAILED)
