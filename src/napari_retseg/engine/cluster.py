"""Scheduler and workers of a cluster: machines that do the jobs of others."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari_retseg.engine.machine import count_cores, count_memory, share_gpus
from napari_retseg.engine.reach import explain_silence, knock
from napari_retseg.engine.store import FOLDER, LIMIT
from napari_retseg.engine.workers import SILENCE
from napari_retseg.errors import InputError, JobError
from napari_retseg.plural import count_noun
from napari_retseg.scratch import Scratch

#: Share of the memory that the workers of a machine may take.
_MEMORY_SHARE = 0.9
#: What goes wrong with a job is told by its outcome, not by the log of dask's processes, which take
#: this from the environment.
_QUIET = ("DASK_LOGGING__DISTRIBUTED", "critical")
#: How long workers look for a scheduler that has gone.
_GONE_SECONDS = 30.0


def serve_scheduler(host: str, port: int, *, security: Any, tell: Callable[[str], None]) -> None:
    """Run a scheduler until it is asked to stop.

    Parameters
    ----------
    host, port
        Where it listens.
    security
        Of `open_keys`; without, whoever reaches it can run code on it.
    tell
        Told the address.

    Raises
    ------
    InputError
        Where it cannot listen there.
    """

    async def serve() -> None:
        from napari_retseg.engine.quiet import QuietScheduler

        protocol = "tcp://" if security is None else "tls://"
        named = {} if security is None else {"security": security}
        scheduler = QuietScheduler(
            host=host, port=port, protocol=protocol, dashboard=False, **named
        )
        try:
            await scheduler
        except (OSError, RuntimeError) as error:
            reason = error.__cause__ or error  # dask says only that it failed
            raise InputError(
                f"{protocol}{host}:{port}: cannot listen there ({reason}); choose another --host "
                "or --port"
            ) from error
        async with scheduler:
            tell(str(scheduler.address))
            await _until_asked_to_stop([scheduler])

    with SILENCE:
        asyncio.run(serve())


def serve_workers(
    address: str, *, workers: int, keep: int, security: Any, tell: Callable[[str], None]
) -> None:
    """Run workers for a scheduler until it is gone, or they are asked to stop.

    Each does one job at a time, with its share of the cores, the memory and the GPUs; one that dies
    is started again.

    Parameters
    ----------
    workers
        Processes of this machine.
    keep
        Bytes of the files that are sent to them and kept until they end.
    tell
        Told what was started.

    Raises
    ------
    JobError
        Where no scheduler answers.
    """
    knock(address, security)
    threads = max(1, count_cores() // workers)
    memory = int(_MEMORY_SHARE * count_memory() / workers)

    async def serve(folder: Path) -> None:
        from distributed import Nanny

        from napari_retseg.engine.quiet import QuietWorker

        named = {} if security is None else {"security": security}
        kept = {FOLDER: str(folder / "kept"), LIMIT: str(keep)}
        nannies = [
            Nanny(
                address,
                nthreads=1,
                memory_limit=memory,
                env={"OMP_NUM_THREADS": str(threads), **kept, **gpu},
                worker_class=QuietWorker,
                local_directory=str(folder),
                death_timeout=_GONE_SECONDS,
                **named,
            )
            for gpu in share_gpus(workers)
        ]
        try:
            await asyncio.gather(*nannies)
            share = f"{count_noun(threads, 'thread')} and {memory / 1e9:.1f} GB"
            tell(share if workers == 1 else f"{share} each")
            await _until_asked_to_stop(nannies)
        except (OSError, TimeoutError) as error:
            raise JobError(explain_silence(address)) from error
        finally:
            await asyncio.gather(*(one.close() for one in nannies))

    os.environ.setdefault(*_QUIET)
    with SILENCE, Scratch() as scratch:
        asyncio.run(serve(scratch.path))


async def _until_asked_to_stop(servers: Sequence[Any]) -> None:
    """Wait for Ctrl-C or a termination request, or until a server of dask has ended."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    if sys.platform != "win32":  # there Ctrl-C raises KeyboardInterrupt, which ends the loop
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, asked.set)
    ends = [asked.wait(), *(server.finished() for server in servers)]
    tasks = [asyncio.ensure_future(end) for end in ends]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
