"""``napari-retseg import``: make a dataset from files of another layout."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from napari_retseg.cli.options import JsonOption

Kind = Literal["auto", "chiu-mat", "npy", "folders", "decathlon"]


def import_(
    source: Annotated[Path, typer.Argument(help="A file or folder with scans and labels.")],
    target: Annotated[Path, typer.Argument(help="The dataset's folder; made if missing.")],
    kind: Annotated[Kind, typer.Option(help="What the source is.")] = "auto",
    as_json: JsonOption = False,
) -> None:
    """Make a dataset from another layout.

    Chiu's MATLAB files, NPY pairs, folder pairs, Decathlon.
    """
    from napari_retseg.cli.reporting import Reporter
    from napari_retseg.dataset import import_dataset

    with Reporter(as_json=as_json) as reporter:
        dataset = import_dataset(source, target, kind=kind)
        groups = sorted({case.group for case in dataset.cases})
        classes = dataset.labels.names
        if not as_json:
            reporter.say(f"{target}: {len(dataset.cases)} scans of {len(groups)} patients")
            reporter.say(f"  classes: {', '.join(classes)}")
        reporter.finish(
            {
                "dataset": str(target),
                "name": dataset.name,
                "cases": len(dataset.cases),
                "groups": groups,
                "classes": list(classes),
            }
        )
