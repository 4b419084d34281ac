"""A workspace does what a few dictionaries do, whatever its user does and whenever it dies.

``RETSEG_WORKSPACE_RUNS`` sets how many users are played; ``make fuzz-workspace`` plays 2,000.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from numpy.typing import NDArray

from napari_retseg.dataset import load_dataset
from napari_retseg.errors import InputError
from napari_retseg.events import BscanUncertainty
from napari_retseg.io import read_scan
from napari_retseg.workspace import Autosaver, RestorePoints, Workspace
from tests.conftest import TINY_CLASSES
from tests.workspace.dying import Killed, dying

RUNS = int(os.environ.get("RETSEG_WORKSPACE_RUNS", "40"))
SHAPE = (3, 4, 6)
FILES = ("a", "b")
#: Value of the plane and its state; and of a prediction, the value alone.
Label = tuple[int, str]
Labels = dict[int, Label]

names = st.sampled_from(FILES)
bscans = st.integers(0, SHAPE[0] - 1)
values = st.integers(1, 10**6)


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


class Grader(RuleBasedStateMachine):
    """Somebody who works with a workspace."""

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

    @initialize()
    def begin(self) -> None:
        for number, name in enumerate(FILES):
            self._write_scan(name, number)
        self._take(Workspace.create(self.top / "work0", classes=TINY_CLASSES))
        self.add("a")

    def teardown(self) -> None:
        with suppress(AttributeError):
            self.workspace.close()
        self.patch.undo()
        shutil.rmtree(self.top, ignore_errors=True)

    # What the user does.

    @rule(name=names)
    def add(self, name: str) -> None:
        entry = self.workspace.add_scan(read_scan(self._path(name)))
        if name in self.known:
            assert entry.path == self._path(name)
            return
        content = self.contents[name]
        assert entry.name == name
        kept = [labels for known, labels in self.removed if known == content]
        read, states = self.workspace.read_labels(name), self.workspace.states(name)
        found: Labels = {b: (read_value(read[b]), state) for b, state in states.items()}
        assert found in kept or (not found and not kept)
        if found:
            self.removed.remove((content, found))
        self.known[name] = Expected(content, found)

    @rule(name=names)
    def remove(self, name: str) -> None:
        if name in self.known:
            self.workspace.remove_scan(name)
            gone = self.known.pop(name)
            if gone.labels:
                self.removed.append((gone.content, gone.labels))

    @rule(name=names, bscan=bscans, value=values, is_confirmed=st.booleans())
    def paint(self, name: str, bscan: int, value: int, is_confirmed: bool) -> None:
        if name in self.known:
            self._do_paint(name, bscan, value, is_confirmed)
            state = "confirmed" if is_confirmed else "corrected"
            self.known[name].labels[bscan] = (value, state)

    @rule(name=names, bscan=bscans, value=values)
    def paint_and_confirm_quickly(self, name: str, bscan: int, value: int) -> None:
        if name in self.known:
            saver = Autosaver(self.workspace, on_error=pytest.fail)
            saver.put(name, bscan, draw(value))
            saver.put(name, bscan, draw(value + 1))
            saver.put(name, bscan, draw(value + 2), state="confirmed")
            assert saver.flush(20)
            saver.close()
            self.known[name].labels[bscan] = (value + 2, "confirmed")

    @rule(name=names, chosen=st.sets(bscans, min_size=1), value=values, model=st.sampled_from("mn"))
    def predict(self, name: str, chosen: set[int], value: int, model: str) -> None:
        if name in self.known:
            self._do_predict(name, chosen, value, model)
            self.known[name].predicted |= {b: (value + b, model) for b in chosen}

    @rule(name=names)
    def accept(self, name: str) -> None:
        if name not in self.known:
            return
        for bscan, (value, model) in self.known[name].predicted.items():
            stored = self.workspace.read_prediction(name)
            assert stored is not None
            self.workspace.write_labels(
                name, bscan, stored.labels[bscan], state="corrected", model=model
            )
            self.known[name].labels[bscan] = (value, "corrected")

    @rule(name=names, chosen=st.sets(bscans))
    def clear(self, name: str, chosen: set[int]) -> None:
        if name in self.known:
            self.workspace.clear_labels(name, chosen)
            for bscan in chosen:
                self.known[name].labels.pop(bscan, None)

    # Going back.

    @rule(name=names, chosen=st.none() | st.sets(bscans, min_size=1))
    def keep(self, name: str, chosen: set[int] | None) -> None:
        if name in self.known:
            made = self.graders_points.make("test", name=name, bscans=chosen)
            self._note_point(made.number, name, chosen)

    @precondition(lambda self: self.points)
    @rule(data=st.data())
    def go_back(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.points)))
        point = self.points[number]
        if point.name not in self.known:
            with pytest.raises(InputError, match="not in the workspace any more"):
                self.graders_points.restore(number)
            return
        made = self.graders_points.restore(number)
        if made.number != number:
            self._note_point(made.number, point.name, set(made.labels))
        self._put_back(point)

    @rule(name=names, way=st.sampled_from(["undo", "redo"]))
    def step(self, name: str, way: str) -> None:
        if name not in self.known:
            return
        made = getattr(self.graders_points, way)(name)
        if made is not None:
            self._note_point(made.number, name, set(made.labels))
            self._put_back(self.points[made.target])

    # What happens to files.

    @rule(name=names, content=st.integers(0, 3))
    def replace_the_scan(self, name: str, content: int) -> None:
        self._write_scan(name, content)

    @rule(name=names)
    def look(self, name: str) -> None:
        if name in self.known:
            scan = self.workspace.read_scan(name)
            assert int(np.asarray(scan.pixels)[0, 0, 0]) == self.contents[name]
            self._notice(name)

    @rule()
    def prepare_a_round(self) -> None:
        run = self.workspace.new_round()
        self.workspace.save_snapshot(run / "data")
        for name in self.known:
            self._notice(name)
        if not self.known:
            return
        counted = {}
        for case in load_dataset(run / "data").cases:
            labels = case.read_labels() if case.has_annotation else None
            counted[case.about["name"]] = (
                {bscan: read_value(labels[bscan]) for bscan in case.annotated_bscans()}
                if labels is not None
                else {}
            )
        assert counted == {
            name: {b: value for b, (value, state) in scan.labels.items() if state == "confirmed"}
            for name, scan in self.known.items()
        }

    @rule()
    def reopen(self) -> None:
        self.workspace.close()
        self._open()

    @rule()
    def rename_the_folder(self) -> None:
        for name in self.known:  # one that was replaced meanwhile would count as missing
            self.look(name)
        self.workspace.close()
        self._rename()
        self._open()

    @precondition(lambda self: self.known)
    @rule(value=values)
    def rename_the_folder_while_it_is_open(self, value: int) -> None:
        name = min(self.known)
        old = self.workspace.folder
        new = self._rename()
        for act in (
            lambda: self.workspace.write_labels(name, 0, draw(value), state="confirmed"),
            lambda: self._do_predict(name, {0}, value, "m"),
            lambda: self.workspace.save_settings(a=1),
            lambda: self.graders_points.make("test", name=name),
            self.workspace.new_round,
            lambda: self.workspace.remove_scan(name),
        ):
            with pytest.raises(InputError, match="was moved, renamed or removed"):
                act()
        assert not old.exists()
        new.rename(old)
        self.places -= 1

    @rule(name=names)
    def rename_the_scan(self, name: str) -> None:
        """Its file lies elsewhere; one that was replaced, too, is not found again."""
        if name not in self.known:
            return
        self.look(name)
        self.workspace.close()
        elsewhere = self.top / "moved" / f"{name}.tif"
        elsewhere.parent.mkdir(exist_ok=True)
        self._path(name).rename(elsewhere)
        self._take(Workspace.open(self.top / f"work{self.places}"))
        for other in self.known:
            if other != name:
                self._notice(other)
        assert [entry.name for entry in self.workspace.missing] == [name]
        assert self.workspace.find_moved(self.top / "moved") == {name: elsewhere}
        self.workspace.relocate(name, elsewhere)
        elsewhere.rename(self._path(name))
        self.workspace.relocate(name, self._path(name))
        assert self.workspace.missing == ()

    # The end, at any moment.

    @rule(
        what=st.sampled_from(
            ["paint", "confirm", "predict", "clear", "keep", "restore", "remove", "reopen", "round"]
        ),
        name=names,
        bscan=bscans,
        value=values,
        after=st.integers(0, 14),
    )
    def die(self, what: str, name: str, bscan: int, value: int, after: int) -> None:
        if name not in self.known:
            return
        acts: dict[str, Callable[[], object]] = {
            "paint": lambda: self._do_paint(name, bscan, value, False),
            "confirm": lambda: self._do_paint(name, bscan, value, True),
            "predict": lambda: self._do_predict(name, {bscan}, value, "k"),
            "clear": lambda: self.workspace.clear_labels(name, [bscan]),
            "keep": lambda: self.graders_points.make("dying", name=name),
            "restore": lambda: [self.graders_points.restore(n) for n in sorted(self.points)[-1:]],
            "remove": lambda: self.workspace.remove_scan(name),
            "reopen": self._try_to_reopen,
            "round": lambda: self.workspace.save_snapshot(self.workspace.new_round() / "data"),
        }
        with dying(self.patch, after), suppress(Killed, InputError):
            acts[what]()
        self._bury()
        self._open(is_sure=False, value=value)

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
            self._notice(name)
        if not is_sure:
            self._find_out(before, value)
        names_left = [p.name for p in self.workspace.folder.rglob(".*") if p.name != ".lock"]
        assert names_left == []

    def _notice(self, name: str) -> None:
        """What the workspace has to do where it looks at a scan that was replaced."""
        scan = self.known[name]
        if scan.content == self.contents[name]:
            return
        if scan.labels:
            number = max(self._numbers(), default=0)
            if number not in self.points:
                self.points[number] = Point(name, dict(scan.labels), True, scan.content)
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
            gone = self.known.pop(name)
            if gone.labels:
                self.removed.append((gone.content, gone.labels))
        new_points = set(self._numbers()) - set(self.points)
        for point in self.graders_points.list():
            if point.number in new_points:
                kept = self.workspace.folder / "restore" / f"{point.number:06d}"
                old = before[point.name].labels
                for bscan, state in point.labels.items():
                    if state is None:
                        continue
                    found = read_value(np.asarray(_read_png(kept / f"{bscan:04d}.png")))
                    assert (found, state) in (old[bscan], (old[bscan][0], "corrected"))
                labels: dict[int, Label | None] = {
                    b: (None if state is None else (old[b][0], state))
                    for b, state in point.labels.items()
                }
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


@pytest.mark.slow
def test_a_workspace_agrees_with_a_few_dictionaries() -> None:
    run_state_machine_as_test(
        Grader,
        settings=settings(
            max_examples=RUNS,
            stateful_step_count=25,
            deadline=None,
            derandomize=RUNS < 1000,
            suppress_health_check=list(HealthCheck),
            # to shrink what was found takes minutes: switch it on for that
            phases=(Phase.explicit, Phase.generate),
            report_multiple_bugs=False,
            database=None,
        ),
    )
