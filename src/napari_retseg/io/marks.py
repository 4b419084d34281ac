"""Which scan a label file belongs to: a mark in the file, checked when it is opened with a scan."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

import numpy as np

from napari_retseg.errors import InputError
from napari_retseg.io.sources import hash_source
from napari_retseg.scan import OctScan

#: Key of `OctScan.metadata` that holds the mark of a label file, as text.
MARK = "label_mark"
#: Its name in PNG, TIFF and NPZ.
NAME = "scan"
PNG_KEY = f"napari-retseg-{NAME}"

_DIGITS = 16
_FORM = re.compile(r"(?P<content>[0-9a-f]{16})-(?P<file>[0-9a-f]{16})?")


@dataclass(frozen=True)
class ScanMark:
    """What tells a scan from others.

    Parameters
    ----------
    content
        Hash of its shape and of the grey values of its first, middle and last B-scan: the same in
        a copy of another format.
    file
        Hash of its file, empty without one: the same where another decoder gives other grey
        values.
    """

    content: str
    file: str = ""

    def __str__(self) -> str:
        return f"{self.content}-{self.file}"


def make_mark(scan: OctScan) -> ScanMark:
    """Mark a scan; reads three B-scans and its files.

    Raises
    ------
    InputError
        Where it cannot be read.
    """
    return ScanMark(_hash_content(scan), _hash_file(scan))


def is_mark(text: object) -> TypeGuard[str]:
    """Whether a text has the form of a mark."""
    return isinstance(text, str) and _FORM.fullmatch(text) is not None


def is_marked(mark: str, scan: OctScan) -> bool:
    """Whether a mark is that of a scan: by its grey values, else by its files.

    Raises
    ------
    InputError
        Where the scan cannot be read.
    """
    content, _, file = mark.partition("-")
    return content == _hash_content(scan) or (bool(file) and file == _hash_file(scan))


def check_mark(labels: Path, text: object, scan: OctScan) -> None:
    """Refuse labels that belong to another scan; labels without a mark may be anyone's.

    Parameters
    ----------
    labels
        The label file.
    text
        Its mark as it is stored.
    scan
        The scan with which they are opened.

    Raises
    ------
    InputError
        Where they belong to another one.
    """
    if not is_mark(text) or is_marked(text, scan):
        return
    name = "this scan" if scan.source is None else scan.source
    raise InputError(
        f"{labels}: these labels were made for another scan than {name}; choose the labels of "
        "this scan. To use them all the same, open both in napari and save the labels again"
    )


def _hash_file(scan: OctScan) -> str:
    return "" if scan.source is None else hash_source(scan.source)[:_DIGITS]


def _hash_content(scan: OctScan) -> str:
    digest = hashlib.sha256(repr(scan.spatial_shape).encode())
    for bscan in sorted({0, scan.n_bscans // 2, scan.n_bscans - 1}):
        # as it is, also where values are not finite; one type for all, so that the same values
        # stored otherwise are the same
        place = (..., bscan, slice(None), slice(None)) if scan.is_volume else ...
        digest.update(np.ascontiguousarray(scan.pixels[place], "<f8").data)
    return digest.hexdigest()[:_DIGITS]
