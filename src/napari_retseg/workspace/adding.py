"""Scans that come into a workspace: where they lie, what they are called, whose they are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, get_args

from napari_retseg.dataset import Case
from napari_retseg.dataset.content import identify
from napari_retseg.dataset.files import check_name
from napari_retseg.errors import InputError, RetsegError
from napari_retseg.io import is_scan_path, read_scan
from napari_retseg.io.scans import write_tiff_copy
from napari_retseg.io.suffixes import stem_of
from napari_retseg.scan import Laterality, OctScan
from napari_retseg.workspace.cases import CaseBook
from napari_retseg.workspace.entry import shape_of
from napari_retseg.workspace.grouping import GUESSED, SOURCE, guess_group
from napari_retseg.workspace.layout import LABELS, PREDICTIONS, SCANS, choose_name, list_names
from napari_retseg.workspace.relocation import holds_scan, measure


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
        if not path.exists() or not is_scan_path(path):
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
        if scan.spacing_source == "user":
            about["spacing_source"] = "user"
    if scan.laterality is not None:
        about["laterality"] = scan.laterality
    return about


def describe(
    case: Case,
    *,
    spacing_um: Sequence[float | None] | None,
    laterality: Laterality | None,
    group: str | None,
) -> Case:
    """Note what the user says about a scan; None leaves what is known.

    A scan that turns out to be of another patient loses its place in the split.

    Raises
    ------
    InputError
        Where a value cannot be.
    """
    about = dict(case.about)
    update: dict[str, Any] = {"about": about}
    if spacing_um is not None:
        about["spacing_um"] = _check_spacing(case, spacing_um)
        about["spacing_source"] = "user"
    if laterality is not None:
        if laterality not in get_args(Laterality):
            raise InputError(
                f"{case.about['name']}: laterality must be OD or OS, not {laterality!r}"
            )
        about["laterality"] = laterality
    if group is not None:
        group = group.strip()
        if not group:
            raise InputError(f"{case.about['name']}: enter a name for the patient")
        about.pop(SOURCE, None)
        update["group"] = group
        if group != case.group:
            update |= {"split": None, "heldout_bscans": (), "unused_bscans": ()}
    return case.model_copy(update=update)


def _check_spacing(case: Case, given: Iterable[float | None]) -> list[float | None]:
    sizes = [None if size is None else float(size) for size in given]
    shape = shape_of(case)
    if shape is not None and len(sizes) != len(shape):
        raise InputError(
            f"{case.about['name']}: got {len(sizes)} pixel sizes, but the scan has "
            f"{len(shape)} axes"
        )
    if any(size is not None and not (math.isfinite(size) and size > 0) for size in sizes):
        raise InputError(f"{case.about['name']}: pixel sizes must be positive numbers in µm")
    return sizes
