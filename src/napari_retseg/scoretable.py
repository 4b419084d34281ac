"""Scores as a table of plain text: of each class, and of each boundary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from napari_retseg.plaintext import make_visible


def format_table(scores: Mapping[str, Any], *, before: Mapping[str, Any] | None = None) -> str:
    """Lay out Dice and IoU of each foreground class as text, a dash where there is no value.

    Parameters
    ----------
    scores
        :meth:`napari_retseg.scores.Scores.to_json`.
    before
        Scores of another model on the same B-scans; each number then shows as before, after
        and change.
    """
    columns = ["before", "after", "change"] if before is not None else [""]
    titles = [f"{title} {column}".strip() for title in ("Dice", "IoU") for column in columns]
    rows = [["class", *titles, "B-scans", ""]]
    for name, own in list(scores["classes"].items())[1:]:
        old = None if before is None else before["classes"].get(name, {})
        numbers = _cells(own, old, "dice") + _cells(own, old, "iou")
        rows.append([make_visible(name), *numbers, str(own["bscans_present"]), _remark(own)])
    means = (_cells(scores, before, f"mean_foreground_{score}") for score in ("dice", "iou"))
    rows.append(["mean foreground", *chain(*means), str(scores["n_bscans"]), ""])
    return align(rows)


def format_boundaries(scores: Mapping[str, Any]) -> str:
    """Lay out the errors of the boundaries, in um where the scale is known and in pixels.

    Parameters
    ----------
    scores
        :meth:`napari_retseg.scores.Scores.to_json`.

    Returns
    -------
    str
        Empty where no boundary has an error: where the classes are not layers.
    """
    boundaries = scores.get("boundaries") or {}
    if all(own["mean_px"] is None for own in boundaries.values()):
        return ""
    units = ["px"]
    if any(own["mean_um"] is not None for own in boundaries.values()):
        units = ["px", "um"]
    titles = [f"{title} {unit}" for unit in units for title in ("error", "95 %", "bias")]
    rows = [["boundary", *titles, "A-scans", ""]]
    for name, own in boundaries.items():
        numbers = [
            _length(own[f"{measure}_{unit}"], sign=sign)
            for unit in units
            for measure, sign in (("mean", ""), ("p95", ""), ("bias", "+"))
        ]
        remark = f"not predicted in {own['missing']} more" if own["missing"] else ""
        rows.append([make_visible(name), *numbers, str(own["ascans"]), remark])
    means = [
        _length(scores[f"{measure}_boundary_error_{unit}"]) if measure else ""
        for unit in units
        for measure in ("mean", "p95", "")
    ]
    rows.append(["mean of the boundaries", *means, "", ""])
    return align(rows)


def _length(value: float | None, *, sign: str = "") -> str:
    return "-" if value is None else f"{value:{sign}.2f}"


def _cells(after: Mapping[str, Any], before: Mapping[str, Any] | None, key: str) -> list[str]:
    """One number, or before, after and change."""
    new = after[key]
    if before is None:
        return [_number(new)]
    old = before.get(key)
    change = "-" if new is None or old is None else f"{new - old:+.3f}"
    return [_number(old), _number(new), change]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _remark(own: dict[str, Any]) -> str:
    if own["reference_pixels"] or not own["predicted_pixels"]:
        return ""
    return f"not in the reference, {own['false_positive_pixels']} pixels predicted"


def align(rows: Sequence[Sequence[str]]) -> str:
    """Lay out rows as text: names (first column) and remarks (last) to the left, numbers right."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = []
    for name, *numbers, remark in rows:
        cells = [name.ljust(widths[0])]
        cells += [n.rjust(width) for n, width in zip(numbers, widths[1:-1], strict=True)]
        lines.append("  ".join([*cells, remark]).rstrip())
    return "\n".join(lines)
