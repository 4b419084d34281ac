"""``napari-retseg benchmark``: the scoreboard of a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_retseg.cli.group import INTERRUPTED
from napari_retseg.cli.options import (
    DeviceOption,
    JsonOption,
    PrecisionOption,
    SchedulerOption,
    parse_workers,
)
from napari_retseg.cli.predict import DecodeOption

if TYPE_CHECKING:
    from napari_retseg.benchmark import Board


def benchmark(
    model: Annotated[list[str], typer.Argument(help="Names or folders of models.")],
    data: Annotated[Path, typer.Option(help="Folder in which the data of the sets lie.")],
    output: Annotated[
        Path, typer.Option(help="Folder for the scores. A set that is there is not scored again.")
    ],
    board: Annotated[
        Path | None, typer.Option(help="YAML file with the sets, in place of the standard ones.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Only sets with this in their name. Repeatable.")
    ] = None,
    decode: DecodeOption = "auto",
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    workers: Annotated[
        str,
        typer.Option(
            metavar="<int|auto>",
            help="Number of sets to score side by side, each in its own process. The scores are "
            "the same; seconds are those of a busy machine.",
        ),
    ] = "1",
    scheduler: SchedulerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score models on many kinds of scans, and write one table of it."""
    from napari_retseg.benchmark import format_board, format_classes, run_board
    from napari_retseg.cli.benchmark_batch import benchmark_side_by_side
    from napari_retseg.cli.reporting import Reporter
    from napari_retseg.cli.running import stopping_cleanly
    from napari_retseg.config import PredictConfig
    from napari_retseg.events import Finished
    from napari_retseg.infer.predict import load_predictor
    from napari_retseg.io.atomic import write_text
    from napari_retseg.models import find_model, read_info
    from napari_retseg.plaintext import make_markdown

    sets = _choose_sets(board, only or [])
    config = PredictConfig(device=device, precision=precision, decode=decode)
    boards = []
    with Reporter(as_json=as_json) as reporter, stopping_cleanly() as cancel:
        for name in model:
            shown = read_info(find_model(name)).name
            if workers == "1" and scheduler is None:
                predictor = load_predictor(find_model(name), config)
                events = run_board(sets, data, predictor, output, cancel)
            else:
                events = benchmark_side_by_side(
                    sets,
                    data,
                    name,
                    output,
                    cancel,
                    config=config,
                    workers=parse_workers(
                        workers, len(sets.sets), scheduler=scheduler, device=device
                    ),
                    scheduler=scheduler,
                )
            for event in events:
                reporter.show(event, subject=f"scoring {shown}")
                if isinstance(event, Finished):
                    if event.cancelled:
                        raise typer.Exit(INTERRUPTED)
                    boards.append(event.result)
        reporter.end_progress()
        classes = [f"### {make_markdown(one['model'])}\n\n{format_classes(one)}" for one in boards]
        write_text(output / "scoreboard.md", "\n".join([format_board(boards), *classes]))
        if not as_json:
            reporter.say_lines(format_board(boards))
        reporter.finish({"models": boards})


def _choose_sets(path: Path | None, only: list[str]) -> Board:
    from napari_retseg.benchmark import read_board
    from napari_retseg.errors import UsageError

    board = read_board(path)
    if not only:
        return board
    chosen = tuple(one for one in board.sets if any(part in one.name for part in only))
    if not chosen:
        names = ", ".join(one.name for one in board.sets)
        raise UsageError(f"no set is called {' or '.join(only)}; there are {names}")
    return board.model_copy(update={"sets": chosen})
