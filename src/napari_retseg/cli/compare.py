"""``napari-retseg compare``: how far two sets of labels agree."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_retseg.cli.group import FAILED
from napari_retseg.cli.options import CentreOption, ClassNamesOption, JsonOption, parse_centre


def compare(
    a: Annotated[
        Path, typer.Argument(metavar="A", help="Label file, or folder of label files: reference.")
    ],
    b: Annotated[
        Path, typer.Argument(metavar="B", help="Label file of the same scan, or folder of them.")
    ],
    output: Annotated[
        Path, typer.Option(help="Folder for the tables and the figures; created if missing.")
    ],
    scan: Annotated[
        Path | None,
        typer.Option(
            help="Scan that the labels belong to, or the folder of scans with the same names. "
            "Without it, the pixel size is that of the label files; if they have none, numbers "
            "are in pixels."
        ),
    ] = None,
    model: ClassNamesOption = None,
    centre: CentreOption = "fovea",
    as_json: JsonOption = False,
) -> None:
    """Compare two sets of labels: two graders, a model and a grader, or two models.

    Files of two folders are paired by their names. OUTPUT gets overlap.csv (Dice and IoU),
    boundaries.csv (boundary error), measures.csv (thickness and volume of both), agreement.csv
    (Bland-Altman and ICC over all scans) and a Bland-Altman plot of each measure.

    Both have the ETDRS grid of A. Pixels that are not annotated in A or B do not count. If a pair
    fails, it is named and the others are still compared.
    """
    from napari_retseg.cli.compare_batch import CompareBatch
    from napari_retseg.cli.reporting import Reporter

    place = parse_centre(centre)
    with Reporter(as_json=as_json) as reporter:
        work = CompareBatch(output=output, scan=scan, model=model, centre=place, reporter=reporter)
        work.run(a, b)
        reporter.finish(work.summarise())
    if work.failed:
        raise typer.Exit(FAILED)
