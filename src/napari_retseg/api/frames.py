"""Scores as pandas tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from napari_retseg.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from napari_retseg.workspace import Workspace

#: What a table has a row for.
By = Literal["class", "bscan", "boundary"]
MEAN = "mean"
_SCAN_COLUMNS = ["patient", "bscans", "predicted", "corrected", "confirmed", "held_out"]
_UNITS = ("px", "um")
_LENGTHS = tuple(f"{m}_{u}" for u in _UNITS for m in ("mean", "p95", "bias"))
_MEASURES = ("dice", "iou", "precision", "recall")


def import_pandas() -> ModuleType:
    """Import pandas.

    Raises
    ------
    UsageError
        Where it is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise UsageError(
            "tables need pandas; install it with: pip install 'napari-retseg[notebook]'"
        ) from error
    return pd


def tabulate_classes(
    scores: Mapping[str, Any], *, start: Mapping[str, Any] | None = None
) -> pd.DataFrame:
    """Make a table of scores as JSON: a row for each class, and their mean.

    Parameters
    ----------
    scores
        What :meth:`napari_retseg.scores.Scores.to_json` gives.
    start
        Scores of the model before, which get columns of their own.
    """
    rows = {name: {m: own[m] for m in _MEASURES} for name, own in _foreground(scores)}
    rows[MEAN] = {m: scores.get(f"mean_foreground_{m}") for m in _MEASURES}
    table = _make_frame(rows, index="class")
    if start is not None:
        for place, measure in ((1, "dice"), (3, "iou")):
            before = {n: start["classes"].get(n, {}).get(measure) for n in rows}
            before[MEAN] = start.get(f"mean_foreground_{measure}")
            values = [_number(before[n]) for n in rows]
            table.insert(place, f"{measure}_start", values)
    counts = {name: own["bscans_present"] for name, own in _foreground(scores)}
    table["bscans"] = [*counts.values(), scores["n_bscans"]]
    return table


def tabulate_bscans(scores: Mapping[str, Any]) -> pd.DataFrame:
    """Make a table of scores as JSON: a row for each B-scan, with the Dice of each class."""
    rows = {one["name"]: _list_dice(one) for one in scores["bscans"]}
    table = _make_frame(rows, index="bscan")
    table.insert(0, "patient", [one["group"] for one in scores["bscans"]])
    return table


def tabulate_boundaries(scores: Mapping[str, Any]) -> pd.DataFrame:
    """Make a table of scores as JSON: a row for each boundary of the layers, and their mean.

    Raises
    ------
    UsageError
        Where the classes are not layers.
    """
    boundaries = scores.get("boundaries")
    if not boundaries:
        raise UsageError("by='boundary' needs two or more classes that are retinal layers")
    rows = {name: {m: own[m] for m in _LENGTHS} for name, own in boundaries.items()}
    mean = {f"{m}_{u}": scores[f"{m}_boundary_error_{u}"] for m in ("mean", "p95") for u in _UNITS}
    rows[MEAN] = dict.fromkeys(_LENGTHS) | mean
    table = _make_frame(rows, index="boundary")
    for count in ("ascans", "missing"):
        values = [own[count] for own in boundaries.values()]
        table[count] = [*values, sum(values)]
    return table


def tabulate_history(history: Iterable[tuple[int, Mapping[str, Any]]]) -> pd.DataFrame:
    """Make a table of the scores after some iterations: the Dice of each class."""
    rows = {iteration: _list_dice(scores) for iteration, scores in history}
    return _make_frame(rows, index="iteration")


def tabulate_scans(workspace: Workspace) -> pd.DataFrame:
    """Make a table of a workspace's scans: patient, and how many B-scans are how far."""
    rows = {}
    for entry in workspace.scans:
        states = list(workspace.states(entry.name).values())
        rows[entry.name] = [
            entry.group,
            entry.n_bscans,
            len(workspace.predictions(entry.name)),
            states.count("corrected"),
            states.count("confirmed"),
            len(workspace.heldout(entry.name)),
        ]
    table: pd.DataFrame = import_pandas().DataFrame.from_dict(
        rows, orient="index", columns=_SCAN_COLUMNS
    )
    table.index.name = "scan"
    return table


def _foreground(scores: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return list(scores["classes"].items())[1:]


def _list_dice(scores: Mapping[str, Any]) -> dict[str, float | None]:
    dice = {name: own["dice"] for name, own in _foreground(scores)}
    return {MEAN: scores["mean_foreground_dice"], **dice}


def _make_frame(rows: Mapping[Any, Mapping[str, float | None]], *, index: str) -> pd.DataFrame:
    numbers = {
        key: {column: _number(value) for column, value in row.items()} for key, row in rows.items()
    }
    table: pd.DataFrame = import_pandas().DataFrame.from_dict(numbers, orient="index", dtype=float)
    table.index.name = index
    return table


def _number(value: float | None) -> float:
    """Return NaN where there is no value: pandas leaves it out of means."""
    return float("nan") if value is None else float(value)
