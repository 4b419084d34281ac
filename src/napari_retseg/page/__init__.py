"""A page: one HTML file that needs no network and can be printed."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape as escape_html
from importlib.resources import files
from urllib.parse import quote

from napari_retseg.plaintext import make_visible


@dataclass(frozen=True)
class Cell:
    """What a cell of a table shows, and the number that it is sorted by.

    `link` is the address of a page beside this one.
    """

    text: str
    number: float | None = None
    link: str = ""


class Page:
    """Collects the sections of a page.

    Parameters
    ----------
    title
        Its heading.
    kind
        ``sheet``: printed on one page of A4; ``sheet dense``: printed smaller.
    """

    def __init__(self, title: str, *, kind: str = "") -> None:
        self._title, self._kind = title, kind
        self._parts: list[str] = []
        self._contents: list[tuple[str, str]] = []

    def add_heading(self, text: str) -> None:
        """Begin a section."""
        anchor = f"s{len(self._contents) + 1}"
        self._contents.append((anchor, text))
        self._parts.append(f'<h2 id="{anchor}">{escape(text)}</h2>')

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

    def add_rows(
        self, title: str, head: Sequence[str], rows: Sequence[Sequence[Cell]], *, n_words: int
    ) -> None:
        """Add a table that can be sorted by its heads; its first columns are words."""
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

    def add_picture(self, content: bytes, kind: str, caption: str) -> None:
        """Add a picture with the line below it."""
        self._parts.append(
            f'<figure class="scan"><img src="{data_url(content, kind)}" '
            f'alt="{escape(caption)}"><figcaption>{escape(caption)}</figcaption>'
            "</figure>"
        )

    def add_keys(self, keys: Iterable[tuple[str, str]]) -> None:
        """Add names with their colours, as ``#rrggbb``."""
        spans = "".join(
            f'<span><i style="background:{escape(color)}"></i>{escape(name)}</span>'
            for name, color in keys
        )
        self._parts.append(f'<p class="classes">{spans}</p>')

    def render(self) -> str:
        """Return the whole file."""
        folder = files("napari_retseg.page")
        style = (folder / "page.css").read_text(encoding="utf-8")
        script = (folder / "page.js").read_text(encoding="utf-8")
        links = "".join(f'<a href="#{a}">{escape(text)}</a>' for a, text in self._contents)
        contents = f"<nav>{links}</nav>\n" if links else ""
        body = "\n".join(self._parts)
        return (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<link rel="icon" href="data:,"><title>{escape(self._title)}</title>'
            f'<style>{style}</style></head>\n<body class="{self._kind}"><main>'
            f"<h1>{escape(self._title)}</h1>\n{contents}{body}\n"
            f"</main><script>{script}</script></body></html>\n"
        )


def escape(text: str) -> str:
    """Return a text for HTML, with its control characters made visible."""
    return escape_html(make_visible(text, keep="\n"))


def data_url(content: bytes, kind: str) -> str:
    """Return a file as an address, so that a page holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _format_cell(cell: Cell, *, is_word: bool) -> str:
    number = "" if cell.number is None else repr(float(cell.number))
    kind, key = ("", escape(cell.text)) if is_word else ("number", number)
    text = escape(cell.text)
    if cell.link:
        text = f'<a href="{escape(quote(cell.link))}">{text}</a>'
    return f'<td class="{kind}" data-sort="{key}">{text}</td>'
