"""Text from files and names as it may be shown: nothing in it acts on what shows it."""

from __future__ import annotations

import re

#: Control characters (terminals obey them), marks that turn the writing direction, separators of
#: lines, and halves of characters, as in names that are not UTF-8.
_ACTING = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
#: What Markdown reads within a line; an underscore or a star between letters is none.
_MARKS = re.compile(r"[\\`\[\]|]|(?<!\w)[*_]|[*_](?!\w)|&(?=\w|#)|(?<=!)(?=\[)")
#: What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def make_visible(text: object, *, keep: str = "") -> str:
    r"""Write control characters as escapes (``\x1b``), so that text from a file can be shown.

    A byte of a file name that is not UTF-8 (Python holds it as a lone surrogate) is shown as that
    byte.

    Parameters
    ----------
    keep
        Characters that stay as they are, such as ``"\n"`` where several lines are shown.
    """
    return _ACTING.sub(lambda found: _escape(found[0], keep), str(text))


def first_up(text: str) -> str:
    """Begin a sentence: its first letter is a capital."""
    return text[:1].upper() + text[1:]


def make_cell(value: object) -> object:
    """Return a value for a cell of a table (CSV): a text that could be a formula gets a quote.

    Numbers and None stay as they are.
    """
    if not isinstance(value, str):
        return value
    text = make_visible(value, keep="\n\t\r")
    return f"'{text}" if text.startswith(_FORMULA) else text


def make_markdown(text: object) -> str:
    """Return a text for a line of Markdown: it neither acts as HTML nor as a mark, link or cell."""
    return _MARKS.sub(r"\\\g<0>", make_visible(text)).replace("<", "&lt;")


def escape_json(text: str) -> str:
    """Write the control characters in a JSON text as JSON's own escapes.

    The document stays the same: it holds them within texts only, but for the ends of its lines.
    """
    return _ACTING.sub(lambda found: _escape_json(found[0]), text)


def _escape_json(character: str) -> str:
    return character if character == "\n" else f"\\u{ord(character):04x}"


def _escape(character: str, keep: str) -> str:
    if character in keep:
        return character
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:  # os.fsdecode
        number -= 0xDC00
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
