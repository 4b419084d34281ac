"""What killed programs left in a workspace is removed by the next one that may write there."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from napari_retseg.anchor import Anchor
from napari_retseg.errors import InputError
from napari_retseg.io.atomic import remove_leftovers
from napari_retseg.workspace.layout import (
    LABELS,
    LOCK,
    PREDICTIONS,
    REMOVED,
    RESTORE,
    SCANS,
    STAGED,
    list_names,
    list_rounds,
)


def clean(anchor: Anchor) -> None:
    """Remove temporary files that killed programs left; what cannot be removed stays.

    Folders that are links are left alone, and so are rounds that are being trained.
    """
    remove_leftovers(anchor.root, below=False)
    for kind in (LABELS, PREDICTIONS, REMOVED, RESTORE, SCANS):
        with suppress(InputError):
            remove_leftovers(anchor.folder(Path(kind)))
    with suppress(InputError):
        for name in list_names(anchor.folder(Path(RESTORE))):
            if name.startswith(STAGED):
                anchor.remove(Path(RESTORE, name))
    with suppress(InputError):
        for run in list_rounds(anchor):
            _clean_round(run)


def _clean_round(run: Path) -> None:
    lock = run / LOCK
    if not lock.is_symlink() and not lock.exists():  # nobody trains in it
        remove_leftovers(run)
        return
    if lock.is_symlink() or not lock.is_file():
        return
    held = FileLock(lock, timeout=0)
    with suppress(Timeout, OSError), held:
        remove_leftovers(run)
