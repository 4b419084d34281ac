"""The files of a scan, and their hash: an export's pictures count, boundaries beside it do not."""

from __future__ import annotations

from pathlib import Path

from napari_retseg.errors import InputError
from napari_retseg.io.heyex_files import list_files
from napari_retseg.io.optovue import find_description
from napari_retseg.io.suffixes import EXPORT_ROOT, holds_export, suffix_of
from napari_retseg.io.xmltree import read_root_name
from napari_retseg.scan import hash_files, hash_path
from napari_retseg.volume_path import split_volume


def list_sources(path: Path) -> list[Path] | None:
    """List the files of a scan, where they are more than one and not all of a folder.

    Returns
    -------
    list of Path or None
        Of a HEYEX export its XML files and the pictures that they name, as far as they are there;
        of an Optovue scan also its ``.txt``. None for other scans, and where nothing can be told.
    """
    file, _ = split_volume(path)
    try:
        suffix = suffix_of(file)
        is_export = suffix == ".xml" and read_root_name(file) == EXPORT_ROOT
        if is_export or holds_export(file):
            return list_files(file)
        if suffix == ".oct":
            description = find_description(file)
            return None if description is None else [file, description]
    except InputError:  # reading the scan says what is wrong
        pass
    return None


def hash_source(path: Path) -> str:
    """SHA-256 of all that is read of a scan: the same in a copy of other names.

    A folder of B-scans is hashed with the names in it, which give their order. Boundaries beside
    a scan are no part of it.

    Raises
    ------
    InputError
        Where a file is no regular one, or may not be read.
    OSError
        Where the system fails to read it.
    """
    files = list_sources(path)
    if files is None:
        return hash_path(path)
    return hash_files(files, volume=split_volume(path)[1])
