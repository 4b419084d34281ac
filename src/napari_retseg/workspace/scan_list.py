"""The scans of a workspace: added, described, found again, taken out."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from napari_retseg.dataset import Case, Dataset
from napari_retseg.errors import InputError
from napari_retseg.scan import Laterality, OctScan
from napari_retseg.workspace import adding, label_transfer
from napari_retseg.workspace.entry import ScanEntry, shape_of
from napari_retseg.workspace.relocation import check_content, find_moved
from napari_retseg.workspace.removal import bring_back, move_away, note_removal
from napari_retseg.workspace.replacement import Replacement


class ScanList(Replacement):
    """The part of a workspace that knows its scans."""

    @property
    def scans(self) -> tuple[ScanEntry, ...]:
        """All scans, in order."""
        return self._book.entries()

    @property
    def missing(self) -> tuple[ScanEntry, ...]:
        """The scans whose file is not where it was."""
        return tuple(entry for entry in self._book.entries() if entry.is_missing)

    def add_scan(
        self, scan: OctScan, *, group: str | None = None, name: str | None = None
    ) -> ScanEntry:
        """Add a scan; its file stays where it is, and one without a file is written here.

        A file that is here already gives the entry it has, a missing scan is found again by its
        content, and labels that were kept when a scan was removed come back with it.

        Parameters
        ----------
        scan
            As read, or made of an open image.
        group
            The patient; None: as the file says, else guessed from its name.
        name
            What to call a scan; None: as its file.

        Raises
        ------
        InputError
            Where the scan's file cannot be read, or the workspace not be written.
        """
        with self._changing():
            path = adding.find_source(scan)
            if path is None:
                return self._add(scan, path, group, name)
            known = adding.find_known(self._book, path)
            if known is not None and known not in self._book.missing:
                return self._book.entry(known)
            known = known or adding.find_returned(self._book, path)
            return self.relocate(known, path) if known else self._add(scan, path, group, name)

    def _add(
        self, scan: OctScan, path: Path | None, group: str | None, name: str | None
    ) -> ScanEntry:
        case = adding.make_case(self._book, scan, path, group=group, name=name)
        self._note_outside(case.image)
        case, kept = bring_back(self.anchor, case)
        changed = [case]
        if case.about.get(adding.SOURCE) == adding.GUESSED:
            changed = adding.join_groups(case, self._book.cases.values())
        self._book.change(*changed)
        if kept is not None:
            with suppress(InputError):  # they are kept twice then
                self.anchor.remove(kept)
        return self._book.entry(case.about["name"])

    def add_dataset(self, dataset: Dataset, *, with_labels: bool) -> tuple[ScanEntry, ...]:
        """Add the scans of another dataset, with their patients.

        Scans that are here already keep the labels and the place in the split that they have
        here. Patients that are new here bring their place in the split along.

        Parameters
        ----------
        dataset
            The other one.
        with_labels
            Whether to copy the labels that count there, as confirmed ones.

        Returns
        -------
        tuple of ScanEntry
            One for each of its cases.

        Raises
        ------
        InputError
            Where a file cannot be read, or its classes are unknown here.
        """
        with self._changing():
            table = None
            if with_labels:
                table = label_transfer.make_translation(
                    dataset.labels, self.classes, root=dataset.root
                )
            groups = {case.group for case in self._book.cases.values()}
            with self._book.together():
                return tuple(
                    self._take_over(case, dataset, table, is_new=case.group not in groups)
                    for case in dataset.cases
                )

    def _take_over(
        self, theirs: Case, dataset: Dataset, table: NDArray[np.uint8] | None, *, is_new: bool
    ) -> ScanEntry:
        is_known = adding.find_known(self._book, theirs.image) is not None
        entry = self.add_scan(theirs.read_scan(), group=theirs.group)
        if is_known:
            return entry
        case = self._book.get(entry.name)
        update: dict[str, Any] = {}
        if is_new:
            keys = ("split", "heldout_bscans", "unused_bscans")
            update |= {key: getattr(theirs, key) for key in keys}
        if table is not None and case.bscans is None:
            folder = self.label_folder(entry.name)
            states = label_transfer.copy_labels(theirs, dataset.labels, table, folder)
            update |= {"label": folder, "bscans": states} if states else {}
        self._book.change(case.model_copy(update=update))
        return self._book.entry(entry.name)

    def remove_scan(self, name: str) -> None:
        """Take a scan out; its file stays, and its labels and predictions go to ``removed/``.

        Raises
        ------
        InputError
            Where there is no such scan, or the workspace cannot be written.
        """
        with self._changing():
            kept = note_removal(self.anchor, self._book.get(name))
            self._book.change(drop=name)
            move_away(self.anchor, name, kept)
            self._predictions.forget(name)
            self._costs.forget(name)

    def describe_scan(
        self,
        name: str,
        *,
        spacing_um: tuple[float | None, ...] | None = None,
        laterality: Laterality | None = None,
        group: str | None = None,
    ) -> ScanEntry:
        """Note what the user says about a scan; None leaves what is known.

        Parameters
        ----------
        name
            The scan.
        spacing_um
            Pixel size for each spatial axis.
        laterality
            Which eye it is.
        group
            The patient. A scan of another patient than was thought gets a new place in the
            split.

        Raises
        ------
        InputError
            Where there is no such scan, or a value cannot be.
        """
        with self._changing():
            case = self._book.get(name)
            update: dict[str, Any] = {"about": {**case.about}}
            if spacing_um is not None:
                sizes = _check_spacing(case, spacing_um)
                update["about"] |= {"spacing_um": sizes, "spacing_source": "user"}
            if laterality is not None:
                if laterality not in get_args(Laterality):
                    raise InputError(f"{name}: laterality must be OD or OS, not {laterality!r}")
                update["about"]["laterality"] = laterality
            if group is not None:
                update |= _check_group(case, group)
                update["about"].pop(adding.SOURCE, None)
            self._book.change(case.model_copy(update=update))
            return self._book.entry(name)

    def relocate(self, name: str, path: Path, *, check_hash: bool = True) -> ScanEntry:
        """Say where a scan lies now.

        Parameters
        ----------
        name
            The scan.
        path
            Its file, or folder of B-scans.
        check_hash
            Whether it must be the very same file. If not, its shape must be the same, and what
            was confirmed of another content is not confirmed any more.

        Raises
        ------
        InputError
            Where the content is another, or the file is in the workspace under another name.
        """
        path = adding.absolute(Path(path))
        with self._changing():
            case = self._book.get(name)
            check_content(case, path, check_hash=check_hash)
            known = adding.find_known(self._book, path)
            if known not in (None, name):
                raise InputError(f"{path}: already in the workspace, as {known}")
            self._note_outside(path)
            self._book.change(case.model_copy(update={"image": path}), found=[name])
            self.check_scan(name)  # labels of another content are to be confirmed again
            return self._book.entry(name)

    def find_moved(self, folder: Path) -> dict[str, Path]:
        """Search a folder for missing scans, by name first, then by content; nothing changes.

        Returns
        -------
        dict
            Name to path, of those that were found; `relocate` takes them.

        Raises
        ------
        InputError
            Where there is no such folder.
        """
        known = self._book
        return find_moved([known.get(name) for name in known.missing], Path(folder))

    def read_scan(self, name: str) -> OctScan:
        """Read a scan, with what the user said about it; its notes say where it was replaced.

        Raises
        ------
        InputError
            Where it cannot be read, or is of another shape than its labels.
        """
        note = self.check_scan(name)
        case = self._book.get(name)
        scan = case.read_scan()
        shape = shape_of(case)
        if shape is not None and scan.spatial_shape != shape:
            raise InputError(
                f"{case.image}: had shape {shape} when it was added and has {scan.spatial_shape} "
                "now; restore the old file, or remove the scan and add it again (its labels are "
                "kept)"
            )
        notes = [text for text in (note, self._predictions.problem(name)) if text]
        return replace(scan, notes=(*scan.notes, *notes)) if notes else scan


def _check_group(case: Case, group: str) -> dict[str, Any]:
    """What changes with the patient: a scan of another one loses its place in the split."""
    group = group.strip()
    if not group:
        raise InputError(f"{case.about['name']}: enter a name for the patient")
    if group == case.group:
        return {}
    return {"group": group, "split": None, "heldout_bscans": (), "unused_bscans": ()}


def _check_spacing(case: Case, given: Iterable[float | None]) -> list[float | None]:
    sizes = [None if size is None else float(size) for size in given]
    shape = shape_of(case)
    if shape is not None and len(sizes) != len(shape):
        raise InputError(
            f"{case.about['name']}: got {len(sizes)} pixel sizes, but the scan has "
            f"{len(shape)} axes"
        )
    if any(size is not None and not (math.isfinite(size) and size > 0) for size in sizes):
        raise InputError(f"{case.about['name']}: pixel sizes must be positive numbers in µm")
    return sizes
