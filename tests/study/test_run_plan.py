from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from napari_retseg.config import TrainConfig
from napari_retseg.dataset import Dataset, load_dataset
from napari_retseg.errors import InputError, UsageError
from napari_retseg.study.catalogue import merge
from napari_retseg.study.estimate import estimate
from napari_retseg.study.protocol import describe_protocol
from napari_retseg.study.recipe import SplitSpec
from napari_retseg.study.run_plan import StudyPlan, _list_options
from napari_retseg.study.run_split import divide_for_run, shared_patients, take_size
from tests.study.conftest import Plan


def keys(plan: StudyPlan) -> set[str]:
    return {run.key for run in plan.runs}


def test_each_combination_fold_seed_and_size_is_a_run(
    plan: Plan, small_values: dict[str, Any]
) -> None:
    found = plan({**small_values, "seeds": [0, 1], "sizes": [1, 2]})
    assert len(found.runs) == 2 * 3 * 2 * 2
    assert {run.fold for run in found.runs} == {1, 2, 3}
    assert {run.config.lr for run in found.runs} == {0.001, 0.01}
    assert {run.config.seed for run in found.runs} == {0, 1}


def test_the_same_recipe_has_the_same_keys_and_an_edited_one_only_new_ones_beside_them(
    plan: Plan, small_values: dict[str, Any]
) -> None:
    first, again = plan(small_values), plan(small_values)
    assert keys(first) == keys(again)
    more = merge(small_values, {"grids": {"rates": {"factors": {"lr": [0.001, 0.01, 0.1]}}}})
    assert keys(plan(more)) > keys(first)
    assert len(keys(plan(more))) == 9
    assert keys(plan(small_values, loss="ce")).isdisjoint(keys(first))


def test_two_grids_share_the_runs_that_they_have_in_common(
    plan: Plan, small_values: dict[str, Any]
) -> None:
    other = {"second": {"factors": {"lr": [0.01, 0.1]}}}
    found = plan(merge(small_values, {"grids": other}))
    assert len(found.unique) == 9
    assert [run.grid for run in found.runs] == ["rates"] * 6 + ["second"] * 6
    shared = {run.key for run in found.runs if run.levels == {"lr": "0.01"}}
    assert len(shared) == 3


def test_keys_follow_content_and_not_names_or_devices(
    plan: Plan, small_values: dict[str, Any], tiny_dataset: Path, tmp_path: Path
) -> None:
    first = keys(plan(small_values))
    moved = tmp_path / "elsewhere"
    shutil.copytree(tiny_dataset, moved)
    assert keys(plan(small_values, load_dataset(moved))) == first
    assert keys(plan(small_values, device="auto", checkpoint_seconds=5)) == first
    picture = moved / "labels" / "P1_B0.png"
    image = Image.open(picture)
    image.putpixel((30, 30), 2 if image.getpixel((30, 30)) != 2 else 1)
    image.save(picture)
    changed = keys(plan(small_values, load_dataset(moved)))
    assert changed.isdisjoint(first)


def test_classes_of_other_names_are_another_study(
    plan: Plan, small_values: dict[str, Any], tiny_dataset: Path
) -> None:
    dataset = load_dataset(tiny_dataset)
    renamed = dataset.labels.classes[1].model_copy(update={"name": "other"})
    labels = dataset.labels.model_copy(
        update={"classes": (dataset.labels.classes[0], renamed, *dataset.labels.classes[2:])}
    )
    other = dataset.model_copy(update={"labels": labels})
    assert keys(plan(small_values, other)).isdisjoint(keys(plan(small_values)))


@pytest.mark.parametrize(
    "spec",
    [
        SplitSpec(plan="folds:3"),
        SplitSpec(plan="folds:3", validation=1),
        SplitSpec(plan="80/20", seed="run"),
        SplitSpec(plan="pinned"),
    ],
    ids=str,
)
def test_no_patient_is_on_both_sides(spec: SplitSpec, tiny_dataset: Path) -> None:
    dataset = load_dataset(tiny_dataset)
    held_out: list[str] = []
    for fold in range(1, spec.folds + 1) or (0,):
        parts = divide_for_run(dataset, spec, fold=fold, seed=3)
        assert shared_patients(parts) == ()
        groups = [set(parts.groups(part)) for part in ("train", "val", "test")]
        assert not groups[0] & groups[1]
        assert not groups[1] & groups[2]
        held_out += parts.groups("test" if spec.validation else "val")
    if spec.folds:
        assert sorted(held_out) == ["P1", "P2", "P3"]


def test_a_leak_in_the_data_set_itself_is_refused(tiny_dataset: Path) -> None:
    dataset = load_dataset(tiny_dataset)
    cases = [c.model_copy(update={"split": "val"}) for c in dataset.cases[:1]]
    leaking = dataset.model_copy(update={"cases": (*cases, *dataset.cases[1:])})
    with pytest.raises(InputError, match="patient P1 would be in train and in val"):
        divide_for_run(leaking, SplitSpec(plan="pinned"), fold=0, seed=0)


def test_a_split_by_image_is_marked(plan: Plan, small_values: dict[str, Any]) -> None:
    values = {**small_values, "splits": {"images": {"plan": "80/20", "by": "image"}}}
    found = plan(values)
    assert len(shared_patients(found.runs[0].data.open())) > 0
    assert any(
        "is by image" in note and "too optimistic for new patients" in note for note in found.notes
    )


def test_smaller_training_sets_lie_in_larger_ones(tiny_dataset: Path) -> None:
    parts = divide_for_run(load_dataset(tiny_dataset), SplitSpec(plan="folds:3"), fold=1, seed=0)

    def images(size: int, by: Any, seed: int = 0, spread: bool = False) -> set[Path]:
        taken = take_size(parts, size, by=by, seed=seed, spread=spread)
        assert taken is not None
        assert taken.of_split("val") == parts.of_split("val")
        return {case.image for case in taken.of_split("train")}

    assert images(1, "patient") < images(2, "patient")
    assert len(images(3, "case")) == 3
    assert len({path.name[:2] for path in images(4, "case")}) == 1
    assert images(0, "case") == {case.image for case in parts.of_split("train")}
    for spread in (False, True):
        for size in range(1, 8):
            assert images(size, "case", spread=spread) < images(size + 1, "case", spread=spread)
    assert {path.name[3:] for path in images(1, "case") | images(2, "case")} == {"B2.png", "B0.png"}
    assert {path.name[3:] for path in images(2, "case", spread=True)} == {"B2.png"}
    assert len({path.name[:2] for path in images(2, "case", spread=True)}) == 2
    assert images(8, "case", spread=True) == images(8, "case")
    assert len({frozenset(images(1, "patient", seed)) for seed in range(8)}) == 2
    assert take_size(parts, 3, by="patient", seed=0) is None
    assert take_size(parts, 9, by="case", seed=0, spread=True) is None


def test_a_size_can_be_dealt_over_all_patients(plan: Plan, small_values: dict[str, Any]) -> None:
    splits = {"few": {"plan": "folds:3"}, "dealt": {"plan": "folds:3", "spread": True}}
    values = {**small_values, "splits": splits, "sizes": [2], "size_by": "case"}
    found = plan(values)
    for run in found.runs:
        n_patients = {"few": 1, "dealt": 2}[run.split]
        assert len(run.data.open().groups("train")) == n_patients
    assert len({run.key for run in found.runs}) == len(found.runs)
    sentence = next(s for s in describe_protocol(found) if "'dealt'" in s)
    assert "training sizes are spread over all training patients" in sentence
    with pytest.raises(UsageError, match="split 'dealt' spreads cases, but sizes count patients"):
        plan({**values, "size_by": "patient"})


def test_sizes_that_the_data_do_not_reach_are_named(
    plan: Plan, small_values: dict[str, Any]
) -> None:
    found = plan({**small_values, "sizes": [1, 50]})
    assert {run.size for run in found.runs} == {1}
    assert any(
        "size 50 is skipped" in note and "only 2 training patients" in note for note in found.notes
    )


def test_options_that_do_not_go_together_are_named_with_their_combination(
    plan: Plan, small_values: dict[str, Any]
) -> None:
    values = merge(small_values, {"grids": {"rates": {"factors": {"dims": ["2", "3"]}}}})
    with pytest.raises(UsageError, match=r"rates, 0\.001, 2: lr"):
        plan(values, lr=-1)


def test_a_comparison_that_no_grid_allows_is_named(
    plan: Plan, small_values: dict[str, Any]
) -> None:
    found = plan({**small_values, "compare": [{"factor": "loss", "reference": "ce"}]})
    assert found.notes == ("no comparison by 'loss': no grid has this factor",)


def test_scores_of_a_part_that_is_not_there_are_refused(
    plan: Plan, small_values: dict[str, Any]
) -> None:
    with pytest.raises(UsageError, match="reported on the test part, but split folds has none"):
        plan({**small_values, "report_on": "test"})


def test_a_run_comes_back_from_its_file(plan: Plan, small_values: dict[str, Any]) -> None:
    spec = plan(small_values).runs[0]
    again = type(spec).model_validate_json(spec.model_dump_json())
    assert again == spec
    assert isinstance(again.data.open(), Dataset)
    assert isinstance(again.config, TrainConfig)


def test_the_cost_counts_pixels_of_the_networks_input_whoever_names_its_size(
    plan: Plan, small_values: dict[str, Any], tiny_bundle: Path
) -> None:
    values = merge(small_values, {"train": {"crop": "whole"}})
    description = tiny_bundle / "model.json"
    of_model = json.loads(description.read_text())["preprocess"]
    assert [of_model["size"], of_model["scale"]] == [None, [1.0, 1.0]]

    def pixels(**options: Any) -> int:
        # of 3 steps of 2, and of 4 held-out B-scans that are scored three times, for a third
        return round(1e6 * estimate(plan(values, **options).runs[0]).megapixels / (6 + 4))

    assert pixels() == 64 * 64
    assert pixels(resize="48x32") == 48 * 32
    content = json.loads(description.read_text())
    content["preprocess"]["size"] = [32, 16]
    description.write_text(json.dumps(content))
    assert pixels() == 32 * 16
    assert pixels(resize="48x32") == 48 * 32
    assert pixels(resize="none") == 64 * 64


def test_later_options_that_are_off_leave_the_keys_of_earlier_versions_as_they_were() -> None:
    later = {"unlabelled", "rehearse_simulated"}
    assert later <= set(_list_options(TrainConfig()))
    off = _list_options(TrainConfig(unlabelled="off", rehearse_simulated=0.0))
    assert not later & set(off)
