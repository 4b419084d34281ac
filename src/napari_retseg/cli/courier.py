"""Whether the workers of a scheduler see the files of a command, or get them from this machine."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path

from napari_retseg.cli.outputs import make_folder
from napari_retseg.engine import Engine
from napari_retseg.engine.parcel import Courier, make_absolute
from napari_retseg.engine.sight import SightJob, marking
from napari_retseg.engine.store import list_kept
from napari_retseg.events import Finished

#: What the user should know of workers that do not see the files.
SENT = "the workers do not see these folders: the files are sent to them"


def find_courier(
    scheduler: str, paths: Iterable[Path], *, output: Path | None = None
) -> Courier | None:
    """Find out whether files must be sent to the workers of a dask scheduler.

    Parameters
    ----------
    paths
        Files and folders that are read.
    output
        The folder that is written to.

    Returns
    -------
    Courier or None
        None where a worker sees them all.

    Raises
    ------
    InputError
        Where the folder cannot be made or written.
    JobError
        Where nothing answers at the address.
    """
    if output is not None:
        make_folder(output)
    with nullcontext() if output is None else marking(output) as mark:
        job = SightJob((*([] if mark is None else [mark]), *map(make_absolute, paths)))
        with Engine(scheduler) as engine:
            finished = [event for event in engine.run(job) if isinstance(event, Finished)]
            return None if finished[-1].result["sees"] else Courier(engine.ask(list_kept))
