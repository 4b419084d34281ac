"""What a study ends with: results, tables, figures, pictures, and the report."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_retseg.io.atomic import write_bytes, write_text
from napari_retseg.study.drawing import StudyFigure
from napari_retseg.study.figures import draw_figures
from napari_retseg.study.gallery import (
    Gallery,
    choose_best,
    draw_gallery,
    scores_by_case,
    write_masks,
)
from napari_retseg.study.html import ReportPage
from napari_retseg.study.protocol import describe_options, describe_protocol, list_flags
from napari_retseg.study.results import (
    MEAN,
    Combination,
    RunResult,
    combine,
    format_csv,
    list_rows,
    read_results,
)
from napari_retseg.study.run_plan import StudyPlan
from napari_retseg.study.statistics import PairedTest, compare_levels, estimate_mean
from napari_retseg.study.study_run import StudyFolder
from napari_retseg.study.tables import (
    Table,
    format_estimate,
    format_latex,
    format_markdown,
    make_table,
)

REPORT = "report.html"


@dataclass(frozen=True)
class _Outcome:
    """All that the report shows."""

    plan: StudyPlan
    folder: StudyFolder
    results: tuple[RunResult, ...]
    combinations: tuple[Combination, ...]
    tables: tuple[Table, ...]
    tests: tuple[PairedTest, ...]
    figures: tuple[StudyFigure, ...]
    gallery: Gallery | None


def write_report(plan: StudyPlan, folder: StudyFolder, *, with_scans: bool = True) -> Path | None:
    """Write everything into the study's folder, of the runs that are done.

    Parameters
    ----------
    with_scans
        Whether pictures of scans are drawn, and put into the report.

    Returns
    -------
    Path or None
        The report; None where no run is done.
    """
    results = read_results(plan, folder)
    if not results:
        return None
    combinations = combine(results)
    grids = dict.fromkeys(one.grid for one in combinations)
    best = choose_best(combinations) if plan.recipe.keep_predictions else None
    outcome = _Outcome(
        plan=plan,
        folder=folder,
        results=tuple(results),
        combinations=tuple(combinations),
        tables=tuple(make_table(plan.recipe, grid, combinations) for grid in grids),
        tests=tuple(
            test for one in plan.recipe.compare for test in compare_levels(combinations, one)
        ),
        figures=tuple(draw_figures(plan.recipe, combinations, folder)),
        gallery=draw_gallery(best, folder) if best is not None and with_scans else None,
    )
    _write_files(outcome)
    return write_text(folder.path / REPORT, _lay_out(outcome))


def _write_files(outcome: _Outcome) -> None:
    path = outcome.folder.path
    write_text(path / "results.csv", format_csv(list_rows(outcome.results)))
    write_text(path / "cases.csv", format_csv(scores_by_case(outcome.results)))
    write_text(path / "table.md", "\n".join(map(format_markdown, outcome.tables)))
    write_text(path / "table.tex", "\n".join(map(format_latex, outcome.tables)))
    for name in ("figures", "scans", "masks"):
        shutil.rmtree(path / name, ignore_errors=True)  # those of an earlier report
    for figure in outcome.figures:
        write_bytes(path / "figures" / f"{figure.name}.png", figure.png)
        write_bytes(path / "figures" / f"{figure.name}.svg", figure.svg)
    gallery = outcome.gallery
    if gallery is None:
        return
    for panel in gallery.panels:
        write_bytes(path / "scans" / f"{panel.rank}.png", panel.picture)
    for animation in gallery.animations:
        write_bytes(path / "scans" / f"{animation.name}.gif", animation.gif)
    if outcome.plan.recipe.keep_models:
        write_masks(gallery.result, outcome.folder, path / "masks")


def _lay_out(outcome: _Outcome) -> str:
    recipe = outcome.plan.recipe
    page = ReportPage(recipe.title)
    page.add_lead(recipe.description, recipe.source)
    page.add_facts(_list_facts(outcome))
    flags = [*list_flags(outcome.plan), *_describe_missing(outcome)]
    if flags:
        page.add_list(flags, "flags")
    page.add_heading("Results")
    for table in outcome.tables:
        page.add_table(table)
    page.add_text(
        "Margins are 95 % intervals of the mean over the runs of a row. A dash means no value. "
        "Click a column head to sort.",
        "soft",
    )
    if outcome.tests:
        page.add_heading("Paired comparisons")
        page.add_text(
            "Runs are paired by split, fold, seed and size. With few pairs, Wilcoxon's test "
            "cannot reach small p values (five pairs: 0.063). The p values are not corrected for "
            "multiple comparisons."
        )
        page.add_tests("", outcome.tests)
    page.add_heading("Figures")
    for figure in outcome.figures:
        page.add_figure(figure)
    if outcome.gallery is not None and outcome.gallery.panels:
        page.add_heading("Cases")
        page.add_text(
            "From the first run of the combination with the best mean score: "
            f"{outcome.gallery.result.spec.label}."
        )
        page.add_gallery(outcome.gallery)
    _add_protocol(page, outcome)
    _add_origin(page, outcome)
    return page.render()


def _add_protocol(page: ReportPage, outcome: _Outcome) -> None:
    plan = outcome.plan
    page.add_heading("Protocol")
    page.add_list([*describe_protocol(plan), *plan.notes])
    runs = [run for run in plan.runs if run.kind == "run"]
    page.add_text("Options that all runs share, if they differ from the defaults of a training:")
    page.add_pairs(describe_options(runs))
    changes = outcome.folder.read_about().changes
    if changes:
        page.add_heading("Changed from the recipe")
        page.add_text("Set with the command. The values of the recipe are in brackets.")
        page.add_pairs([(name, f"{here} (recipe: {before})") for name, before, here in changes])
    fidelity = plan.recipe.fidelity
    parts = (
        ("As published", fidelity.faithful),
        ("Corrected", fidelity.corrected),
        ("Not reproducible", fidelity.not_reproducible),
    )
    if any(texts for _, texts in parts):
        page.add_heading("Faithful, corrected, not reproducible")
        if changes:
            page.add_text("For the recipe as written, without the changes above.", "soft")
    for title, texts in parts:
        if texts:
            page.add_text(f"{title}:")
            page.add_list(texts)


def _add_origin(page: ReportPage, outcome: _Outcome) -> None:
    about = outcome.folder.read_about()
    page.add_heading("How to repeat this study")
    page.add_code(about.command)
    page.add_pairs([*about.versions.items(), *((f"data: {k}", v) for k, v in about.data.items())])
    taken = Counter(r.taken_from for r in outcome.results if r.taken_from)
    if taken:
        packs = ", ".join(f"{count} from {pack}" for pack, count in taken.items())
        page.add_text(f"Rows imported from other computers: {packs}.")
    failed = [
        f"{run.label} ({run.key}): {outcome.folder.run(run.key).failure}"
        for run in outcome.plan.unique
        if outcome.folder.run(run.key).state in ("failed", "unreadable")
    ]
    if failed:
        page.add_text("Runs that failed, or whose results cannot be read:")
        page.add_list(failed, "failed")
    page.add_text(
        "The key of each run is a hash of everything that affects its result: options, cases, "
        "classes and starting model."
    )
    page.add_runs(("key", "run", "scores of", "minutes"), _list_runs(outcome.results))


def _list_facts(outcome: _Outcome) -> list[tuple[str, str]]:
    data = outcome.plan.runs[-1].data.open()
    groups = {case.group for r in outcome.results for case in r.spec.data.cases}
    images = {(c.group, c.name) for r in outcome.results for c in r.spec.data.cases}
    best = choose_best(outcome.combinations)
    found = [
        ("data", data.name),
        ("patients", str(len(groups))),
        ("scans", str(len(images))),
        ("runs", f"{len({r.spec.key for r in outcome.results})} of {_count_wanted(outcome.plan)}"),
    ]
    if best is not None:
        own = next(one for one in outcome.combinations if best in one.results)
        estimate = estimate_mean(own.values(MEAN, "dice"))
        about = f"best mean Dice: {own.name}, {own.split}" + f", size {own.size}" * (own.size > 0)
        found.append((about, format_estimate(estimate)))
    return found


def _count_wanted(plan: StudyPlan) -> int:
    return sum(run.kind == "run" for run in plan.unique)


def _describe_missing(outcome: _Outcome) -> list[str]:
    states = Counter(outcome.folder.run(run.key).state for run in outcome.plan.unique)
    missing = sum(n for state, n in states.items() if state != "done")
    if not missing:
        return []
    unreadable = f", {states['unreadable']} unreadable" if states["unreadable"] else ""
    return [
        f"{missing} of {sum(states.values())} runs are not in this report ({states['failed']} "
        f"failed{unreadable}). Run the same command again to continue."
    ]


def _list_runs(results: Sequence[RunResult]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for result in {result.spec.key: result for result in reversed(results)}.values():
        weights: Any = "last iteration"
        if result.spec.weights == "best":
            weights = f"iteration {result.training['best_iteration']}"
        minutes = f"{result.seconds / 60:.1f}"
        rows.append((result.spec.key, result.spec.label, weights, minutes))
    return rows[::-1]
