"""The chain of directories of a TIFF, walked before tifffile does: it takes any number of them."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from napari_retseg.errors import InputError
from napari_retseg.plural import count_noun

#: Pages of a file, and directories below one (smaller copies); each takes a moment to look at.
MOST_PAGES = 10_000
MOST_BELOW = 64
_MOST_TAGS = 4096

_ORDERS = {b"II": "<", b"MM": ">"}
_SUBIFDS = 330
#: Width, length and samples of a page, and types of numbers with a sign.
_SIZES = {256: "width", 257: "length", 277: "samples"}
_SIGNED = {6, 8, 9, 17}
#: Of the plain and of the big TIFF: number of tags, a tag (code, type, count), offset.
_FORMS = {42: ("H", "HHI4x", "I"), 43: ("Q", "HHQ8x", "Q")}


def check_directories(path: Path) -> None:
    """Refuse a file whose directories form a circle, or are more than a scan can have.

    Sizes of a page that are stored with a sign may be below zero, and tifffile then counts pages
    backwards for ever; they are refused, too.

    Raises
    ------
    InputError
        With what is too much. What is no TIFF is left to tifffile.
    """
    with path.open("rb") as stream:
        start = stream.read(4)
        order = _ORDERS.get(start[:2])
        version = int.from_bytes(start[2:4], "little" if order == "<" else "big")
        if order is None or version not in _FORMS:
            return
        number, tag, offset = (struct.Struct(order + form) for form in _FORMS[version])
        stream.seek(4 if version == 42 else 8)
        seen: set[int] = set()
        while (place := _read(stream, offset)) not in (None, (0,)):
            assert place is not None
            if place[0] in seen or len(seen) >= MOST_PAGES:
                raise InputError(
                    f"{path}: has more than {MOST_PAGES:,} pages, or circular page links"
                )
            seen.add(place[0])
            stream.seek(place[0])
            _check_tags(path, stream, number, tag)


def _check_tags(path: Path, stream: BinaryIO, number: struct.Struct, tag: struct.Struct) -> None:
    """Look at the tags of a directory, and stand behind them."""
    found = _read(stream, number)
    n_tags = found[0] if found else 0
    if n_tags > _MOST_TAGS:
        raise InputError(f"{path}: damaged (a page of {n_tags} tags); copy or export it again")
    tags = stream.read(n_tags * tag.size)
    for place in range(0, len(tags) - tag.size + 1, tag.size):
        code, kind, count = tag.unpack_from(tags, place)
        if code in _SIZES and kind in _SIGNED:
            raise InputError(
                f"{path}: damaged (the {_SIZES[code]} of a page is stored with a sign); copy or "
                "export it again"
            )
        if code == _SUBIFDS and count > MOST_BELOW:
            raise InputError(
                f"{path}: has {count_noun(count, 'image')} below a page; save one volume per file"
            )


def _read(stream: BinaryIO, form: struct.Struct) -> tuple[int, ...] | None:
    data = stream.read(form.size)
    return form.unpack(data) if len(data) == form.size else None
