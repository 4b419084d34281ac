"""Restore points on disk: a folder for each, whole or not there."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from napari_retseg.anchor import Anchor
from napari_retseg.errors import InputError
from napari_retseg.io.atomic import write_json
from napari_retseg.records import read_record
from napari_retseg.workspace.entry import State
from napari_retseg.workspace.layout import RESTORE, STAGED, list_names

POINT = "point.json"

Kind = Literal["action", "undo", "redo"]


class RestorePoint(BaseModel):
    """What the labels of some B-scans were at a time.

    Attributes
    ----------
    number
        Ascending in time.
    when
        When it was made.
    why
        What came next, for the user to read: "before accepting fluid".
    name
        The scan.
    is_whole
        Whether it stands for the whole scan: B-scans that it does not name had no labels.
    labels
        For each B-scan its state; None where it had no labels.
    scan
        SHA-256 of the scan that they were made of, where noted.
    models
        ``weights_id`` of the models that predicted them first, where noted.
    kind
        ``action``: made before one, or before a restore that the user chose in the list;
        ``undo`` and ``redo``: made before one of those.
    target
        The point that was gone back to then.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1] = 1
    number: int
    when: AwareDatetime
    why: str
    name: str
    is_whole: bool = False
    labels: Mapping[Annotated[int, Field(ge=0)], State | None]
    scan: str | None = None
    models: Mapping[int, str] = Field(default_factory=dict)
    kind: Kind = "action"
    target: int | None = None

    @property
    def bscans(self) -> tuple[int, ...]:
        """The B-scans that it is about; of a whole scan, those that had labels."""
        return tuple(sorted(self.labels))


class PointFolder:
    """The folder of all restore points of a workspace; one thread at a time uses it."""

    #: Why points cannot be read, by their numbers; those of newer programs are among them.
    problems: dict[int, str]

    def __init__(self, anchor: Anchor) -> None:
        self._anchor = anchor
        self._known: dict[int, RestorePoint] = {}
        self.problems = {}

    @property
    def _folder(self) -> Path:
        return self._anchor.folder(Path(RESTORE))

    def path_of(self, number: int) -> Path:
        """Where a point's files lie.

        Raises
        ------
        InputError
            Where links lead out of the workspace.
        """
        return self._anchor.listed(Path(RESTORE, f"{number:06d}"))

    def list(self) -> list[RestorePoint]:
        """Return the points, newest first; `problems` says why others cannot be read."""
        numbers = self.list_numbers()
        self._known = {n: point for n, point in self._known.items() if n in numbers}
        self.problems = {}
        for number in numbers - self._known.keys():
            try:
                self._known[number] = _read_point(self.path_of(number))
            except InputError as error:
                self.problems[number] = str(error)
        return [self._known[number] for number in sorted(self._known, reverse=True)]

    def list_numbers(self) -> set[int]:
        """Return the numbers that are taken.

        Raises
        ------
        InputError
            Where the folder cannot be listed.
        """
        return {int(name) for name in list_names(self._folder) if name.isdecimal()}

    @contextmanager
    def stage(self) -> Iterator[Path]:
        """Give a folder for the files of a new point; it is gone at the end.

        Raises
        ------
        InputError
            Where the system refuses something in there.
        """
        stage = self._folder / f"{STAGED}{secrets.token_hex(6)}"
        try:
            yield self._anchor.make_folder(stage)
        except OSError as error:
            why = error.strerror or "permission denied"
            raise InputError(
                f"{self._folder}: cannot save the present labels ({why}), so nothing was "
                "changed; free some disk space or make the folder writable"
            ) from error
        finally:
            with suppress(InputError):
                self._anchor.remove(stage)

    def publish(self, stage: Path, point: RestorePoint) -> None:
        """Describe a staged point and give it its place; it is there as a whole then."""
        write_json(stage / POINT, point.model_dump(mode="json"))
        stage.rename(self.path_of(point.number))
        self._known[point.number] = point

    def remove_oldest(self, *, keep: int) -> None:
        """Remove all but the newest points."""
        for number in sorted(self.list_numbers(), reverse=True)[keep:]:
            doomed = self._folder / f"{STAGED}{secrets.token_hex(6)}"
            # one that cannot be removed now is the next time
            with suppress(OSError, InputError):
                self.path_of(number).rename(doomed)
                self._anchor.remove(doomed)


def _read_point(folder: Path) -> RestorePoint:
    path = folder / POINT
    point = read_record(path, RestorePoint)
    if point.number != int(folder.name):
        raise InputError(
            f"{path}: contains number {point.number} instead of its own; move the folder away"
        )
    return point
