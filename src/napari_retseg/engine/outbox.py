"""What a training gives back while it runs on a worker: whole files, fetched piece by piece.

The worker offers the files of a run as they were at one moment, and trains on. It offers those of
a later moment when these have been fetched, so that a slow line keeps nobody waiting.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from shutil import rmtree

from napari_retseg.errors import JobError
from napari_retseg.io.atomic import link_file, write_bytes
from napari_retseg.regular import read_limited
from napari_retseg.scan import hash_path
from napari_retseg.scratch import scratch_folder

#: Bytes that travel in one message.
PIECE = 8 * 10**6
#: How long the files of a training that has ended wait for who wanted them.
_PATIENCE_SECONDS = 600.0
#: Of these the content is text, which may name files.
_TEXTS = {".json", ".jsonl", ".yaml", ".csv", ".md"}
#: Bytes of a text; a log has up to half of it.
_LONGEST_TEXT = 1 << 30
_TOKEN = re.compile(r"[0-9a-f]{32}")

#: Name, SHA-256 and size of a file.
Offered = tuple[str, str, int]
#: Which moment it is, and the files.
Moment = tuple[int, list[Offered]]


class Outbox:
    """The files of one training.

    Parameters
    ----------
    token
        By which it is known: 32 hexadecimal digits.
    folder
        The run's.
    rename
        Changes the names of files in a text.
    """

    def __init__(self, token: str, folder: Path, rename: Callable[[bytes], bytes]) -> None:
        self._place = scratch_folder() / "outbox" / _check(token)
        self._place.mkdir(parents=True, mode=0o700)
        self._folder = folder
        self._rename = rename
        self._seen: dict[Path, tuple[object, Offered]] = {}
        self._fetched: set[str] = set()
        self._number = 0
        self._offered: list[Offered] = []
        self.ended_at: float | None = None

    def offer(self, files: Iterable[Path], *, is_last: bool = False) -> None:
        """Offer files as they are now, unless the last ones are still being fetched.

        Parameters
        ----------
        files
            Those that are not there are passed over; fetched in this order.
        is_last
            Offered in any case.
        """
        if self._offered and not is_last:
            return
        place = self._place / str(self._number + 1)
        place.mkdir()
        found = [self._keep(path, place) for path in files if path.is_file()]
        self._number, self._offered = self._number + 1, found
        if is_last:
            self.ended_at = time.monotonic()

    def _keep(self, path: Path, place: Path) -> Offered:
        """Keep a file as it is now, if it was not fetched before."""
        name = path.relative_to(self._folder).as_posix()
        stat = path.stat()
        stamp = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        known = self._seen.get(path)
        if known is not None and known[0] == stamp and known[1][1] in self._fetched:
            return known[1]
        if path.suffix in _TEXTS:
            data = self._rename(read_limited(path, _LONGEST_TEXT))
            one = (name, hashlib.sha256(data).hexdigest(), len(data))
            write_bytes(place / one[1], data)
        else:  # these are replaced, and never written in place
            one = (name, hash_path(path), stat.st_size)
            if not (place / one[1]).exists():  # the best model may be the last one
                link_file(path, place / one[1])
        self._seen[path] = (stamp, one)
        return one

    def look(self) -> Moment:
        """Return what is offered now."""
        return self._number, self._offered

    def read(self, digest: str, start: int) -> bytes:
        """Read a piece of a file that is offered."""
        if digest not in {one[1] for one in self._offered}:
            raise JobError("this file is not offered")
        with (self._place / str(self._number) / digest).open("rb") as stream:
            stream.seek(start)
            return stream.read(PIECE)

    def release(self, number: int) -> None:
        """Take that all files of a moment have been fetched."""
        if number == self._number:
            self._fetched |= {one[1] for one in self._offered}
            rmtree(self._place / str(number), ignore_errors=True)
            self._offered = []

    def close(self) -> None:
        """Remove the files."""
        rmtree(self._place, ignore_errors=True)


_outboxes: dict[tuple[int, str], Outbox] = {}


def open_outbox(token: str, folder: Path, rename: Callable[[bytes], bytes]) -> Outbox:
    """Open the outbox of a training in this process; those that nobody asks for any more go."""
    for key, old in list(_outboxes.items()):
        if old.ended_at is not None and time.monotonic() - old.ended_at > _PATIENCE_SECONDS:
            _outboxes.pop(key).close()
    return _outboxes.setdefault((os.getpid(), token), Outbox(token, folder, rename))


def has_outbox(token: str) -> bool:
    """Whether the outbox of a training is in this process."""
    return (os.getpid(), token) in _outboxes


def look(token: str) -> Moment:
    """Return what is offered in an outbox."""
    return _outboxes[os.getpid(), token].look()


def read(token: str, digest: str, start: int) -> bytes:
    """Read a piece of a file in an outbox."""
    return _outboxes[os.getpid(), token].read(digest, start)


def release(token: str, number: int) -> bool:
    """Take that all files of a moment have been fetched."""
    _outboxes[os.getpid(), token].release(number)
    return True


def close(token: str) -> bool:
    """Remove an outbox: its training has ended, and all was fetched."""
    _outboxes.pop((os.getpid(), token)).close()
    return True


def _check(token: str) -> str:
    if _TOKEN.fullmatch(token) is None:
        raise JobError("a training has no token; nothing was written")
    return token
