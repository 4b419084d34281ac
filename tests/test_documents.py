"""What the documents promise exists: files they link to, commands and options they print."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from napari_retseg.cli import app
from napari_retseg.cli.study import RecipeGroup
from tests.documents import DOCUMENTS, ROOT, STUDIES, name_of, read_commands

#: Documents that an index of packages shows link to files with their whole address.
_REPOSITORY = re.compile(
    r"https://(?:github|raw\.githubusercontent)\.com/napari-retseg/napari-retseg/"
    r"(?:(?:blob|tree|raw)/)?main/"
)
_LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
_CONFLICT = re.compile(r"^(<{7}|={7}|>{7})( |$)", re.MULTILINE)
#: What all of the command line's errors of usage are; typer may bring a click of its own.
_USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]
#: Lines of Markdown are this long at most, addresses of links left out.
LONGEST = 100


def find_long_lines(text: str) -> Iterator[str]:
    """Every line of prose that is not wrapped; tables, code and headings may be longer."""
    for number, block in enumerate(re.split(r"^```.*$", text, flags=re.MULTILINE)):
        for line in block.splitlines() if number % 2 == 0 else ():
            shown = re.sub(r"\]\([^)]*\)", "]()", line)
            if len(shown) > LONGEST and not line.startswith(("|", "#", "    ")):
                yield line


def find_dead_links(text: str, folder: Path) -> Iterator[str]:
    """Every link to a file of the repository that is not there."""
    for link in _LINK.findall(text):
        whole = _REPOSITORY.match(link)
        if whole is None and re.match(r"[a-z]+:", link):
            continue
        file = ROOT / link[whole.end() :] if whole else folder / link
        if STUDIES in file.parents and not STUDIES.is_dir():
            continue  # the sdist goes without them
        if not file.exists():
            yield link


def find_unknown(words: list[str]) -> str:
    """Name the first word that the command line does not know; nothing where it knows all."""
    command: Any = typer.main.get_command(app)
    rest = list(words)
    while hasattr(command, "commands"):
        if not rest or rest[0].startswith(("-", "[")):
            return ""
        if isinstance(command, RecipeGroup) and rest[0] not in command.commands:
            rest = ["run", *rest]
        found = command.commands.get(rest[0])
        if found is None:
            return rest[0]
        command, rest = found, rest[1:]
    known = {name for p in command.params for name in (*p.opts, *p.secondary_opts)}
    given = [word.split("=")[0] for word in rest if re.match(r"--?[a-z]", word)]
    return next((word for word in given if word not in known | {"--help", "-h", "--debug"}), "")


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_a_document_is_in_one_piece(document: Path) -> None:
    assert not _CONFLICT.search(document.read_text(encoding="utf-8"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_lines_are_wrapped(document: Path) -> None:
    assert list(find_long_lines(document.read_text(encoding="utf-8"))) == []


def test_a_long_line_would_be_found() -> None:
    words = "word " * 30
    text = f"{words}\n| {words} |\n```\n{words}\n```\n[a]({'x' * 200})\n"
    assert list(find_long_lines(text)) == [words]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(document: Path) -> None:
    assert list(find_dead_links(document.read_text(encoding="utf-8"), document.parent)) == []


def test_a_dead_link_would_be_found() -> None:
    whole = "https://github.com/napari-retseg/napari-retseg/blob/main/docs/none.md"
    text = f"[a](README.md) [b](none.md) [c]({whole}) [d](https://napari.org)"
    assert list(find_dead_links(text, ROOT)) == ["none.md", whole]


def test_links_of_the_readme_work_on_an_index_page() -> None:
    links = _LINK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not link.startswith("https://")] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_printed_commands_and_options_exist(document: Path) -> None:
    commands = read_commands(document.read_text(encoding="utf-8"))
    assert {" ".join(words): word for words in commands if (word := find_unknown(words))} == {}


def parse(words: list[str]) -> str:
    """Parse a command without running it; what the command line says of it, or nothing."""
    command: Any = typer.main.get_command(app)
    context = None
    while hasattr(command, "commands"):
        if isinstance(command, RecipeGroup) and words[0] not in command.commands:
            words = ["run", *words]
        context = command.context_class(command, info_name=command.name, parent=context)
        command, words = command.commands[words[0]], words[1:]
    try:
        command.make_context(command.name, list(words), parent=context)
    except typer.Exit:
        return ""
    except _USAGE_ERROR as error:
        return str(error)
    return ""


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_printed_commands_parse(document: Path) -> None:
    whole = [
        words
        for words in read_commands(document.read_text(encoding="utf-8"))
        if words and words[0] != "--version" and "..." not in words
    ]
    assert {" ".join(words): text for words in whole if (text := parse(words))} == {}


def test_a_command_with_a_wrong_value_would_be_found() -> None:
    assert "sideways" in parse(["evaluate", "data", "--split", "sideways"])
    assert "dataset" in parse(["train"])
    assert parse(["predict", "scan.tif", "--output", "labels"]) == ""


def test_an_unknown_command_or_option_would_be_found() -> None:
    text = "```\nnapari-retseg predict a.tif \\\n  --putput labels  # where to\n```\n"
    assert [find_unknown(words) for words in read_commands(text)] == ["--putput"]
    assert find_unknown(["predikt", "a.tif"]) == "predikt"
    assert find_unknown(["models", "forget", "x"]) == "forget"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_scripts_and_targets_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    scripts = re.findall(r"python (?:-m )?((?:benchmarks|docs|scripts)[./]\w+)", text)
    assert [name for name in scripts if not (ROOT / f"{name.replace('.', '/')}.py").is_file()] == []
    wanted = re.findall(r"(?:`| {4}|^)make ([a-z-]+)(?= *(?:[`#]|$))", text, re.M)
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert set(wanted) <= {*targets, "help"}


def test_the_readme_prints_commands() -> None:
    assert len(list(read_commands((ROOT / "README.md").read_text(encoding="utf-8")))) > 5
