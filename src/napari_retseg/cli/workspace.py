"""``napari-retseg workspace``: the folders in which labels are corrected and models retrained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_retseg.cli.group import FAILED
from napari_retseg.cli.options import JsonOption
from napari_retseg.cli.terminal import answer, complain
from napari_retseg.errors import InputError, NotThereError, RetsegError

if TYPE_CHECKING:
    from napari_retseg.workspace import ScanEntry, Workspace

app = typer.Typer(
    rich_markup_mode=None, help="List, show and trust workspaces; export their labels."
)

FolderArgument = Annotated[Path, typer.Argument(help="Folder of the workspace.")]


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List your workspaces, the last one opened first."""
    from napari_retseg.dataset.description import DESCRIPTION, read_description
    from napari_retseg.dataset.registry import find_problem, recent

    problem = find_problem()
    problems, rows = [problem] if problem else [], []
    for folder in recent():
        try:
            data = read_description(folder / DESCRIPTION)
        except RetsegError as error:
            problems.append(str(error))
        else:
            rows.append({"name": str(data.get("name") or folder.name), "path": str(folder)})
    for problem in problems:
        complain(problem)
    answer(rows, (f"{row['name']:<20} {row['path']}" for row in rows), as_json=as_json)
    if problems:
        raise typer.Exit(FAILED)


@app.command("info")
def info(folder: FolderArgument, as_json: JsonOption = False) -> None:
    """Show a workspace: scans, labels and rounds of training."""
    from napari_retseg.workspace import Workspace

    with Workspace.open(folder) as workspace:
        about = _describe(workspace)
    answer(about, _write(about), as_json=as_json)


@app.command("trust")
def trust(folder: FolderArgument, as_json: JsonOption = False) -> None:
    """Allow an untrusted workspace to read scans outside its folder.

    Use this for a workspace that another person made. The scans are listed. Your own workspaces
    need no trust, even after you move them.
    """
    from napari_retseg.dataset.registry import is_own
    from napari_retseg.workspace import Workspace

    with Workspace.open(folder, trust=True) as workspace:
        place = workspace.folder
        if not is_own(place):  # the list of workspaces cannot be written; the notes say why
            raise InputError("; ".join(workspace.notes))
        outside = [str(e.path) for e in workspace.scans if not e.path.is_relative_to(place)]
    lines = [f"{place}: trusted", *(f"  reads {path}" for path in outside)]
    answer({"path": str(place), "outside": outside}, lines, as_json=as_json)


@app.command("export")
def export(
    folder: FolderArgument,
    output: Annotated[Path, typer.Option(help="Folder for the label files; created if missing.")],
    everything: Annotated[
        bool, typer.Option("--all", help="Export labels that are not confirmed, too.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Export the confirmed labels, one file for each scan.

    The files have the scan's format and grid. B-scans without confirmed labels get the value 255
    (not annotated).
    """
    from napari_retseg.workspace import Workspace

    with Workspace.open(folder) as workspace:
        found = workspace.export_labels(output, only_confirmed=not everything)
    if not found:
        confirmed = "confirmed; add --all to export unconfirmed labels, too"
        raise InputError(f"{folder}: no B-scan is {'labelled' if everything else confirmed}")
    written = [str(path) for path in found]
    answer({"labels": written}, written, as_json=as_json)


def _describe(workspace: Workspace) -> dict[str, Any]:
    """Return what is known about a workspace as plain values."""
    return {
        "name": workspace.name,
        "path": str(workspace.folder),
        "read_only": workspace.why_read_only or None,
        "classes": list(workspace.classes.names),
        "scans": [_describe_scan(workspace, entry) for entry in workspace.scans],
        "rounds": [_describe_round(run) for run in workspace.rounds],
        "cost": workspace.describe_cost() or None,
        "notes": list(workspace.notes),
    }


def _describe_scan(workspace: Workspace, entry: ScanEntry) -> dict[str, Any]:
    states = list(workspace.states(entry.name).values())
    heldout = workspace.heldout(entry.name)
    return {
        "name": entry.name,
        "path": str(entry.path),
        "missing": entry.is_missing,
        "patient": entry.group,
        "split": entry.split,
        "bscans": entry.n_bscans,
        "confirmed": states.count("confirmed"),
        "corrected": states.count("corrected"),
        "predicted": len(workspace.predictions(entry.name)),
        "heldout": len(heldout),
    }


def _describe_round(run: Path) -> dict[str, Any]:
    """Return a round's number and what came of it."""
    from napari_retseg.rounds import read_verdict

    about = {"round": run.name, "path": str(run), "verdict": None, "promoted": None}
    try:
        verdict = read_verdict(run)
    except NotThereError:
        return about
    except RetsegError as error:
        return {**about, "unreadable": str(error)}
    return {**about, "verdict": verdict.text, "promoted": verdict.promoted}


def _write(about: dict[str, Any]) -> list[str]:
    """Lay out what :func:`_describe` found."""
    lines = [f"{about['name']}: {about['path']}", f"  classes   {', '.join(about['classes'])}"]
    if about["read_only"]:
        lines.append(f"  read-only {about['read_only']}")
    for scan in about["scans"]:
        total = "?" if scan["bscans"] is None else scan["bscans"]
        counts = ", ".join(
            f"{scan[kind]} {kind}" for kind in ("confirmed", "corrected", "predicted") if scan[kind]
        )
        side = ", held out" if scan["split"] == "val" else ""
        missing = f"; missing: {scan['path']}" if scan["missing"] else ""
        lines.append(
            f"  {scan['name']:<20} patient {scan['patient']}{side}: "
            f"{counts or 'nothing'} of {total} B-scans{missing}"
        )
    lines += [
        f"  round {one['round']}  {one['verdict'] or one.get('unreadable', 'not finished')}"
        for one in about["rounds"]
    ]
    if about["cost"]:
        lines.append(f"  cost      {about['cost']}")
    return [*lines, *(f"  note      {note}" for note in about["notes"])]
