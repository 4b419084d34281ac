"""Who is held out, and the user's own choice of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_retseg.dataset import (
    BscanState,
    Dataset,
    forget_choice,
    hold_out,
    hold_out_bscans,
    list_sides,
    load_dataset,
    pin_split,
    save_dataset,
)
from napari_retseg.errors import UsageError
from tests.dataset.conftest import draw_labels, quick, write_pair, write_png

PATIENTS = ("P1", "P2", "P3", "P4", "P5")


def make(folder: Path, names: Sequence[str] = PATIENTS) -> Dataset:
    write_pair(folder, [f"{name}_{eye}" for name in names for eye in ("OD", "OS")])
    return load_dataset(folder)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make(tmp_path_factory.mktemp("data"))


def test_each_patient_is_told_before_and_after_the_first_training(dataset: Dataset) -> None:
    before, after = list_sides(dataset), list_sides(pin_split(dataset))
    assert [side.group for side in before] == list(PATIENTS)
    assert [side.use for side in before].count("val") == 1
    assert [(s.use, s.training, s.heldout) for s in before] == [
        (s.use, s.training, s.heldout) for s in after
    ]
    assert all("will be fixed when the next training starts" in side.reason for side in before)
    assert all("is fixed" in side.reason for side in after)


@given(chosen=st.sets(st.sampled_from(PATIENTS), min_size=1, max_size=4), pinned=st.booleans())
@quick
def test_a_choice_is_kept_to_the_letter(dataset: Dataset, chosen: set[str], pinned: bool) -> None:
    found = hold_out(pin_split(dataset) if pinned else dataset, chosen)
    assert set(found.groups("val")) == chosen
    assert set(found.groups("train")) == set(PATIENTS) - chosen
    assert pin_split(found) == found
    assert all(side.is_chosen for side in list_sides(found))
    assert forget_choice(found) == pin_split(dataset)


def test_a_choice_survives_saving_and_new_patients_are_trained_on(tmp_path: Path) -> None:
    save_dataset(hold_out(make(tmp_path, PATIENTS[:2]), ["P2"]))
    loaded = load_dataset(tmp_path)
    assert loaded.groups("val") == ("P2",)
    more = [
        case.model_copy(
            update={"image": tmp_path / f"{name}.png", "group": name, "split": None, "about": {}}
        )
        for name, case in zip(("X1", "X2", "X3", "X4", "X5", "X6"), loaded.cases * 2, strict=False)
    ]
    grown = pin_split(loaded.model_copy(update={"cases": (*loaded.cases, *more)}))
    assert grown.groups("val") == ("P2",)


def test_a_choice_that_cannot_be_is_refused(dataset: Dataset) -> None:
    for groups, message in (
        ([], "at least one patient"),
        (["P9"], "patient not found"),
        (PATIENTS, "you cannot hold out all patients"),
    ):
        with pytest.raises(UsageError, match=message):
            hold_out(dataset, groups)
    tested = dataset.model_copy(
        update={
            "cases": tuple(c.model_copy(update={"split": "test"}) for c in dataset.cases[:2])
            + dataset.cases[2:]
        }
    )
    with pytest.raises(UsageError, match="in the test set"):
        hold_out(tested, [tested.cases[0].group])
    with pytest.raises(UsageError, match="there are several patients"):
        hold_out_bscans(dataset, {dataset.cases[0].image: [0]})


def _volume(folder: Path, confirmed: Sequence[int], n: int = 20) -> Dataset:
    for number in range(n):
        for kind in ("images", "labels"):
            write_png(folder / kind / "a" / f"{number:04d}.png", draw_labels(number))
    dataset = load_dataset(folder)
    states = {i: BscanState(state="confirmed") for i in confirmed}
    case = dataset.cases[0].model_copy(update={"bscans": states})
    return dataset.model_copy(update={"cases": (case,)})


def test_bscans_of_the_only_patient_can_be_chosen(tmp_path: Path) -> None:
    dataset = _volume(tmp_path, [2, 6, 10, 15])
    (side,) = list_sides(dataset)
    assert (side.use, side.training, side.heldout) == ("both", 3, 1)
    case = dataset.cases[0]
    chosen = hold_out_bscans(dataset, {case.image: [5, 6]})
    (found,) = chosen.cases
    assert found.heldout_bscans == (5, 6)
    assert found.unused_bscans == (4, 7)
    (side,) = list_sides(chosen)
    assert (side.use, side.training, side.heldout, side.is_chosen) == ("both", 3, 1, True)
    for bscans, message in (
        ([], "at least one B-scan"),
        (range(20), "not all of them"),
        ([20], "has no B-scan 20"),
    ):
        with pytest.raises(UsageError, match=message):
            hold_out_bscans(dataset, {case.image: bscans})


def test_the_gap_gives_way_where_it_would_take_all(tmp_path: Path) -> None:
    dataset = _volume(tmp_path, [2, 3])
    (found,) = hold_out_bscans(dataset, {dataset.cases[0].image: [3]}).cases
    assert found.unused_bscans == ()


def test_single_bscans_of_the_only_patient_can_be_chosen(tmp_path: Path) -> None:
    write_pair(tmp_path, [f"P1_{i}" for i in range(6)])
    dataset = load_dataset(tmp_path)
    chosen = hold_out_bscans(dataset, {dataset.cases[2].image: [0]})
    assert [case.split for case in chosen.cases] == ["train", "train", "val", *["train"] * 3]
    assert [len(case.unused_bscans) for case in chosen.cases] == [0, 1, 0, 1, 0, 0]
