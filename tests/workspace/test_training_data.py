"""What a training gets of a workspace: the split, a snapshot, exported labels; and predictions."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_retseg.dataset import load_dataset
from napari_retseg.errors import InputError, UsageError
from napari_retseg.events import BscanUncertainty
from napari_retseg.io import read_labels, read_scan
from napari_retseg.workspace import Workspace
from tests.conftest import TINY_CLASSES
from tests.workspace.conftest import SHAPE, draw_plane, write_scan_file


@dataclass(frozen=True)
class Model:
    name: str
    weights_id: str


def test_the_split_is_kept_and_nobody_moves(workspace: Workspace, tmp_path: Path) -> None:
    for name in ("P1", "P2"):
        workspace.write_labels(name, 0, draw_plane(), state="confirmed")
    workspace.write_labels("S06_B10", 0, draw_plane(), state="corrected")
    workspace.pin()
    first = {entry.name: entry.split for entry in workspace.scans}
    assert sorted(map(str, first.values())) == ["None", "train", "val"]
    for entry in workspace.scans:
        everything = set(range(entry.n_bscans or 0))
        assert workspace.heldout(entry.name) == (everything if entry.split == "val" else set())
    for number in range(6):
        name = f"N{number}"
        workspace.add_scan(read_scan(write_scan_file(tmp_path / f"{name}.tif")))
        workspace.write_labels(name, 0, draw_plane(), state="confirmed")
    workspace.pin()
    second = {entry.name: entry.split for entry in workspace.scans}
    assert {name: second[name] for name, split in first.items() if split} == {
        name: split for name, split in first.items() if split
    }
    assert load_dataset(workspace.folder) == workspace.dataset()
    workspace.pin()
    assert {entry.name: entry.split for entry in workspace.scans} == second


def test_of_a_single_patient_bscans_are_held_out(workspace: Workspace) -> None:
    for bscan in range(4):
        workspace.write_labels("P1", bscan, draw_plane(bscan), state="confirmed")
    workspace.pin()
    assert workspace.heldout("P1") == {3}
    assert workspace.heldout("P2") == frozenset()


def test_a_snapshot_stays_as_it_was(workspace: Workspace) -> None:
    workspace.write_labels("P1", 0, draw_plane(0), state="confirmed")
    workspace.write_labels("P2", 1, draw_plane(1), state="confirmed")
    workspace.write_labels("P2", 2, draw_plane(2), state="corrected")
    workspace.pin()
    folder = workspace.new_round() / "data"
    assert workspace.save_snapshot(folder) == folder / "dataset.json"
    before = load_dataset(folder)  # its scans lie outside, and are the user's
    fingerprint = before.fingerprint(before.cases)
    assert [(c.group, c.split) for c in before.cases] == [
        (entry.group, entry.split) for entry in workspace.scans
    ]
    assert not (folder / "labels" / "P2" / "0002.png").exists()
    workspace.write_labels("P1", 0, draw_plane(7), state="corrected")
    workspace.write_labels("P1", 3, draw_plane(8), state="confirmed")
    workspace.clear_labels("P2", [1])
    after = load_dataset(folder)
    assert (after, after.fingerprint(after.cases)) == (before, fingerprint)
    np.testing.assert_array_equal(after.cases[0].read_labels()[0], draw_plane(0))
    np.testing.assert_array_equal(after.cases[1].read_labels()[1], draw_plane(1))
    with pytest.raises(InputError, match="not empty"):
        workspace.save_snapshot(folder)


def test_labels_leave_in_the_format_and_grid_of_their_scan(tmp_path: Path) -> None:
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    pixels = np.arange(5 * 6 * 7, dtype=np.float32).reshape(5, 6, 7)
    nib.save(nib.Nifti1Image(pixels, affine), tmp_path / "v.nii.gz")  # type: ignore[no-untyped-call]
    write_scan_file(tmp_path / "a" / "P1.tif")
    write_scan_file(tmp_path / "b" / "P1.tif")
    write_scan_file(tmp_path / "c.png", SHAPE[1:])
    with Workspace.create(tmp_path / "work", classes=TINY_CLASSES) as made:
        for file in ("v.nii.gz", "a/P1.tif", "b/P1.tif", "c.png"):
            made.add_scan(read_scan(tmp_path / file))
        plane = draw_plane(shape=made.scans[0].shape[1:])  # type: ignore[arg-type, index]
        made.write_labels("v", 1, plane, state="confirmed")
        made.write_labels("v", 2, plane, state="corrected")
        made.write_labels("P1-2", 0, draw_plane(3), state="confirmed")
        made.write_labels("c", 0, draw_plane(4), state="corrected")
        out = tmp_path / "out"
        assert made.export_labels(out, only_confirmed=True) == [out / "v.nii.gz", out / "P1-2.tif"]
        labels = read_labels(out / "v.nii.gz", shape=made.scans[0].shape)
        np.testing.assert_array_equal(labels[1], plane)
        assert (np.delete(labels, 1, axis=0) == 255).all()
        stored = read_scan(out / "v.nii.gz").affine
        assert stored is not None
        np.testing.assert_array_equal(stored, affine)
        with pytest.raises(InputError, match=r"v\.nii\.gz: already exists"):
            made.export_labels(out, only_confirmed=False)
        everything = made.export_labels(tmp_path / "all", only_confirmed=False)
        assert [path.name for path in everything] == ["v.nii.gz", "P1-2.tif", "c.png"]
        np.testing.assert_array_equal(read_labels(everything[0])[2], plane)
        np.testing.assert_array_equal(read_labels(everything[2]), draw_plane(4))
    (tmp_path / "c.png").unlink()
    with Workspace.open(tmp_path / "work") as opened:
        with pytest.raises(InputError, match=r"c\.png: scan not found"):
            opened.export_labels(tmp_path / "third", only_confirmed=False)
        assert len(opened.export_labels(tmp_path / "third", only_confirmed=True)) == 2


def test_predictions_are_kept_apart_from_labels(workspace: Workspace) -> None:
    assert workspace.read_prediction("P1") is None
    assert workspace.predictions("P1") == {}
    assert workspace.read_uncertainty("P1") is None
    workspace.write_labels("P1", 2, draw_plane(9), state="confirmed")
    entropy = np.full(SHAPE[1:], 200, np.uint8)
    sure = BscanUncertainty(0.25, entropy, (1.0, 2.5))
    model = Model("mine", "id-1")
    runs = ((0, 3), (9, 16))
    workspace.write_prediction("P1", 2, draw_plane(2), model=model, uncertainty=sure, doubtful=runs)
    workspace.write_prediction("P1", 0, draw_plane(0), model=model, uncertainty=None)
    for _ in range(2):
        found = workspace.read_prediction("P1")
        assert found is not None
        np.testing.assert_array_equal(found.labels[[0, 2]], [draw_plane(0), draw_plane(2)])
        assert not found.labels[[1, 3]].any()
        assert (found.model, found.weights_id) == ("mine", "id-1")
        assert {i: b.score for i, b in found.bscans.items()} == {0: None, 2: 0.25}
        assert found.bscans[2].descriptor == (1.0, 2.5)
        assert {i: b.doubtful for i, b in found.bscans.items()} == {0: (), 2: runs}
        uncertain = workspace.read_uncertainty("P1")
        assert uncertain is not None
        assert (uncertain[2] == 200).all()
        assert not uncertain[0].any()
        workspace.close()
        workspace = Workspace.open(workspace.folder)
    np.testing.assert_array_equal(workspace.read_labels("P1")[2], draw_plane(9))
    about = json.loads((workspace.folder / "predictions" / "P1" / "about.json").read_text())
    scan = {"scan": workspace.content_of("P1")}
    assert about == {
        "weights_id": "id-1",
        "model": "mine",
        "bscans": {
            "0": scan,
            "2": {"score": 0.25, "descriptor": [1.0, 2.5], "doubtful": [[0, 3], [9, 16]], **scan},
        },
    }
    workspace.close()


def test_predictions_of_several_models_are_told_apart(workspace: Workspace) -> None:
    planes = {bscan: (draw_plane(bscan), None) for bscan in range(4)}
    workspace.write_predictions("P1", planes, model=Model("old", "id-1"))
    workspace.write_prediction("P1", 1, draw_plane(7), model=Model("new", "id-2"))
    workspace.close()
    with Workspace.open(workspace.folder) as opened:
        found = opened.read_prediction("P1")
        assert found is not None
        assert (found.model, found.weights_id) == ("new", "id-2")
        assert [found.bscans[i].weights_id for i in range(4)] == ["id-1", "id-2", "id-1", "id-1"]
        np.testing.assert_array_equal(found.labels[1], draw_plane(7))


def test_damaged_predictions_say_what_to_do(workspace: Workspace) -> None:
    workspace.write_prediction("P1", 1, draw_plane(), model=Model("m", "id"), uncertainty=None)
    with pytest.raises(InputError, match="but no B-scan 4"):
        workspace.write_prediction("P1", 4, draw_plane(), model=Model("m", "id"))
    workspace.close()
    about = workspace.folder / "predictions" / "P1" / "about.json"
    for content in ("{", "[]", '{"weights_id": "a", "model": "b", "bscans": {"x": {}}}'):
        about.write_text(content)
        with Workspace.open(workspace.folder) as opened:
            assert opened.predictions("P1") == {}
            assert opened.read_prediction("P1") is None
            assert opened.read_uncertainty("P1") is None
            note = opened.read_scan("P1").notes[-1]
            assert re.search(r"about\.json: .*; segment the scan again$", note)
    about.unlink()
    with Workspace.open(workspace.folder) as opened:
        assert opened.predictions("P1") == {}


def test_who_is_held_out_can_be_seen_and_chosen(workspace: Workspace) -> None:
    for name in ("P1", "P2"):
        workspace.write_labels(name, 0, draw_plane(), state="confirmed")
    uses = {side.group: side.use for side in workspace.sides()}
    assert sorted(uses.values()) == ["none", "train", "val"]
    for chosen in ("P1", "P2"):
        workspace.hold_out([chosen])
        uses = {side.group: side.use for side in workspace.sides()}
        assert uses["P1"] == ("val" if chosen == "P1" else "train")
        assert workspace.heldout(chosen)
        read = load_dataset(workspace.folder, allow_outside=True)
        assert read.groups("val") == (chosen,)
    workspace.hold_out_by_name()
    assert not any(side.is_chosen for side in workspace.sides())
    with pytest.raises(UsageError, match="there are several patients"):
        workspace.hold_out_bscans("P1", [0])


def test_bscans_of_the_only_patient_can_be_held_out(workspace: Workspace) -> None:
    for bscan in (0, 2):
        workspace.write_labels("P1", bscan, draw_plane(), state="confirmed")
    workspace.hold_out_bscans("P1", [0])
    (side,) = (side for side in workspace.sides() if side.group == "P1")
    assert (side.use, side.training, side.heldout, side.is_chosen) == ("both", 1, 1, True)
    assert workspace.heldout("P1") == {0}


@pytest.mark.parametrize("runs", [[[3, 3]], [[4, 2]], [[-1, 2]], [[0, 5], [4, 8]], [[0]], "0-3"])
def test_doubtful_ascans_that_cannot_be_are_no_prediction(
    workspace: Workspace, runs: object
) -> None:
    workspace.write_prediction("P1", 1, draw_plane(), model=Model("m", "id"))
    folder = workspace.folder
    about = folder / "predictions" / "P1" / "about.json"
    content = json.loads(about.read_text())
    content["bscans"]["1"]["doubtful"] = runs
    about.write_text(json.dumps(content))
    workspace.close()
    with Workspace.open(folder) as opened:
        assert opened.read_prediction("P1") is None
