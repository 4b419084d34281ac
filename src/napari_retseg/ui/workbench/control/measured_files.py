"""Measures of the open scan as files and for the clipboard, as the command writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_retseg.errors import explaining
from napari_retseg.io.atomic import write_text
from napari_retseg.measures import COLUMNS, Centre, EnfaceGrid, LiveMeasures, measure_labels
from napari_retseg.measures.pictures import write_maps
from napari_retseg.measures.quantities import SCAN
from napari_retseg.measures.sectors import Place
from napari_retseg.measures.table import describe_models, describe_states, format_table
from napari_retseg.models.sureness import find_sureness, find_unconfirmed
from napari_retseg.ui.workbench.control.open_scan import Loaded
from napari_retseg.workspace import State

TABLE = "measures.csv"


@dataclass(frozen=True, eq=False)
class Measured:
    """What is measured for files.

    Attributes
    ----------
    labels
        Class values of the scan's shape, as they count.
    is_doubtful
        ``(bscan, width)``.
    states
        Of the B-scans that have labels.
    centre_mm
        Of the ETDRS grid, set by hand; None: on the fovea.
    """

    loaded: Loaded
    labels: NDArray[np.uint8]
    is_doubtful: NDArray[np.bool_]
    states: Mapping[int, State]
    grid: EnfaceGrid | None
    centre_mm: Place | None


def write_measured(measured: Measured, folder: Path) -> tuple[Path, int]:
    """Write table and maps of a scan into a folder of its name.

    Returns
    -------
    folder, count
        Where, and how many files.

    Raises
    ------
    InputError
        Where nothing can be measured, or the system refuses.
    """
    loaded = measured.loaded
    measures = measure_labels(
        measured.labels,
        loaded.classes,
        loaded.scan,
        centre=_find_centre(measured),
        is_doubtful=measured.is_doubtful,
    )
    found = find_sureness(*find_unconfirmed(measured.states, loaded.models))
    measures = found.widen(measures, loaded.scan)
    place = folder / loaded.name
    with explaining(place, "cannot be made"):
        place.mkdir(parents=True, exist_ok=True)
    predicted = set(loaded.predicted) - set(measured.states)
    models = (loaded.models.get(bscan, "") for bscan in predicted)
    states = [*measured.states.values(), *("predicted" for _ in predicted)]
    first = {"scan": loaded.name, "eye": measures.eye or ""}
    last = {
        "model": describe_models(models),
        "labels": describe_states(states, loaded.scan.n_bscans),
    }
    rows = [{**first, **one.to_row(), **last} for one in measures.numbers]
    write_text(place / TABLE, format_table(rows, (*first, *COLUMNS, *last)))
    return place, 1 + len(write_maps(measures, place))


def _find_centre(measured: Measured) -> Centre:
    """The centre as the command takes it: by B-scan and A-scan."""
    if measured.centre_mm is None or measured.grid is None:
        return "fovea"
    return measured.grid.numbers_of(measured.centre_mm)


def format_clipboard(live: LiveMeasures) -> str:
    """Return the mean thickness of each layer in each sector, as lines with tabs."""
    means = [one for one in live.list_thickness() if one.measure == "mean thickness"]
    sectors = list(dict.fromkeys(one.sector for one in means if one.sector != SCAN)) or [SCAN]
    known = {(one.structure, one.sector): one.value for one in means}
    lines = ["\t".join((f"mean thickness ({live.unit})", *sectors))]
    for name in live.maps:
        values = (known.get((name, sector)) for sector in sectors)
        lines.append("\t".join((name, *("" if v is None else f"{v:.1f}" for v in values))))
    for one in live.list_lesions():
        value = "" if one.value is None else f"{one.value:.4g}"
        lines.append(f"{one.structure} {one.measure} ({one.unit})\t{value}")
    return "\n".join(lines) + "\n"
