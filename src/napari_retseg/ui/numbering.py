"""Which B-scan it is: one number everywhere, and its file where it has one of its own.

B-scans count from 0: in napari's slider, in the docks, in messages and tables, in file names
(``0012.png``) and in Python.
"""

from __future__ import annotations

from collections.abc import Sequence

from napari_retseg.errors import InputError
from napari_retseg.io.suffixes import holds_export, list_bscans
from napari_retseg.scan import OctScan


def name_bscan(bscan: int, n_bscans: int | None = None) -> str:
    """Name a B-scan by its number, with all there are on request."""
    name = f"B-scan {bscan}"
    return name if n_bscans is None else f"{name} of 0–{n_bscans - 1}"


def list_bscan_files(scan: OctScan) -> tuple[str, ...]:
    """Return the name of each B-scan's file, where a scan is a folder of them."""
    if scan.source is None or not scan.source.is_dir():
        return ()
    try:
        if holds_export(scan.source):  # its order is that of its XML file
            return ()
        names = tuple(path.name for path in list_bscans(scan.source))
    except InputError:
        return ()
    return names if len(names) == scan.n_bscans else ()


def describe_bscan(bscan: int, n_bscans: int, files: Sequence[str] = ()) -> str:
    """Say which B-scan of a volume is in view, and from which file; empty for a single one."""
    if n_bscans <= 1:
        return ""
    name = name_bscan(bscan, n_bscans)
    return f"{name}: {files[bscan]}" if bscan < len(files) else name
