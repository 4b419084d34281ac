"""A workspace does what a few dictionaries do, whatever its user does and whenever it dies.

``RETSEG_WORKSPACE_RUNS`` sets how many users are played; ``make fuzz-workspace`` plays 2,000.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from napari_retseg.dataset import load_dataset
from napari_retseg.errors import InputError
from napari_retseg.io import read_scan
from napari_retseg.workspace import Autosaver, Workspace
from tests.conftest import TINY_CLASSES
from tests.workspace.dying import Killed, dying
from tests.workspace.player import FILES, SHAPE, Expected, Labels, Player, draw, read_value

RUNS = int(os.environ.get("RETSEG_WORKSPACE_RUNS", "40"))

names = st.sampled_from(FILES)
bscans = st.integers(0, SHAPE[0] - 1)
values = st.integers(1, 10**6)


class Grader(Player):
    """Somebody who works with a workspace."""

    @initialize()
    def begin(self) -> None:
        for number, name in enumerate(FILES):
            self._write_scan(name, number)
        self._take(Workspace.create(self.top / "work0", classes=TINY_CLASSES))
        self.add("a")

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
