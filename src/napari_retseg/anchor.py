"""A folder that is worked in: what is written there stays in it, and it stays where it is.

A stranger's folder can hold links that lead elsewhere, and a user can rename a folder while it is
open. A folder that is anchored is looked at before each write and each removal below it.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from napari_retseg.containment import remove_within, resolve_within
from napari_retseg.errors import InputError, explaining

_known: weakref.WeakSet[Anchor] = weakref.WeakSet()
_lock = threading.Lock()


class Anchor:
    """A folder whose files stay within it, as long as it is where it was.

    Between :meth:`hold` and :meth:`release`, :func:`make_parents`, and with it every atomic write
    of this program, obeys it. Methods that take a path raise an InputError where a link lies on
    the way to it (it might lead to other labels, even within the root), or the root is gone.

    Parameters
    ----------
    root
        The folder, which exists; absolute.

    Raises
    ------
    InputError
        Where there is no such folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        with explaining(root, "cannot be opened"):
            self._status = root.stat()
            number = os.open(root, os.O_RDONLY) if os.name == "posix" else None
        # as long as it is open, no other folder gets its number
        self._finalizer = weakref.finalize(self, _close, number)

    def hold(self) -> None:
        """Let every write below the folder be looked at."""
        with _lock:
            _known.add(self)

    def release(self) -> None:
        """Look at writes no longer; to do it twice does no harm."""
        with _lock:
            _known.discard(self)
        self._finalizer()

    def check(self) -> None:
        """Make sure that the folder is still the one that was opened.

        Raises
        ------
        InputError
            Where it was moved, renamed, removed or replaced.
        """
        is_same = False
        with explaining(self.root, "cannot be reached"), suppress(FileNotFoundError):
            is_same = os.path.samestat(self._status, self.root.stat())
        if not is_same:
            raise InputError(
                f"{self.root}: was moved, renamed or removed while in use, so nothing was "
                "written; put it back, or open it in its new place"
            )

    def folder(self, path: Path) -> Path:
        """Return the path of a folder below the root, which need not be there."""
        self.check()
        path = self.root / path
        resolve_within(self.root, path)
        for place in self._ways(path):
            if place.is_symlink():
                raise InputError(
                    f"{place}: this is a link, but a real folder is needed, so nothing was read "
                    "or changed. Replace the link with the folder"
                )
        return path

    def listed(self, path: Path) -> Path:
        """Return the path of a folder whose files may be read: none of them leads out of the root.

        An InputError says which one does.
        """
        path = self.folder(path)
        links: list[Path] = []
        with explaining(path, "cannot be listed"), suppress(FileNotFoundError):
            links = [Path(entry) for entry in os.scandir(path) if entry.is_symlink()]
        for link in links:
            resolve_within(self.root, link)
        return path

    def make_folder(self, path: Path) -> Path:
        """Make a folder below the root, but never the root; OSError where the system refuses."""
        path = self.folder(path)
        for place in self._ways(path):
            try:
                place.mkdir()
            except FileExistsError:
                if not place.is_dir():
                    raise
        return path

    def remove(self, path: Path) -> None:
        """Remove a file or a folder below the root; nothing happens where nothing is there."""
        self.folder(path.parent)
        remove_within(self.root, self.root / path)

    def _ways(self, path: Path) -> Iterator[Path]:
        """All folders from below the root to a path."""
        place = self.root
        for part in path.relative_to(self.root).parts:
            place /= part
            yield place


def make_parents(path: Path) -> None:
    """Make the folders above a file that is to be written.

    Raises
    ------
    InputError
        Where it lies below an anchored folder, and links lead elsewhere or the folder is gone.
    OSError
        Where the system refuses.
    """
    path = path.absolute()
    anchors = find_anchors(path)
    for anchor in anchors:
        anchor.make_folder(path.parent)
    if not anchors:
        path.parent.mkdir(parents=True, exist_ok=True)


def find_anchors(path: Path) -> list[Anchor]:
    """Return the anchored folders that a path lies in, the outer ones first."""
    with _lock:
        found = [anchor for anchor in _known if path.is_relative_to(anchor.root)]
    return sorted(found, key=lambda anchor: len(anchor.root.parts))


def _close(number: int | None) -> None:
    if number is not None:
        os.close(number)
