"""The documents of the repository, and the code that they show."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STUDIES = ROOT / "docs" / "studies"
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "sample_data/*.md")
    for path in ROOT.glob(pattern)
    if path.name[0] != "."
)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def name_of(document: Path) -> str:
    """A document's path in the repository."""
    return document.relative_to(ROOT).as_posix()


def read_python(text: str) -> str:
    """All Python blocks of a page, one after the other."""
    return "\n".join(code for language, code in _FENCE.findall(text) if language == "python")


def read_commands(text: str) -> Iterator[list[str]]:
    """Every ``napari-retseg`` command of the code blocks, as words; continued lines joined."""
    for number, block in enumerate(re.split(r"^```.*$", text, flags=re.MULTILINE)):
        lines = block.replace("\\\n", " ").splitlines()
        if number % 2 == 0:  # not fenced: what is indented is code
            lines = [line for line in lines if line.startswith("    ")]
        for line in lines:
            if line.strip().removeprefix("$ ").startswith("napari-retseg "):
                yield shlex.split(line.strip().removeprefix("$ "), comments=True)[1:]
