"""``napari-retseg models``: list, show, add and export model bundles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_retseg.cli.group import FAILED
from napari_retseg.cli.options import JsonOption
from napari_retseg.errors import ModelError, UsageError

if TYPE_CHECKING:
    from napari_retseg.models import ModelInfo

app = typer.Typer(rich_markup_mode=None, help="List, show, add and export models.")

ModelArgument = Annotated[str, typer.Argument(help="A model's name or folder.")]


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List the models that a name reaches: your own, and the starter."""
    from napari_retseg.cli.reporting import Reporter
    from napari_retseg.models import list_models, read_info

    rows: list[dict[str, Any]] = []
    failed = 0
    with Reporter(as_json=as_json) as reporter:
        for folder in list_models():
            try:
                rows.append(_row(folder, read_info(folder)))
            except ModelError as error:
                failed += 1
                reporter.fail(str(error))
        if not as_json:
            for row in rows:
                dice = (row["scores"] or {}).get("mean_foreground_dice")
                score = "not scored" if dice is None else f"mean Dice {dice:.3f}"
                reporter.say(f"{row['name']:<20} {score:<16} {row['path']}")
        reporter.finish(rows)
    if failed:
        raise typer.Exit(FAILED)


@app.command("show")
def show(model: ModelArgument, as_json: JsonOption = False) -> None:
    """Show what is known about a model: network, classes, training data, scores."""
    from napari_retseg.cli.reporting import Reporter
    from napari_retseg.models import find_model, read_info

    folder = find_model(model)
    info = read_info(folder)
    with Reporter(as_json=as_json) as reporter:
        if not as_json:
            reporter.say(_describe(folder, info))
        reporter.finish({"path": str(folder), **info.model_dump(mode="json")})


@app.command("add")
def add(
    source: Annotated[Path, typer.Argument(help="A bundle, a run's folder, or an exported .zip.")],
    name: Annotated[str | None, typer.Option(help="The name it gets.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace one of this name.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Copy a model among your own, so that its name is enough."""
    from napari_retseg.cli.reporting import Reporter
    from napari_retseg.models import add_model

    target = add_model(source, name=name, replace=replace)
    with Reporter(as_json=as_json) as reporter:
        if not as_json:
            reporter.say(f"{target.name}: {target}")
        reporter.finish({"name": target.name, "path": str(target)})


@app.command("export")
def export(
    model: ModelArgument,
    target: Annotated[Path, typer.Argument(help="The .zip file to write.")],
    as_json: JsonOption = False,
) -> None:
    """Write a model as one .zip that 'models add' reads."""
    from napari_retseg.cli.reporting import Reporter
    from napari_retseg.models import export_model, find_model

    if target.suffix != ".zip":
        raise UsageError(f"{target}: a model is exported to a .zip file")
    written = export_model(find_model(model), target)
    with Reporter(as_json=as_json) as reporter:
        if not as_json:
            reporter.say(str(written))
        reporter.finish({"path": str(written)})


def _row(folder: Path, info: ModelInfo) -> dict[str, Any]:
    """Return a model for the list: the name that finds it, its folder, classes and scores."""
    classes = [
        {"value": one.value, "name": one.name, "color": one.color} for one in info.classes.classes
    ]
    return {"name": folder.name, "path": str(folder), "classes": classes, "scores": info.scores}


def _describe(folder: Path, info: ModelInfo) -> str:
    from napari_retseg.scores import format_table

    network = info.network
    lines = [
        f"{info.name}: {folder}",
        f"  network   {network.arch} with {network.encoder}, {network.in_channels} channel(s)",
        f"  classes   {', '.join(info.classes.names)}",
    ]
    if info.trained_on is not None:
        data = info.trained_on
        kind = " simulated" if data.simulated else ""
        lines.append(
            f"  trained   {data.iterations} iterations on {data.bscans}{kind} B-scans of "
            f"{len(data.groups)} patients ({data.dataset})"
        )
    if info.scores is not None:
        lines += ["", format_table(info.scores)]
    return "\n".join(lines)
