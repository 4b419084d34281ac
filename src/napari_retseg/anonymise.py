"""Anonymised copies of scans: pixels, scale and trust sheet; nothing of who was examined."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from napari_retseg.io import describe_scan, write_scan
from napari_retseg.io.atomic import write_json
from napari_retseg.io.devices import read_identifiers
from napari_retseg.io.patient import make_patient_key
from napari_retseg.io.sources import hash_source
from napari_retseg.io.suffixes import stem_of
from napari_retseg.scan import OctScan
from napari_retseg.volume_path import file_of

Format = Literal["tiff", "nifti"]

_SUFFIXES: dict[Format, str] = {"tiff": ".tif", "nifti": ".nii.gz"}
#: Facts of `describe_scan` that are no texts of the file.
_PLAIN = (
    "axes", "shape", "dtype", "spacing_um", "spacing_source", "laterality", "device",
    "scan_pattern", "bscans_declared", "bscans_read", "channels",
)  # fmt: skip
#: Shorter parts of a name are not told from other words.
_SHORTEST = 3
_WORDS = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Anonymised:
    """The copy of a scan.

    Parameters
    ----------
    scan, sheet
        The volume, and the trust sheet beside it.
    is_new
        Whether it was written now; it was there already where not.
    """

    scan: Path
    sheet: Path
    is_new: bool


def anonymise_scan(
    scan: OctScan, folder: Path, *, patient: str, kind: Format = "tiff"
) -> Anonymised:
    """Write a scan without anything that tells who was examined.

    The copy is named by salted hashes: those of the patient, the eye and the scan's content. The
    same scan gets the same name again on this installation. Text that is drawn into the pixels,
    and what an eye itself tells of a person, stay.

    Parameters
    ----------
    scan
        As it was read; its fundus image is not copied.
    folder
        For the copies; made if missing.
    patient
        Tells the patient where the scan's file does not.
    kind
        TIFF keeps the pixel size exactly, NIfTI to seven digits.

    Raises
    ------
    InputError
        Where the scan cannot be read, or the copy not be written.
    """
    group = scan.patient_key or make_patient_key(patient)
    content = make_patient_key("" if scan.source is None else hash_source(scan.source))[:8]
    name = f"{group}_{scan.laterality or 'eye'}_{content}"
    target = folder / f"{name}{_SUFFIXES[kind]}"
    sheet = folder / f"{name}.json"
    if target.is_file() and sheet.is_file():
        return Anonymised(target, sheet, is_new=False)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(sheet, {"patient": group, **_describe(scan, _list_secrets(scan))})
    write_scan(target, scan)
    return Anonymised(target, sheet, is_new=True)


def _describe(scan: OctScan, secrets: Collection[str]) -> dict[str, Any]:
    """Describe a scan; texts of the file that could name somebody are left out."""
    about = describe_scan(scan)
    trust = about["trust"]
    for name in ("left_out", "warnings"):
        trust[name] = _without(trust[name], secrets)
    return {
        **{name: about[name] for name in _PLAIN},
        "positions_mm": [list(place) for place in scan.acquisition.positions_mm],
        "trust": trust,
    }


def _list_secrets(scan: OctScan) -> set[str]:
    """List the words of the file's name and of what it says of the patient, in lower case."""
    if scan.source is None:
        return set()
    texts = [stem_of(scan.source), *read_identifiers(file_of(scan.source)).values()]
    words = (word.lower() for text in texts for word in _WORDS.findall(text))
    return {word for word in words if len(word) >= _SHORTEST}


def _without(lines: Iterable[str], secrets: Collection[str]) -> list[str]:
    """Return the lines in which none of the words stands."""
    return [line for line in lines if not any(secret in line.lower() for secret in secrets)]
