from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from pathlib import Path
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from napari_retseg.classes import LabelSet
from napari_retseg.config import SplitPlan, parse_split
from napari_retseg.dataset import (
    BscanState,
    Case,
    Dataset,
    Split,
    describe_split,
    divide,
    load_dataset,
    pin_split,
)
from napari_retseg.errors import InputError, UsageError
from tests.dataset.conftest import entry, quick, write_description, write_pair

ROOT = Path("/data").resolve()
CLASSES = LabelSet.from_names(["layer"])
#: Patients and how many images each has.
patients = st.dictionaries(
    st.text("abcPS019", min_size=1, max_size=4), st.integers(1, 3), min_size=3, max_size=20
)
plans = st.sampled_from(["80/20", "70/15/15", "50/50", "fold:1/2", "fold:3/3", "34/33/33"])
seeds = st.integers(0, 9)


def make_case(name: str, group: str, split: Split | None = None, *, root: Path = ROOT) -> Case:
    image = root / "images" / f"{name}.png"
    return Case(image=image, label=root / "labels" / f"{name}.png", group=group, split=split)


def make(cases: Iterable[Case], root: Path = ROOT) -> Dataset:
    return Dataset(root=root, name="x", labels=CLASSES, cases=tuple(cases))


def of_patients(counts: dict[str, int], root: Path = ROOT) -> Dataset:
    return make(
        (make_case(f"{g}-{n}", g, root=root) for g in sorted(counts) for n in range(counts[g])),
        root,
    )


def of_groups(names: Iterable[str]) -> Dataset:
    return of_patients(dict.fromkeys(names, 2))


def numbered(count: int) -> list[str]:
    return [f"P{n:02d}" for n in range(count)]


def splits_of(dataset: Dataset) -> dict[str, Split | None]:
    return {case.name: case.split for case in dataset.cases}


def sizes(dataset: Dataset) -> tuple[int, ...]:
    """Numbers of patients in train, val and test."""
    return tuple(len(dataset.groups(split)) for split in ("train", "val", "test"))


# By patient -----------------------------------------------------------------------------------


@given(patients, plans, seeds)
@quick
def test_no_patient_is_on_both_sides_and_all_are_used(
    counts: dict[str, int], text: str, seed: int
) -> None:
    dataset = divide(of_patients(counts), parse_split(text), seed=seed)
    for one, other in combinations(("train", "val", "test"), 2):
        assert not {*dataset.groups(one)} & {*dataset.groups(other)}
    assert sum(sizes(dataset)) == len(counts)
    wanted = 3 if text.count("/") == 2 else 2
    assert sum(size > 0 for size in sizes(dataset)) == wanted
    assert dataset.warnings == ()


@given(patients, plans, seeds, st.randoms(use_true_random=False))
@quick
def test_only_names_and_seed_decide(
    counts: dict[str, int], text: str, seed: int, random: Random
) -> None:
    plan = parse_split(text)
    expected = splits_of(divide(of_patients(counts), plan, seed=seed))
    cases = list(of_patients(counts).cases)
    random.shuffle(cases)
    assert splits_of(divide(make(cases), plan, seed=seed)) == expected
    elsewhere = of_patients(counts, Path("/else/where").resolve())
    assert splits_of(divide(elsewhere, plan, seed=seed)) == expected


@given(patients, plans, seeds)
@quick
def test_more_bscans_of_known_patients_move_nobody(
    counts: dict[str, int], text: str, seed: int
) -> None:
    plan = parse_split(text)
    before = divide(of_patients(counts), plan, seed=seed)
    more = {group: count + 2 for group, count in counts.items()}
    after = divide(of_patients(more), plan, seed=seed)
    for split in ("train", "val", "test"):
        assert after.groups(split) == before.groups(split)


@given(patients, st.integers(2, 6), seeds, st.sampled_from(["patient", "image"]))
@quick
def test_folds_partition_patients_or_images_evenly(
    counts: dict[str, int], folds: int, seed: int, by: str
) -> None:
    dataset = of_patients(counts)
    units = {case.group if by == "patient" else case.name for case in dataset.cases}
    assume(folds <= len(units))
    parts = []
    for fold in range(1, folds + 1):
        plan = SplitPlan(fold=fold, folds=folds)
        divided = divide(dataset, plan, by=by, seed=seed)  # type: ignore[arg-type]
        assert {case.split for case in divided.cases} == {"train", "val"}
        held = divided.of_split("val")
        parts.append({case.group if by == "patient" else case.name for case in held})
    assert set.union(*parts) == units
    assert sum(len(part) for part in parts) == len(units)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_another_seed_makes_other_folds() -> None:
    dataset = of_groups(numbered(12))
    plan = parse_split("fold:1/4")
    heldout = {divide(dataset, plan, seed=seed).groups("val") for seed in range(5)}
    assert len(heldout) > 1


def test_the_folds_are_the_same_everywhere() -> None:
    dataset = of_groups(f"S{n:02d}" for n in range(1, 9))
    folds = [
        divide(dataset, parse_split(f"fold:{n}/4"), seed=0).groups("val") for n in (1, 2, 3, 4)
    ]
    assert folds == [("S06", "S08"), ("S03", "S04"), ("S01", "S07"), ("S02", "S05")]


@given(patients, seeds)
@quick
def test_shares_are_those_of_the_pinned_split(counts: dict[str, int], seed: int) -> None:
    dataset = of_patients(counts)
    pinned = pin_split(dataset, seed=seed)
    assert splits_of(divide(dataset, parse_split("80/20"), seed=seed)) == splits_of(pinned)


@pytest.mark.parametrize(
    ("text", "n_patients", "expected"),
    [
        ("70/15/15", 20, (14, 3, 3)),
        ("70/15/15", 3, (1, 1, 1)),
        ("70/15/15", 4, (2, 1, 1)),
        ("80/20", 10, (8, 2, 0)),
        ("80/20", 2, (1, 1, 0)),
        ("10/90", 3, (1, 2, 0)),
        ("1/50/49", 3, (1, 1, 1)),
    ],
)
def test_every_share_has_its_part_and_at_least_one(
    text: str, n_patients: int, expected: tuple[int, ...]
) -> None:
    dataset = of_groups(numbered(n_patients))
    assert sizes(divide(dataset, parse_split(text), seed=0)) == expected


@pytest.mark.parametrize(
    ("text", "by", "words"),
    [
        (
            "70/15/15",
            "patient",
            "70/15/15 by patient needs at least 3 labelled patients, but .* 2;",
        ),
        ("fold:1/5", "patient", "fold 1 of 5 by patient needs at least 5 labelled patients, .* 2;"),
        ("fold:1/5", "image", "needs at least 5 labelled images, but there are only 4;"),
    ],
)
def test_too_few_patients_are_named(text: str, by: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        divide(of_groups("ab"), parse_split(text), by=by, seed=0)  # type: ignore[arg-type]


def test_one_patient_is_not_divided_by_patient() -> None:
    with pytest.raises(InputError, match=r"there is only 1; .*--split pinned"):
        divide(of_groups("a"), parse_split("80/20"), seed=0)


def test_a_pinned_split_is_forgotten_and_nothing_is_written(tmp_path: Path) -> None:
    names = [f"{group}_{n}" for group in "ABC" for n in (1, 2)]
    write_pair(tmp_path, names)
    cases = [
        entry(name, group=name[0], split="val" if name[0] == "A" else "train") for name in names
    ]
    cases[2] |= {"heldout_bscans": [0], "unused_bscans": [0]}
    path = write_description(tmp_path, labels={"1": "layer", "2": "fluid"}, training=cases)
    before = path.read_bytes()
    dataset = load_dataset(tmp_path)
    heldout: list[str] = []
    for fold in (1, 2, 3):
        divided = divide(dataset, parse_split(f"fold:{fold}/3"), seed=0)
        heldout += divided.groups("val")
        assert sum(len(divided.annotated_bscans(c, "train")) for c in divided.cases) == 4
    assert sorted(heldout) == ["A", "B", "C"]
    assert path.read_bytes() == before


# What is kept for the test --------------------------------------------------------------------


@pytest.mark.parametrize("by", ["patient", "image"])
@pytest.mark.parametrize("text", ["80/20", "70/15/15", "fold:1/2", "fold:2/2"])
def test_what_is_pinned_for_the_test_stays_there(text: str, by: str) -> None:
    names = numbered(8)
    tested = [make_case(f"{group}-{n}", group, "test") for group in names[:2] for n in range(2)]
    dataset = make([*tested, *of_groups(names[2:]).cases])
    divided = divide(dataset, parse_split(text), by=by, seed=3)  # type: ignore[arg-type]
    splits = splits_of(divided)
    assert {splits[case.name] for case in tested} == {"test"}
    assert not {*divided.groups("train"), *divided.groups("val")} & set(names[:2])
    assert divided.of_split("train")
    assert divided.of_split("val")


def test_pinned_patients_fill_the_share_of_the_test() -> None:
    names = numbered(10)
    tested = [make_case(f"{g}-0", g, "test") for g in names[:2]]
    dataset = make([*tested, *of_groups(names[2:]).cases])
    assert sizes(divide(dataset, parse_split("60/20/20"), seed=0)) == (6, 2, 2)
    assert sizes(divide(dataset, parse_split("40/20/40"), seed=0)) == (4, 2, 4)
    assert sizes(divide(dataset, parse_split("50/50"), seed=0)) == (4, 4, 2)


def test_two_patients_are_enough_beside_a_pinned_test() -> None:
    dataset = make([make_case("t", "T", "test"), *of_groups("ab").cases])
    assert sizes(divide(dataset, parse_split("70/15/15"), seed=0)) == (1, 1, 1)
    with pytest.raises(InputError, match="there are only 2, besides 1 in the test set"):
        divide(dataset, parse_split("fold:1/3"), seed=0)


def test_other_scans_of_a_tested_patient_are_tested_too_by_patient() -> None:
    dataset = make([make_case("t0", "T", "test"), make_case("t1", "T"), *of_groups("abc").cases])
    by_patient = divide(dataset, parse_split("fold:1/3"), seed=0)
    assert splits_of(by_patient)["t1"] == "test"
    by_image = divide(dataset, parse_split("fold:1/3"), by="image", seed=0)
    assert splits_of(by_image)["t0"] == "test"
    assert splits_of(by_image)["t1"] in ("train", "val")


def test_a_tested_case_with_held_out_bscans_is_not_scored_on_while_training() -> None:
    case = make_case("t", "T", "test").model_copy(update={"heldout_bscans": (1,)})
    divided = divide(make([case, *of_groups("ab").cases]), parse_split("80/20"), seed=0)
    assert "T" not in divided.groups("val")


def test_scans_without_labels_that_count_have_no_split() -> None:
    cases = list(of_groups(numbered(4)).cases)
    states = {0: BscanState(state="predicted")}
    cases[0] = cases[0].model_copy(update={"bscans": states, "split": "val"})
    cases[3] = cases[3].model_copy(update={"label": None, "split": "train"})
    divided = divide(make(cases), parse_split("80/20"), seed=0)
    splits = splits_of(divided)
    assert splits[cases[0].name] is splits[cases[3].name] is None
    assert sum(split is not None for split in splits.values()) == 6


def test_unlabelled_decathlon_tests_stay_and_do_not_count(decathlon: Path) -> None:
    divided = divide(load_dataset(decathlon), parse_split("80/20"), seed=0)
    assert sorted(str(case.split) for case in divided.cases) == ["test", "train", "val"]
    with pytest.raises(InputError, match="at least 3 labelled patients, but there are only 2;"):
        divide(load_dataset(decathlon), parse_split("70/15/15"), seed=0)


# By image -------------------------------------------------------------------------------------


@given(st.sets(st.text("abcPS019", min_size=1, max_size=4), min_size=3), plans, seeds)
@quick
def test_with_one_image_each_by_image_is_by_patient(names: set[str], text: str, seed: int) -> None:
    dataset, plan = of_patients(dict.fromkeys(names, 1)), parse_split(text)
    by_image = divide(dataset, plan, by="image", seed=seed)
    assert by_image == divide(dataset, plan, by="patient", seed=seed)
    assert by_image.warnings == ()


def test_by_image_counts_images_and_names_who_is_on_both_sides() -> None:
    dataset = of_patients(dict.fromkeys(numbered(4), 10))
    divided = divide(dataset, parse_split("80/20"), by="image", seed=0)
    assert len(divided.of_split("train")) == 32
    assert len(divided.of_split("val")) == 8
    shared = set(divided.groups("train")) & set(divided.groups("val"))
    assert len(shared) > 1
    assert divided.warnings[-1].startswith(f"patients {', '.join(sorted(shared))} are in both")
    assert divide(dataset, parse_split("80/20"), by="patient", seed=0).warnings == ()


def test_many_patients_on_both_sides_are_counted() -> None:
    dataset = of_patients(dict.fromkeys(numbered(40), 20))
    divided = divide(dataset, parse_split("50/50"), by="image", seed=0)
    assert ", P11 and 28 more are in both training and held-out data" in divided.warnings[-1]


def test_images_of_one_patient_have_no_gap_between_them() -> None:
    divided = divide(of_patients({"A": 10}), parse_split("80/20"), by="image", seed=0)
    assert sizes(divided) == (1, 1, 0)
    assert "one patient (A)" in divided.warnings[-1]
    assert "without a gap" in divided.warnings[-1]


# The pinned split, and words ------------------------------------------------------------------


def test_pinned_is_the_pinned_split() -> None:
    dataset = of_groups(numbered(5))
    divided = divide(dataset, parse_split("pinned"), seed=4)
    assert divided == pin_split(dataset, seed=4)
    assert divide(divided, SplitPlan(), seed=9) is divided


def test_the_pinned_split_is_not_by_image() -> None:
    for call in (
        lambda: divide(of_groups("ab"), SplitPlan(), by="image", seed=0),
        lambda: describe_split(SplitPlan(), "image"),
    ):
        with pytest.raises(UsageError, match=r"give percentages .* or a fold"):
            call()


def test_what_are_no_shares_is_refused() -> None:
    with pytest.raises(UsageError, match="not valid fractions"):
        divide(of_groups("ab"), SplitPlan(fractions=(0.5, 0.2, 0.2)), seed=0)


@pytest.mark.parametrize(
    ("text", "by", "expected"),
    [
        ("pinned", "patient", "by patient, pinned"),
        ("80/20", "patient", "80/20, by patient (seed 3)"),
        ("70/15/15", "patient", "70/15/15, by patient (seed 3)"),
        ("29/57/14", "patient", "29/57/14, by patient (seed 3)"),
        ("fold:1/4", "patient", "fold 1 of 4, by patient (seed 3)"),
        (
            "80/20",
            "image",
            "80/20, by image (seed 3): a patient can be in both training and held-out data, so "
            "the scores are too optimistic",
        ),
    ],
)
def test_the_split_in_words(text: str, by: str, expected: str) -> None:
    assert describe_split(parse_split(text), by, seed=3) == expected  # type: ignore[arg-type]
    assert "seed" not in describe_split(parse_split(text), by)  # type: ignore[arg-type]
