"""``napari-retseg change``: what changed between two visits of one eye."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_retseg.cli.options import CentreOption, ClassNamesOption, JsonOption, parse_centre
from napari_retseg.errors import UsageError


def change(
    before: Annotated[
        Path, typer.Argument(metavar="BEFORE", help="Label file of the first visit.")
    ],
    after: Annotated[Path, typer.Argument(metavar="AFTER", help="Label file of the second visit.")],
    output: Annotated[
        Path,
        typer.Option(help="Folder for the table, the report and the maps; created if missing."),
    ],
    scan: Annotated[
        list[Path] | None,
        typer.Option(
            help="Scan of the first visit, then that of the second: give it twice. Scans in "
            "workspaces need none."
        ),
    ] = None,
    model: ClassNamesOption = None,
    centre: CentreOption = "fovea",
    repeatability: Annotated[
        list[str] | None,
        typer.Option(
            help="Your own coefficient of repeatability of thickness in µm, as in 4.5, that of a "
            "layer, as in retina=4.5, or that of a lesion in nl, as in fluid=2. The smallest "
            "change that is more than noise comes from it. Default: that of the model, where both "
            "label files are as it predicted them and it is known; else 20 for the whole retina, "
            "from the literature."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find what changed between two visits of one eye.

    The second visit is registered to the first by the vessels of the SLO (of the en-face projection
    if a file has no SLO) and the foveas. The ETDRS grid is that of the first visit. OUTPUT gets
    changes.csv, report.html, and difference maps (change_LAYER.tif in µm, and .png).

    Scans of different eyes or patients, and vessels that do not match, are refused.
    """
    from napari_retseg.cli.change_files import find_visits, write_change
    from napari_retseg.cli.reporting import Reporter
    from napari_retseg.models.sureness import find_repeatability
    from napari_retseg.visits import find_change, parse_repeatability

    place = parse_centre(centre)
    own = parse_repeatability(repeatability) if repeatability else None
    if scan and len(scan) != 2:
        raise UsageError("--scan: give it twice, for the first and for the second visit")
    with Reporter(as_json=as_json) as reporter:
        visits = find_visits((before, after), tuple(scan or ()), model, place)
        least = own or find_repeatability(*visits, model=model)
        found = find_change(*visits, centre=place, repeatability=least)
        reporter.finish(write_change(found, (before, after), output, reporter))
