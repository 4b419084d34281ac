"""A workspace that is open: what all its parts share."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import BaseFileLock

from napari_retseg.anchor import Anchor
from napari_retseg.classes import LabelSet
from napari_retseg.dataset import Case, registry
from napari_retseg.dataset.content import HASH
from napari_retseg.errors import InputError
from napari_retseg.workspace import layout
from napari_retseg.workspace.cases import CaseBook
from napari_retseg.workspace.cost import Costs
from napari_retseg.workspace.entry import shape_of
from napari_retseg.workspace.predictions import Predictions

#: Key of a case's `about`: the scan's file was replaced.
REPLACED = "replaced"


class OpenedWorkspace:
    """The open folder, its cases, and the right to change them."""

    #: Read by `Workspace.open` before anybody has the workspace.
    _book: CaseBook

    def __init__(
        self, folder: Path, header: layout.Header, lock: BaseFileLock | None, why: str
    ) -> None:
        self.folder = folder
        self.id = header.id
        self.why_read_only = why
        self.notes: tuple[str, ...] = ()
        self._header = header
        self._may_lead_out = False
        self._file_lock = lock
        self._lock = threading.RLock()
        #: Every path of the workspace that is read or written goes through it.
        self.anchor = Anchor(folder)
        self._predictions = Predictions(self.anchor)
        self._costs = Costs(self.anchor)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Let one thread at a time change the workspace."""
        with self._lock:
            if self.is_read_only:
                raise InputError(self.why_read_only)
            self.anchor.check()
            yield

    @property
    def is_read_only(self) -> bool:
        """Whether the workspace can only be looked at."""
        return self._file_lock is None

    @property
    def name(self) -> str:
        """The workspace's name."""
        return self._book.head.name

    @property
    def classes(self) -> LabelSet:
        """The classes of its labels."""
        return self._book.head.labels

    def label_folder(self, name: str) -> Path:
        """Return where the labels of a scan lie; the folder need not be there.

        Raises
        ------
        InputError
            Where a link leads out of the workspace, or the workspace was moved.
        """
        return self.anchor.listed(Path(layout.LABELS, name))

    @property
    def settings(self) -> dict[str, Any]:
        """A copy of what `save_settings` kept."""
        return copy.deepcopy(self._header.settings)

    def save_settings(self, **changes: Any) -> None:
        """Keep settings with the workspace; those that are not named stay.

        Raises
        ------
        InputError
            Where they cannot be written.
        """
        with self._changing():
            settings = {**self._header.settings, **changes}
            header = self._header.model_copy(update={"settings": settings})
            layout.write_header(self.folder, header)
            self._header = header

    def content_of(self, name: str) -> str | None:
        """Return the SHA-256 of a scan as its labels know it; None where it was never read."""
        found = self._book.get(name).about.get(HASH)
        return found if isinstance(found, str) else None

    def was_replaced(self, name: str) -> bool:
        """Whether the file of a scan was replaced while it was in the workspace."""
        return bool(self._book.get(name).about.get(REPLACED))

    def _note_outside(self, path: Path) -> None:
        """Note that the user has added a scan that lies outside: the next time it may be read.

        Raises
        ------
        InputError
            Where the list of workspaces cannot be written.
        """
        if not self._may_lead_out and not path.is_relative_to(self.folder):
            registry.remember(self.folder, self.id)
            self._may_lead_out = True

    def _shape(self, case: Case) -> tuple[int, ...]:
        return shape_of(case) or case.read_scan().spatial_shape
