"""What came out of the finished runs: one row for each run, class and metric."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from napari_retseg.plaintext import make_cell
from napari_retseg.study.run_plan import RunSpec, StudyPlan
from napari_retseg.study.study_run import StudyFolder

Phase = Literal["before", "after"]

#: What stands in the place of a class for values of several.
MEAN, WITH_BACKGROUND, ALL = "mean foreground", "mean with background", "all classes"
BOUNDARIES = "mean of the boundaries"
GENERALISED = "generalised dice"
_OF_CLASS = ("dice", "iou", "precision", "recall")
#: Of boundaries, see `napari_retseg.layers.boundary_error`; runs of older versions lack them.
_OF_BOUNDARIES = ("mean_px", "p95_px", "mean_um", "p95_um")
_OF_BOUNDARY = (*_OF_BOUNDARIES, "bias_px", "bias_um")


@dataclass(frozen=True)
class RunResult:
    """One finished run.

    Attributes
    ----------
    before
        Scores of the model that it started from; None without one.
    taken_from
        Name of the pack that it was taken over from; empty where it was done here.
    """

    spec: RunSpec
    scores: dict[str, Any]
    before: dict[str, Any] | None
    seconds: float
    training: dict[str, Any] = field(default_factory=dict)
    taken_from: str = ""

    def value(self, name: str, metric: str, phase: Phase = "after") -> float | None:
        """One value, by class (or mean) and metric; None where there is none."""
        scores = self.scores if phase == "after" else self.before
        return None if scores is None else read_value(scores, name, metric)

    @property
    def pair_key(self) -> tuple[str, int, int, int]:
        """What two runs share that differ in a level only."""
        return (self.spec.split, self.spec.fold, self.spec.size, self.spec.seed)


@dataclass(frozen=True)
class Combination:
    """The runs of one combination of levels on one split, over folds and seeds."""

    grid: str
    levels: tuple[tuple[str, str], ...]
    split: str
    size: int
    results: tuple[RunResult, ...]

    @property
    def name(self) -> str:
        """The levels, in words."""
        return ", ".join(level for _, level in self.levels) or self.grid

    def level(self, factor: str) -> str:
        """The level of a factor; empty where the grid lacks it."""
        return dict(self.levels).get(factor, "")

    def values(self, name: str, metric: str, phase: Phase = "after") -> list[float]:
        """All values that there are, in the order of the runs."""
        found = (result.value(name, metric, phase) for result in self.results)
        return [value for value in found if value is not None]


def read_results(plan: StudyPlan, folder: StudyFolder) -> list[RunResult]:
    """Read the results of all finished runs but pre-trainings, in the plan's order."""
    found = []
    for spec in plan.runs:
        place = folder.run(spec.key)
        if spec.kind == "run" and place.state == "done":
            data = place.read_result()
            names = ("scores", "start_scores", "seconds", "training")
            values = [*(data[name] for name in names), data.get("taken_from", "")]
            found.append(RunResult(spec, *values))
    return found


def combine(results: Iterable[RunResult]) -> list[Combination]:
    """Put together the runs that differ in fold and seed only; order of first appearance."""
    groups: dict[tuple[Any, ...], list[RunResult]] = {}
    for result in results:
        spec = result.spec
        key = (spec.grid, tuple(spec.levels.items()), spec.split, spec.size)
        groups.setdefault(key, []).append(result)
    return [
        Combination(grid, levels, split, size, tuple(runs))
        for (grid, levels, split, size), runs in groups.items()
    ]


def foreground_names(results: Sequence[RunResult]) -> list[str]:
    """Names of the foreground classes of all runs, in order."""
    names: dict[str, None] = {}
    for result in results:
        names |= dict.fromkeys(result.spec.data.labels.names[1:])
    return list(names)


def read_value(scores: dict[str, Any], name: str, metric: str) -> float | None:
    """Read one value out of the scores' JSON."""
    if name == ALL:
        return generalised_dice(scores)
    if name == MEAN:
        found = scores.get(f"mean_foreground_{metric}")
    elif name == WITH_BACKGROUND:
        found = scores.get(f"mean_{metric}_with_background")
    elif name == BOUNDARIES:
        measure, unit = metric.split("_")
        found = scores.get(f"{measure}_boundary_error_{unit}")
    elif metric in _OF_BOUNDARY:
        found = (scores.get("boundaries") or {}).get(name, {}).get(metric)
    else:
        found = scores["classes"].get(name, {}).get(metric)
    return None if found is None else float(found)


def generalised_dice(scores: dict[str, Any]) -> float | None:
    """Generalised Dice of pooled counts: classes weigh one over the square of their reference.

    Sudre et al., "Generalised Dice overlap as a deep learning loss function for highly
    unbalanced segmentations", DLMIA 2017. Background counts as a class there; a class without a
    pixel in the reference has no weight.
    """
    hits = total = 0.0
    for own in scores["classes"].values():
        if own["reference_pixels"]:
            weight = 1 / own["reference_pixels"] ** 2
            right = own["predicted_pixels"] - own["false_positive_pixels"]
            hits += weight * right
            total += weight * (own["reference_pixels"] + own["predicted_pixels"])
    return 2 * hits / total if total else None


def list_rows(results: Sequence[RunResult]) -> list[dict[str, Any]]:
    """Return tidy rows: one for each run, phase, class and metric that has a value."""
    rows = []
    factors = list(dict.fromkeys(name for r in results for name in r.spec.levels))
    for result in results:
        phases: tuple[Phase, ...] = ("before", "after") if result.before else ("after",)
        for phase in phases:
            scores = result.scores if phase == "after" else result.before
            about = _describe(result, factors, phase)
            for name, metric in _list_values(scores or {}):
                value = result.value(name, metric, phase)
                if value is not None:
                    rows.append({**about, "class": name, "metric": metric, "value": value})
    return rows


def format_csv(rows: Sequence[dict[str, Any]]) -> str:
    """Lay rows out as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows([{name: make_cell(value) for name, value in row.items()} for row in rows])
    return text.getvalue()


def _describe(result: RunResult, factors: Sequence[str], phase: Phase) -> dict[str, Any]:
    spec = result.spec
    return {
        "run": spec.key,
        "grid": spec.grid,
        **{factor: spec.levels.get(factor, "") for factor in factors},
        "split": spec.split,
        "by": spec.by,
        "fold": spec.fold,
        "size": spec.size,
        "run_seed": spec.seed,
        "phase": phase,
        "weights": spec.weights if phase == "after" else "start",
        "scored_on": spec.report_on,
        "bscans": result.scores["n_bscans"],
        "patients": result.scores["n_groups"],
    }


def _list_values(scores: dict[str, Any]) -> list[tuple[str, str]]:
    found = [(name, metric) for name in scores.get("classes", {}) for metric in _OF_CLASS]
    found += [(name, metric) for name in (MEAN, WITH_BACKGROUND) for metric in ("dice", "iou")]
    boundaries = scores.get("boundaries") or {}
    found += [(name, metric) for name in boundaries for metric in _OF_BOUNDARY]
    found += [(BOUNDARIES, metric) for metric in _OF_BOUNDARIES]
    return [*found, (ALL, GENERALISED)]
