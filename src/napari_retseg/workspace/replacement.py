"""Scans whose file was replaced: their labels are kept, but are to be confirmed again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from napari_retseg.dataset import Case
from napari_retseg.dataset.content import doubt, identify, is_other, is_unchanged
from napari_retseg.errors import InputError, RetsegError
from napari_retseg.io import read_scan
from napari_retseg.plural import agree, count_noun
from napari_retseg.workspace.base import REPLACED, OpenedWorkspace
from napari_retseg.workspace.entry import shape_of
from napari_retseg.workspace.layout import PREDICTIONS


class Replacement(OpenedWorkspace, ABC):
    """The part of a workspace that notices when the file of a scan is another one."""

    def check_scans(self) -> tuple[str, ...]:
        """Look for scans whose file was replaced since their labels were made.

        The files are read only where size or times have changed. What is found is kept: confirmed
        B-scans become corrected ones, with a restore point, and predictions go.

        Returns
        -------
        tuple of str
            One sentence for each that was replaced.

        Raises
        ------
        InputError
            Where the workspace cannot be written.
        """
        present = [name for name in self._book.cases if name not in self._book.missing]
        found = [self.check_scan(name) for name in present]
        return tuple(note for note in found if note)

    def check_scan(self, name: str) -> str:
        """Look whether the file of a scan was replaced, as :meth:`check_scans` does.

        Returns
        -------
        str
            One sentence; empty where it is the same.

        Raises
        ------
        InputError
            Where there is no such scan, or the workspace cannot be written.
        """
        with self._lock:
            case = self._book.get(name)
            if is_unchanged(case):
                return ""
            try:
                found = identify(case.image)
            except InputError:  # whoever reads the scan is told why
                return ""
            if is_other(case, found):
                return self._take_other(case, found)
            self._note(case.model_copy(update={"about": {**case.about, **found}}))
            return ""

    def _take_other(self, case: Case, found: dict[str, Any]) -> str:
        """Keep the labels of a scan that was replaced, but rely on none of them."""
        name, n_confirmed = case.about["name"], count_confirmed(case)
        if case.bscans and not self.is_read_only:
            self._keep_labels("scan file replaced", name)
        about = {**case.about, REPLACED: True}
        try:
            shape = read_scan(case.image).spatial_shape
        except RetsegError:
            shape = None
        # labels of another shape stay those of the old content, which can come back
        fits = shape is not None and (shape == shape_of(case) or not case.bscans)
        if shape is not None and fits:
            about |= {**found, "shape": list(shape)}
        self._note(doubt(case).model_copy(update={"about": about}))
        if not self.is_read_only:
            self.anchor.remove(self.anchor.folder(Path(PREDICTIONS, name)))
        self._predictions.forget(name)
        self._costs.forget(name)
        if not case.bscans:
            return ""
        counted = (
            (
                f"{count_noun(n_confirmed, 'confirmed B-scan')} now "
                f"{agree(n_confirmed, 'counts', 'count')}"
            )
            if n_confirmed
            else "its labels now count"
        )
        return (
            f"{case.image}: the scan has changed since its labels were made; {counted} as "
            "corrected, and its predictions were removed. Check the labels and confirm them again"
        )

    @abstractmethod
    def _keep_labels(self, why: str, name: str) -> None:
        """Keep the labels of a scan in a restore point."""

    def _note(self, case: Case) -> None:
        """Keep what was found; where the workspace can only be looked at, in memory."""
        if case == self._book.get(case.about["name"]):
            return
        if self.is_read_only:
            self._book.show(case)
        else:
            self._book.change(case)


def count_confirmed(case: Case) -> int:
    """How many B-scans of a case are confirmed."""
    return sum(b.state == "confirmed" for b in (case.bscans or {}).values())
