"""``napari-retseg demo``: the whole loop on simulated scans."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_retseg.cli.group import INTERRUPTED
from napari_retseg.cli.options import JsonOption


def demo(
    output: Annotated[Path, typer.Option(help="Where the run and the pictures go.")] = Path(
        "demo-output"
    ),
    as_json: JsonOption = False,
) -> None:
    """Run the whole loop on simulated scans.

    Predict, take a few B-scans as corrected, fine-tune, predict again; with scores on patients
    that were held out.
    """
    from napari_retseg.cli.interrupt import stopping_cleanly
    from napari_retseg.cli.reporting import Reporter
    from napari_retseg.demo import run_demo
    from napari_retseg.events import Finished

    with Reporter(as_json=as_json) as reporter, stopping_cleanly() as cancel:
        for event in run_demo(output, cancel=cancel):
            reporter.show(event)
            if isinstance(event, Finished):
                reporter.finish({"cancelled": event.cancelled, **event.result})
                if event.cancelled:
                    raise typer.Exit(INTERRUPTED)
