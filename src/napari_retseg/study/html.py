"""The report of a study as a page."""

from __future__ import annotations

from collections.abc import Sequence

from napari_retseg.page import Cell, Page, data_url, escape
from napari_retseg.plural import count_noun
from napari_retseg.study.drawing import StudyFigure
from napari_retseg.study.gallery import Gallery
from napari_retseg.study.statistics import PairedTest
from napari_retseg.study.tables import Table, format_estimate


class ReportPage(Page):
    """Collects the sections of a report."""

    def add_lead(self, text: str, source: str) -> None:
        """Add what the study is about, and where it comes from."""
        self._parts.append(f'<p class="lead">{escape(text)}</p>')
        if source:
            self._parts.append(f'<p class="source">After: {escape(source)}</p>')

    def add_table(self, table: Table) -> None:
        """Add a table that can be sorted by its heads."""
        self.add_rows(table.title, table.head, table.rows, n_words=table.n_words)
        if table.notes:
            self.add_list(table.notes, "notes")

    def add_tests(self, title: str, tests: Sequence[PairedTest]) -> None:
        """Add paired comparisons."""
        head = ("level", "against", "within", "difference in mean Dice", "pairs", "p (t)",
                "p (Wilcoxon)")  # fmt: skip
        rows = [
            [
                *map(Cell, (one.level, one.reference, one.within)),
                Cell(format_estimate(one.difference, signed=True), one.difference.mean),
                Cell(str(one.difference.n), one.difference.n),
                *(Cell(_probability(p), p) for p in (one.p_t, one.p_wilcoxon)),
            ]
            for one in tests
        ]
        self.add_rows(title, head, rows, n_words=3)

    def add_runs(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Add a long table that is folded away."""
        self._parts.append(f"<details><summary>{count_noun(len(rows), 'run')}</summary>")
        self.add_rows("", head, [list(map(Cell, row)) for row in rows], n_words=len(head))
        self._parts.append("</details>")

    def add_figure(self, figure: StudyFigure) -> None:
        """Add a figure."""
        source = data_url(figure.svg, "image/svg+xml")
        self._parts.append(
            f'<figure><img src="{source}" alt="{escape(figure.title)}">'
            f"<figcaption><b>{escape(figure.title)}.</b> {escape(figure.caption)}</figcaption>"
            "</figure>"
        )

    def add_gallery(self, gallery: Gallery) -> None:
        """Add the pictures of one run, with the classes' colours."""
        self.add_keys((one.name, one.color) for one in gallery.classes.foreground)
        for panel in gallery.panels:
            score = (
                "no foreground class in the reference"
                if panel.dice is None
                else f"{panel.dice:.3f}"
            )
            text = f"{panel.rank.capitalize()} case: {panel.name} of {panel.group}"
            text += f", mean foreground Dice {score}"
            self.add_picture(panel.picture, "image/png", f"{text}. Scan, reference, prediction.")
        for animation in gallery.animations:
            self.add_picture(animation.gif, "image/gif", animation.caption)


def _probability(value: float | None) -> str:
    if value is None:
        return "-"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
