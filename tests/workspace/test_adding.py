"""A dataset comes into a workspace with patients, split and labels, or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_retseg.dataset import Case, Dataset, load_dataset
from napari_retseg.errors import InputError
from napari_retseg.io import read_scan
from napari_retseg.workspace import Workspace
from tests.conftest import TINY_CLASSES
from tests.io import topconscan
from tests.workspace.conftest import SHAPE, draw_plane, write_scan_file


def test_a_data_set_that_breaks_off_leaves_what_was_added(
    tmp_path: Path, tiny_dataset: Path
) -> None:
    dataset = load_dataset(tiny_dataset)
    dataset.cases[3].image.write_bytes(b"no picture")
    with Workspace.create(tmp_path / "work", classes=TINY_CLASSES) as made:
        with pytest.raises(InputError, match="cannot be read"):
            made.add_dataset(dataset, with_labels=True)
        assert len(made.scans) == 3
        assert load_dataset(made.folder) == made.dataset()
        assert made.states(made.scans[2].name) == {0: "confirmed"}


def test_a_data_set_that_cannot_be_noted_is_not_there(
    tmp_path: Path, tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_dataset: object) -> None:
        raise InputError("dataset.json: cannot be written (No space left on device)")

    with Workspace.create(tmp_path / "work", classes=TINY_CLASSES) as made:
        monkeypatch.setattr("napari_retseg.workspace.cases.save_dataset", refuse)
        with pytest.raises(InputError, match="No space left"):
            made.add_dataset(load_dataset(tiny_dataset), with_labels=True)
        assert made.scans == ()
    with Workspace.open(tmp_path / "work") as opened:
        assert opened.scans == ()


@pytest.mark.parametrize("with_labels", [True, False])
def test_a_data_set_comes_with_patients_split_and_labels(
    tmp_path: Path, tiny_dataset: Path, with_labels: bool
) -> None:
    dataset = load_dataset(tiny_dataset)
    with Workspace.create(tmp_path / "work", classes=TINY_CLASSES) as made:
        entries = made.add_dataset(dataset, with_labels=with_labels)
        assert [e.path for e in entries] == [c.image for c in dataset.cases]
        assert made.scans == entries
        loaded = load_dataset(made.folder)
        assert [(c.group, c.split) for c in loaded.cases] == [
            (c.group, c.split) for c in dataset.cases
        ]
        for ours, theirs in zip(loaded.cases, dataset.cases, strict=True):
            assert ours.annotated_bscans() == ([0] if with_labels else [])
            if with_labels:
                np.testing.assert_array_equal(ours.read_labels(), theirs.read_labels())
                assert made.states(ours.name) == {0: "confirmed"}
        assert made.add_dataset(dataset, with_labels=with_labels) == entries


def test_labels_of_a_data_set_never_replace_those_made_here(
    tmp_path: Path, tiny_dataset: Path
) -> None:
    dataset = load_dataset(tiny_dataset)
    with Workspace.create(tmp_path / "work", classes=TINY_CLASSES) as made:
        made.add_scan(dataset.cases[0].read_scan())
        mine = np.full((64, 64), 1, np.uint8)
        made.write_labels(dataset.cases[0].name, 0, mine, state="corrected")
        made.add_dataset(dataset, with_labels=True)
        assert made.states(dataset.cases[0].name) == {0: "corrected"}
        np.testing.assert_array_equal(made.read_labels(dataset.cases[0].name), mine)


def test_a_patient_who_is_here_keeps_the_place_in_the_split(
    tmp_path: Path, tiny_dataset: Path
) -> None:
    dataset = load_dataset(tiny_dataset)  # P3 is held out there
    with Workspace.create(tmp_path / "work", classes=TINY_CLASSES) as made:
        for name, group in (("a", "P3"), ("b", "P9"), ("c", "P1")):
            made.add_scan(read_scan(write_scan_file(tmp_path / f"{name}.tif")), group=group)
            made.write_labels(name, 0, draw_plane(), state="confirmed")
        made.pin()
        pinned = {entry.group: entry.split for entry in made.scans}
        made.add_dataset(dataset, with_labels=True)
        made.pin()
        for entry in made.scans:
            assert entry.split == pinned.get(entry.group, "train" if entry.group == "P2" else "val")


def test_classes_of_a_data_set_go_by_name(tmp_path: Path) -> None:
    image = write_scan_file(tmp_path / "other" / "a.png", SHAPE[1:])
    label = tmp_path / "other" / "labels.png"
    theirs = TINY_CLASSES.from_names({3: "upper", 7: "fluid"})
    values = np.array([0, 3, 7, 255], np.uint8)[np.arange(12 * 16).reshape(12, 16) % 4]
    from tests.dataset.conftest import write_png

    case = Case(image=image, label=write_png(label, values), group="P1")
    dataset = Dataset(root=tmp_path / "other", name="other", labels=theirs, cases=(case,))
    with Workspace.create(tmp_path / "work", classes=TINY_CLASSES) as made:
        made.add_dataset(dataset, with_labels=True)
        # "lower" is not known there: what it calls background may be it
        expected = np.array([255, 1, 3, 255], np.uint8)[np.arange(12 * 16).reshape(12, 16) % 4]
        np.testing.assert_array_equal(made.read_labels("a"), expected)
    strange = dataset.model_copy(update={"labels": TINY_CLASSES.from_names(["choroid"])})
    with Workspace.create(tmp_path / "work2", classes=TINY_CLASSES) as made:
        with pytest.raises(
            InputError, match="has classes that the workspace does not have: choroid"
        ):
            made.add_dataset(strange, with_labels=True)
        assert made.scans == ()
        assert len(made.add_dataset(strange, with_labels=False)) == 1


def test_a_derived_scale_is_kept_as_one_and_may_be_entered(
    workspace: Workspace, tmp_path: Path
) -> None:
    entry = workspace.add_scan(read_scan(topconscan.write_file(tmp_path / "eye.fda")))
    assert (entry.spacing_source, entry.spacing_um[1]) == ("derived", 2.6)
    known = workspace.describe_scan(entry.name, spacing_um=(120.0, 2.6, 11.0))
    assert known.spacing_source == "user"
    assert workspace.read_scan(entry.name).spacing_um == (120.0, 2.6, 11.0)
