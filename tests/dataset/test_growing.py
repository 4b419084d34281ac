"""Files that come into a folder after the first training."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_retseg.dataset import Dataset, import_dataset, load_dataset, pin_split, save_dataset
from napari_retseg.dataset.growing import describe_unlisted
from tests.dataset.conftest import (
    draw_labels,
    entry,
    quick,
    write_description,
    write_pair,
    write_png,
)


def _train(folder: Path) -> Dataset:
    """What a training does with a dataset before its first step."""
    pinned = pin_split(load_dataset(folder))
    save_dataset(pinned)
    return pinned


def test_new_files_come_in_and_are_named(tmp_path: Path) -> None:
    write_pair(tmp_path, ["P1_OD", "P2_OD", "P3_OD"])
    first = _train(tmp_path)
    assert not any("new" in note for note in load_dataset(tmp_path).notes)
    write_pair(tmp_path, ["P4_OD", "P4_OS"])
    write_png(tmp_path / "images" / "P1_OS.png", draw_labels())
    loaded = load_dataset(tmp_path)
    assert len(loaded.cases) == 6
    assert any(
        "3 scans new in images/" in note and "new patients: P4" in note for note in loaded.notes
    )
    second = _train(tmp_path)
    before = {case.image: (case.group, case.split) for case in first.cases}
    after = {case.image: (case.group, case.split) for case in second.cases}
    assert before.items() <= after.items()
    assert all(case.split is not None for case in second.cases if case.label is not None)
    groups = {case.name: case.group for case in second.cases}
    assert groups["P1_OS"] == groups["P1_OD"]
    assert groups["P4_OD"] == groups["P4_OS"] == "P4"
    assert not any("new" in note for note in load_dataset(tmp_path).notes)


def test_labels_that_are_added_count(tmp_path: Path) -> None:
    write_pair(tmp_path, ["P1_OD", "P2_OD"])
    write_png(tmp_path / "images" / "P3_OD.png", draw_labels())
    _train(tmp_path)
    write_png(tmp_path / "labels" / "P3_OD.png", draw_labels())
    (case,) = [case for case in _train(tmp_path).cases if case.name == "P3_OD"]
    assert case.label is not None
    assert case.split is not None


@given(
    steps=st.lists(st.sets(st.integers(0, 30), min_size=1, max_size=6), min_size=2, max_size=4),
    eyes=st.booleans(),
)
@quick
def test_nobody_moves_however_a_folder_grows(
    tmp_path_factory: pytest.TempPathFactory, steps: list[set[int]], eyes: bool
) -> None:
    folder = tmp_path_factory.mktemp("data")
    write_pair(folder, ["P100_OD", "P101_OD"])
    known = _train(folder)
    for numbers in steps:
        names = [f"P{n}_{eye}" for n in numbers for eye in (("OD", "OS") if eyes else ("OD",))]
        write_pair(folder, names)
        grown = _train(folder)
        now = {case.image: (case.group, case.split) for case in grown.cases}
        assert {c.image: (c.group, c.split) for c in known.cases}.items() <= now.items()
        assert not {*grown.groups("train")} & {*grown.groups("val")}
        assert {case.name for case in grown.cases} >= set(names)
        known = grown


def test_an_imported_folder_pair_grows_too(tmp_path: Path) -> None:
    import_dataset(write_pair(tmp_path / "a", ["P1_OD", "P2_OD"]), tmp_path / "b")
    write_pair(tmp_path / "b", ["P3_OD"])
    assert len(load_dataset(tmp_path / "b").cases) == 3


def test_a_list_by_hand_stays_and_what_it_leaves_out_is_said(tmp_path: Path) -> None:
    write_pair(tmp_path, ["a", "b", "c"])
    write_description(tmp_path, training=[entry("a"), entry("b")], labels=["b", "x", "y"])
    dataset = load_dataset(tmp_path)
    assert len(dataset.cases) == 2
    assert describe_unlisted(dataset).startswith("1 scan in images/ (c.png) is not listed")
    (tmp_path / "images" / "c.png").unlink()
    assert describe_unlisted(dataset) == ""


def test_a_scan_that_is_gone_is_named(tmp_path: Path) -> None:
    from napari_retseg.errors import InputError

    write_pair(tmp_path, ["P1_OD", "P2_OD"])
    _train(tmp_path)
    shutil.rmtree(tmp_path / "labels")
    write_pair(tmp_path, ["P1_OD"])
    with pytest.raises(
        InputError, match=r"P2_OD\.png: label not found, but dataset\.json lists it"
    ):
        load_dataset(tmp_path)
