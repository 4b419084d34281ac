"""Files as devices write them: which module reads which, imported when it is needed."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, cast

from napari_retseg.errors import InputError
from napari_retseg.io.file_errors import is_folder
from napari_retseg.io.suffixes import (
    DICOM_SUFFIXES,
    XML_MODULES,
    holds_dicom,
    holds_export,
    holds_frames,
    is_dicom,
    suffix_of,
)
from napari_retseg.io.volumes import SeveralVolumesError
from napari_retseg.io.xmltree import read_root_name
from napari_retseg.scan import OctScan
from napari_retseg.volume_path import file_of, name_volume, split_volume


class DeviceReader(Protocol):
    """A module that reads the files of one family of devices."""

    def read(self, path: Path, volume: int | None = None) -> OctScan:
        """Read one volume of a file.

        Parameters
        ----------
        path
            The file, or the folder of an export.
        volume
            Its number, from 0, where the file holds several.

        Raises
        ------
        SeveralVolumesError
            Where there are several and none was named.
        InputError
            Where the file cannot be read, with the reason.
        """

    def read_identifiers(self, path: Path) -> Mapping[str, str]:
        """Read who was examined and by whom, for ``info --show-identifiers`` alone.

        Returns
        -------
        mapping
            Only what the file has: patient name, patient id, birth date, sex, operator,
            examination date, institution.
        """


#: Module in this package, by suffix.
MODULES = {
    ".vol": "heidelberg_vol",
    ".e2e": "heidelberg_e2e",
    ".xml": "heidelberg_xml",
    ".fda": "topcon",
    ".fds": "topcon",
    ".img": "zeiss",
    ".oct": "dot_oct",
    **dict.fromkeys(DICOM_SUFFIXES, "dicom"),
}


def find_device_reader(path: Path) -> DeviceReader | None:
    """Return the module that reads a device's file, or its export folder; None for other files.

    XML files, files without a suffix, and folders are told by their content.
    """
    name = _find_module(path)
    if name is None:
        return None
    return cast("DeviceReader", importlib.import_module(f"napari_retseg.io.{name}"))


def is_device_file(path: Path) -> bool:
    """Whether a device's reader takes a file, or the folder of an export."""
    try:
        return find_device_reader(path) is not None
    except InputError:  # it may not be entered; reading it says so
        return False


def is_export(folder: Path) -> bool:
    """Whether a folder is one export of a device, not a folder of scans."""
    try:
        return is_device_file(folder) and (holds_export(folder) or holds_frames(folder))
    except InputError:
        return False


def read_identifiers(path: Path) -> Mapping[str, str]:
    """Read who was examined, where a device's file says so; nothing of other files.

    Raises
    ------
    InputError
        Where the file cannot be read.
    """
    file = file_of(path)
    device = find_device_reader(file)
    return {} if device is None else device.read_identifiers(file)


def list_volumes(path: Path) -> list[Path]:
    """Return the paths of all volumes of a file; the path itself where it holds one.

    A file that cannot be read is returned as it is: reading it says why.
    """
    file, volume = split_volume(path)
    device = find_device_reader(file) if volume is None else None
    if device is None:
        return [path]
    try:
        device.read(file, None)
    except SeveralVolumesError as several:
        return [name_volume(path, number) for number in range(len(several.volumes))]
    except InputError:
        return [path]
    return [path]


def _find_module(path: Path) -> str | None:
    suffix = suffix_of(path)
    if suffix == ".xml":
        # the module of the suffix says what is wrong with any other XML
        return XML_MODULES.get(read_root_name(path) or "", MODULES[suffix])
    if is_folder(path):
        found = "heidelberg_xml" if holds_export(path) else None
        return found or ("dicom" if holds_dicom(path) else MODULES.get(suffix))
    return "dicom" if is_dicom(path) else MODULES.get(suffix)
