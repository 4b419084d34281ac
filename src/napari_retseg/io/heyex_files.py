"""The files of a HEYEX export: XML, and the pictures beside it that it names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from napari_retseg.containment import resolve_within
from napari_retseg.errors import InputError, explaining
from napari_retseg.io.file_errors import is_folder
from napari_retseg.io.heyex_series import list_names
from napari_retseg.io.suffixes import BSCAN_SUFFIXES, find_exports, suffix_of
from napari_retseg.io.xmltree import parse_xml


def list_files(path: Path) -> list[Path]:
    """List the XML files of an export and the pictures that they name, as far as they are there.

    Raises
    ------
    InputError
        Where an XML file cannot be read, with the reason.
    """
    found: dict[Path, None] = {}
    for file in find_files(path):
        names = index_files(file)
        pictures = (find_image(file, name, names) for name in list_names(parse_xml(file)))
        found |= dict.fromkeys([file, *filter(None, pictures)])
    return list(found)


def find_files(path: Path) -> list[Path]:
    """The XML files of an export.

    Parameters
    ----------
    path
        One of them, or their folder.

    Raises
    ------
    InputError
        Where the folder has none.
    """
    if not is_folder(path):
        return [path]
    found = find_exports(path)
    if not found:
        raise InputError(f"{path}: contains no XML export of HEYEX")
    return found


def index_files(file: Path) -> dict[str, Path]:
    """The image files beside the XML, by name and by name in lower case."""
    files = [entry for entry in _list_files(file.parent) if suffix_of(entry) in BSCAN_SUFFIXES]
    folded = {entry.name.casefold(): entry for entry in files}
    return folded | {entry.name: entry for entry in files}


def find_image(file: Path, name: str, names: Mapping[str, Path]) -> Path | None:
    """The file of an image by its name, which lies beside the XML; None where it is not there.

    Raises
    ------
    InputError
        Where it is a link that leads elsewhere.
    """
    found = names.get(name) or names.get(name.casefold())
    if found is None:
        return None
    resolve_within(file.parent, found)
    return found


def _list_files(folder: Path) -> list[Path]:
    with explaining(folder, "the folder cannot be listed"):
        return [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
