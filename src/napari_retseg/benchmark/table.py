"""A scoreboard as Markdown: a row for each set and model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from napari_retseg.layers import is_lesion
from napari_retseg.measures.spans import is_raised
from napari_retseg.plaintext import make_markdown

#: Dice of all pixels together, and as the mean of the B-scans that hold the class.
_HEAD = (
    "| set | B-scans | by | layers | lesions | layers (B-scans) | lesions (B-scans) "
    "| boundaries | impossible | s a B-scan |"
)
_EXPORTS = "| export | by | retina, µm | retina to BM, µm | impossible |"


def format_board(boards: Sequence[Mapping[str, Any]]) -> str:
    """Write the scores of some models as Markdown.

    Parameters
    ----------
    boards
        Results of :func:`napari_retseg.benchmark.run_board`.

    Returns
    -------
    str
        Mean Dice of the layers and of the lesions, of all pixels together and as the mean of the
        B-scans; mean error of the boundaries (95th percentile); B-scans that no eye can look like.
    """
    names = list(dict.fromkeys(name for board in boards for name in board["sets"]))
    lines = [_HEAD, "|" + "---|" * (_HEAD.count("|") - 1)]
    zones = [_EXPORTS, "|" + "---|" * (_EXPORTS.count("|") - 1)]
    for name in names:
        holding = [board for board in boards if name in board["sets"]]
        there = [(board["model"], board["sets"][name]) for board in holding]
        second = next((row["second"] for _, row in there if row.get("second")), None)
        for model, row in there:
            if "exports" in row:
                zones += [_write_export(model, *one) for one in row["exports"].items()]
            else:
                lines.append(_write_row(name, model, row))
        if second is not None:
            lines.append(_write_row(name, "second grader", second))
    return "\n".join(lines if len(zones) == 2 else [*lines, "", *zones]) + "\n"


def format_classes(board: Mapping[str, Any]) -> str:
    """Write each class's Dice, of all pixels together, for each set and patient of one model."""
    rows = {name: row for name, row in board["sets"].items() if "classes" in row}
    classes = list(dict.fromkeys(name for row in rows.values() for name in row["classes"]))
    lines = [
        f"| Dice | {' | '.join(map(make_markdown, classes))} |",
        "|---" * (len(classes) + 1) + "|",
    ]
    for name, row in rows.items():
        lines.append(_write_classes(name, row, classes))
        groups = row["groups"] if 1 < len(row["groups"]) <= 12 else {}
        lines += [_write_classes(f"{name}: {group}", one, classes) for group, one in groups.items()]
        if row["second"]:
            lines.append(_write_classes(f"{name}: second grader", row["second"], classes))
    return "\n".join(lines) + "\n"


def _write_classes(name: str, row: Mapping[str, Any], classes: Sequence[str]) -> str:
    cells = [_write(row["classes"].get(one, {}).get("dice")) for one in classes]
    return f"| {make_markdown(name)} | {' | '.join(cells)} |"


def _write_row(name: str, by: str, row: Mapping[str, Any]) -> str:
    means = [
        _write(_mean(row["classes"], measure, is_of_lesions))
        for measure in ("dice", "dice_of_bscans")
        for is_of_lesions in (False, True)
    ]
    cells = [
        *(name, str(row["n_bscans"]), make_markdown(by), *means, _write_error(row["boundaries"])),
        str(row.get("impossible", "")),
        _write(row.get("seconds"), 2) if "seconds" in row else "",
    ]
    return f"| {' | '.join(cells)} |"


def _write_export(model: str, export: str, row: Mapping[str, Any]) -> str:
    means = [_write(row[f"{name}, um"], 1) for name in ("retina", "retina to BM")]
    bscans = f"{row['impossible']} of {row['bscans']}"
    names = f"{make_markdown(export)} | {make_markdown(model)}"
    return f"| {names} | {' | '.join(means)} | {bscans} |"


def _write_error(found: Mapping[str, float | None] | None) -> str:
    if not found or found["mean_px"] is None:
        return "–"
    unit, decimals = ("px", 2) if found["mean_um"] is None else ("um", 1)
    middle, high = (_write(found[f"{name}_{unit}"], decimals) for name in ("mean", "p95"))
    return f"{middle} ({high}) {unit.replace('u', 'µ')}"


def _mean(classes: Mapping[str, Any], measure: str, is_of_lesions: bool) -> float | None:
    # what lies below the RPE is neither, and has a column in the table of classes
    flat = {name: row for name, row in classes.items() if not is_raised(name)}
    values = [row[measure] for name, row in flat.items() if is_lesion(name) == is_of_lesions]
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _write(value: float | None, decimals: int = 3) -> str:
    return "–" if value is None else f"{value:.{decimals}f}"
