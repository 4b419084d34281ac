"""What a worker keeps of the files that are sent to it: by content, within a limit."""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from pathlib import Path

from napari_retseg.errors import InputError, NotThereError
from napari_retseg.io.atomic import link_file, write_bytes
from napari_retseg.scratch import scratch_folder

#: Where the processes of a ``worker`` command keep files, and how many bytes of them.
FOLDER = "NAPARI_RETSEG_KEPT"
LIMIT = "NAPARI_RETSEG_KEPT_BYTES"

DEFAULT_LIMIT = 10 * 10**9
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Store:
    """Files by the SHA-256 of their content; the one that was not used for longest goes first.

    Several processes may share the folder.

    Parameters
    ----------
    folder
        Made where it is missing. It holds scans, so it is for its user alone.
    limit
        How many bytes are kept. A larger file is used, but not kept.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def list_kept(self) -> list[str]:
        """List what is kept."""
        return [one.name for one in self._folder.iterdir() if _DIGEST.fullmatch(one.name)]

    def place(self, digest: str, target: Path, data: bytes | None) -> bool:
        """Put a file where a job reads it.

        Parameters
        ----------
        digest
            Of its content.
        data
            The content, where it was sent; it is kept from now on.

        Returns
        -------
        bool
            False where it was not sent, and is not kept.

        Raises
        ------
        InputError
            Where the content is not what the digest says, or the system refuses.
        """
        if _DIGEST.fullmatch(digest) is None:
            raise InputError("a file was sent under a name that is no SHA-256; nothing was kept")
        kept = self._folder / digest
        if data is not None:
            if hashlib.sha256(data).hexdigest() != digest:
                raise InputError(f"{target}: arrived damaged at the worker; try again")
            if len(data) > self._limit:
                write_bytes(target, data)
                return True
            self._make_room(len(data))
            write_bytes(kept, data)
        try:
            link_file(kept, target)
        except NotThereError:
            return False
        with suppress(OSError):
            os.utime(kept)
        return True

    def _make_room(self, size: int) -> None:
        """Remove the oldest until `size` more bytes fit."""
        found = []
        for name in self.list_kept():
            with suppress(OSError):  # another process has removed it
                about = (self._folder / name).stat()
                found.append((about.st_mtime_ns, about.st_size, name))
        total = size + sum(one[1] for one in found)
        for _, one_size, name in sorted(found):
            if total <= self._limit:
                return
            with suppress(OSError):
                (self._folder / name).unlink()
            total -= one_size


def open_store() -> Store:
    """Open the store of this worker: that of its ``worker`` command, else one of the process.

    Both are temporary: no scan stays on the machine when its workers have ended.
    """
    named = os.environ.get(FOLDER)
    folder = Path(named) if named else scratch_folder() / "kept"
    return Store(folder, int(os.environ.get(LIMIT, DEFAULT_LIMIT)))


def list_kept() -> list[str]:
    """List what this worker keeps."""
    return open_store().list_kept()
