"""XML of strangers: no entities, no document types, and limits before memory is taken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from napari_retseg.errors import InputError
from napari_retseg.io.file_errors import check_file
from napari_retseg.plaintext import make_visible
from napari_retseg.regular import open_regular, read_limited

#: The largest exports have boundaries of hundreds of B-scans.
LARGEST_XML = 128 * 2**20
MOST_ELEMENTS = 500_000
DEEPEST = 50

_BLOCK = 1 << 16
_DECLARED = re.compile(rb"<\?xml[^>]*\bencoding\b")
_WIDE = (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<")
_ADVICE = "export it again"


class _Found(Exception):  # noqa: N818 - ends the parsing, nothing failed
    """The root element was found."""


def parse_xml(path: Path) -> Element:
    """Parse a small XML file from anyone.

    Returns
    -------
    Element
        The root element. Text in no stated encoding and not in UTF-8 is taken for Latin-1, as old
        devices write it.

    Raises
    ------
    InputError
        Where it is missing, empty, too large, too deep, no XML, or declares a document type or
        entities.
    """
    check_file(path)
    data = read_limited(path, LARGEST_XML)
    builder = TreeBuilder()
    depth = n_elements = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, n_elements
        depth, n_elements = depth + 1, n_elements + 1
        if depth > DEEPEST or n_elements > MOST_ELEMENTS:
            raise InputError(f"{path}: contains too many XML elements; {_ADVICE}")
        builder.start(name, attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name)

    parser = _make_parser(path, data)
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    try:
        for at in range(0, len(data), _BLOCK):
            parser.Parse(data[at : at + _BLOCK], False)
        parser.Parse(b"", True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise _no_xml(path, error) from error
    return builder.close()


def read_root_name(path: Path) -> str | None:
    """The name of the root element, from the beginning of a file; None where it cannot be told."""
    found: list[str] = []

    def start(name: str, _attributes: dict[str, str]) -> None:
        found.append(name)
        raise _Found

    try:
        with open_regular(path) as stream:
            data = stream.read(_BLOCK)
        parser = _make_parser(path, data)
        parser.StartElementHandler = start
        parser.Parse(data, False)
    except (_Found, InputError, OSError, expat.ExpatError, ValueError, LookupError):
        pass
    return found[0] if found else None


def text_of(element: Element | None, where: str = ".") -> str:
    """The text of an element within another, without spaces around it; empty where there is none.

    Parameters
    ----------
    where
        Path from `element`, such as ``"Coord/X"``.
    """
    return "" if element is None else (element.findtext(where) or "").strip()


def walk_texts(element: Element, where: str) -> Iterator[str]:
    """The texts of all elements with a path, empty ones left out."""
    for found in element.iterfind(where):
        if text := text_of(found):
            yield text


def _make_parser(path: Path, data: bytes) -> expat.XMLParserType:
    """A parser that refuses what could unfold or lead elsewhere."""

    def refuse(*_: object) -> None:
        raise InputError(f"{path}: declares a document type or entities, so it is not read")

    # expat would expand entities up to the end of a block before it hands out a failure
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        refuse()
    if data.startswith(_WIDE):
        raise InputError(f"{path}: XML in UTF-16 is not supported; save it in UTF-8")
    parser = expat.ParserCreate(_guess_encoding(data))
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    return parser


def _guess_encoding(data: bytes) -> str | None:
    if _DECLARED.match(data.lstrip()[:200]):
        return None
    try:
        data.decode()
    except UnicodeDecodeError as error:
        # the beginning of a file may end within a character
        return None if error.end == len(data) and error.start > len(data) - 4 else "iso-8859-1"
    return None


def _no_xml(path: Path, error: Exception) -> InputError:
    what = make_visible(str(error))[:100]
    return InputError(
        f"{path}: cannot be read as XML ({what}); it may be truncated or of another type"
    )
