"""Scans that come into a workspace: where they lie, what they are called, whose they are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from napari_retseg.dataset import Case
from napari_retseg.dataset.content import identify
from napari_retseg.dataset.files import check_name
from napari_retseg.errors import RetsegError
from napari_retseg.io import is_scan_path, read_scan
from napari_retseg.io.scans import write_tiff_copy
from napari_retseg.io.suffixes import stem_of
from napari_retseg.scan import OctScan
from napari_retseg.volume_path import file_of
from napari_retseg.workspace.cases import CaseBook
from napari_retseg.workspace.layout import LABELS, PREDICTIONS, SCANS, choose_name, list_names
from napari_retseg.workspace.relocation import holds_scan, measure

#: Key of a case's `about`: where its patient came from.
SOURCE = "group_source"
GUESSED = "guessed"
_BSCAN = re.compile(r"(?P<patient>.+?)[_-][Bb]\d+")
_DIGIT = re.compile(r"\d")


def find_known(book: CaseBook, path: Path) -> str | None:
    """Return the name under which a file is in the workspace already; None where it is not."""
    target, size = path.resolve(), measure(path)
    for name, case in book.cases.items():
        if case.image == path:
            return name
        # links are followed where it may be the same file, since that takes a while
        if case.about.get("size") in (None, size) and case.image.resolve() == target:
            return name
    return None


def find_returned(book: CaseBook, path: Path) -> str | None:
    """Return the name of a missing scan whose content a file holds; None where there is none."""
    for name in book.missing:
        case = book.get(name)
        if case.about.get("sha256") is not None and holds_scan(path, case):
            return name
    return None


def find_source(scan: OctScan) -> Path | None:
    """Return the file that gives a scan again, so that one can refer to it; None without one."""
    if scan.source is None:
        return None
    path = absolute(scan.source)
    try:
        if not file_of(path).exists() or not is_scan_path(file_of(path)):
            return None
        return path if read_scan(path).spatial_shape == scan.spatial_shape else None
    except (OSError, RetsegError):  # a file of another kind, which somebody else's reader knows
        return None


def absolute(path: Path) -> Path:
    """Return a path that does not depend on the current folder; links in it are kept."""
    return path.resolve() if ".." in path.parts else path.absolute()


def make_case(
    book: CaseBook, scan: OctScan, source: Path | None, *, group: str | None, name: str | None
) -> Case:
    """Describe a new scan; one that no file gives again is written into the workspace.

    Raises
    ------
    InputError
        Where its file cannot be read, or the copy not written.
    """
    wanted = name or ("scan" if scan.source is None else stem_of(scan.source))
    folders = (LABELS, PREDICTIONS, SCANS)
    there = [stem_of(Path(n)) for kind in folders for n in list_names(book.root / kind)]
    chosen = choose_name(wanted, [*book.cases, *there])
    image = (
        check_name(source) if source else write_tiff_copy(book.root / SCANS / f"{chosen}.tif", scan)
    )
    about = {"name": chosen, **_describe(scan, image)}
    if group is None and scan.patient_key is None:
        about[SOURCE] = GUESSED
    found = group or scan.patient_key or guess_group(stem_of(image))
    return Case(image=image, group=found, about=about)


def _describe(scan: OctScan, image: Path) -> dict[str, Any]:
    """What is noted of a scan, so that one need not read it again."""
    about: dict[str, Any] = {**identify(image), "shape": list(scan.spatial_shape)}
    if any(um is not None for um in scan.spacing_um):
        about["spacing_um"] = list(scan.spacing_um)
        if scan.spacing_source in ("user", "derived"):
            about["spacing_source"] = scan.spacing_source
    if scan.laterality is not None:
        about["laterality"] = scan.laterality
    return about


def guess_group(name: str) -> str:
    """Guess the patient of a scan by its name: ``S06`` of ``S06_B10``, else the whole name."""
    found = _BSCAN.fullmatch(name)
    return found["patient"] if found else name


def join_groups(new: Case, cases: Iterable[Case]) -> list[Case]:
    """Give a new case, and cases like it, the patient that their names share.

    As in a folder pair that is the text before the first ``_`` of names, but only where it
    holds a digit: ``P1_OD`` and ``P1_OS`` are of one patient, ``scan_1`` and ``scan_2`` are
    not. A case whose split is pinned keeps its patient, and the new one joins it.

    Parameters
    ----------
    new
        A case whose patient was guessed.
    cases
        The others.

    Returns
    -------
    list of Case
        The new one, and those of the others that changed.
    """
    prefix = _prefix(new)
    if prefix is None or guess_group(new.name) != new.name:
        return [new]
    alike = [c for c in cases if c.about.get(SOURCE) == GUESSED and _prefix(c) == prefix]
    pinned = [c for c in alike if c.split is not None]
    if not alike:
        return [new]
    group = pinned[0].group if pinned else prefix
    changed = [c for c in alike if c.split is None and c.group != group]
    return [c.model_copy(update={"group": group}) for c in (new, *changed)]


def _prefix(case: Case) -> str | None:
    """The text before the first ``_``, where it may be a patient's name."""
    prefix, separator, _ = case.name.partition("_")
    return prefix if separator and _DIGIT.search(prefix) else None
