"""``napari-retseg import``: make a dataset from files of another layout."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from napari_retseg.cli.options import JsonOption
from napari_retseg.cli.terminal import answer
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
    from napari_retseg.dataset import import_dataset

    dataset = import_dataset(source, target, kind=kind)
    groups = sorted({case.group for case in dataset.cases})
    classes = list(dataset.labels.names)
    n_cases = len(dataset.cases)
    about = {"dataset": str(target), "name": dataset.name, "cases": n_cases}
    scans = f"{count_noun(n_cases, 'scan')} of {count_noun(len(groups), 'patient')}"
    lines = [f"{target}: {scans}", f"  classes: {', '.join(classes)}"]
    answer({**about, "groups": groups, "classes": classes}, lines, as_json=as_json)
