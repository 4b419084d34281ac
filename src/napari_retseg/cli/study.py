"""``napari-retseg study``: a whole experiment from a recipe to tables, figures and a report."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from napari_retseg.cli.group import FAILED, INTERRUPTED
from napari_retseg.cli.options import JsonOption, SchedulerOption
from napari_retseg.cli.terminal import answer
from napari_retseg.errors import JobError, UsageError
from napari_retseg.plural import count_noun

if TYPE_CHECKING:
    from napari_retseg.cli.reporting import Reporter
    from napari_retseg.study.recipe import Recipe
    from napari_retseg.study.run_plan import StudyPlan
    from napari_retseg.study.study_run import StudyFolder

_RUN = "run"


class RecipeGroup(TyperGroup):
    """``study RECIPE ...`` is ``study run RECIPE ...``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command in where a recipe or an option of it comes first."""
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = [_RUN, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=RecipeGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    help=(
        "Run a study: 'study RECIPE --data NAME=PATH --output DIR'. RECIPE is a name from 'study "
        "list' or a YAML file. 'study run --help' shows the options."
    ),
)

DirArgument = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the study.")]
NoScansOption = Annotated[
    bool, typer.Option("--no-scans", help="Leave pictures of scans out of the report.")
]


@app.command(_RUN)
def run(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe, or a YAML file.")],
    output: Annotated[Path, typer.Option(help="Folder for the study; created if missing.")],
    data: Annotated[
        list[str] | None, typer.Option(metavar="NAME=PATH", help="Dataset of a role. Repeatable.")
    ] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=A,B", help="Use only these classes of a role's dataset. Repeatable."
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a training option, or a part of the recipe (a.b.c). Repeatable.",
        ),
    ] = None,
    sizes: Annotated[str, typer.Option(help="Training-set sizes, for example 5,10,20.")] = "",
    seeds: Annotated[str, typer.Option(help="Seeds, for example 0,1,2.")] = "",
    only: Annotated[str, typer.Option(metavar="A,B", help="Run only these grids.")] = "",
    quick: Annotated[
        bool, typer.Option("--quick", help="Run the small version of the recipe.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the runs and their cost, without running them.")
    ] = False,
    workers: Annotated[
        int, typer.Option(min=0, help="Number of worker processes. 0: run in this process.")
    ] = 0,
    scheduler: SchedulerOption = None,
    known: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Import finished runs from a pack. Repeatable."),
    ] = None,
    no_scans: NoScansOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run a study, or resume it. Finished runs are not repeated.

    Writes results.csv, tables, figures and report.html to the study's folder. If a run fails, the
    others go on, the failed run is named, and the exit code is 1.
    """
    from napari_retseg.cli.reporting import Reporter
    from napari_retseg.cli.study_progress import end_study, show_plan
    from napari_retseg.study.catalogue import merge, read_recipe
    from napari_retseg.study.changes import list_changes
    from napari_retseg.study.pack import find_known
    from napari_retseg.study.request import name_classes, open_study, parse_pairs, split_changes
    from napari_retseg.study.study_run import StudyFolder

    if workers and scheduler:
        raise UsageError("give --workers or --scheduler, not both")
    edits, options = split_changes(parse_pairs(changes or [], "--set"))
    edits = merge(edits, name_classes(parse_pairs(classes or [], "--classes")))
    edits = merge(edits, _short_changes(sizes, seeds))
    written = read_recipe(recipe)
    wanted = _choose_grids(read_recipe(recipe, quick=quick, changes=edits), only)
    given = {name: Path(path) for name, path in parse_pairs(data or [], "--data").items()}
    folder = StudyFolder(output)
    with Reporter(as_json=as_json) as reporter, nullcontext() if dry_run else folder.locked():
        plan, datasets = open_study(wanted, folder, given, options)
        for note in plan.notes:
            reporter.say(f"note: {note}")
        if dry_run:
            show_plan(reporter, plan, folder, find_known(plan, known or []), workers)
            return
        if scheduler is not None:
            _check_shared(scheduler, folder.path, [found.root for found in datasets.values()])
        about = _describe_call(given, datasets)
        about["changes"] = list_changes(written, wanted, options)
        folder.write_plan(plan, about)
        _take_known(reporter, plan, folder, known or [])
        _do_runs(reporter, plan, folder, workers=workers, scheduler=scheduler)
        _write_report(reporter, plan, folder, with_scans=not no_scans)
        end_study(reporter, plan, folder)


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List the built-in recipes."""
    from napari_retseg.study.catalogue import read_recipe, recipe_names

    rows, lines = [], []
    for name in recipe_names():
        found = read_recipe(name)
        rows.append({"name": name, "title": found.title, "data": list(found.data)})
        needed = [n for n, r in found.data.items() if not r.simulate and not r.same_as]
        data = " ".join(f"--data {n}=PATH" for n in needed)
        lines += [f"{name:<20} {found.title}", f"{'':<20} {data}"]
    answer(rows, lines, as_json=as_json)


@app.command("status")
def status(directory: DirArgument, as_json: JsonOption = False) -> None:
    """Show the progress of a study and the time left."""
    from napari_retseg.cli.reporting import Reporter
    from napari_retseg.cli.study_progress import show_status
    from napari_retseg.study.study_run import StudyFolder

    folder = StudyFolder(directory)
    with Reporter(as_json=as_json) as reporter:
        counts = show_status(reporter, folder.read_plan(), folder)
    if counts["failed"]:
        raise typer.Exit(FAILED)


@app.command("report")
def report(
    directory: DirArgument, no_scans: NoScansOption = False, as_json: JsonOption = False
) -> None:
    """Write tables, figures and the report again from the finished runs."""
    from napari_retseg.cli.reporting import Reporter
    from napari_retseg.study.study_run import StudyFolder

    folder = StudyFolder(directory)
    with Reporter(as_json=as_json) as reporter:
        path = _write_report(reporter, folder.read_plan(), folder, with_scans=not no_scans)
        if path is None:
            raise typer.Exit(FAILED)
        reporter.finish({"report": str(path)})


@app.command("pack")
def pack(
    directory: DirArgument,
    target: Annotated[Path, typer.Argument(metavar="FILE", help="The .zip file to write.")],
    as_json: JsonOption = False,
) -> None:
    """Save scores and curves of the finished runs in one file.

    Use it with --known on another computer. It contains no scans, labels, weights or paths, but
    the names of cases and patients.
    """
    from napari_retseg.cli.reporting import Reporter
    from napari_retseg.study.pack import pack_runs
    from napari_retseg.study.study_run import StudyFolder

    folder = StudyFolder(directory)
    with Reporter(as_json=as_json) as reporter:
        packed = pack_runs(folder.read_plan(), folder, target)
        if not packed:
            reporter.say("no run has finished yet, so there is nothing to pack")
            raise typer.Exit(FAILED)
        reporter.say(f"{count_noun(packed, 'run')}: {target}")
        reporter.finish({"pack": str(target), "runs": packed})


def _take_known(
    reporter: Reporter, plan: StudyPlan, folder: StudyFolder, packs: list[Path]
) -> None:
    from napari_retseg.study.pack import take_runs

    if packs:
        taken = take_runs(plan, folder, packs)
        reporter.say(f"{count_noun(taken, 'run')} imported, {len(plan.unique)} in all")


def _short_changes(sizes: str, seeds: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, text in (("sizes", sizes), ("seeds", seeds)):
        if text:
            try:
                found[name] = [int(part) for part in text.split(",")]
            except ValueError as error:
                raise UsageError(f"--{name} {text}: write numbers, for example 5,10,20") from error
    return found


def _choose_grids(recipe: Recipe, only: str) -> Recipe:
    if not only:
        return recipe
    names = [name.strip() for name in only.split(",")]
    unknown = [name for name in names if name not in recipe.grids]
    if unknown:
        raise UsageError(
            f"--only {unknown[0]}: unknown grid; choose from {', '.join(recipe.grids)}"
        )
    return recipe.model_copy(update={"grids": {name: recipe.grids[name] for name in names}})


def write_command(words: Sequence[str]) -> str:
    """Write a command for a report that may be published: of paths, the last part alone."""
    shown = ["napari-retseg"]
    for word in words:
        before, equals, value = word.rpartition("=")
        path = Path(value)
        is_path = len(path.parts) > 1 and (path.is_absolute() or path.exists())
        shown.append(f"{before}{equals}{path.name if is_path else value}")
    return shlex.join(shown)


def _describe_call(given: dict[str, Path], datasets: dict[str, Any]) -> dict[str, Any]:
    from napari_retseg.study.versions import list_versions

    return {
        "command": write_command(sys.argv[1:]),
        "given": sorted(given),
        "data": {name: found.name for name, found in datasets.items()},
        "versions": list_versions(),
    }


def _check_shared(scheduler: str, folder: Path, roots: Sequence[Path]) -> None:
    """Refuse workers that do not see the folders: the runs read and write there."""
    from napari_retseg.cli.courier import find_courier

    if find_courier(scheduler, roots, output=folder) is not None:
        raise JobError(
            f"{folder}: the workers do not see this folder or the datasets; a study needs folders "
            "that all workers share, under the same path"
        )


def _do_runs(
    reporter: Reporter, plan: StudyPlan, folder: StudyFolder, *, workers: int, scheduler: str | None
) -> None:
    from napari_retseg.cli.running import stopping_cleanly
    from napari_retseg.cli.study_progress import follow
    from napari_retseg.study.estimate import Pace
    from napari_retseg.study.execute import run_study

    with stopping_cleanly() as cancel:
        told = run_study(plan, folder, cancel, workers=workers, scheduler=scheduler)
        follow(reporter, told, Pace(plan.unique, folder))
        if cancel.is_cancelled():
            reporter.say("stopped; run the same command again to resume")
            raise typer.Exit(INTERRUPTED)


def _write_report(
    reporter: Reporter, plan: StudyPlan, folder: StudyFolder, *, with_scans: bool
) -> Path | None:
    from napari_retseg.study.report import write_report

    path = write_report(plan, folder, with_scans=with_scans)
    reporter.say(f"report: {path}" if path else "no run has finished yet, so there is no report")
    return path
