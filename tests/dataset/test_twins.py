"""The same image under two names, and labels that are taken by name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_retseg.config import parse_split
from napari_retseg.dataset import Dataset, divide, load_dataset, pin_split
from napari_retseg.dataset.twins import describe_twins, list_twins
from tests.dataset.conftest import quick, write_pair

NAMES = tuple(f"P{number}" for number in range(8))


def _copy(folder: Path, source: str, target: str) -> None:
    for kind in ("images", "labels"):
        shutil.copy2(folder / kind / f"{source}.png", folder / kind / f"{target}.png")


def _sides(dataset: Dataset) -> list[set[str]]:
    """For each image that is there twice, the sides that it is used on."""
    found = []
    for same in list_twins(dataset.cases):
        used = {
            split
            for case in same
            for split in ("train", "val", "test")
            if dataset.annotated_bscans(case, split)
        }
        found.append(used)
    return found


@given(
    copies=st.dictionaries(st.sampled_from(NAMES[:4]), st.sampled_from(NAMES[4:]), min_size=1),
    seed=st.integers(0, 20),
)
@quick
def test_a_copy_is_on_one_side(
    tmp_path_factory: pytest.TempPathFactory, copies: dict[str, str], seed: int
) -> None:
    folder = write_pair(tmp_path_factory.mktemp("data"), NAMES)
    for source, target in copies.items():
        _copy(folder, source, target)
    dataset = load_dataset(folder)
    assert all(len(used) == 1 for used in _sides(pin_split(dataset, seed=seed)))
    for plan in ("70/30", "60/20/20", "fold:1/3"):
        for by in ("patient", "image"):
            divided = divide(dataset, parse_split(plan), by=by, seed=seed)
            assert all(len(used) == 1 for used in _sides(divided))
    assert "the same image exists under several names" in describe_twins(dataset)


def test_a_copy_that_comes_later_follows_or_is_left_out(tmp_path: Path) -> None:
    folder = write_pair(tmp_path, NAMES)
    pinned = pin_split(load_dataset(folder))
    (held,) = pinned.groups("val")[:1]
    _copy(folder, held, "Z9")
    grown = load_dataset(folder)
    places = {case.image: case.split for case in pinned.cases}
    cases = tuple(c.model_copy(update={"split": places.get(c.image)}) for c in grown.cases)
    found = pin_split(grown.model_copy(update={"cases": cases}))
    assert "Z9" in found.groups("val")
    trained = pinned.groups("train")[0]
    _copy(folder, held, trained)  # both are pinned: the training does without
    again = pin_split(found)
    assert all(used == {"val"} for used in _sides(again))
    assert again.groups("val") == found.groups("val")


def test_without_copies_nothing_changes(tmp_path: Path) -> None:
    dataset = load_dataset(write_pair(tmp_path, NAMES))
    assert describe_twins(dataset) == ""
    assert list_twins(dataset.cases) == []
