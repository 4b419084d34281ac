"""``napari-retseg anonymise``: copies of scans without names, numbers and dates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from napari_retseg.cli.group import FAILED, describe_failed_input, name_input
from napari_retseg.cli.options import JsonOption
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
    as_json: JsonOption = False,
) -> None:
    """Write copies of scans without names, numbers and dates.

    Each copy is named by a salted hash of the patient and the scan, and has
    its trust sheet beside it as JSON. Copies that are there are not written
    again. Text that is drawn into the pixels stays; look at the copies before
    you share them. The terminal shows which copy is of which file: do not
    share that.
    """
    from napari_retseg.anonymise import anonymise_scan
    from napari_retseg.cli.listing import list_scans
    from napari_retseg.cli.outputs import make_folder
    from napari_retseg.cli.reporting import Reporter
    from napari_retseg.io import read_scan
    from napari_retseg.workspace.adding import guess_group

    listing = list_scans(inputs, as_volume=as_volume, recursive=recursive, output=output)
    done: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    with Reporter(as_json=as_json) as reporter:
        make_folder(output)
        for left_out in listing.left_out:
            reporter.say(left_out.describe())
        for place in listing.places:
            path = place.path
            try:
                made = anonymise_scan(
                    read_scan(path),
                    output,
                    patient=guess_group(path.name),
                    kind="nifti" if as_nifti else "tiff",
                )
            except Exception as error:  # noqa: BLE001 - one scan's failure is not the others'
                line = name_input(path, describe_failed_input(error))
                reporter.fail(line)
                failed.append({"input": str(path), "error": line})
                continue
            done.append({"input": str(path), "copy": str(made.scan), "new": made.is_new})
            reporter.say(f"{path} -> {made.scan}{'' if made.is_new else ' (was there)'}")
        reporter.say(f"{count_noun(len(done), 'scan')} anonymised, {len(failed)} failed")
        reporter.finish({"output": str(output), "anonymised": done, "failed": failed})
    if failed:
        raise typer.Exit(FAILED)
