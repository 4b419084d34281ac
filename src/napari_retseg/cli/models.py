"""``napari-retseg models``: list, show, add, export model bundles, and go back to earlier ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_retseg.cli.group import FAILED
from napari_retseg.cli.options import JsonOption
from napari_retseg.errors import ModelError, UsageError
from napari_retseg.failures import one_line
from napari_retseg.plaintext import make_visible

if TYPE_CHECKING:
    from napari_retseg.models import Change, ModelInfo, Version

app = typer.Typer(rich_markup_mode=None, help="List, show, add, export and roll back models.")

ModelArgument = Annotated[str, typer.Argument(help="Name or folder of a model.")]
NameArgument = Annotated[str, typer.Argument(help="Name of one of your own models.")]


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List your own models and the starter model."""
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
                rows.append(_bad_row(folder, error))
                reporter.fail(str(error))
        if not as_json:
            for row in rows:
                if not row["readable"]:
                    reporter.say(f"{row['name']:<20} {'cannot be read':<28} {row['path']}")
                    continue
                kind = " (simulated)" if row["simulated"] else ""
                reporter.say(f"{row['name']:<20} {_score(row['scores']) + kind:<28} {row['path']}")
        reporter.finish(rows)
    if failed:
        raise typer.Exit(FAILED)


@app.command("show")
def show(model: ModelArgument, as_json: JsonOption = False) -> None:
    """Show a model: network, classes, training data, scores, verdict."""
    from napari_retseg.cli.reporting import Reporter
    from napari_retseg.models import find_model, read_info

    folder = find_model(model)
    info = read_info(folder)
    with Reporter(as_json=as_json) as reporter:
        if not as_json:
            reporter.say_lines(_describe(folder, info))
        reporter.finish({"path": str(folder), **info.model_dump(mode="json")})


@app.command("add")
def add(
    source: Annotated[Path, typer.Argument(help="Model folder, run folder, or exported .zip.")],
    name: Annotated[str | None, typer.Option(help="Name for the model.")] = None,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="Replace the model of this name. The old one is kept in the history."
        ),
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="With --replace: replace even if the new model was not promoted."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Add a model to your own models, so that you can use it by name."""
    from napari_retseg.models import add_model

    change = add_model(source, name=name, replace=replace, force=force)
    text = f"{change.folder.name}: {change.folder}"
    if change.kept_as is not None:
        text += f" (the previous model is version {change.kept_as:04d}; see 'models history')"
    _report(change, text, as_json=as_json)


@app.command("history")
def history(name: NameArgument, as_json: JsonOption = False) -> None:
    """List all versions of a model, also replaced and removed ones."""
    from napari_retseg.cli.reporting import Reporter
    from napari_retseg.models import list_versions

    versions = list_versions(name)
    with Reporter(as_json=as_json) as reporter:
        if not as_json:
            for version in versions:
                reporter.say(_describe_version(version))
        reporter.finish({"name": name, "versions": [_version_row(one) for one in versions]})


@app.command("rollback")
def rollback(
    name: NameArgument,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION",
            help="Version number from 'models history', or the first characters of its weights "
            "id. Default: the last version.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Restore an earlier version of a model. The current version is kept."""
    from napari_retseg.models import roll_back

    change = roll_back(name, to=to)
    text = f"{name}: version {change.restored:04d} restored: {change.folder}"
    if change.kept_as is not None:
        text += f" (the previous model is version {change.kept_as:04d})"
    _report(change, text, as_json=as_json)


@app.command("remove")
def remove(name: NameArgument, as_json: JsonOption = False) -> None:
    """Remove a model from the list; 'models rollback' restores it."""
    from napari_retseg.models import remove_model

    change = remove_model(name)
    text = (
        f"{name}: removed (kept as version {change.kept_as:04d}; restore it with 'models "
        f"rollback {name}')"
    )
    _report(change, text, as_json=as_json)


@app.command("export")
def export(
    model: ModelArgument,
    target: Annotated[Path, typer.Argument(help="The .zip file to write.")],
    as_json: JsonOption = False,
) -> None:
    """Export a model to one .zip file that 'models add' can read."""
    from napari_retseg.cli.reporting import Reporter
    from napari_retseg.models import export_model, find_model

    if target.suffix != ".zip":
        raise UsageError(
            f"{target}: models are exported to .zip files; use a name that ends with .zip"
        )
    written = export_model(find_model(model), target)
    with Reporter(as_json=as_json) as reporter:
        if not as_json:
            reporter.say(str(written))
        reporter.finish({"path": str(written)})


def _report(change: Change, text: str, *, as_json: bool) -> None:
    from napari_retseg.cli.reporting import Reporter

    with Reporter(as_json=as_json) as reporter:
        if not as_json:
            reporter.say(text)
        document = {
            "name": change.folder.name,
            "path": str(change.folder),
            "kept_as": change.kept_as,
            "restored": change.restored,
        }
        reporter.finish(document)


def _row(folder: Path, info: ModelInfo) -> dict[str, Any]:
    """Return a model for the list: the name that finds it, its folder, classes and scores."""
    classes = [
        {"value": one.value, "name": one.name, "color": one.color} for one in info.classes.classes
    ]
    return {
        "name": folder.name,
        "path": str(folder),
        "readable": True,
        "classes": classes,
        "scores": info.scores,
        "simulated": info.trained_on is not None and info.trained_on.simulated,
    }


def _bad_row(folder: Path, error: ModelError) -> dict[str, Any]:
    """Return a model that cannot be read, for the list."""
    return {
        "name": folder.name,
        "path": str(folder),
        "readable": False,
        "error": str(error),
    }


def _version_row(version: Version) -> dict[str, Any]:
    """Return a version; `version` is its number, None for the current one."""
    row: dict[str, Any] = {
        "version": version.number or None,
        "current": version.is_current,
        "when": version.when.isoformat(timespec="seconds"),
        "path": str(version.folder),
        "readable": version.info is not None,
    }
    info = version.info
    if info is not None:
        row |= info.model_dump(mode="json", include={"name", "weights_id", "parent", "promoted"})
        row |= {"scores": info.scores, "start_scores": info.start_scores}
    return row


def _describe_version(version: Version) -> str:
    when = f"{version.when.astimezone():%Y-%m-%d %H:%M}"
    info = version.info
    if info is None:
        return f"{version.label:<8} {when}  cannot be read: {version.folder}"
    start = f"from {info.parent[:12]}" if info.parent else "from scratch"
    verdict = {True: ", promoted", False: ", not promoted", None: ""}[info.promoted]
    return (
        f"{version.label:<8} {when}  {_score(info.scores):<16} {info.weights_id[:12]:<12}  "
        f"{start}{verdict}"
    )


def _score(scores: Mapping[str, Any] | None) -> str:
    dice = (scores or {}).get("mean_foreground_dice")
    return "not scored" if dice is None else f"mean Dice {dice:.3f}"


def _describe(folder: Path, info: ModelInfo) -> str:
    from napari_retseg.models.wording import describe_network, describe_thresholds, describe_verdict
    from napari_retseg.scores import format_table

    lines = [
        f"{info.name}: {folder}",
        *([f"  {one_line(info.about)}"] if info.about else []),
        f"  network   {describe_network(info)}",
        f"  classes   {', '.join(info.classes.names)}",
        *_describe_training(info),
    ]
    if info.promoted is not None:
        lines.append(f"  gate      {describe_verdict(info)}")
    if info.thresholds:
        lines.append(f"  decides   by thresholds: {describe_thresholds(info)}; 0.5 for the others")
    if info.scores is not None:
        lines += ["", *format_table(info.scores, before=info.start_scores).splitlines()]
    for one in info.measured:
        dice = ", ".join(f"{name} {value:.3f}" for name, value in one.dice.items())
        lines += ["", f"measured on {one.data}:", f"Dice {dice}"]
    return "\n".join(make_visible(line) for line in lines)


def _describe_training(info: ModelInfo) -> list[str]:
    from napari_retseg.models.wording import (
        describe_held_out,
        describe_training,
        warn_of_split,
    )

    data = info.trained_on
    if data is None:
        return []
    lines = [
        f"  trained   {describe_training(data)}{f' ({data.dataset})' if data.dataset else ''}",
        f"  held out  {describe_held_out(data)}",
    ]
    warning = warn_of_split(data)
    return [*lines, f"  warning   {warning}"] if warning else lines
