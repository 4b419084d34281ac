"""How much of the work on many scans is left: by their bytes, since they are of mixed sizes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

#: Bytes that take as long as what every scan takes, however small it is.
_EACH = 100_000


class Workload:
    """Scans that are worked on in their order.

    Parameters
    ----------
    paths
        Their files, or folders of files.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._sizes = [_EACH + count_bytes(path) for path in paths]
        self._left = sum(self._sizes)
        self._done = 0
        self._n_ended = 0

    def end(self, *, is_new: bool = True) -> None:
        """Take in that the next scan has ended.

        Parameters
        ----------
        is_new
            Whether it was worked on, and not done already.
        """
        size = self._sizes[self._n_ended]
        self._left -= size
        # the time is measured from the end of the first one
        if is_new and self._n_ended > 0:
            self._done += size
        self._n_ended += 1

    @property
    def to_go(self) -> float | None:
        """What is left, as a multiple of what was done since the first one ended; None: unknown."""
        return self._left / self._done if self._done else None


def count_bytes(path: Path) -> int:
    """Count the bytes of a file, or of the files in a folder; 0 where nothing is found."""
    with suppress(OSError):
        if not path.is_dir():
            return path.stat().st_size
        with os.scandir(path) as entries:
            return sum(entry.stat().st_size for entry in entries if entry.is_file())
    return 0
