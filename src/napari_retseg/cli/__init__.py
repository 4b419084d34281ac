"""The command line ``napari-retseg``.

One module a command. Importing this package loads the options only; what a command needs to
do its work is imported when it runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from napari_retseg import __version__
from napari_retseg.cli import cluster, models, study, workspace
from napari_retseg.cli.anonymise import anonymise
from napari_retseg.cli.benchmark import benchmark
from napari_retseg.cli.change import change
from napari_retseg.cli.compare import compare
from napari_retseg.cli.demo import demo
from napari_retseg.cli.evaluate import evaluate
from napari_retseg.cli.export import export
from napari_retseg.cli.group import CommandGroup
from napari_retseg.cli.gui import gui
from napari_retseg.cli.importing import import_
from napari_retseg.cli.info import info
from napari_retseg.cli.measure import measure
from napari_retseg.cli.predict import predict
from napari_retseg.cli.simulate import simulate
from napari_retseg.cli.train import train
from napari_retseg.headless import declare_headless
from napari_retseg.scratch import clear_dead

__all__ = ["app", "main"]

app = typer.Typer(
    name="napari-retseg",
    cls=CommandGroup,
    rich_markup_mode=None,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"napari-retseg {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
    _debug: Annotated[
        bool,
        typer.Option("--debug", help="Show the traceback of an error. Works with every command."),
    ] = False,
) -> None:
    """Segment retinal OCT: predict, fine-tune, evaluate.

    Exit code 0: all done. 1: some inputs failed; each is named. 2: wrong usage.
    """


app.command("demo")(demo)
app.command("info")(info)
app.command("anonymise")(anonymise)
app.command("import")(import_)
app.command("predict")(predict)
app.command("train")(train)
app.command("evaluate")(evaluate)
app.command("benchmark")(benchmark)
app.command("export")(export)
app.command("measure")(measure)
app.command("compare")(compare)
app.command("change")(change)
app.add_typer(models.app, name="models")
app.add_typer(study.app, name="study")
app.add_typer(workspace.app, name="workspace")
app.add_typer(cluster.app, name="cluster")
app.command("worker")(cluster.worker)
app.command("simulate")(simulate)
app.command("gui")(gui)


def main() -> None:
    """Run the command line; the console script."""
    if "gui" not in sys.argv:
        declare_headless()
    clear_dead()
    app()
