from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_retseg.classes import LabelSet
from napari_retseg.dataset import BscanState, Case, Dataset, Split, load_dataset, pin_split
from napari_retseg.dataset.split import rank_groups
from napari_retseg.errors import UsageError
from tests.dataset.conftest import quick

ROOT = Path("/data").resolve()
CLASSES = LabelSet.from_names(["layer"])
groups = st.sets(st.text("abcPS019", min_size=1, max_size=4), min_size=2, max_size=30)


def make_case(name: str, group: str, split: Split | None = None) -> Case:
    return Case(image=ROOT / f"{name}.png", label=ROOT / f"{name}l.png", group=group, split=split)


def make(cases: Iterable[Case], root: Path = ROOT) -> Dataset:
    return Dataset(root=root, name="x", labels=CLASSES, cases=tuple(cases))


def of_groups(names: Iterable[str], pinned: Mapping[str, Split] | None = None) -> Dataset:
    known = pinned or {}
    return make(
        make_case(f"{name}_{n}", name, known.get(name)) for name in sorted(names) for n in range(2)
    )


def splits_of(dataset: Dataset) -> dict[str, Split | None]:
    """Split of each group; fails where a group has two."""
    found: dict[str, Split | None] = {}
    for case in dataset.cases:
        assert found.setdefault(case.group, case.split) == case.split
    return found


@given(groups, st.integers(0, 9))
@quick
def test_every_patient_is_on_one_side_and_the_seed_decides(names: set[str], seed: int) -> None:
    pinned = pin_split(of_groups(names), seed=seed)
    splits = splits_of(pinned)
    held_out = sum(split == "val" for split in splits.values())
    assert held_out == max(1, int(0.2 * len(names) + 0.5))
    assert set(splits.values()) == {"train", "val"}
    assert pinned.split_seed == seed
    shuffled = make(reversed(of_groups(names).cases))
    assert splits_of(pin_split(shuffled, seed=seed)) == splits
    assert pin_split(pinned) is pinned


@given(groups, groups, st.integers(0, 9))
@quick
def test_new_patients_are_added_and_none_moves(
    first: set[str], second: set[str], seed: int
) -> None:
    before = splits_of(pin_split(of_groups(first), seed=seed))
    known = {name: split for name, split in before.items() if split is not None}
    after = splits_of(pin_split(of_groups(first | second, known), seed=seed))
    assert {name: after[name] for name in first} == before
    assert None not in after.values()


def test_the_ranking_is_the_same_everywhere() -> None:
    names = [f"S{n:02d}" for n in range(1, 9)]
    assert rank_groups(names, 0) == ["S06", "S04", "S07", "S02", "S08", "S03", "S01", "S05"]
    assert rank_groups(reversed(names), 1) != rank_groups(names, 0)


def test_pinned_sides_are_filled_up() -> None:
    names = [f"P{n}" for n in range(10)]
    full = splits_of(pin_split(of_groups(names, {"P0": "val", "P1": "val"})))
    assert [name for name, split in full.items() if split == "val"] == ["P0", "P1"]
    many = splits_of(pin_split(of_groups([f"P{n}" for n in range(20)], {"P0": "val"})))
    assert list(many.values()).count("val") == 4
    only_train = splits_of(pin_split(of_groups(["A", "B"], {"A": "train"})))
    assert only_train == {"A": "train", "B": "val"}
    only_val = splits_of(pin_split(of_groups(["A", "B"], {"A": "val"})))
    assert only_val == {"A": "val", "B": "train"}


def test_what_is_pinned_is_kept_even_without_a_held_out_side() -> None:
    dataset = of_groups(["A", "B"], {"A": "train", "B": "test"})
    assert pin_split(dataset) is dataset


def test_shares_are_those_that_were_asked_for() -> None:
    names = {f"P{n}" for n in range(10)}
    splits = splits_of(pin_split(of_groups(names), fractions=(0.5, 0.3, 0.2)))
    counts = [sum(s == split for s in splits.values()) for split in ("train", "val", "test")]
    assert counts == [5, 3, 2]
    assert set(splits_of(pin_split(of_groups(names), fractions=(1, 0, 0))).values()) == {"train"}


@pytest.mark.parametrize("shares", [(0.5, 0.2, 0.2), (0, 1, 0), (1.2, -0.2, 0)])
def test_what_are_no_shares_is_refused(shares: tuple[float, float, float]) -> None:
    with pytest.raises(UsageError, match="not valid fractions"):
        pin_split(of_groups("ab"), fractions=shares)


def test_a_new_scan_goes_where_its_patient_is() -> None:
    cases = [make_case("a", "A", "val"), make_case("b", "B", "train"), make_case("a2", "A")]
    assert pin_split(make(cases)).cases[2].split == "val"


def test_unlabelled_scans_wait_and_do_not_count(decathlon: Path) -> None:
    dataset = load_dataset(decathlon)
    states = {0: BscanState(state="predicted")}
    predicted = dataset.cases[1].model_copy(update={"bscans": states})
    waiting = dataset.model_copy(update={"cases": (dataset.cases[0], predicted)})
    assert predicted.has_annotation is False
    assert [c.split for c in pin_split(waiting).cases] == [None, None]
    pinned = pin_split(dataset)
    assert sorted(str(c.split) for c in pinned.cases) == ["test", "train", "val"]


# One patient only -------------------------------------------------------------------------


def _draw(name: str, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Pixels that follow from a name: the same image under two names would be one."""
    return np.random.default_rng(list(name.encode())).integers(0, 256, shape, np.uint8)


def write_volume(folder: Path, name: str, annotated: Sequence[int], length: int = 40) -> Case:
    """Write a volume of tiny B-scans; those that are not annotated are 255."""
    image, label = folder / f"{name}.npy", folder / f"{name}-labels.npy"
    labels = np.full((length, 2, 2), 255, np.uint8)
    labels[list(annotated)] = 1
    np.save(image, _draw(name, (length, 2, 2)))
    np.save(label, labels)
    return Case(image=image, label=label, group="P")


def write_bscans(folder: Path, count: int) -> list[Case]:
    cases = []
    for number in range(1, count + 1):
        image, label = folder / f"B{number}.npy", folder / f"L{number}.npy"
        np.save(image, _draw(image.name, (2, 2)))
        np.save(label, np.ones((2, 2), np.uint8))
        cases.append(Case(image=image, label=label, group="P"))
    return cases


def used(dataset: Dataset, split: str) -> dict[str, list[int]]:
    cases = dataset.of_split(split)
    return {c.name: found for c in cases if (found := dataset.annotated_bscans(c, split))}


def test_the_end_of_the_only_volume_is_held_out_with_a_gap(tmp_path: Path) -> None:
    dataset = pin_split(make([write_volume(tmp_path, "v", range(40))], tmp_path))
    assert used(dataset, "val") == {"v": list(range(32, 40))}
    assert used(dataset, "train") == {"v": list(range(30))}
    assert dataset.groups("train") == dataset.groups("val") == ("P",)
    assert "all labelled scans are of one patient (P)" in dataset.warnings[-1]


def test_sparse_annotations_divide_the_whole_volume(tmp_path: Path) -> None:
    sparse = write_volume(tmp_path, "v", [3, 10, 18, 25, 33])
    dataset = pin_split(make([sparse], tmp_path))
    assert used(dataset, "train") == {"v": [3, 10, 18, 25]}
    assert used(dataset, "val") == {"v": [33]}
    # more of it is annotated later: nothing moves, and the gap is left out
    np.save(sparse.label or "", np.ones((40, 2, 2), np.uint8))
    again = pin_split(dataset)
    assert used(again, "train") == {"v": list(range(31))}
    assert used(again, "val") == {"v": list(range(33, 40))}


def test_only_confirmed_bscans_count(tmp_path: Path) -> None:
    states = {
        i: BscanState(state="confirmed" if i % 10 == 0 else "predicted") for i in range(0, 40, 5)
    }
    case = write_volume(tmp_path, "v", range(40)).model_copy(update={"bscans": states})
    dataset = pin_split(make([case], tmp_path))
    assert dataset.annotated_bscans(dataset.cases[0]) == [0, 10, 20, 30]
    assert (used(dataset, "train"), used(dataset, "val")) == ({"v": [0, 10, 20]}, {"v": [30]})


def test_two_neighbouring_bscans_leave_no_room_for_a_gap(tmp_path: Path) -> None:
    dataset = pin_split(make([write_volume(tmp_path, "v", [10, 11])], tmp_path))
    assert (used(dataset, "train"), used(dataset, "val")) == ({"v": [10]}, {"v": [11]})


def test_a_single_bscan_is_not_divided(tmp_path: Path) -> None:
    dataset = make([write_volume(tmp_path, "v", [10])], tmp_path)
    assert pin_split(dataset) is dataset
    assert dataset.warnings == ()


def test_all_volumes_of_a_patient_are_divided_at_the_same_place(tmp_path: Path) -> None:
    cases = [write_volume(tmp_path, "v1", range(40)), write_volume(tmp_path, "v2", range(20), 20)]
    dataset = pin_split(make(cases, tmp_path))
    assert used(dataset, "val") == {"v1": list(range(32, 40)), "v2": list(range(16, 20))}
    assert used(dataset, "train") == {"v1": list(range(30)), "v2": list(range(15))}
    third = write_volume(tmp_path, "v3", range(10), 10)
    more = pin_split(dataset.model_copy(update={"cases": (*dataset.cases, third)}))
    assert more.cases[:2] == dataset.cases
    assert used(more, "val")["v3"] == [8, 9]
    assert used(more, "train")["v3"] == list(range(7))


def test_volumes_with_the_same_bscan_are_held_out_whole(tmp_path: Path) -> None:
    cases = [write_volume(tmp_path, f"v{n}", [20]) for n in range(2)]
    dataset = pin_split(make(cases, tmp_path))
    assert (used(dataset, "train"), used(dataset, "val")) == ({"v0": [20]}, {"v1": [20]})


def test_the_end_of_a_row_of_bscans_is_held_out_with_a_gap(tmp_path: Path) -> None:
    cases = write_bscans(tmp_path, 11)
    dataset = pin_split(make(reversed(cases), tmp_path))
    assert set(used(dataset, "val")) == {"B10", "B11"}
    assert set(used(dataset, "train")) == {f"B{n}" for n in range(1, 9)}
    assert "one patient" in dataset.warnings[-1]


def test_bscans_that_come_later_go_with_their_neighbours(tmp_path: Path) -> None:
    cases = write_bscans(tmp_path, 11)
    early = [c for c in cases if c.name not in ("B1", "B4", "B10")]
    before = pin_split(make(early, tmp_path))
    assert set(used(before, "val")) == {"B9", "B11"}
    assert "B8" not in used(before, "train")
    late = [c for c in cases if c not in early]
    after = pin_split(before.model_copy(update={"cases": (*before.cases, *late)}))
    assert after.cases[: len(early)] == before.cases
    assert set(used(after, "val")) == {"B9", "B10", "B11"}
    assert {"B1", "B4"} <= set(used(after, "train"))


def test_a_bscan_between_the_two_sides_falls_into_the_gap(tmp_path: Path) -> None:
    first, middle, last = write_bscans(tmp_path, 3)
    before = pin_split(make([first, last], tmp_path))
    assert (set(used(before, "train")), set(used(before, "val"))) == ({"B1"}, {"B3"})
    after = pin_split(before.model_copy(update={"cases": (*before.cases, middle)}))
    assert (set(used(after, "train")), set(used(after, "val"))) == ({"B1"}, {"B3"})
    assert pin_split(after) is after


def test_a_second_patient_is_held_out_and_the_first_stays(tmp_path: Path) -> None:
    before = pin_split(make([write_volume(tmp_path, "v", range(40))], tmp_path))
    other = write_volume(tmp_path, "w", range(40)).model_copy(update={"group": "Q"})
    after = pin_split(before.model_copy(update={"cases": (*before.cases, other)}))
    assert after.cases[0] == before.cases[0]
    assert after.cases[1].split == "val"
    assert after.groups("val") == ("P", "Q")
    assert "patients P are in both training and held-out data" in after.warnings[-1]


def test_without_a_held_out_share_all_are_trained_on(tmp_path: Path) -> None:
    dataset = make([write_volume(tmp_path, "v", range(40))], tmp_path)
    assert used(pin_split(dataset, fractions=(1, 0, 0)), "train") == {"v": list(range(40))}


def test_a_volume_and_a_single_bscan_of_one_patient(tmp_path: Path) -> None:
    cases = [write_volume(tmp_path, "v", range(40)), *write_bscans(tmp_path, 1)]
    dataset = pin_split(make(cases, tmp_path))
    assert dataset.cases[1].split == "train"
    assert pin_split(dataset) is dataset


# What a training is told by -----------------------------------------------------------------


def test_the_fingerprint_follows_content_and_not_place(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    dataset = make(write_bscans(here, 3), here)
    same = make(reversed(write_bscans(there, 3)), there)
    first = dataset.fingerprint(dataset.cases)
    assert first == same.fingerprint(same.cases)
    assert first != dataset.fingerprint(dataset.cases[:2])
    confirmed = {0: BscanState(state="confirmed")}
    states = [c.model_copy(update={"bscans": confirmed}) for c in dataset.cases]
    assert first != dataset.fingerprint(states)
    np.save(there / "L1.npy", np.zeros((2, 2), np.uint8))
    assert first != same.fingerprint(same.cases)


def test_annotations_are_read_again_when_the_file_changes(tmp_path: Path) -> None:
    case = write_volume(tmp_path, "v", [1])
    dataset = make([case], tmp_path)
    assert dataset.annotated_bscans(case) == [1]
    write_volume(tmp_path, "v", [1, 2], length=41)
    assert dataset.annotated_bscans(case) == [1, 2]
