"""The labels of a scan go back to what they were; nothing that was kept is overwritten."""

from __future__ import annotations

import filecmp
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from napari_retseg.dataset.planes import list_planes, plane_path
from napari_retseg.errors import InputError, NotThereError
from napari_retseg.io import read_labels
from napari_retseg.io.atomic import link_file
from napari_retseg.workspace.entry import State
from napari_retseg.workspace.restore_point import Kind, PointFolder, RestorePoint

if TYPE_CHECKING:
    from napari_retseg.workspace.workspace import Workspace

_UNDO = "before undo: "
_Stacks = dict[str, list[RestorePoint]]


class RestorePoints:
    """The restore points of a workspace, each a folder of its own.

    Label files are never written in place, so a hard link keeps what they were.

    Parameters
    ----------
    workspace
        Whose labels are kept and put back.
    keep
        So many points are kept, the newest; older ones are removed.
    flush
        Called before labels are kept or put back, to have all strokes on disk; False where some
        are not. An autosaver's: ``lambda: saver.flush(5)``.
    """

    def __init__(
        self, workspace: Workspace, *, keep: int = 200, flush: Callable[[], bool] | None = None
    ) -> None:
        self._workspace = workspace
        self._keep = keep
        self._flush = flush
        self._folder = PointFolder(workspace.anchor)
        self._lock = threading.RLock()

    def make(self, why: str, *, name: str, bscans: Iterable[int] | None = None) -> RestorePoint:
        """Keep the labels of a scan as they are now.

        Parameters
        ----------
        why
            What is about to happen, as the user reads it in the list.
        name
            The scan's name in the workspace.
        bscans
            Only these; None: the whole scan.

        Raises
        ------
        InputError
            Where the workspace is read-only, the disk refuses, or strokes are not on disk yet.
        """
        scope = None if bscans is None else sorted(set(bscans))
        with self._lock:
            self._settle()
            point = self._make(why, name, scope)
            self._folder.remove_oldest(keep=self._keep)
        return point

    def list(self) -> list[RestorePoint]:
        """Return the points that can be gone back to, newest first."""
        with self._lock:
            return self._folder.list()

    def list_unreadable(self) -> tuple[str, ...]:
        """Say of each point that cannot be read why, newest first."""
        with self._lock:
            self._folder.list()
            problems = self._folder.problems
            return tuple(problems[number] for number in sorted(problems, reverse=True))

    @property
    def newest(self) -> int:
        """Number of the newest point; 0: there is none."""
        with self._lock:
            return max(self._folder.list_numbers(), default=0)

    def restore(self, number: int) -> RestorePoint:
        """Go back to a point: its files and states are put back, all others stay.

        What is there now is kept in a new point first. If the program dies in between, each B-scan
        is as it was or as in the point.

        Returns
        -------
        RestorePoint
            The new point, of the B-scans that changed. Where all is as it was then: the point
            of that number.

        Raises
        ------
        InputError
            Where there is no such point, its scan is not in the workspace any more, or the disk
            refuses.
        """
        with self._lock:
            self._settle()
            point = next((p for p in self.list() if p.number == number), None)
            if point is None:
                raise InputError(
                    f"restore point {number}: does not exist any more; choose another one"
                )
            if point.name not in self._names():
                raise InputError(
                    f"restore point {number}: the scan {point.name} is not in the workspace any "
                    "more; add it again first"
                )
            return self._go_back(point, f"before restoring {number}") or point

    def undo(self, name: str | None = None, *, until: int | None = None) -> RestorePoint | None:
        """Go back to the newest point that differs from what is there; again: further back.

        Parameters
        ----------
        name
            Only points of this scan; None: of any.
        until
            Only points up to this number; None: all.

        Returns
        -------
        RestorePoint or None
            The point made of what was there (`target` says where to), of the B-scans that changed;
            None where there is nothing to go back to.

        Raises
        ------
        InputError
            As of :meth:`restore`.
        """
        return self._step("undo", name, until)

    def redo(self, name: str | None = None) -> RestorePoint | None:
        """Take back the last :meth:`undo` that no action has followed; again: further forward.

        Returns and errors are those of :meth:`undo`.
        """
        return self._step("redo", name)

    def _step(self, kind: Kind, name: str | None, until: int | None = None) -> RestorePoint | None:
        with self._lock:
            self._settle()
            back, forward = _replay(self.list())
            stacks = back if kind == "undo" else forward
            names = self._names() if name is None else self._names() & {name}
            points = [p for scan in names for p in stacks.get(scan, [])]
            points = [p for p in points if until is None or p.number <= until]
            for point in sorted(points, key=lambda p: p.number, reverse=True):
                why = f"{_UNDO}{point.why}" if kind == "undo" else point.why.removeprefix(_UNDO)
                made = self._go_back(point, why, kind)
                if made is not None:
                    return made
        return None

    def _settle(self) -> None:
        """See that the labels on disk are what the user sees, and may be changed."""
        if self._workspace.is_read_only:
            raise InputError(self._workspace.why_read_only)
        if self._flush is not None and not self._flush():
            raise InputError(
                f"{self._workspace.folder}: the last strokes are not saved yet; free some disk "
                "space, then try again"
            )

    def _names(self) -> set[str]:
        return {entry.name for entry in self._workspace.scans}

    def _make(
        self,
        why: str,
        name: str,
        scope: Iterable[int] | None,
        kind: Kind = "action",
        target: int | None = None,
    ) -> RestorePoint:
        with self._folder.stage() as stage:
            labels = self._link(name, scope, stage)
            models = self._list_models(name)
            point = RestorePoint(
                number=max(self._folder.list_numbers(), default=0) + 1,
                when=datetime.now(UTC),
                why=why,
                name=name,
                is_whole=scope is None,
                labels=labels,
                scan=self._workspace.content_of(name),
                models={b: models[b] for b, state in labels.items() if state and b in models},
                kind=kind,
                target=target,
            )
            self._folder.publish(stage, point)
        return point

    def _link(self, name: str, scope: Iterable[int] | None, stage: Path) -> dict[int, State | None]:
        """Link the label files of a scan into a folder; return their states."""
        folder = self._workspace.label_folder(name)
        before = self._workspace.states(name)
        bscans = list_planes(folder) if scope is None else scope
        there = {b: _keep(plane_path(folder, b), plane_path(stage, b)) for b in bscans}
        after = self._workspace.states(name)

        def settle(bscan: int) -> State:
            # one that was confirmed, or painted on, in this very moment counts as not confirmed
            is_confirmed = before.get(bscan) == after.get(bscan) == "confirmed"
            return "confirmed" if is_confirmed else "corrected"

        labels = {b: settle(b) if is_there else None for b, is_there in there.items()}
        if scope is None:
            return {b: state for b, state in labels.items() if state is not None}
        return labels

    def _list_models(self, name: str) -> dict[int, str]:
        """Return which models the states of a scan's B-scans name."""
        cases = [c for c in self._workspace.dataset().cases if c.about.get("name") == name]
        states = (cases[0].bscans or {}) if cases else {}
        return {b: state.model for b, state in states.items() if state.model is not None}

    def _find_changes(self, point: RestorePoint) -> tuple[int, ...]:
        """Return the B-scans that are not as they were at a point."""
        folder, kept = self._workspace.label_folder(point.name), self._folder.path_of(point.number)
        states = self._workspace.states(point.name)
        there = set(list_planes(folder))
        scope = {*point.labels, *there, *states} if point.is_whole else set(point.labels)

        def is_same(bscan: int) -> bool:
            state = self._state_of(point, bscan)
            if state is None:
                return bscan not in there and bscan not in states
            now, then = plane_path(folder, bscan), plane_path(kept, bscan)
            if bscan not in there or states.get(bscan) != state or not then.exists():
                return False
            return now.samefile(then) or filecmp.cmp(now, then, shallow=False)

        return tuple(sorted(b for b in scope if not is_same(b)))

    def _state_of(self, point: RestorePoint, bscan: int) -> State | None:
        """Return the state that a B-scan gets back: what was confirmed of another scan is not."""
        state = point.labels.get(bscan)
        is_known = point.scan is not None or not self._workspace.was_replaced(point.name)
        is_same = is_known and point.scan in (None, self._workspace.content_of(point.name))
        return "corrected" if state == "confirmed" and not is_same else state

    def _go_back(self, point: RestorePoint, why: str, kind: Kind = "action") -> RestorePoint | None:
        """Keep what differs from a point and put it back; None where nothing does."""
        bscans = self._find_changes(point)
        if not bscans:
            return None
        made = self._make(why, point.name, bscans, kind, point.number)
        kept = self._folder.path_of(point.number)
        for bscan in bscans:
            state = self._state_of(point, bscan)
            if state is not None:
                plane = read_labels(plane_path(kept, bscan))
                model = point.models.get(bscan)
                self._workspace.write_labels(point.name, bscan, plane, state=state, model=model)
        gone = [bscan for bscan in bscans if point.labels.get(bscan) is None]
        if gone:
            self._workspace.clear_labels(point.name, gone)
        self._folder.remove_oldest(keep=self._keep)
        return made


def _keep(path: Path, target: Path) -> bool:
    """Keep a file of labels; False where there is none."""
    try:
        link_file(path, target)
    except NotThereError:
        return False
    return True


def _replay(points: Iterable[RestorePoint]) -> tuple[_Stacks, _Stacks]:
    """Return for each scan the points for undo and those for redo, oldest first."""
    back: _Stacks = {}
    forward: _Stacks = {}
    for point in sorted(points, key=lambda p: p.number):
        undo = back.setdefault(point.name, [])
        redo = forward.setdefault(point.name, [])
        if point.kind == "undo":
            _drop_from(undo, point.target)
            redo.append(point)
            continue
        if point.kind == "redo":
            _drop_from(redo, point.target)
        else:
            redo.clear()
        undo.append(point)
    return back, forward


def _drop_from(stack: list[RestorePoint], number: int | None) -> None:
    """Take from a stack the point of a number and all that came later."""
    while number is not None and stack and stack[-1].number >= number:
        stack.pop()
