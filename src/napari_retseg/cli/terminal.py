"""Text on a console: nothing in it acts on the terminal, and none stops the program."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, TextIO

from napari_retseg.failures import one_line
from napari_retseg.plaintext import escape_json, make_visible


def make_printable(text: object, stream: TextIO, *, keep: str = "") -> str:
    r"""Return a text as a stream can take it.

    Control characters are made visible. What the stream's encoding lacks (``LANG=C``) becomes an
    escape, such as ``\xe4``.

    Parameters
    ----------
    keep
        Control characters that stay.
    """
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return make_visible(text, keep=keep).encode(encoding, "backslashreplace").decode(encoding)


def echo(text: object, stream: TextIO, *, keep: str = "") -> None:
    """Print one line.

    A console that is gone (a closed pipe, a terminal that hung up) does not end the work: what is
    told about it is lost, the files are not.
    """
    with suppress(OSError, ValueError):  # ValueError: the stream is closed
        stream.write(make_printable(text, stream, keep=keep) + "\n")
        stream.flush()


def complain(text: object) -> None:
    """Print one line on standard error about what failed."""
    echo(f"error: {one_line(text)}", sys.stderr)


def answer(document: Any, lines: Iterable[str], *, as_json: bool) -> None:
    """Print what a command came to: lines for the reader, or one JSON document."""
    if as_json:
        echo_json(document, sys.stdout)
        return
    for line in lines:
        echo(line, sys.stdout)


def echo_json(document: Any, stream: TextIO) -> None:
    """Print a JSON document; it is exact, also for a name that is not UTF-8.

    Raises
    ------
    OSError
        Where the stream takes nothing: then there is no result.
    """
    text = escape_json(json.dumps(document, indent=2, ensure_ascii=False))
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = escape_json(json.dumps(document, indent=2))
    stream.write(text + "\n")
    stream.flush()
