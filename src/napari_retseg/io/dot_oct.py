"""Files named ``.oct``: Bioptigen, Optovue and Thorlabs use the name; the content tells them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from napari_retseg.errors import InputError
from napari_retseg.io import bioptigen, optovue
from napari_retseg.io.file_errors import check_file
from napari_retseg.regular import open_regular
from napari_retseg.scan import OctScan

_ZIP = b"PK\x03\x04"


def read(path: Path, volume: int | None = None) -> OctScan:
    """Read a Bioptigen or Optovue file; see :mod:`bioptigen` and :mod:`optovue`.

    Raises
    ------
    SeveralVolumesError
        Where an Optovue file has several volumes and none was named.
    InputError
        Where the file cannot be read, or is one of Thorlabs.
    """
    scan: OctScan = _find_module(path).read(path, volume)
    return scan


def read_identifiers(path: Path) -> Mapping[str, str]:
    """Read who was examined and when, as far as the file or its name says.

    Raises
    ------
    InputError
        Where the file is none of these.
    """
    found: Mapping[str, str] = _find_module(path).read_identifiers(path)
    return found


def _find_module(path: Path) -> ModuleType:
    check_file(path)
    with open_regular(path) as stream:
        head = stream.read(64)
    if head.startswith(_ZIP):
        raise InputError(
            f"{path}: a file of Thorlabs (ThorImageOCT), which is not read; export it as TIFF"
        )
    if bioptigen.is_bioptigen(head):
        return bioptigen
    if optovue.find_description(path) is not None:
        return optovue
    raise InputError(
        f"{path}: not a Bioptigen file; an Optovue export needs the .txt of the same name beside it"
    )
