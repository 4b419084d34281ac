"""What a training needs of a workspace: its dataset, the split, folders of rounds."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from napari_retseg.classes import LabelSet
from napari_retseg.dataset import (
    Case,
    Dataset,
    Side,
    forget_choice,
    hold_out,
    hold_out_bscans,
    list_sides,
    pin_split,
)
from napari_retseg.dataset.planes import list_planes
from napari_retseg.errors import InputError, explaining
from napari_retseg.workspace import adding, label_transfer, layout
from napari_retseg.workspace.entry import count_bscans, shape_of
from napari_retseg.workspace.replacement import Replacement


class TrainingData(Replacement):
    """The part of a workspace that training reads."""

    def dataset(self) -> Dataset:
        """Return the dataset as it is on disk, without the scans that are missing."""
        return self._book.dataset()

    def heldout(self, name: str) -> frozenset[int]:
        """Return the B-scans that are never trained on."""
        return _name_bscans(self._book.get(name), "heldout_bscans", parts=("val", "test"))

    def unused(self, name: str) -> frozenset[int]:
        """Return the B-scans whose labels no training uses: a test's, and the gap of a split."""
        return _name_bscans(self._book.get(name), "unused_bscans", parts=("test",))

    def pin(self) -> None:
        """Give patients with confirmed labels their place in the split; none moves.

        Raises
        ------
        InputError
            Where the only patient's scans have to be read and cannot be, or the split cannot
            be written.
        """
        with self._changing():
            self.check_scans()
            whole = self._book.dataset(with_missing=True)
            absent = {self._book.get(name).image for name in self._book.missing}
            # what is missing counts where it is pinned, and waits where it is not
            cases = [c for c in whole.cases if c.split is not None or c.image not in absent]
            self._take_split(pin_split(whole.model_copy(update={"cases": tuple(cases)})))

    def sides(self) -> tuple[Side, ...]:
        """Say for each patient how the next training uses it, and why.

        Raises
        ------
        InputError
            Where the only patient's scans have to be read and cannot be.
        """
        return list_sides(self._book.dataset())

    def hold_out(self, groups: Collection[str]) -> None:
        """Hold out these patients and no others, from the next training on.

        Raises
        ------
        UsageError
            Where that leaves nobody on one side, or there is no such patient.
        InputError
            Where it cannot be written.
        """
        self._choose(lambda whole: hold_out(whole, groups))

    def hold_out_bscans(self, name: str, bscans: Collection[int]) -> None:
        """Hold out B-scans of a scan of the only patient; those beside them are left out.

        Raises
        ------
        UsageError
            Where there are more patients, or nothing is left on one side.
        InputError
            Where there is no such scan, it cannot be read, or the choice cannot be written.
        """
        image = self._book.get(name).image
        self._choose(lambda whole: hold_out_bscans(whole, {image: bscans}))

    def hold_out_by_name(self) -> None:
        """Let the patients' names and the seed decide again who is held out.

        Raises
        ------
        InputError
            Where the only patient's scans cannot be read, or it cannot be written.
        """
        self._choose(forget_choice)

    def _choose(self, choose: Callable[[Dataset], Dataset]) -> None:
        with self._changing():
            self._take_split(choose(self._book.dataset(with_missing=True)))

    def _take_split(self, divided: Dataset) -> None:
        changed = [c for c in divided.cases if c != self._book.get(c.about["name"])]
        if changed:
            self._book.change(*changed)

    def save_snapshot(self, folder: Path) -> Path:
        """Write the dataset with its confirmed labels as they are now, at hardly any cost.

        A training that reads the snapshot can be resumed whatever was painted meanwhile.

        Returns
        -------
        Path
            Its ``dataset.json``.

        Raises
        ------
        InputError
            Where something lies in `folder`, or it cannot be written.
        """
        with self._changing():
            self._check_labels()
            self.check_scans()
            return label_transfer.save_snapshot(self._book.dataset(), adding.absolute(Path(folder)))

    def set_classes(self, classes: LabelSet) -> None:
        """Choose other classes; once something is labelled, those that are there stay.

        B-scans that are confirmed already stay so: of a class that comes later they have none.

        Raises
        ------
        InputError
            Where labels are stored already, and `classes` lack one of the present ones or
            change its value.
        """
        with self._changing():
            known = {(c.value, c.name) for c in classes.classes}
            lost = [c.name for c in self.classes.classes if (c.value, c.name) not in known]
            used = [n for n in self._book.cases if list_planes(self.label_folder(n))]
            if used and lost:
                raise InputError(
                    f"{self.folder}: {used[0]} has labels, so {', '.join(lost)} cannot be "
                    "removed or moved; add new classes at the end, or create a new workspace"
                )
            self._book.change_head(self._book.head.model_copy(update={"labels": classes}))

    def export_labels(self, folder: Path, *, only_confirmed: bool) -> list[Path]:
        """Write the labels of each labelled scan as one file in the scan's own format.

        B-scans without labels (or without confirmed ones) are 255, "not annotated".

        Raises
        ------
        InputError
            Where a labelled scan is missing or cannot be read, or a file is there already or
            cannot be written.
        """
        wanted = []
        for name, case in self._book.cases.items():
            if not (case.has_annotation if only_confirmed else case.bscans):
                continue
            if name in self._book.missing:
                raise InputError(
                    f"{case.image}: scan not found; press Locate in the workbench, then "
                    "export its labels"
                )
            wanted.append((name, case))
        with self._lock:
            self._check_labels()
            written = label_transfer.export_cases(
                wanted, Path(folder), only_confirmed=only_confirmed
            )
            return list(written)

    def _check_labels(self) -> None:
        """Refuse links that lead out of the workspace before labels are copied."""
        for name in self._book.cases:
            self.label_folder(name)

    @property
    def rounds(self) -> list[Path]:
        """The run folders of all rounds of training, in order."""
        return layout.list_rounds(self.anchor)

    @property
    def next_round(self) -> Path:
        """The folder that the next round gets; it is not made yet."""
        return layout.next_round(self.anchor)

    def new_round(self) -> Path:
        """Make the folder of the next round.

        Raises
        ------
        InputError
            Where it cannot be made.
        """
        with self._changing():
            path = self.next_round
            with explaining(path, "cannot be created"):
                self.anchor.make_folder(path.parent)
                path.mkdir()
            return path


def _name_bscans(case: Case, field: str, *, parts: Collection[str]) -> frozenset[int]:
    """The B-scans that a field names; in some parts of the split all, if they were ever counted."""
    shape = shape_of(case)
    if case.split in parts and shape is not None:
        return frozenset(range(count_bscans(shape)))
    return frozenset(getattr(case, field))
