"""``napari-retseg import``: make a dataset from files of another layout."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from napari_retseg.cli.options import JsonOption
from napari_retseg.plural import count_noun

Kind = Literal["auto", "chiu-mat", "npy", "folders", "decathlon"]


def import_(
    source: Annotated[Path, typer.Argument(help="File or folder with scans and labels.")],
    target: Annotated[Path, typer.Argument(help="Folder for the dataset; created if missing.")],
    kind: Annotated[Kind, typer.Option(help="Kind of source.")] = "auto",
    as_json: JsonOption = False,
) -> None:
    """Convert scans and labels to a dataset.

    Sources: Chiu's MATLAB files, NPY pairs, pairs of folders, Medical Segmentation Decathlon.
    """
    from napari_retseg.cli.reporting import Reporter
    from napari_retseg.dataset import import_dataset

    with Reporter(as_json=as_json) as reporter:
        dataset = import_dataset(source, target, kind=kind)
        groups = sorted({case.group for case in dataset.cases})
        classes = dataset.labels.names
        if not as_json:
            reporter.say(
                f"{target}: {count_noun(len(dataset.cases), 'scan')} of "
                f"{count_noun(len(groups), 'patient')}"
            )
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
