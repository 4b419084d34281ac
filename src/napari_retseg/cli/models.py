"""``napari-retseg models``: list, show, add, export model bundles, and go back to earlier ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from napari_retseg.cli.group import FAILED, INTERRUPTED
from napari_retseg.cli.options import DeviceOption, JsonOption
from napari_retseg.cli.terminal import answer, complain
from napari_retseg.errors import ModelError, UsageError
from napari_retseg.failures import one_line

if TYPE_CHECKING:
    from napari_retseg.models import Change, ModelInfo, Version

app = typer.Typer(rich_markup_mode=None, help="List, show, add, export and roll back models.")

ModelArgument = Annotated[str, typer.Argument(help="Name or folder of a model.")]
NameArgument = Annotated[str, typer.Argument(help="Name of one of your own models.")]


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List your own models and the starter model."""
    from napari_retseg.models import list_models, read_info

    rows: list[dict[str, Any]] = []
    for folder in list_models():
        try:
            rows.append(_row(folder, read_info(folder)))
        except ModelError as error:
            rows.append(_row(folder, None, error=str(error)))
            complain(error)
    answer(rows, map(_describe_row, rows), as_json=as_json)
    if not all(row["readable"] for row in rows):
        raise typer.Exit(FAILED)


@app.command("show")
def show(model: ModelArgument, as_json: JsonOption = False) -> None:
    """Show a model: network, classes, training data, scores, verdict."""
    from napari_retseg.models import find_model, read_info

    folder = find_model(model)
    info = read_info(folder)
    document = {"path": str(folder), **info.model_dump(mode="json")}
    answer(document, _describe(folder, info), as_json=as_json)


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
    _report(change, text + _say_kept(change, "; see 'models history'"), as_json=as_json)


@app.command("history")
def history(name: NameArgument, as_json: JsonOption = False) -> None:
    """List all versions of a model, also replaced and removed ones."""
    from napari_retseg.models import list_versions

    versions = list_versions(name)
    document = {"name": name, "versions": [_version_row(one) for one in versions]}
    answer(document, map(_describe_version, versions), as_json=as_json)


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
    _report(change, text + _say_kept(change), as_json=as_json)


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


@app.command("calibrate")
def calibrate(
    model: ModelArgument,
    data: Annotated[Path, typer.Option(help="Dataset with labels of held-out patients.")],
    split: Annotated[
        Literal["val", "test"], typer.Option(help="Part of the dataset that was held out.")
    ] = "val",
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Find how far a model's numbers are off, so that 'measure' gives their intervals.

    At least nine patients are needed that had no part in the training. The result is kept in the
    model's folder.
    """
    from napari_retseg.cli.reporting import Reporter
    from napari_retseg.cli.running import stopping_cleanly
    from napari_retseg.config import PredictConfig
    from napari_retseg.dataset import load_dataset
    from napari_retseg.events import Finished
    from napari_retseg.infer.calibrate import calibrate
    from napari_retseg.measures import Intervals
    from napari_retseg.models import check_own, find_model, write_intervals

    folder = find_model(model)
    check_own(folder)
    with Reporter(as_json=as_json) as reporter, stopping_cleanly() as cancel:
        events = calibrate(
            folder, load_dataset(data), split=split, config=PredictConfig(device=device),
            cancel=cancel,
        )  # fmt: skip
        for event in events:
            reporter.show(event, subject="calibrating")
            if isinstance(event, Finished):
                if event.cancelled:
                    raise typer.Exit(INTERRUPTED)
                found = Intervals.model_validate(event.result)
        reporter.end_progress()
        path = write_intervals(folder, found)
        reporter.say(f"{path}: {found.describe()}")
        reporter.finish({"path": str(path), "level": found.level, "groups": found.groups})


@app.command("export")
def export(
    model: ModelArgument,
    target: Annotated[
        Path, typer.Argument(help="The .zip file to write; with --onnx, a new folder.")
    ],
    onnx: Annotated[
        bool,
        typer.Option(
            "--onnx",
            help="Write a folder for 'predict --runtime onnx' or 'openvino', which needs no "
            "PyTorch.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Export a model to one .zip file that 'models add' can read, or to ONNX."""
    from napari_retseg.models import export_model, find_model

    if onnx:
        from napari_retseg.infer.export import export_onnx

        written = [str(path) for path in export_onnx(find_model(model), target)]
        answer({"path": str(target), "files": written}, written, as_json=as_json)
        return
    if target.suffix != ".zip":
        raise UsageError(
            f"{target}: models are exported to .zip files; use a name that ends with .zip, or "
            "--onnx for a folder"
        )
    path = str(export_model(find_model(model), target))
    answer({"path": path}, [path], as_json=as_json)


def _say_kept(change: Change, advice: str = "") -> str:
    number = change.kept_as
    return "" if number is None else f" (the previous model is version {number:04d}{advice})"


def _report(change: Change, text: str, *, as_json: bool) -> None:
    document = {"name": change.folder.name, "path": str(change.folder)}
    kept = {"kept_as": change.kept_as, "restored": change.restored}
    answer({**document, **kept}, [text], as_json=as_json)


def _row(folder: Path, info: ModelInfo | None, *, error: str = "") -> dict[str, Any]:
    """Return a model for the list: the name that finds it, its folder, classes and scores."""
    row = {"name": folder.name, "path": str(folder), "readable": info is not None}
    if info is None:
        return {**row, "error": error}
    return {
        **row,
        "classes": info.classes.model_dump(mode="json")["classes"],
        "scores": info.scores,
        "simulated": info.trained_on is not None and info.trained_on.simulated,
    }


def _describe_row(row: Mapping[str, Any]) -> str:
    about = "cannot be read"
    if row["readable"]:
        about = _score(row["scores"]) + " (simulated)" * row["simulated"]
    return f"{row['name']:<20} {about:<28} {row['path']}"


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


def _describe(folder: Path, info: ModelInfo) -> list[str]:
    from napari_retseg.models.wording import describe_network, describe_thresholds, describe_verdict
    from napari_retseg.scoretable import format_table

    lines = [
        f"{info.name}: {folder}",
        *([f"  {one_line(info.about)}"] if info.about else []),
        f"  network   {describe_network(info)}",
        f"  classes   {', '.join(info.classes.names)}",
        *_describe_training(info),
        f"  measures  {_describe_intervals(folder)}",
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
    return lines


def _describe_intervals(folder: Path) -> str:
    from napari_retseg.models import read_intervals

    try:
        found = read_intervals(folder)
    except ModelError as error:
        return f"without intervals ({error})"
    return "without intervals" if found is None else f"with {found.describe()}"


def _describe_training(info: ModelInfo) -> list[str]:
    from napari_retseg.models.wording import describe_held_out, describe_training, warn_of_split

    data = info.trained_on
    if data is None:
        return []
    lines = [
        f"  trained   {describe_training(data)}{f' ({data.dataset})' if data.dataset else ''}",
        f"  held out  {describe_held_out(data)}",
    ]
    warning = warn_of_split(data)
    return [*lines, f"  warning   {warning}"] if warning else lines
