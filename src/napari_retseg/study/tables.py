"""The tables of a study: a row for each combination of levels, with its spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from napari_retseg.page import Cell
from napari_retseg.plaintext import make_markdown, make_visible
from napari_retseg.study.recipe import Recipe
from napari_retseg.study.results import (
    ALL,
    BOUNDARIES,
    GENERALISED,
    MEAN,
    WITH_BACKGROUND,
    Combination,
    RunResult,
    foreground_names,
)
from napari_retseg.study.statistics import Estimate, estimate_mean

_METRICS = {"dice": "Dice", "iou": "IoU", "precision": "precision", "recall": "recall"}
#: What TeX does not take for a letter.
_TEX = str.maketrans(
    {
        **{mark: f"\\{mark}" for mark in "&%#_{}$"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "±": r"$\pm$",
    }
)
_DASH = "-"
#: Up to so many classes have all metrics in a table.
_FEW_CLASSES = 3


@dataclass(frozen=True)
class Table:
    """A table: `n_words` columns of words come first, numbers follow."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    n_words: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Column:
    title: str
    name: str
    metric: str
    published: str = ""


def make_table(recipe: Recipe, grid: str, combinations: Sequence[Combination]) -> Table:
    """Make the table of one grid: its combinations, and the starting models before them."""
    own = [one for one in combinations if one.grid == grid]
    results = [result for one in own for result in one.results]
    columns = _choose_columns(recipe, results)
    factors = list(recipe.grids[grid].factors)
    has_sizes = any(one.size for one in own)
    words = [*factors, "split", *(["size"] if has_sizes else []), "runs"]
    published = [c for c in columns if any(c.published in r.spec.published for r in results)]
    head = [*words, *(c.title for c in columns), *(f"published {c.title}" for c in published)]
    rows = []
    for one in own:
        labels = [one.level(factor) for factor in factors] + [one.split]
        cells = [Cell(text) for text in labels]
        cells += [Cell(str(one.size), one.size)] if has_sizes else []
        cells += [Cell(str(len(one.results)), len(one.results))]
        cells += [_estimate_cell(one.values(c.name, c.metric)) for c in columns]
        cells += [_number_cell(one.results[0].spec.published.get(c.published)) for c in published]
        rows.append(tuple(cells))
    rows += _start_rows(own, columns, len(factors), has_sizes=has_sizes, n_more=len(published))
    return Table(
        title=recipe.grids[grid].title or grid,
        head=tuple(head),
        rows=tuple(rows),
        n_words=len(words) - 1 - has_sizes,
        notes=_list_notes(own),
    )


def format_markdown(table: Table) -> str:
    """Lay a table out as Markdown."""
    lines = [f"**{make_markdown(table.title)}**", "", _row(table.head)]
    rule = ["---"] * table.n_words + ["--:"] * (len(table.head) - table.n_words)
    lines.append("|" + "|".join(rule) + "|")
    lines += [_row([cell.text for cell in row]) for row in table.rows]
    lines += [""] * bool(table.notes) + [f"- {make_markdown(note)}" for note in table.notes]
    return "\n".join(lines) + "\n"


def format_latex(table: Table) -> str:
    """Lay a table out as LaTeX (booktabs)."""
    columns = "l" * table.n_words + "r" * (len(table.head) - table.n_words)
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{_tex(table.title)}}}"]
    lines += [rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
    lines += [" & ".join(map(_tex, table.head)) + r" \\", r"\midrule"]
    lines += [" & ".join(_tex(cell.text) for cell in row) + r" \\" for row in table.rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"]) + "\n"


def format_estimate(estimate: Estimate | None, *, signed: bool = False) -> str:
    """Write a mean with its margin; a dash without one."""
    if estimate is None:
        return _DASH
    number = f"{estimate.mean:+.3f}" if signed else f"{estimate.mean:.3f}"
    return number if estimate.margin is None else f"{number} ± {estimate.margin:.3f}"


def _choose_columns(recipe: Recipe, results: Sequence[RunResult]) -> list[_Column]:
    names = foreground_names(results)
    found = []
    if len(names) > 1:
        found += [
            _Column(f"mean {_METRICS[m]}", MEAN, m) for m in recipe.metrics if m in ("dice", "iou")
        ]
    # of many classes one metric each: results.csv has them all
    metrics = recipe.metrics[:1] if len(names) > _FEW_CLASSES else recipe.metrics
    found += [
        _Column(f"{name} {_METRICS[metric]}", name, metric, metric if len(names) == 1 else "")
        for name in names
        for metric in metrics
    ]
    if recipe.with_background:
        background = results[0].spec.data.labels.names[0] if results else "background"
        if len(names) > 1:
            found.append(_Column(f"{background} Dice", background, "dice"))
        found += [
            _Column(title, WITH_BACKGROUND, metric, f"mean_{metric}_with_background")
            for title, metric in (("mDice with bg", "dice"), ("mIoU with bg", "iou"))
        ]
    if recipe.generalised:
        found.append(_Column("generalised Dice", ALL, GENERALISED))
    return [*found, *_choose_boundaries(results)]


def _choose_boundaries(results: Sequence[RunResult]) -> list[_Column]:
    """The boundary error where any run has it: of layers, and in um where the scale is known."""
    return [
        _Column(f"boundary error, {unit}", BOUNDARIES, f"mean_{unit}")
        for unit in ("px", "um")
        if any(one.value(BOUNDARIES, f"mean_{unit}") is not None for one in results)
    ]


def _start_rows(
    own: Sequence[Combination],
    columns: Sequence[_Column],
    n_factors: int,
    *,
    has_sizes: bool,
    n_more: int,
) -> list[tuple[Cell, ...]]:
    """One row a split for the models before they were trained; each is the same for many runs."""
    rows = []
    for split in dict.fromkeys(one.split for one in own):
        seen: dict[tuple[int, int], RunResult] = {}
        for one in own:
            for result in one.results:
                if one.split == split and result.before is not None:
                    seen.setdefault((result.spec.fold, result.spec.seed), result)
        if not seen or not n_factors:
            continue
        cells = [Cell("before fine-tuning"), *[Cell("")] * (n_factors - 1), Cell(split)]
        cells += [Cell(_DASH)] if has_sizes else []
        cells.append(Cell(str(len(seen)), len(seen)))
        for column in columns:
            values = [r.value(column.name, column.metric, "before") for r in seen.values()]
            cells.append(_estimate_cell([value for value in values if value is not None]))
        rows.append((*cells, *[Cell(_DASH)] * n_more))
    return rows


def _list_notes(own: Sequence[Combination]) -> tuple[str, ...]:
    notes: dict[str, None] = {}
    for one in own:
        note = one.results[0].spec.note
        if note:
            notes[f"{one.name}: {note}"] = None
    return tuple(notes)


def _estimate_cell(values: Sequence[float]) -> Cell:
    estimate = estimate_mean(values)
    return Cell(format_estimate(estimate), None if estimate is None else estimate.mean)


def _number_cell(value: float | None) -> Cell:
    return Cell(_DASH if value is None else f"{value:.3f}", value)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(make_markdown, cells))} |"


def _tex(text: str) -> str:
    return make_visible(text).translate(_TEX)
