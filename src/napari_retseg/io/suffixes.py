"""Which names are scans, and how folders of B-scans are listed."""

from __future__ import annotations

from pathlib import Path

from natsort import natsorted, ns

from napari_retseg.errors import InputError, explaining
from napari_retseg.io.file_errors import is_folder
from napari_retseg.io.xmltree import read_root_name
from napari_retseg.volume_path import file_of, split_volume

#: One B-scan a file: these make up folders of B-scans.
BSCAN_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")

#: All that `read_scan` takes.
SCAN_SUFFIXES = (
    *BSCAN_SUFFIXES, ".nii", ".nii.gz", ".npy", ".npz", ".mat", ".vol", ".e2e", ".xml", ".fda",
    ".fds", ".img", ".oct",
)  # fmt: skip

#: Module in this package that reads an XML file, by the name of its root element.
XML_MODULES = {"HEDX": "heidelberg_xml"}

#: Root element of an XML file that says what the images beside it are.
EXPORT_ROOT = "HEDX"

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
    """Whether `read_scan` would try: a known suffix, or a folder that holds B-scans.

    Only the beginning of an XML file is read, since its suffix says nothing; the file itself need
    not exist. A folder that may not be listed counts as one, so that `read_scan` says why.
    """
    try:
        if is_folder(path):
            return bool(list_bscans(path)) or holds_export(path)
    except InputError:
        return True
    if suffix_of(path) == ".xml" and path.exists():
        return read_root_name(path) in XML_MODULES
    return suffix_of(path) in SCAN_SUFFIXES


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
    with explaining(folder, "the folder cannot be listed"):
        files = [
            entry
            for entry in folder.iterdir()
            if suffix_of(entry) == ".xml" and not entry.name.startswith(".")
        ]
    found = [file for file in files if read_root_name(file) == EXPORT_ROOT]
    return natsorted(found, key=lambda entry: entry.name, alg=ns.IGNORECASE)


def list_bscans(folder: Path) -> list[Path]:
    """The B-scan files of a folder in natural order (B2 before B10); hidden files are left out.

    Raises
    ------
    InputError
        Where the folder may not be listed.
    """
    with explaining(folder, "the folder cannot be listed"):
        entries = [
            entry
            for entry in folder.iterdir()
            if suffix_of(entry) in BSCAN_SUFFIXES
            and not entry.name.startswith(".")
            and entry.is_file()
        ]
    return natsorted(entries, key=lambda entry: entry.name, alg=ns.IGNORECASE)
