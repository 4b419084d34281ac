from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from napari_retseg.study.recipe import Comparison
from napari_retseg.study.results import (
    MEAN,
    RunResult,
    combine,
    generalised_dice,
    list_rows,
)
from napari_retseg.study.run_plan import StudyPlan
from napari_retseg.study.statistics import compare_levels, estimate_mean
from napari_retseg.study.tables import format_latex, format_markdown, make_table
from tests.study.conftest import Plan


def count(reference: int, predicted: int, hits: int) -> dict[str, Any]:
    total = reference + predicted
    return {
        "dice": 2 * hits / total if total else None,
        "iou": hits / (total - hits) if total else None,
        "precision": None,
        "recall": None,
        "bscans_present": int(reference > 0),
        "reference_pixels": reference,
        "predicted_pixels": predicted,
        "false_positive_pixels": predicted - hits,
    }


def make_scores(dice: float) -> dict[str, Any]:
    classes = {"background": count(900, 900, 890), "upper": {**count(50, 50, 25), "dice": dice}}
    return {
        "classes": classes,
        "mean_foreground_dice": dice,
        "mean_foreground_iou": dice / (2 - dice),
        "mean_dice_with_background": 0.9,
        "mean_iou_with_background": 0.8,
        "n_bscans": 4,
        "n_groups": 1,
        "bscans": [],
    }


def results_of(plan: StudyPlan, values: list[float]) -> list[RunResult]:
    return [
        RunResult(run, make_scores(value), None, 1.0, {})
        for run, value in zip(plan.runs, values, strict=True)
    ]


def test_generalised_dice_by_hand() -> None:
    classes = {"background": count(80, 82, 78), "a": count(16, 14, 12), "b": count(4, 4, 2)}
    weights = np.array([1 / 80**2, 1 / 16**2, 1 / 4**2])
    wanted = 2 * (weights @ [78, 12, 2]) / (weights @ [162, 30, 8])
    assert generalised_dice({"classes": classes}) == pytest.approx(wanted)
    absent = {**classes, "c": count(0, 3, 0)}
    assert generalised_dice({"classes": absent}) == pytest.approx(wanted)
    assert generalised_dice({"classes": {"c": count(0, 3, 0)}}) is None


def with_boundaries(scores: dict[str, Any], mean: float, um: float | None) -> dict[str, Any]:
    boundary = {
        "ascans": 96,
        "missing": 0,
        "bias_px": -0.5,
        "mean_px": mean,
        "p95_px": 3.0,
        "bias_um": None if um is None else -0.5 * um,
        "mean_um": None if um is None else mean * um,
        "p95_um": None if um is None else 3 * um,
    }
    return {
        **scores,
        "boundaries": {"inner boundary of NFL": boundary},
        "mean_boundary_error_px": mean,
        "mean_boundary_error_um": boundary["mean_um"],
        "p95_boundary_error_px": 3.0,
        "p95_boundary_error_um": boundary["p95_um"],
    }


def test_boundary_errors_stand_beside_scores_that_lack_them(
    plan: Plan, small_values: dict[str, Any]
) -> None:
    planned = plan(small_values)
    old = results_of(planned, [0.5] * 6)
    table = make_table(planned.recipe, "rates", combine(old))
    assert not any("boundary" in title for title in table.head)
    new = [replace(one, scores=with_boundaries(one.scores, 1.5, None)) for one in old[:3]]
    table = make_table(planned.recipe, "rates", combine([*new, *old[3:]]))
    assert table.head[-1] == "boundary error, px"
    assert [row[-1].text.split()[0] for row in table.rows] == ["1.500", "-"]
    rows = list_rows([*new, *old[3:]])
    found = {(r["class"], r["metric"]): r["value"] for r in rows if r["run"] == new[0].spec.key}
    assert found["inner boundary of NFL", "bias_px"] == -0.5
    assert found["mean of the boundaries", "p95_px"] == 3
    assert ("inner boundary of NFL", "mean_um") not in found
    scaled = [replace(one, scores=with_boundaries(one.scores, 1.5, 4)) for one in old]
    table = make_table(planned.recipe, "rates", combine(scaled))
    assert table.head[-1] == "boundary error, um"
    assert table.rows[0][-1].number == 6


def test_an_interval_is_students() -> None:
    values = [0.5, 0.6, 0.64, 0.7]
    found = estimate_mean(values)
    assert found is not None
    low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert found.mean == pytest.approx(0.61)
    assert found.n == 4
    assert found.margin == pytest.approx((high - low) / 2)
    assert estimate_mean([]) is None
    alone = estimate_mean([0.5])
    assert alone is not None
    assert alone.margin is None


def test_runs_are_paired_by_fold_and_not_by_order(plan: Plan, small_values: dict[str, Any]) -> None:
    planned = plan(small_values)
    results = results_of(planned, [0.5, 0.6, 0.7, 0.55, 0.62, 0.78])
    (test,) = compare_levels(combine(reversed(results)), Comparison(factor="lr", reference="0.001"))
    differences = [0.05, 0.02, 0.08]
    assert (test.level, test.reference, test.difference.n) == ("0.01", "0.001", 3)
    assert test.difference.mean == pytest.approx(0.05)
    assert test.p_t == pytest.approx(stats.ttest_1samp(differences, 0).pvalue)
    assert test.p_wilcoxon == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("values", "p_t", "p_wilcoxon"),
    [([0.5] * 6, 1.0, 1.0), ([0.5] * 3 + [0.75] * 3, None, 0.25)],
)
def test_differences_without_spread_are_no_error(
    plan: Plan,
    small_values: dict[str, Any],
    values: list[float],
    p_t: float | None,
    p_wilcoxon: float,
) -> None:
    combinations = combine(results_of(plan(small_values), values))
    (test,) = compare_levels(combinations, Comparison(factor="lr", reference="0.001"))
    assert test.p_t == p_t
    assert test.p_wilcoxon == pytest.approx(p_wilcoxon)


def test_rows_are_tidy(plan: Plan, small_values: dict[str, Any]) -> None:
    results = results_of(plan(small_values), [0.5, 0.6, 0.7, 0.55, 0.62, 0.78])
    rows = list_rows(results)
    means = [row for row in rows if row["class"] == MEAN and row["metric"] == "dice"]
    assert [row["value"] for row in means] == [0.5, 0.6, 0.7, 0.55, 0.62, 0.78]
    assert [row["fold"] for row in means] == [1, 2, 3, 1, 2, 3]
    assert {row["lr"] for row in rows} == {"0.001", "0.01"}
    assert len({(r["run"], r["phase"], r["class"], r["metric"]) for r in rows}) == len(rows)
    assert not any(math.isnan(row["value"]) for row in rows)


def test_a_table_has_a_row_for_each_combination_and_published_values_beside_it(
    plan: Plan, small_values: dict[str, Any]
) -> None:
    levels = {
        "slow & steady": {"set": {"lr": 0.001}, "published": {"mean_dice_with_background": 0.8431}},
        "fast_one": {"set": {"lr": 0.01}, "note": "as logged"},
    }
    values = {
        **small_values,
        "grids": {"rates": {"title": "Rates", "factors": {"rate": levels}}},
        "compare": [],
        "with_background": True,
    }
    planned = plan(values)
    combinations = combine(results_of(planned, [0.5, 0.6, 0.7, 0.55, 0.62, 0.78]))
    table = make_table(planned.recipe, "rates", combinations)
    assert [row[0].text for row in table.rows] == ["slow & steady", "fast_one"]
    assert {len(row) for row in table.rows} == {len(table.head)}
    column = table.head.index("mean Dice")
    assert table.rows[0][column].text == "0.600 ± 0.248"
    assert table.rows[0][column].number == pytest.approx(0.6)
    column = table.head.index("published mDice with bg")
    assert [row[column].text for row in table.rows] == ["0.843", "-"]
    assert "- fast_one: as logged" in format_markdown(table)
    latex = format_latex(table)
    assert r"slow \& steady & folds & 3 & 0.600 $\pm$ 0.248" in latex
    assert r"fast\_one" in latex
