"""Which names are scans, and how folders of B-scans are listed."""

from __future__ import annotations

import re
from pathlib import Path

from natsort import natsorted, ns

from napari_retseg.errors import InputError, explaining
from napari_retseg.io.file_errors import is_folder
from napari_retseg.io.xmltree import read_root_name
from napari_retseg.regular import open_regular
from napari_retseg.volume_path import file_of, split_volume

#: One B-scan a file: these make up folders of B-scans.
BSCAN_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")

#: DICOM; its files often have no suffix, or end in the last number of a UID.
DICOM_SUFFIXES = (".dcm", ".dicom")

#: All that `read_scan` takes, besides DICOM without a suffix.
SCAN_SUFFIXES = (
    *BSCAN_SUFFIXES, ".nii", ".nii.gz", ".npy", ".npz", ".mat", ".vol", ".e2e", ".xml", ".fda",
    ".fds", ".img", ".oct", *DICOM_SUFFIXES,
)  # fmt: skip

#: Module in this package that reads an XML file, by the name of its root element.
XML_MODULES = {"HEDX": "heidelberg_xml"}

#: Root element of an XML file that says what the images beside it are.
EXPORT_ROOT = "HEDX"

#: Files of a folder that are opened to see whether it holds DICOM.
_MOST_LOOKED_AT = 100
#: Number of Frames (0028,0008) in the beginning of a DICOM file, with and without its type.
_HEAD_BYTES = 1 << 20
_N_FRAMES = re.compile(rb"\x28\x00\x08\x00(?:IS..|[\x00-\x0c]\x00\x00\x00) *(\d{1,9})", re.DOTALL)

#: All that `read_labels` takes; JPEG changes values, the others hold no labels.
LABEL_SUFFIXES = (".png", ".bmp", ".tif", ".tiff", ".nii", ".nii.gz", ".npy", ".npz")

#: All that `write_labels` and `write_scan` take.
WRITE_SUFFIXES = (".png", ".tif", ".tiff", ".nii", ".nii.gz", ".npy", ".npz")


def suffix_of(path: Path) -> str:
    """The suffix in lower case; ``.nii.gz`` counts as one, the number of a volume not."""
    name = file_of(path).name.lower()
    return ".nii.gz" if name.endswith(".nii.gz") else Path(name).suffix


def stem_of(path: Path) -> str:
    """The name without its suffix; a folder (no known suffix) keeps its whole name.

    That of ``eye.E2E#1``, one of several volumes, is ``eye-1``.
    """
    file, volume = split_volume(path)
    suffix = suffix_of(file)
    stem = file.name[: -len(suffix)] if suffix in SCAN_SUFFIXES else file.name
    return stem if volume is None else f"{stem}-{volume}"


def is_scan_path(path: Path) -> bool:
    """Whether `read_scan` would try: a known suffix, DICOM, or a folder that holds B-scans.

    Only the beginning of an XML file, or of one without a suffix, is read; the file itself need
    not exist. A folder that may not be listed counts as one, so that `read_scan` says why.
    """
    try:
        if is_folder(path):
            return bool(list_bscans(path)) or holds_export(path) or holds_dicom(path)
    except InputError:
        return True
    if suffix_of(path) == ".xml" and path.exists():
        return read_root_name(path) in XML_MODULES
    return suffix_of(path) in SCAN_SUFFIXES or is_dicom(path)


def holds_export(path: Path) -> bool:
    """Whether a path is the folder of a HEYEX export: its images belong to an XML file.

    Raises
    ------
    InputError
        Where the folder may not be listed.
    """
    return is_folder(path) and bool(find_exports(path))


def find_exports(folder: Path) -> list[Path]:
    """The XML files of HEYEX exports in a folder, told by their content, in natural order.

    Raises
    ------
    InputError
        Where the folder may not be listed.
    """
    return [
        file
        for file in _list_files(folder)
        if suffix_of(file) == ".xml" and read_root_name(file) == EXPORT_ROOT
    ]


def is_dicom(path: Path) -> bool:
    """Whether a file is DICOM: by its suffix, or by its mark where it has no other suffix."""
    suffix = suffix_of(path)
    if suffix in DICOM_SUFFIXES:
        return True
    return (not suffix or suffix[1:].isdigit()) and _has_mark(path)


def holds_dicom(folder: Path) -> bool:
    """Whether a folder holds DICOM files, and no scans of other kinds.

    Raises
    ------
    InputError
        Where it may not be listed.
    """
    entries = _list_files(folder)
    others = {*SCAN_SUFFIXES} - {*DICOM_SUFFIXES, ".xml"}
    if any(suffix_of(entry) in others for entry in entries):
        return False
    return any(map(is_dicom, entries[:_MOST_LOOKED_AT]))


def holds_frames(folder: Path) -> bool:
    """Whether a folder is a DICOM series, one frame a file, so that it is one scan.

    Files of many frames are scans of their own.

    Raises
    ------
    InputError
        Where it may not be listed.
    """
    if not (is_folder(folder) and holds_dicom(folder)):
        return False
    with open_regular(list_dicom(folder)[0]) as stream:
        counts = _N_FRAMES.findall(stream.read(_HEAD_BYTES))
    return all(int(count) == 1 for count in counts)


def list_dicom(folder: Path) -> list[Path]:
    """The DICOM files of a folder in natural order, without the index of a disc (DICOMDIR).

    Raises
    ------
    InputError
        Where the folder may not be listed.
    """
    return [e for e in _list_files(folder) if is_dicom(e) and e.name.upper() != "DICOMDIR"]


def _list_files(folder: Path) -> list[Path]:
    """The files of a folder in natural order (B2 before B10); hidden ones are left out."""
    with explaining(folder, "the folder cannot be listed"):
        entries = [e for e in folder.iterdir() if not e.name.startswith(".") and e.is_file()]
    return natsorted(entries, key=lambda entry: entry.name, alg=ns.IGNORECASE)


def _has_mark(path: Path) -> bool:
    try:
        with open_regular(path) as stream:
            return stream.read(132)[128:] == b"DICM"
    except (InputError, OSError):
        return False


def list_bscans(folder: Path) -> list[Path]:
    """The B-scan files of a folder in natural order (B2 before B10); hidden files are left out.

    Raises
    ------
    InputError
        Where the folder may not be listed.
    """
    return [entry for entry in _list_files(folder) if suffix_of(entry) in BSCAN_SUFFIXES]
