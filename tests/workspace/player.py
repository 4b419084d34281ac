"""The user of a workspace whom the state machine plays, and what is known of what they did."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis.stateful import RuleBasedStateMachine, invariant
from numpy.typing import NDArray

from napari_retseg.events import BscanUncertainty
from napari_retseg.workspace import RestorePoints, Workspace
from tests.workspace.dying import Killed

SHAPE = (3, 4, 6)
FILES = ("a", "b")
#: Value of the plane and its state; and of a prediction, the value alone.
Label = tuple[int, str]
Labels = dict[int, Label]


def draw(value: int) -> NDArray[np.uint8]:
    """Draw a plane that no other value gives."""
    plane = np.random.default_rng(value).integers(0, 4, SHAPE[1:]).astype(np.uint8)
    plane[0] = [value // 4**n % 4 for n in range(SHAPE[2])]
    plane[1] = [value // 4 ** (SHAPE[2] + n) % 4 for n in range(SHAPE[2])]
    return plane


def read_value(plane: NDArray[np.uint8]) -> int:
    digits = [*plane[0], *plane[1]]
    value = int(sum(int(digit) * 4**n for n, digit in enumerate(digits)))
    np.testing.assert_array_equal(plane, draw(value), "half a plane, or none that was painted")
    return value


@dataclass(frozen=True)
class Model:
    weights_id: str
    name: str = "tiny"


@dataclass
class Point:
    """What a restore point has to hold; only these B-scans, unless it is whole."""

    name: str
    labels: dict[int, Label | None]
    is_whole: bool
    content: int


@dataclass
class Expected:
    """What is known of one scan of the workspace."""

    content: int
    labels: Labels = field(default_factory=dict)
    predicted: dict[int, tuple[int, str]] = field(default_factory=dict)


class Player(RuleBasedStateMachine):
    """Works with a workspace, and compares it with a few dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.top = Path(tempfile.mkdtemp(prefix="retseg-machine-"))
        self.patch.setenv("NAPARI_RETSEG_STATE", str(self.top / "state"))
        self.patch.setenv("NAPARI_RETSEG_SALT", str(self.top / "state" / "salt"))
        # nothing is cut off here but by `dying`
        self.patch.setattr(os, "fsync", lambda _number: None)
        self.contents: dict[str, int] = {}
        self.known: dict[str, Expected] = {}
        self.removed: list[tuple[int, Labels]] = []
        self.points: dict[int, Point] = {}
        self.places = 0

    def teardown(self) -> None:
        with suppress(AttributeError):
            self.workspace.close()
        self.patch.undo()
        shutil.rmtree(self.top, ignore_errors=True)

    def _bury(self) -> None:
        """The system gives back what the dead program held."""
        with suppress(Killed):
            self.workspace.close()

    # How it is done.

    def _path(self, name: str) -> Path:
        return self.top / "clinic" / f"{name}.tif"

    def _write_scan(self, name: str, content: int) -> None:
        self._path(name).parent.mkdir(exist_ok=True)
        pixels = np.full(SHAPE, content, np.uint8)
        tifffile.imwrite(
            self._path(name), pixels, photometric="minisblack", metadata={"axes": "ZYX"}
        )
        self.contents[name] = content

    def _do_paint(self, name: str, bscan: int, value: int, is_confirmed: bool) -> None:
        state: Any = "confirmed" if is_confirmed else "corrected"
        self.workspace.write_labels(name, bscan, draw(value), state=state)

    def _do_predict(self, name: str, chosen: set[int], value: int, model: str) -> None:
        entropy = np.full(SHAPE[1:], value % 256, np.uint8)
        unsure = BscanUncertainty(0.5, entropy, (1.0,)) if value % 2 else None
        planes = {b: (draw(value + b), unsure) for b in chosen}
        self.workspace.write_predictions(name, planes, model=Model(model))

    def _take(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.graders_points = RestorePoints(workspace)

    def _rename(self) -> Path:
        folder = self.top / f"work{self.places}"
        self.places += 1
        return folder.rename(self.top / f"work{self.places}")

    def _try_to_reopen(self) -> None:
        self.workspace.close()
        self.workspace = Workspace.open(self.top / f"work{self.places}")

    def _open(self, *, is_sure: bool = True, value: int = 0) -> None:
        before = {name: Expected(s.content, dict(s.labels)) for name, s in self.known.items()}
        self._take(Workspace.open(self.top / f"work{self.places}"))
        assert not self.workspace.is_read_only
        for name in list(self.known):
            self._notice(name, is_sure=is_sure)
        if not is_sure:
            self._find_out(before, value)
        names_left = [p.name for p in self.workspace.folder.rglob(".*") if p.name != ".lock"]
        assert names_left == []

    def _notice(self, name: str, *, is_sure: bool = True) -> None:
        """What the workspace has to do where it looks at a scan that was replaced.

        After a death its restore point may hold what was half done, too.
        """
        scan = self.known[name]
        if scan.content == self.contents[name]:
            return
        if scan.labels and is_sure:
            for point in self.graders_points.list():
                if point.name == name and point.number not in self.points:
                    whole = Point(name, dict(scan.labels), True, scan.content)
                    self.points[point.number] = whole
        scan.content = self.contents[name]
        scan.labels = {b: (value, "corrected") for b, (value, _) in scan.labels.items()}
        scan.predicted = {}

    def _numbers(self) -> list[int]:
        return [point.number for point in self.graders_points.list()]

    def _note_point(self, number: int, name: str, chosen: set[int] | None) -> None:
        labels = self.known[name].labels
        scope: dict[int, Label | None] = (
            dict(labels) if chosen is None else {b: labels.get(b) for b in chosen}
        )
        self.points[number] = Point(name, scope, chosen is None, self.known[name].content)

    def _put_back(self, point: Point) -> None:
        scan = self.known[point.name]
        if point.is_whole:
            scan.labels = {}
        for bscan, label in point.labels.items():
            if label is None:
                scan.labels.pop(bscan, None)
                continue
            is_same = point.content == scan.content
            scan.labels[bscan] = label if is_same else (label[0], "corrected")

    def _find_out(self, before: dict[str, Expected], value: int) -> None:
        """After a death: what is there must be old or new, and confirmed only as a whole."""
        there = {entry.name for entry in self.workspace.scans}
        assert set(self.known) >= there
        for name in set(self.known) - there:  # a removal that came through
            del self.known[name]
            gone = before[name]  # as it was then: nobody had looked at a scan that was replaced
            if gone.labels:
                self.removed.append((gone.content, gone.labels))
        new_points = set(self._numbers()) - set(self.points)
        for point in self.graders_points.list():
            if point.number in new_points:
                kept = self.workspace.folder / "restore" / f"{point.number:06d}"
                labels: dict[int, Label | None] = {}
                for bscan, state in point.labels.items():
                    if state is None:
                        labels[bscan] = None
                        continue
                    found = read_value(np.asarray(_read_png(kept / f"{bscan:04d}.png")))
                    done = (value, "confirmed")
                    old = before[point.name].labels.get(bscan, done)
                    whole = {old, done, (old[0], "corrected"), (value, "corrected")}
                    assert (found, state) in whole
                    labels[bscan] = (found, state)
                content = before[point.name].content
                self.points[point.number] = Point(point.name, labels, point.is_whole, content)
        for name, scan in self.known.items():
            self._compare_labels(name, scan, value)
            self._compare_predictions(name, scan, value)

    def _compare_labels(self, name: str, scan: Expected, value: int) -> None:
        labels, states = self.workspace.read_labels(name), self.workspace.states(name)
        found: Labels = {b: (read_value(labels[b]), state) for b, state in states.items()}
        for bscan in range(SHAPE[0]):
            old, now = scan.labels.get(bscan), found.get(bscan)
            could = {old[0]} if old else set()
            could |= {value}
            could |= {
                label[0]
                for point in self.points.values()
                if point.name == name and (label := point.labels.get(bscan)) is not None
            }
            if now is None:
                continue
            assert now[0] in could
            if now[1] == "confirmed" and now != old:
                promised = [(value, "confirmed")] + [
                    label
                    for point in self.points.values()
                    if point.name == name
                    and point.content == scan.content
                    and (label := point.labels.get(bscan)) is not None
                ]
                assert now in promised
        scan.labels = found

    def _compare_predictions(self, name: str, scan: Expected, value: int) -> None:
        stored = self.workspace.read_prediction(name)
        found = (
            {}
            if stored is None
            else {b: (read_value(stored.labels[b]), p.weights_id) for b, p in stored.bscans.items()}
        )
        for bscan, now in found.items():
            assert now in (scan.predicted.get(bscan), (value + bscan, "k"))
        scan.predicted = found

    # What holds all the time.

    @invariant()
    def it_is_as_it_should_be(self) -> None:
        if not hasattr(self, "workspace"):
            return
        assert {entry.name for entry in self.workspace.scans} == set(self.known)
        for name, scan in self.known.items():
            states = self.workspace.states(name)
            labels = self.workspace.read_labels(name)
            assert {b: (read_value(labels[b]), s) for b, s in states.items()} == scan.labels
            assert not labels[[b for b in range(SHAPE[0]) if b not in states]].any()
            predicted = self.workspace.predictions(name)
            assert {b: p.weights_id for b, p in predicted.items()} == {
                b: model for b, (_, model) in scan.predicted.items()
            }
            stored = self.workspace.read_prediction(name)
            if stored is not None:
                for b, (value, _) in scan.predicted.items():
                    assert read_value(stored.labels[b]) == value
        assert set(self._numbers()) == set(self.points)
        assert self.graders_points.list_unreadable() == ()


def _read_png(path: Path) -> NDArray[np.uint8]:
    from napari_retseg.io import read_labels

    return read_labels(path)
