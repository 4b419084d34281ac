"""Pages of the site that are made from code and notebooks; links to files outside the site.

A hook of mkdocs (``hooks`` in ``mkdocs.yml``): the pages exist while the site is built only.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from napari_retseg.cli import app
from napari_retseg.ui.widgets.keys import (
    CLASS_KEYS,
    CURVE_KEYS,
    CURVE_MEANINGS,
    CURVE_MOUSE,
    KEYS,
    MEANINGS,
    POCKET_HAND,
    POINTER_KEYS,
    TOOL_KEYS,
    TOOL_MEANINGS,
)

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "docs" / "notebooks"
REPOSITORY = "https://github.com/napari-retseg/napari-retseg/blob/main"
#: Pages that are documents of the repository's root.
ROOT_PAGES = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
}
#: How documents of the root name files of ``docs``.
_INTO_DOCS = re.compile(
    r"\]\((?:https://(?:raw\.githubusercontent|github)\.com/napari-retseg/napari-retseg/"
    r"(?:blob/)?main/)?docs/"
)
#: Files of ``docs`` that readers open in the repository: data, packed runs, scripts.
_LEFT_OUT = re.compile(r"\]\((?![a-z]+:)([^)\s#]+\.(?:zip|csv|jsonl|py|ipynb))\)")

#: ``--name <type>``, ``--name VALUE`` or a name alone, as the help of a command prints it.
_NAMES = re.compile(r"(.+?)(?: (<.+>|[A-Z][A-Z=,]*))?")
#: What the help calls a type, for readers who do not know Python.
_TYPES = {"str": "text", "int": "integer", "float": "number", "list[Path]": "paths"}
#: Of a table of keys.
#: What the mouse does is no key.
_MOUSE = ("drag", "wheel", "click")
_KEY_HEADER = ("| key | what it does |", "|---|---|")
_ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):(?=<code>)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List the notebooks in the navigation, below the how-to guides."""
    for section in config.nav or []:
        if "How-to" in section:
            section["How-to"].extend(f"notebooks/{path.stem}.md" for path in list_notebooks())
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that are made from the code."""
    made = {"reference/commands.md": write_commands(), "reference/keys.md": write_keys()}
    for page, document in ROOT_PAGES.items():
        made[page] = adopt(document)
    for path in list_notebooks():
        made[f"notebooks/{path.stem}.md"] = write_notebook(path)
    made["index.md"] = f"---\nhide: [navigation]\n---\n{made['index.md']}"
    for page, text in made.items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: object) -> str:
    """Turn links to what the site leaves out into links to the repository; title tables."""
    folder, name = posixpath.split(page.file.src_uri)
    if name == "table.md":  # what a study wrote, which has no title
        markdown = f"# Tables of {posixpath.basename(folder)}\n\n{markdown}"

    def move(link: re.Match[str]) -> str:
        return f"]({REPOSITORY}/{posixpath.normpath(posixpath.join('docs', folder, link[1]))})"

    return _LEFT_OUT.sub(move, markdown)


def on_page_content(html: str, **_: object) -> str:
    """Drop the roles that docstrings put before names; the names stay."""
    return _ROLE.sub("", html)


def adopt(document: str) -> str:
    """A document of the repository's root, with links between pages in place of its own."""
    text = _INTO_DOCS.sub("](", (ROOT / document).read_text(encoding="utf-8"))
    for page, other in ROOT_PAGES.items():
        text = text.replace(f"]({REPOSITORY}/{other})", f"]({page})")
    return text


def list_notebooks() -> list[Path]:
    """The notebooks, in the order of their names."""
    return sorted(NOTEBOOKS.glob("*.ipynb"))


def write_notebook(path: Path) -> str:
    """The text and the code of a notebook, and where it lies."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    parts = [_write_cell(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    parts.append(f"This page is a notebook: [{path.name}]({path.name}).\n")
    return "\n\n".join(parts)


def _write_cell(kind: str, source: str) -> str:
    return f"```python\n{source}\n```" if kind == "code" else source


def write_commands() -> str:
    """Every command with its arguments and options, as the command line prints them."""
    command: Any = typer.main.get_command(app)
    context = command.context_class(command, info_name=command.name)
    sections = "\n".join(_write_tree(command, context))
    return (
        "# Commands and options\n\nMade from the code of the command line; "
        "`napari-retseg COMMAND --help` prints the same. What holds for all commands, and what "
        f"each of them does to your files, is in [Command line](../cli.md).\n\n{sections}"
    )


def _write_tree(command: Any, context: Any) -> Iterator[str]:
    yield from _write_command(command, context)
    for name, child in getattr(command, "commands", {}).items():
        yield from _write_tree(child, child.context_class(child, info_name=name, parent=context))


def _write_command(command: Any, context: Any) -> Iterator[str]:
    usage = command.get_usage(context).removeprefix("Usage: ")
    records = (parameter.get_help_record(context) for parameter in command.get_params(context))
    rows = [record for record in records if record is not None and "--help" not in record[0]]
    yield f"## {context.command_path}\n"
    yield from (f"{_escape(part)}\n" for part in (command.help or "").split("\n\n"))
    yield f"```text\n{usage}\n```\n"
    if rows:
        yield "| argument or option | value | meaning |\n|---|---|---|"
        yield "\n".join(f"| {_write_names(names)} | {_escape(text)} |" for names, text in rows)
        yield ""


def _write_names(names: str) -> str:
    """The names of an option, and what may follow them, in two cells."""
    found = _NAMES.fullmatch(names)
    name, value = (found[1], found[2] or "") if found else (names, "")
    value = value.strip("<>").removesuffix(" range")
    value = _TYPES.get(value, value).replace("|", ", ")
    return f"<code>{_escape(name)}</code> | {_escape(value)}"


def _escape(text: str) -> str:
    """Text that neither Markdown nor HTML reads as its own, on one line in a table."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "&#124;")
    return re.sub(r"([*_`\[\]~])", r"\\\1", text).replace("\n", " ").strip()


def write_keys() -> str:
    """The keys of the workbench."""
    rows = [f"| {_write_key(key)} | {MEANINGS[name]} |" for name, key in KEYS.items()]
    first, last = (_write_key(CLASS_KEYS[index]) for index in (0, -1))
    rows.append(f"| {first} to {last} | paint with the first to the ninth class |")
    rows += [f"| {_write_key(key)} | {TOOL_MEANINGS[name]} |" for name, key in TOOL_KEYS.items()]
    table = "\n".join([*_KEY_HEADER, *rows])
    hand = [f"| {_write_hand(what)} | {meaning} |" for what, meaning in POCKET_HAND]
    pockets = "\n".join([*_KEY_HEADER, *hand])
    moves = [f"| {_write_hand(what)} | {meaning} |" for what, meaning in POINTER_KEYS]
    pointer = "\n".join([*_KEY_HEADER, *moves])
    return (
        f"# Keys\n\nKeys of the [workbench](../workbench.md).\n\n{table}\n\n"
        "While [boundaries](workbench.md#boundaries-as-curves) are shown:\n\n"
        f"{_write_curve_keys()}\n\n"
        f"While [pockets](workbench.md#pockets-of-fluid) are clicked:\n\n{pockets}\n\n"
        "While the [pointer](workbench.md#by-keyboard-alone) is shown:\n\n"
        f"{pointer}\n\n"
        "The keys work after everything that you do in the dock: a click there leaves the focus "
        "on the canvas. Only a text field keeps it, until Enter.\n"
    )


def _write_curve_keys() -> str:
    rows = [f"| {_write_key(key)} | {CURVE_MEANINGS[name]} |" for name, key in CURVE_KEYS.items()]
    rows += [f"| {_write_hand(what)} | {meaning} |" for what, meaning in CURVE_MOUSE]
    return "\n".join([*_KEY_HEADER, *rows])


def _write_hand(what: str) -> str:
    """What a hand does: keys begin with a capital, the mouse does not."""
    return ", ".join(_write_key(one) if one[0].isupper() else one for one in what.split(", "))


def _write_key(key: str) -> str:
    parts = key.split("+")
    return "+".join(part if part in _MOUSE else f"<kbd>{part}</kbd>" for part in parts)
