"""``napari-retseg demo``: the whole loop on simulated scans."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_retseg.cli.group import INTERRUPTED
from napari_retseg.cli.options import JsonOption


def demo(
    output: Annotated[Path, typer.Option(help="Folder for the run and the pictures.")] = Path(
        "demo-output"
    ),
    as_json: JsonOption = False,
) -> None:
    """Run a complete example on simulated scans.

    Predicts, fine-tunes on a few corrected B-scans, predicts again, and scores both models on
    held-out patients.
    """
    from napari_retseg.cli.reporting import Reporter
    from napari_retseg.cli.running import stopping_cleanly
    from napari_retseg.demo import run_demo
    from napari_retseg.events import Finished

    with Reporter(as_json=as_json) as reporter, stopping_cleanly() as cancel:
        for event in run_demo(output, cancel=cancel):
            reporter.show(event)
            if isinstance(event, Finished):
                reporter.finish({"cancelled": event.cancelled, **event.result})
                if event.cancelled:
                    raise typer.Exit(INTERRUPTED)
