"""The report as one HTML file that needs no network."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape as escape_html
from importlib.resources import files

from napari_retseg.plaintext import make_visible
from napari_retseg.plural import count_noun
from napari_retseg.study.drawing import StudyFigure
from napari_retseg.study.gallery import Gallery
from napari_retseg.study.statistics import PairedTest
from napari_retseg.study.tables import Cell, Table, format_estimate


class Page:
    """Collects the sections of a report."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._parts: list[str] = []
        self._contents: list[tuple[str, str]] = []

    def add_heading(self, text: str) -> None:
        """Begin a section."""
        anchor = f"s{len(self._contents) + 1}"
        self._contents.append((anchor, text))
        self._parts.append(f'<h2 id="{anchor}">{escape(text)}</h2>')

    def add_lead(self, text: str, source: str) -> None:
        """Add what the study is about, and where it comes from."""
        self._parts.append(f'<p class="lead">{escape(text)}</p>')
        if source:
            self._parts.append(f'<p class="source">After: {escape(source)}</p>')

    def add_text(self, text: str, kind: str = "") -> None:
        """Add a paragraph."""
        self._parts.append(f'<p class="{kind}">{escape(text)}</p>')

    def add_list(self, texts: Iterable[str], kind: str = "") -> None:
        """Add a list."""
        items = "".join(f"<li>{escape(text)}</li>" for text in texts)
        self._parts.append(f'<ul class="{kind}">{items}</ul>')

    def add_facts(self, facts: Sequence[tuple[str, str]]) -> None:
        """Add numbers with what they are of."""
        cells = "".join(
            f"<div><b>{escape(value)}</b><span>{escape(name)}</span></div>" for name, value in facts
        )
        self._parts.append(f'<div class="facts">{cells}</div>')

    def add_pairs(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Add names with their values."""
        rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs)
        self._parts.append(f"<dl>{rows}</dl>")

    def add_code(self, text: str) -> None:
        """Add a command."""
        self._parts.append(f"<pre>{escape(text)}</pre>")

    def add_table(self, table: Table) -> None:
        """Add a table that can be sorted by its heads."""
        self._add_rows(table.title, table.head, table.rows, n_words=table.n_words)
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
        self._add_rows(title, head, rows, n_words=3)

    def add_runs(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Add a long table that is folded away."""
        self._parts.append(f"<details><summary>{count_noun(len(rows), 'run')}</summary>")
        self._add_rows("", head, [list(map(Cell, row)) for row in rows], n_words=len(head))
        self._parts.append("</details>")

    def add_figure(self, figure: StudyFigure) -> None:
        """Add a figure."""
        source = _data_url(figure.svg, "image/svg+xml")
        self._parts.append(
            f'<figure><img src="{source}" alt="{escape(figure.title, quote=True)}">'
            f"<figcaption><b>{escape(figure.title)}.</b> {escape(figure.caption)}</figcaption>"
            "</figure>"
        )

    def add_gallery(self, gallery: Gallery) -> None:
        """Add the pictures of one run, with the classes' colours."""
        keys = "".join(
            f'<span><i style="background:{one.color}"></i>{escape(one.name)}</span>'
            for one in gallery.classes.foreground
        )
        self._parts.append(f'<p class="classes">{keys}</p>')
        for panel in gallery.panels:
            score = (
                "no foreground class in the reference"
                if panel.dice is None
                else f"{panel.dice:.3f}"
            )
            text = f"{panel.rank.capitalize()} case: {panel.name} of {panel.group}"
            text += f", mean foreground Dice {score}"
            self._add_picture(panel.picture, "image/png", f"{text}. Scan, reference, prediction.")
        for animation in gallery.animations:
            self._add_picture(animation.gif, "image/gif", animation.caption)

    def render(self) -> str:
        """Return the whole file."""
        folder = files("napari_retseg.study")
        style = (folder / "report.css").read_text(encoding="utf-8")
        script = (folder / "report.js").read_text(encoding="utf-8")
        links = "".join(f'<a href="#{a}">{escape(text)}</a>' for a, text in self._contents)
        body = "\n".join(self._parts)
        return (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<link rel="icon" href="data:,"><title>{escape(self._title)}</title>'
            f"<style>{style}</style></head>\n<body><main><h1>{escape(self._title)}</h1>"
            f"<nav>{links}</nav>\n{body}\n</main><script>{script}</script></body></html>\n"
        )

    def _add_rows(
        self, title: str, head: Sequence[str], rows: Sequence[Sequence[Cell]], *, n_words: int
    ) -> None:
        heads = "".join(
            f'<th scope="col" class="{"" if place < n_words else "number"}">'
            f"<button>{escape(text)}</button></th>"
            for place, text in enumerate(head)
        )
        lines = []
        for row in rows:
            cells = "".join(
                _format_cell(cell, is_word=place < n_words) for place, cell in enumerate(row)
            )
            lines.append(f"<tr>{cells}</tr>")
        caption = f"<h3>{escape(title)}</h3>" if title else ""
        self._parts.append(
            f'{caption}<div class="scroll"><table><thead><tr>{heads}</tr></thead>'
            f"<tbody>{''.join(lines)}</tbody></table></div>"
        )

    def _add_picture(self, content: bytes, kind: str, caption: str) -> None:
        self._parts.append(
            f'<figure class="scan"><img src="{_data_url(content, kind)}" '
            f'alt="{escape(caption, quote=True)}"><figcaption>{escape(caption)}</figcaption>'
            "</figure>"
        )


def escape(text: str, *, quote: bool = True) -> str:
    """Return a text for HTML, with its control characters made visible."""
    return escape_html(make_visible(text, keep="\n"), quote=quote)


def _data_url(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _probability(value: float | None) -> str:
    if value is None:
        return "-"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _format_cell(cell: Cell, *, is_word: bool) -> str:
    number = "" if cell.number is None else repr(float(cell.number))
    kind, key = ("", escape(cell.text)) if is_word else ("number", number)
    return f'<td class="{kind}" data-sort="{key}">{escape(cell.text)}</td>'
