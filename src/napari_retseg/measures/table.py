"""Measurements as a table of text, and what it says of the labels."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from napari_retseg.device_layers import DEVICE_ID
from napari_retseg.plaintext import make_cell
from napari_retseg.plural import count_noun

_DIGITS = 12


def format_table(rows: Iterable[Mapping[str, object]], columns: Sequence[str]) -> str:
    """Format rows as CSV: numbers with six digits, empty where there is none."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _format(value) for name, value in row.items()})
    return stream.getvalue()


def _format(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(make_cell(value))


def describe_states(states: Sequence[str], n_bscans: int) -> str:
    """Say who the labels of a scan are from: ``confirmed`` where all B-scans are confirmed."""
    kinds = ("confirmed", "corrected", "predicted")
    counts = {kind: states.count(kind) for kind in kinds if kind in states}
    if list(counts.values()) == [n_bscans]:
        return next(iter(counts))
    parts = ", ".join(f"{kind} {count}" for kind, count in counts.items()) or "none"
    return f"{parts} of {count_noun(n_bscans, 'B-scan')}"


def describe_models(weights_ids: Iterable[str]) -> str:
    """Name the models that labels were predicted by.

    Parameters
    ----------
    weights_ids
        The ``weights_id`` of each; empty where it is not known.

    Returns
    -------
    str
        The first twelve digits of each, as ``napari-retseg models history`` has them, in order;
        ``device`` where a device found the layers.
    """
    known = {one for one in weights_ids if one}
    return " ".join(sorted("device" if one == DEVICE_ID else one[:_DIGITS] for one in known))
