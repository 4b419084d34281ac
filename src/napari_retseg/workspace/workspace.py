"""The workspace: a folder with scans, the user's labels, predictions and rounds of training."""

from __future__ import annotations

from pathlib import Path
from typing import Self
from uuid import uuid4

from napari_retseg.classes import RETINA, LabelSet
from napari_retseg.dataset import Dataset, registry, save_dataset
from napari_retseg.errors import InputError
from napari_retseg.workspace import layout
from napari_retseg.workspace.cases import CaseBook
from napari_retseg.workspace.contents import check_trust, read_contents
from napari_retseg.workspace.cost import BscanCost, describe_costs
from napari_retseg.workspace.labelling import Labelling
from napari_retseg.workspace.leftovers import clean
from napari_retseg.workspace.removal import finish_removals
from napari_retseg.workspace.restore import RestorePoints
from napari_retseg.workspace.scan_list import ScanList
from napari_retseg.workspace.training_data import TrainingData
from napari_retseg.workspace.write_lock import take_lock


class Workspace(ScanList, Labelling, TrainingData):
    """A folder in which a user corrects labels and trains again.

    Made by :meth:`create` or :meth:`open`; use it as a context manager, or close it. Any thread
    may call any method: changes wait for each other, and `scans`, `states`, `heldout` and
    `dataset` answer from memory, with what is on disk, without waiting. Methods that take a
    scan's name raise an InputError where there is no such scan.

    Attributes
    ----------
    folder
        Absolute, links followed.
    id
        Stays when the workspace is moved.
    is_read_only, why_read_only
        Whether it can only be looked at, and one sentence why.
    notes
        What was found and set right when it was opened.
    """

    @classmethod
    def create(cls, folder: Path, *, classes: LabelSet = RETINA, name: str | None = None) -> Self:
        """Make a workspace in a new or empty folder, and open it.

        Raises
        ------
        InputError
            Where something lies there already, or the folder cannot be made.
        """
        folder = Path(folder).absolute()
        layout.check_room(folder)
        dataset = Dataset(root=folder.resolve(), name=name or folder.name, labels=classes, cases=())
        save_dataset(dataset)
        # the last file: before it, nothing there counts as a workspace
        layout.write_header(folder, layout.Header(id=str(uuid4())))
        return cls.open(folder, trust=True)

    @classmethod
    def open(cls, folder: Path, *, trust: bool = False) -> Self:
        """Open a workspace; read-only where another program has it open, or it is protected.

        Parameters
        ----------
        folder
            Where it lies.
        trust
            Whether to read scans outside of a workspace that this user neither made nor
            opened before.

        Raises
        ------
        InputError
            Where there is no workspace, it cannot be understood (a newer program made it), or
            it refers to scans outside and is not trusted.
        """
        folder = Path(folder).resolve()
        header = layout.read_header(folder)
        known = registry.find(header.id)
        is_trusted = trust or (known is not None and known.may_lead_out)
        # nothing is touched, not even the lock, before it is known whose files may be read
        check_trust(folder, is_trusted=is_trusted)
        lock, why = take_lock(folder)
        workspace = cls(folder, header, lock, why)
        try:
            workspace._load(is_trusted=is_trusted, former=None if known is None else known.folder)
        except BaseException:
            workspace.close()
            raise
        return workspace

    def _load(self, *, is_trusted: bool, former: Path | None) -> None:
        self._may_lead_out = is_trusted
        found = read_contents(self.anchor, is_trusted=is_trusted, former=former)
        if not self.is_read_only:
            self.anchor.hold()
            clean(self.anchor)
        self._book = CaseBook(found.dataset, found.cases, found.missing)
        self.notes = found.notes
        self.notes = (*self.notes, *self._check_content())
        try:
            if not self.is_read_only:
                finish_removals(self.anchor, {*self._book.cases, *self._book.missing})
            if found.is_changed and not self.is_read_only:
                self._book.save()
        except InputError as error:  # what is in memory is right, and is written with a change
            self.notes = (*self.notes, str(error))
        try:
            registry.remember(self.folder, self.id, may_lead_out=is_trusted)
        except InputError as error:
            self.notes = (*self.notes, str(error))

    def _check_content(self) -> tuple[str, ...]:
        try:
            return self.check_scans()
        except InputError as error:  # it is tried again when the scan is read
            return (str(error),)

    def begin_round(self, points: RestorePoints) -> Path:
        """Make the folder of the next round: all labels as they are now, to train on.

        They can be gone back to, too.

        Raises
        ------
        InputError
            Where the workspace cannot be written, or has no labels to train and to score on.
        """
        for entry in self.scans:
            if self.states(entry.name):
                points.make("retrain", name=entry.name)
        self.pin()
        run = self.new_round()
        self.save_snapshot(run / layout.SNAPSHOT)
        return run

    def costs(self) -> tuple[BscanCost, ...]:
        """Return what each B-scan has cost on which work was measured."""
        return self._costs.list()

    def add_cost(self, name: str, bscan: int, *, seconds: float, edits: int) -> None:
        """Add what a B-scan has cost since the last time.

        Raises
        ------
        InputError
            Where it cannot be written.
        """
        said = self.predictions(name).get(bscan)
        more = BscanCost(
            scan=name,
            bscan=bscan,
            seconds=round(seconds, 1),
            edits=edits,
            round=len(self.rounds),
            score=None if said is None else said.score,
            weights_id="" if said is None else said.weights_id,
        )
        with self._changing():
            self._costs.add(more)

    def describe_cost(self) -> str:
        """Say what a confirmed B-scan has cost, or why that is not known; empty: not measured."""
        there = self._book.cases
        confirmed = [
            one
            for one in self.costs()
            if one.scan in there and self.states(one.scan).get(one.bscan) == "confirmed"
        ]
        return self._costs.problem or describe_costs(confirmed, n_rounds=len(self.rounds))

    def _keep_labels(self, why: str, name: str) -> None:
        RestorePoints(self).make(why, name=name)

    def close(self) -> None:
        """Let others write to the workspace; to do it twice does no harm."""
        with self._lock:
            if self._file_lock is not None:
                self.anchor.release()
                self._file_lock.release()
                self._file_lock = None
                self.why_read_only = f"{self.folder} was closed; open it again to change it"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()
