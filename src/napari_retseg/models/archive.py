"""Exported models: one ``.zip`` with a bundle's files, read with limits before it is unpacked."""

from __future__ import annotations

import json
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from napari_retseg.errors import InputError, ModelError
from napari_retseg.io.atomic import replace_atomically
from napari_retseg.models.description import (
    CARD,
    DESCRIPTION,
    INTERVALS,
    LARGEST_DESCRIPTION,
    LARGEST_INTERVALS,
    REPEATABILITY,
    WEIGHTS,
)
from napari_retseg.models.weightsfile import LARGEST_WEIGHTS, copy_weights
from napari_retseg.regular import open_regular
from napari_retseg.ziparchive import check_list

#: Bytes of a card.
LARGEST_CARD = 1024**2
_LIMITS = {
    WEIGHTS: LARGEST_WEIGHTS,
    DESCRIPTION: LARGEST_DESCRIPTION,
    CARD: LARGEST_CARD,
    INTERVALS: LARGEST_INTERVALS,
    REPEATABILITY: LARGEST_INTERVALS,
}
#: Bytes of an archive's list of files; ours has five.
_LONGEST_LIST = 1024**2
#: Weights hardly become smaller in an archive; a small file may (a network of zeros).
_LARGEST_RATIO = 20
_ALWAYS_ALLOWED = 64 * 1024**2
_BLOCK = 1 << 20

_FAILURES = (
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


def unpack(source: Path, folder: Path) -> None:
    """Unpack a bundle's files, and nothing else, into a folder.

    Raises
    ------
    ModelError
        Where it is no such archive, or a file in it is a link, is there twice, or is or claims to
        be larger than it can be.
    """
    try:
        with open_regular(source, limit=LARGEST_WEIGHTS) as stream:
            check_list(stream, _LONGEST_LIST)
            with zipfile.ZipFile(stream) as archive:
                for entry in _choose_entries(archive, source):
                    _unpack_entry(archive, entry, folder / entry.filename, source)
    except InputError as error:
        raise ModelError(str(error)) from error
    except _FAILURES as error:
        raise ModelError(f"{source}: cannot be read as an exported model ({error})") from error


def pack(
    target: Path, *, description: str, card: str, weights: Path, others: Mapping[str, str]
) -> None:
    """Write a bundle as one ``.zip``, whole or not at all.

    Parameters
    ----------
    others
        Text of further files by their names.

    Raises
    ------
    InputError
        Where it cannot be written.
    ModelError
        Where the weights cannot be read.
    """
    with (
        replace_atomically(target) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        archive.writestr(DESCRIPTION, description)
        with archive.open(WEIGHTS, "w", force_zip64=True) as out:
            copy_weights(weights, out, {DESCRIPTION: json.dumps(json.loads(description))})
        archive.writestr(CARD, card)
        for name, text in others.items():
            archive.writestr(name, text)


def _choose_entries(archive: zipfile.ZipFile, source: Path) -> list[zipfile.ZipInfo]:
    """Return the entries of a bundle's files, checked by what they claim."""
    chosen = [entry for entry in archive.infolist() if entry.filename in _LIMITS]
    names = [entry.filename for entry in chosen]
    for entry in chosen:
        why = ""
        if names.count(entry.filename) > 1:
            why = "exists twice"
        elif stat.S_ISLNK(entry.external_attr >> 16):
            why = "is a link"
        elif entry.file_size > _limit_of(entry):
            why = "is too large"
        if why:
            raise ModelError(f"{source}: {entry.filename} {why}; export the model again")
    return chosen


def _limit_of(entry: zipfile.ZipInfo) -> int:
    by_ratio = max(_ALWAYS_ALLOWED, _LARGEST_RATIO * entry.compress_size)
    return min(_LIMITS[entry.filename], by_ratio)


def _unpack_entry(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, source: Path
) -> None:
    """Unpack one file; what comes out is counted, whatever the archive claims."""
    left = _limit_of(entry)
    with (
        archive.open(entry) as packed,
        replace_atomically(target) as temporary,
        temporary.open("wb") as out,
    ):
        while block := packed.read(_BLOCK):
            left -= len(block)
            if left < 0:
                raise ModelError(f"{source}: {entry.filename} is too large; export the model again")
            out.write(block)
