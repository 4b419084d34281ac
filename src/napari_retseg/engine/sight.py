"""Whether a worker sees the files of the machine that sends it jobs."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from napari_retseg.errors import UnseenError, explaining
from napari_retseg.events import Cancel, Event, Finished


@contextmanager
def marking(folder: Path) -> Iterator[Path]:
    """Leave an empty file in a folder meanwhile: who sees it sees this folder, and no namesake.

    A killed program leaves it there. Its name is that of a temporary file, which goes with the
    others of its kind.

    Raises
    ------
    InputError
        Where the system refuses.
    """
    mark = folder.absolute() / f".retseg-{secrets.token_hex(6)}"
    with explaining(folder, "cannot be written"):
        mark.open("xb").close()
    try:
        yield mark
    finally:
        with suppress(OSError):
            mark.unlink()


def check_seen(paths: Iterable[Path]) -> None:
    """Make sure that this machine sees files or folders of the one that the job came from.

    Raises
    ------
    UnseenError
        Names the first that is not there: its folder, where it is a mark.
    """
    for path in paths:
        if not path.exists():
            named = path.parent if path.name.startswith(".retseg-") else path
            raise UnseenError(
                f"{named}: the worker on {socket.gethostname()} does not see this folder; use a "
                "folder that all workers share, under the same path"
            )


@dataclass(frozen=True)
class SightJob:
    """Say whether the worker sees files or folders of the machine that the job comes from."""

    paths: tuple[Path, ...]
    lane: ClassVar[Literal["predict"]] = "predict"

    def run(self, cancel: Cancel) -> Iterator[Event]:  # noqa: ARG002 - too short to be stopped
        """Yield only that it has finished, with ``sees``."""
        yield Finished(result={"sees": all(path.exists() for path in self.paths)})
