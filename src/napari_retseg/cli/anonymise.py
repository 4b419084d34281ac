"""``napari-retseg anonymise``: copies of scans without names, numbers and dates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from napari_retseg.cli.group import FAILED, INTERRUPTED, name_input
from napari_retseg.cli.options import JsonOption, WorkersOption, parse_workers
from napari_retseg.plural import count_noun


def anonymise(
    inputs: Annotated[
        list[Path],
        typer.Argument(help="Scan files, exports of devices, or folders with them."),
    ],
    output: Annotated[Path, typer.Option(help="Folder for the copies; created if missing.")],
    as_nifti: Annotated[
        bool, typer.Option("--nifti", help="Write NIfTI files. Default: TIFF.")
    ] = False,
    as_volume: Annotated[
        bool, typer.Option("--as-volume", help="Read each folder as one volume of B-scans.")
    ] = False,
    recursive: Annotated[bool, typer.Option("--recursive", help="Include sub-folders.")] = False,
    workers: WorkersOption = "1",
    as_json: JsonOption = False,
) -> None:
    """Write copies of scans without names, numbers and dates.

    Each copy is named by a salted hash of the patient and the scan, and has
    its trust sheet beside it as JSON. Copies that are there are not written
    again. Text that is drawn into the pixels stays; look at the copies before
    you share them. The terminal shows which copy is of which file: do not
    share that.
    """
    from napari_retseg.cli.anonymise_files import AnonymiseJob
    from napari_retseg.cli.listing import list_scans
    from napari_retseg.cli.outputs import make_folder
    from napari_retseg.cli.reporting import Reporter
    from napari_retseg.cli.running import stopping_cleanly
    from napari_retseg.engine.spread import spread

    listing = list_scans(inputs, as_volume=as_volume, recursive=recursive, output=output)
    number = parse_workers(workers, len(listing.places))
    done: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    paths = [place.path for place in listing.places]
    with Reporter(as_json=as_json) as reporter, stopping_cleanly() as cancel:
        make_folder(output)
        for left_out in listing.left_out:
            reporter.say(left_out.describe())
        jobs = (AnonymiseJob(path, output, "nifti" if as_nifti else "tiff") for path in paths)
        for path, outcome in zip(paths, spread(jobs, cancel, workers=number), strict=False):
            error = outcome.error or outcome.result.get("error")
            if error is not None:
                reporter.fail(name_input(path, error))
                failed.append({"input": str(path), "error": name_input(path, error)})
            elif outcome.status == "done":
                made = outcome.result
                done.append({"input": str(path), **made})
                reporter.say(f"{path} -> {made['copy']}{'' if made['new'] else ' (was there)'}")
        reporter.say(f"{count_noun(len(done), 'scan')} anonymised, {len(failed)} failed")
        reporter.finish({"output": str(output), "anonymised": done, "failed": failed})
    if len(done) + len(failed) < len(paths):
        raise typer.Exit(INTERRUPTED)
    if failed:
        raise typer.Exit(FAILED)
