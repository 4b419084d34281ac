"""Labels of a workspace: what is on disk after each step, and after a step that failed."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_retseg.dataset import BscanState, load_dataset, read_plane
from napari_retseg.errors import InputError
from napari_retseg.io import read_scan
from napari_retseg.workspace import Workspace
from tests.conftest import TINY_CLASSES
from tests.workspace.conftest import SHAPE, draw_plane, write_scan_file


@pytest.fixture(scope="module", autouse=True)
def disk() -> None:
    """Wait for the disk: time is measured here."""


def states_on_disk(workspace: Workspace, name: str) -> dict[int, str]:
    """What a program that opens the workspace now would see."""
    content = json.loads((workspace.folder / "dataset.json").read_text())
    case = next(c for c in content["training"] if c["name"] == name)
    return {int(i): b["state"] for i, b in case.get("bscans", {}).items()}


def plane_on_disk(workspace: Workspace, name: str, bscan: int) -> np.ndarray:
    path = workspace.folder / "labels" / name / f"{bscan:04d}.png"
    return read_plane(path, (SHAPE[1], SHAPE[2]))


def test_labels_are_png_files_of_what_was_painted(workspace: Workspace) -> None:
    workspace.write_labels("P1", 2, draw_plane(2), state="corrected")
    workspace.write_labels("S06_B10", 0, draw_plane(5), state="confirmed")
    labels = workspace.read_labels("P1")
    assert labels.shape == SHAPE
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels[2], draw_plane(2))
    assert not np.delete(labels, 2, axis=0).any()
    np.testing.assert_array_equal(workspace.read_labels("S06_B10"), draw_plane(5))
    np.testing.assert_array_equal(plane_on_disk(workspace, "P1", 2), draw_plane(2))
    files = sorted(p.relative_to(workspace.folder) for p in workspace.folder.rglob("*.png"))
    assert files == [Path("labels/P1/0002.png"), Path("labels/S06_B10/0000.png")]
    assert not workspace.read_labels("P2").any()


def test_only_confirmed_labels_are_trained_on(workspace: Workspace) -> None:
    workspace.write_labels("P1", 1, draw_plane(1), state="corrected")
    workspace.write_labels("P1", 2, draw_plane(2), state="confirmed")
    case = load_dataset(workspace.folder).cases[0]
    assert case.annotated_bscans() == [2]
    labels = case.read_labels(TINY_CLASSES)
    np.testing.assert_array_equal(labels[2], draw_plane(2))
    assert (labels[1] == 255).all()


def test_a_stroke_on_a_confirmed_bscan_takes_the_confirmation_first(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.write_labels("P1", 2, draw_plane(2), state="confirmed")
    seen: list[dict[int, str]] = []

    def die(path: Path, plane: np.ndarray) -> None:
        seen.append(states_on_disk(workspace, "P1"))
        raise InputError(f"{path}: cannot be written")

    monkeypatch.setattr("napari_retseg.workspace.labelling.write_plane", die)
    with pytest.raises(InputError, match="cannot be written"):
        workspace.write_labels("P1", 2, draw_plane(3), state="corrected")
    assert seen == [{2: "corrected"}]
    np.testing.assert_array_equal(plane_on_disk(workspace, "P1", 2), draw_plane(2))
    assert workspace.states("P1") == {2: "corrected"}


def test_a_confirmation_is_noted_once_its_labels_are_there(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.write_labels("P1", 2, draw_plane(2), state="corrected")
    seen: list[np.ndarray] = []

    def die(_dataset: object) -> None:
        seen.append(plane_on_disk(workspace, "P1", 2))
        raise InputError("dataset.json: cannot be written")

    with monkeypatch.context() as patch:
        patch.setattr("napari_retseg.workspace.cases.save_dataset", die)
        with pytest.raises(InputError, match="cannot be written"):
            workspace.write_labels("P1", 2, draw_plane(3), state="confirmed")
    np.testing.assert_array_equal(seen[0], draw_plane(3))
    assert workspace.states("P1") == states_on_disk(workspace, "P1") == {2: "corrected"}
    workspace.write_labels("P1", 2, draw_plane(3), state="confirmed")  # tried again
    assert states_on_disk(workspace, "P1") == {2: "confirmed"}


def test_a_plane_that_no_state_mentions_is_adopted(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(_dataset: object) -> None:
        raise InputError("killed here")

    with monkeypatch.context() as patch:
        patch.setattr("napari_retseg.workspace.cases.save_dataset", die)
        with pytest.raises(InputError, match="killed here"):
            workspace.write_labels("P1", 3, draw_plane(3), state="confirmed")
    (workspace.folder / "labels" / "P1" / ".retseg-0123456789ab.png").write_bytes(b"half")
    workspace.close()
    with Workspace.open(workspace.folder) as opened:
        assert opened.states("P1") == states_on_disk(opened, "P1") == {3: "corrected"}
        np.testing.assert_array_equal(opened.read_labels("P1")[3], draw_plane(3))
        assert "1 B-scan with labels had no state" in opened.notes[0]
        assert not list(opened.folder.rglob(".retseg-*"))


def test_a_state_whose_plane_is_gone_says_nothing(workspace: Workspace) -> None:
    workspace.write_labels("P1", 1, draw_plane(1), state="confirmed")
    workspace.write_labels("P2", 1, draw_plane(1), state="confirmed")
    workspace.close()
    (workspace.folder / "labels" / "P1" / "0001.png").unlink()
    with Workspace.open(workspace.folder) as opened:
        assert (opened.states("P1"), opened.states("P2")) == ({}, {1: "confirmed"})
        assert "files are gone" in opened.notes[0]
        assert load_dataset(opened.folder) == opened.dataset()
    with Workspace.open(workspace.folder) as opened:
        assert opened.notes == ()


def test_a_stroke_writes_nothing_but_its_plane(workspace: Workspace) -> None:
    workspace.write_labels("P1", 1, draw_plane(1), state="corrected", model="m1")
    before = (workspace.folder / "dataset.json").stat()
    workspace.write_labels("P1", 1, draw_plane(2), state="corrected")
    after = (workspace.folder / "dataset.json").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    np.testing.assert_array_equal(plane_on_disk(workspace, "P1", 1), draw_plane(2))


def test_a_bscan_keeps_the_model_that_its_labels_came_from(workspace: Workspace) -> None:
    workspace.write_labels("P1", 1, draw_plane(1), state="corrected", model="m1")
    workspace.write_labels("P1", 1, draw_plane(2), state="confirmed")
    assert (load_dataset(workspace.folder).cases[0].bscans or {})[1].model == "m1"
    workspace.write_labels("P1", 1, draw_plane(2), state="corrected", model="m2")
    assert (load_dataset(workspace.folder).cases[0].bscans or {})[1].model == "m2"


def test_cleared_bscans_are_untouched(workspace: Workspace) -> None:
    for bscan in (0, 1, 2):
        workspace.write_labels("P1", bscan, draw_plane(bscan), state="confirmed")
    workspace.clear_labels("P1", [0, 2, 3])
    assert workspace.states("P1") == states_on_disk(workspace, "P1") == {1: "confirmed"}
    assert not workspace.read_labels("P1")[2].any()
    workspace.clear_labels("P1", [1])
    assert load_dataset(workspace.folder).cases[0].label is None
    assert load_dataset(workspace.folder) == workspace.dataset()
    workspace.write_labels("P1", 3, draw_plane(3), state="confirmed")
    assert workspace.states("P1") == {3: "confirmed"}


@pytest.mark.parametrize(
    ("bscan", "plane", "message"),
    [
        (4, draw_plane(), "has 4 B-scans, but no B-scan 4"),
        (-1, draw_plane(), "but no B-scan -1"),
        (0, draw_plane(shape=(12, 15)), r"of shape \(12, 15\); uint8 of \(12, 16\) needed"),
        (0, draw_plane().astype(np.int32), "are int32"),
    ],
)
def test_labels_that_do_not_fit_are_refused(
    workspace: Workspace, bscan: int, plane: np.ndarray, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        workspace.write_labels("P1", bscan, plane, state="corrected")
    with pytest.raises(InputError, match="no scan named 'P9'"):
        workspace.write_labels("P9", 0, draw_plane(), state="corrected")
    assert not list(workspace.folder.rglob("*.png"))


def test_a_value_that_is_no_class_is_kept_as_painted(workspace: Workspace) -> None:
    plane = draw_plane(1)
    plane[3, 3] = 77
    workspace.write_labels("P1", 1, plane, state="corrected")
    np.testing.assert_array_equal(workspace.read_labels("P1")[1], plane)
    workspace.write_labels("P2", 1, draw_plane(), state="confirmed")
    for case in load_dataset(workspace.folder).cases:
        if case.label is not None:
            case.read_labels(TINY_CLASSES)  # it does not get in the way of a training


def test_who_looks_never_waits_for_who_writes(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_writing, go_on = threading.Event(), threading.Event()

    def write_slowly(_path: Path, _plane: np.ndarray) -> None:
        is_writing.set()
        go_on.wait(20)

    monkeypatch.setattr("napari_retseg.workspace.labelling.write_plane", write_slowly)
    arguments = ("P1", 1, draw_plane())
    writer = threading.Thread(
        target=workspace.write_labels, args=arguments, kwargs={"state": "confirmed"}
    )
    writer.start()
    try:
        assert is_writing.wait(20)
        start = time.perf_counter()
        assert workspace.states("P1") == {}
        assert workspace.heldout("P1") == frozenset()
        assert len(workspace.scans) == 3
        assert len(workspace.dataset().cases) == 3
        assert workspace.predictions("P1") == {}
        assert time.perf_counter() - start < 5
    finally:
        go_on.set()
        writer.join()
    assert workspace.states("P1") == {1: "confirmed"}


def test_threads_that_write_at_once_lose_nothing(workspace: Workspace) -> None:
    def paint(name: str, state: str) -> None:
        for bscan in range(4):
            workspace.write_labels(name, bscan, draw_plane(bscan), state="corrected")
            workspace.write_labels(name, bscan, draw_plane(bscan + 9), state=state)  # type: ignore[arg-type]

    work = [("P1", "confirmed"), ("P2", "corrected"), ("P1", "confirmed")]
    threads = [threading.Thread(target=paint, args=arguments) for arguments in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    workspace.close()
    with Workspace.open(workspace.folder) as opened:
        assert opened.notes == ()
        assert opened.states("P1") == dict.fromkeys(range(4), "confirmed")
        assert opened.states("P2") == dict.fromkeys(range(4), "corrected")
        for name in ("P1", "P2"):
            expected = [draw_plane(bscan + 9) for bscan in range(4)]
            np.testing.assert_array_equal(opened.read_labels(name), expected)


_steps = st.lists(
    st.tuples(
        st.integers(0, 3), st.sampled_from(["corrected", "confirmed", "clear"]), st.integers(0, 9)
    ),
    max_size=12,
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=_steps)
def test_memory_disk_and_a_plain_dictionary_agree(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("law")
    expected: dict[int, tuple[str, int]] = {}
    with Workspace.create(folder / "work", classes=TINY_CLASSES) as made:
        made.add_scan(read_scan(write_scan_file(folder / "a.tif")))
        for bscan, what, seed in steps:
            if what == "clear":
                made.clear_labels("a", [bscan])
                expected.pop(bscan, None)
            else:
                made.write_labels("a", bscan, draw_plane(seed), state=what)  # type: ignore[arg-type]
                expected[bscan] = (what, seed)
        assert made.states("a") == {i: state for i, (state, _) in expected.items()}
        assert load_dataset(made.folder) == made.dataset()
    with Workspace.open(folder / "work") as opened:
        assert opened.states("a") == {i: state for i, (state, _) in expected.items()}
        labels = opened.read_labels("a")
        for bscan in range(4):
            wanted = draw_plane(expected[bscan][1]) if bscan in expected else 0 * draw_plane()
            np.testing.assert_array_equal(labels[bscan], wanted)


def test_states_of_other_programs_are_kept_where_they_say_something(workspace: Workspace) -> None:
    workspace.write_labels("P1", 1, draw_plane(1), state="confirmed")
    workspace.close()
    path = workspace.folder / "dataset.json"
    content = json.loads(path.read_text())
    content["training"][0]["bscans"]["0"] = BscanState(state="predicted").model_dump(mode="json")
    path.write_text(json.dumps({**content, "modality": {"0": "OCT"}}))
    with Workspace.open(workspace.folder) as opened:
        assert opened.states("P1") == {1: "confirmed"}
        opened.write_labels("P1", 2, draw_plane(1), state="confirmed")
    assert json.loads(path.read_text())["modality"] == {"0": "OCT"}


def test_a_changed_prediction_stays_that_of_its_model(workspace: Workspace) -> None:
    model = PlayedModel()
    said = {b: (draw_plane(b), None) for b in (0, 1)}
    workspace.write_predictions("P1", said, model=model, options="o", doubtful={1: ((2, 5),)})
    before = workspace.predictions("P1")
    workspace.change_predictions("P1", {1: (draw_plane(7), (0,)), 2: (draw_plane(8), (0,))})
    reopened = reopen(workspace)
    known, found = reopened.predictions("P1"), reopened.read_prediction("P1")
    assert found is not None
    np.testing.assert_array_equal(found.labels[1], draw_plane(7))
    assert set(found.own) == {1}
    np.testing.assert_array_equal(found.own[1], draw_plane(1))
    assert known == {0: before[0], 1: replace(before[1], propagated=(0,))}
    assert (known[1].model, known[1].options, known[1].doubtful) == (model.name, "o", ((2, 5),))
    # carried to again: what the model said stays
    reopened.change_predictions("P1", {1: (draw_plane(6), (0, 2))})
    again = reopened.read_prediction("P1")
    assert again is not None
    np.testing.assert_array_equal(again.own[1], draw_plane(1))
    reopened.change_predictions("P1", {1: (draw_plane(1), ())})
    assert reopened.predictions("P1") == before
    undone = reopened.read_prediction("P1")
    assert undone is not None
    assert not undone.own
    # segmented anew: what another model said is forgotten
    reopened.change_predictions("P1", {1: (draw_plane(7), (0,))})
    reopened.write_predictions("P1", said, model=model, options="o")
    reopened.change_predictions("P1", {1: (draw_plane(7), (0,))})
    once_more = reopened.read_prediction("P1")
    assert once_more is not None
    np.testing.assert_array_equal(once_more.own[1], draw_plane(1))
    reopened.close()


@dataclass(frozen=True)
class PlayedModel:
    name: str = "tiny"
    weights_id: str = "b" * 64


def reopen(workspace: Workspace) -> Workspace:
    workspace.close()
    return Workspace.open(workspace.folder)
