"""Which files reading a scan opens."""

from __future__ import annotations

from pathlib import Path

from napari_retseg.errors import explaining
from napari_retseg.io.devices import is_device_file
from napari_retseg.io.file_errors import is_folder
from napari_retseg.io.sources import list_sources
from napari_retseg.io.surfaces_beside import find_surfaces
from napari_retseg.volume_path import split_volume


def list_read(path: Path) -> list[Path]:
    """List the files that reading a scan may open: those of the scan, and what lies beside it.

    Of a folder all its files count, since what is left out of the scan is named in its notes.

    Raises
    ------
    InputError
        Where a folder may not be listed.
    """
    file, _ = split_volume(path)
    files = list_sources(path)
    if files is None and is_folder(file):
        found = file.rglob("*") if is_device_file(file) else file.iterdir()
        with explaining(file, "the folder cannot be listed"):
            files = sorted(one for one in found if one.is_file())
    surfaces = find_surfaces(path)
    return [*(files or [file]), *([] if surfaces is None else [surfaces])]
