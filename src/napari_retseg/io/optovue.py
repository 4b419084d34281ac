"""Optovue ``.OCT`` (raw export of RTVue and Avanti) and the ``.txt`` of the same name beside it.

The ``.OCT`` has 32-bit grey values without a header. The ``.txt`` says what they are: for each
step of the scan its A-scans ("XY Scan Length"), B-scans ("XY Scan Usage"), size and interval, and
once the number of rows, the depth and the eye. Steps lie one after the other; those of one B-scan
beside a volume are for alignment. A-scans are stored from the lowest row up; they are turned here,
as OCT-Converter and oct-to-tiff do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from napari_retseg.acquisition import Acquisition
from napari_retseg.errors import InputError
from napari_retseg.io.file_errors import check_file
from napari_retseg.io.lazy import PagedPixels, RawPixels
from napari_retseg.io.limits import LARGEST_PLANE, MOST_PLANES
from napari_retseg.io.patient import make_patient_key
from napari_retseg.io.scale import to_um
from napari_retseg.io.volumes import choose_volume
from napari_retseg.plural import count_noun
from napari_retseg.regular import read_limited
from napari_retseg.scan import Laterality, OctScan

_LONGEST = 2**20
_MOST_STEPS = 64
_NUMBER = re.compile(r"\s*(\d{1,9}(?:\.\d{1,9})?)")
#: Keys of a step in the .txt, and once for the file.
_STEP_KEYS = ("XY Scan Length", "XY Scan Usage", "XY Scan Size1", "XY Scan Interval1")
_FILE_KEYS = ("OCT Window Height", "Scan Depth", "Eye Scanned")
#: ``Surname, First _27_3D Retina_OS_2014-09-12_10.21.36_1``
_NAME = re.compile(
    r"(?P<patient>[^_]+)_.*?_(?P<pattern>[^_]+)_(?P<eye>O[DS])_(?P<date>\d{4}-\d\d-\d\d)_"
)


@dataclass
class _Step:
    """A step of the scan, with its keys in the ``.txt``."""

    values: dict[str, str] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """Number of A-scans."""
        return int(_number(self.values.get("XY Scan Length")) or 0)

    @property
    def count(self) -> int:
        """Number of B-scans."""
        return int(_number(self.values.get("XY Scan Usage")) or 0)


@dataclass(frozen=True)
class _Export:
    """What the ``.txt`` says."""

    steps: tuple[_Step, ...]
    values: dict[str, str]

    @property
    def depth(self) -> int:
        """Number of rows."""
        return int(_number(self.values.get("OCT Window Height")) or 0)

    def values_of(self, step: _Step) -> int:
        """Number of values of a step."""
        return step.count * step.width * self.depth


class StepPixels(PagedPixels):
    """B-scans of a step, upright. Shape (bscan, depth, width)."""

    def __init__(self, path: Path, shape: tuple[int, int, int], offset: int) -> None:
        count, depth, width = shape
        self._stored = RawPixels(path, (count, width, depth), stored="<f4", offset=offset)
        super().__init__(path, shape, np.float32)

    def _read(self, leading: tuple[int, ...]) -> NDArray[Any]:
        ascans: NDArray[Any] = self._stored[leading]
        return np.ascontiguousarray(ascans[:, ::-1].T)


def read(path: Path, volume: int | None = None) -> OctScan:
    """Read a scan, or one step of it.

    Returns
    -------
    OctScan
        Axes (bscan, depth, width), 32-bit grey values as stored.

    Raises
    ------
    SeveralVolumesError
        Where several steps have more than one B-scan and none was named.
    InputError
        Where a file is missing or empty, or the ``.txt`` does not fit the ``.OCT``.
    """
    size = check_file(path)
    export = _read_export(path)
    _check(path, export, size)
    volumes = _choose_steps(export)
    number = volumes[choose_volume(path, [_describe(export, k) for k in volumes], volume)]
    step, before = export.steps[number], export.steps[:number]
    shape = step.count, export.depth, step.width
    spacing, derived = _scale(export, step)
    laterality = export.values.get("Eye Scanned", "").strip()
    key, notes = _make_key(path)
    aligning = sum(s.count for k, s in enumerate(export.steps) if k not in volumes)
    return OctScan(
        pixels=StepPixels(path, shape, 4 * sum(export.values_of(one) for one in before)),
        axes=("bscan", "depth", "width"),
        spacing_um=spacing,
        spacing_source="file" if any(spacing) else "unknown",
        source=path,
        laterality=cast("Laterality", laterality) if laterality in ("OD", "OS") else None,
        device="Optovue",
        patient_key=key,
        bscans_declared=step.count,
        notes=notes,
        acquisition=Acquisition(
            laterality_from="the .txt (Eye Scanned)" if laterality in ("OD", "OS") else "",
            derived=derived,
            left_out=(count_noun(aligning, "alignment B-scan"),) if aligning else (),
        ),
    )


def read_identifiers(path: Path) -> Mapping[str, str]:
    """Read patient and date from the file's name; the ``.txt`` has none.

    Raises
    ------
    InputError
        Where the file is missing or empty.
    """
    check_file(path)
    found = _NAME.match(path.name)
    if found is None:
        return {}
    return {"patient name": found["patient"].strip(), "examination date": found["date"]}


def find_description(path: Path) -> Path | None:
    """Return the ``.txt`` beside a file."""
    beside = (path.with_suffix(suffix) for suffix in (".txt", ".TXT", ".Txt"))
    return next((one for one in beside if one.is_file()), None)


def _read_export(path: Path) -> _Export:
    description = find_description(path)
    if description is None:
        raise InputError(
            f"{path}: an Optovue export needs the .txt of the same name beside it; copy both files"
        )
    values: dict[str, str] = {}
    steps: list[_Step] = []
    for line in read_limited(description, _LONGEST).decode("latin-1").splitlines():
        key, _, value = (part.strip() for part in line.partition("="))
        if key in _FILE_KEYS:
            values.setdefault(key, value)
        if key not in _STEP_KEYS or len(steps) > _MOST_STEPS:
            continue
        if key == _STEP_KEYS[0]:
            steps.append(_Step())
        if steps:
            steps[-1].values.setdefault(key, value)
    used = tuple(step for step in steps if step.count and step.width)
    return _Export(used, values)


def _check(path: Path, export: _Export, size: int) -> None:
    """Compare the description with the size of the file."""
    if not export.steps or not export.depth:
        raise InputError(
            f"{path}: the .txt beside it does not say how many rows, A-scans and B-scans there "
            "are; copy or export both files again"
        )
    for step in export.steps:
        if step.count > MOST_PLANES or 4 * step.width * export.depth > LARGEST_PLANE:
            raise InputError(f"{path}: the .txt beside it declares more than a scan can have")
    declared = 4 * sum(export.values_of(step) for step in export.steps)
    if declared != size:
        raise InputError(
            f"{path}: the .txt beside it declares {declared} bytes, but the file has {size}; "
            "copy or export both files again"
        )


def _choose_steps(export: _Export) -> list[int]:
    """The steps that are volumes: those of several B-scans, or all where there is none."""
    volumes = [k for k, step in enumerate(export.steps) if step.count > 1]
    return volumes or list(range(len(export.steps)))


def _describe(export: _Export, number: int) -> str:
    step = export.steps[number]
    shape = f"{export.depth} x {step.width} pixels"
    return f"step {number + 1}: {count_noun(step.count, 'B-scan')} of {shape}"


def _scale(export: _Export, step: _Step) -> tuple[tuple[float | None, ...], dict[str, str]]:
    """(bscan, depth, width) in um, and how two of them were derived."""
    depth_mm = _number(export.values.get("Scan Depth"))
    width_mm = _number(step.values.get("XY Scan Size1"))
    between = _number(step.values.get("XY Scan Interval1")) if step.count > 1 else None
    derived = {}
    if depth_mm:
        derived["depth"] = f"scan depth of {depth_mm:g} mm in the .txt / {export.depth} rows"
    if width_mm:
        derived["width"] = f"scan size of {width_mm:g} mm in the .txt / {step.width} A-scans"
    return (
        to_um(between, "mm"),
        to_um((depth_mm or 0) / export.depth, "mm"),
        to_um((width_mm or 0) / step.width, "mm"),
    ), derived


def _number(text: str | None) -> float | None:
    found = _NUMBER.match(text or "")
    return float(found[1]) if found else None


def _make_key(path: Path) -> tuple[str | None, tuple[str, ...]]:
    found = _NAME.match(path.name)
    if found is None:
        return None, ()
    try:
        return make_patient_key(found["patient"].strip()), ()
    except InputError as error:
        return None, (f"no patient key: {error}",)
