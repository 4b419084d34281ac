"""``napari-retseg cluster`` and ``worker``: machines that do the work of others."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from napari_retseg.cli.terminal import echo
from napari_retseg.errors import UsageError
from napari_retseg.plural import count_noun

app = typer.Typer(
    rich_markup_mode=None, help="Set up machines that work together: keys and scheduler."
)

KeysOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Folder made by 'cluster keys'. Default: the one that NAPARI_RETSEG_KEYS names.",
    ),
]
_LOCAL = ("127.0.0.1", "localhost", "::1")


@app.command()
def keys(
    folder: Annotated[Path, typer.Argument(help="New folder for the keys.")],
) -> None:
    """Make the keys of a cluster.

    Copy the folder to each machine: to the scheduler's, the workers' and yours. Whoever has it can
    run code on all of them. The keys are valid for a year.
    """
    from napari_retseg.engine.tls import VARIABLE, make_keys

    make_keys(folder)
    echo(
        f"keys saved in {folder}; copy this folder to each machine, and set {VARIABLE} to it",
        sys.stdout,
    )


@app.command()
def scheduler(
    host: Annotated[str, typer.Option(help="Address of this machine to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port. 0: any free one.")] = 8786,
    keys: KeysOption = None,
    without_keys: Annotated[
        bool,
        typer.Option(
            "--without-keys",
            help="Listen to other machines without keys. Whoever reaches the port can run code.",
        ),
    ] = False,
) -> None:
    """Run the scheduler of a cluster until Ctrl-C."""
    from napari_retseg.engine.cluster import serve_scheduler
    from napari_retseg.engine.tls import open_keys

    security = open_keys(keys)
    if security is None and host not in _LOCAL and not without_keys:
        raise UsageError(
            "without keys, whoever reaches this machine could run code on it; give --keys FOLDER "
            "(made by 'napari-retseg cluster keys'), or --without-keys on a private network"
        )
    serve_scheduler(host, port, security=security, tell=_announce)


def _announce(address: str) -> None:
    echo(f"scheduler at {address}; Ctrl-C stops it", sys.stdout)
    echo(f"start workers with: napari-retseg worker {address}", sys.stdout)


def worker(
    address: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="The scheduler's: tls://HOST:PORT.")
    ],
    workers: Annotated[
        int, typer.Option(min=1, max=256, help="Processes, which share cores and memory.")
    ] = 1,
    keep: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="GB",
            help="How much to keep of files that are sent to this machine, until the worker ends.",
        ),
    ] = 10,
    keys: KeysOption = None,
) -> None:
    """Run a worker of a scheduler until Ctrl-C, or until the scheduler has gone.

    Each process does one job at a time. One that dies, or takes more than its share of the memory,
    is started again.
    """
    from napari_retseg.engine.cluster import serve_workers
    from napari_retseg.engine.reach import complete_address, find_keys
    from napari_retseg.engine.tls import open_keys

    whole = complete_address(address)
    if not whole.startswith(("tcp://", "tls://")):
        raise UsageError(f"{whole}: not the address of a scheduler; write tls://HOST:PORT")
    if keys is not None and not whole.startswith("tls://"):
        raise UsageError(f"{whole}: --keys are for a scheduler at tls://HOST:PORT")
    serve_workers(
        whole,
        workers=workers,
        keep=int(keep * 1e9),
        security=find_keys(whole) if keys is None else open_keys(keys),
        tell=lambda shares: echo(
            f"{count_noun(workers, 'worker')} for {whole}, with {shares}; Ctrl-C stops them",
            sys.stdout,
        ),
    )
