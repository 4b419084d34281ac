"""The trust sheet: what is known of a scan, and how it is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from napari_retseg.acquisition import BY_USER, FROM_NAME, NOT_RASTERS, find_direction
from napari_retseg.plural import count_noun, list_first
from napari_retseg.scan import AXIAL_UM, LATERAL_UM, Axis, OctScan, check_spacing

Known = Literal["file", "derived", "user", "unknown"]

#: Plausible distance of B-scans in um.
BETWEEN_UM = (2.0, 2000.0)

_PLAUSIBLE: dict[str, tuple[float, float]] = {
    "bscan": BETWEEN_UM,
    "depth": AXIAL_UM,
    "width": LATERAL_UM,
}
_AXES = {
    "bscan": "distance of B-scans",
    "depth": "axial pixel size",
    "width": "lateral pixel size",
}
#: Left and right on the fundus image of each eye.
_SIDES = {"OD": ("temporal", "nasal"), "OS": ("nasal", "temporal")}
_MOST_NUMBERS = 8


@dataclass(frozen=True)
class Fact:
    """A value, and how it is known.

    Parameters
    ----------
    value
        None where unknown.
    known
        ``file``, ``derived``, ``user`` or ``unknown``.
    how
        Where in the file it is, or how it was derived.
    """

    value: str | None
    known: Known
    how: str = ""

    def __str__(self) -> str:
        if self.value is None:
            return f"unknown ({self.how})" if self.how else "unknown"
        return f"{self.value} ({_say_how(self.known, self.how)})"


@dataclass(frozen=True)
class AxisScale:
    """The pixel size along an axis, in um; `is_plausible` is None where nobody can say."""

    axis: Axis
    um: float | None
    known: Known
    how: str = ""
    is_plausible: bool | None = None

    def __str__(self) -> str:
        if self.um is None:
            return "unknown"
        doubt = ", implausible" if self.is_plausible is False else ""
        return f"{self.um:.6g} µm ({_say_how(self.known, self.how)}{doubt})"


@dataclass(frozen=True)
class TrustSheet:
    """What can be trusted of a scan; see `make_trust_sheet`.

    Parameters
    ----------
    scale
        Of each spatial axis.
    bscans_declared, bscans_read
        Number that the file says it holds (None: it does not say), and that were read.
    bscans_missing, bscans_repeated
        Their numbers in the file.
    bscan_order, ascan_order
        Direction in which B-scans and A-scans run, anatomically.
    laterality, device, scan_pattern
        As they say.
    averaged, quality
        Frames averaged, and the device's own quality, of each B-scan; empty where unknown.
    left_out
        What the file holds and was not read.
    warnings
        What is contradictory or implausible, one line each.
    """

    scale: tuple[AxisScale, ...]
    bscans_declared: int | None
    bscans_read: int
    bscans_missing: tuple[int, ...]
    bscans_repeated: tuple[int, ...]
    bscan_order: Fact
    ascan_order: Fact
    laterality: Fact
    device: Fact
    scan_pattern: Fact
    averaged: tuple[int | None, ...]
    quality: tuple[float | None, ...]
    left_out: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def has_known_scale(self) -> bool:
        """Whether depth and width are known, so that lengths and areas may be computed."""
        return all(axis.um is not None for axis in self.scale[-2:])

    def to_json(self) -> dict[str, Any]:
        """Return the sheet as plain values."""
        return asdict(self)

    def list_rows(self) -> list[tuple[str, str]]:
        """Return the sheet as pairs of a name and a text, to be shown line by line."""
        return [
            *(
                (_AXES.get(scale.axis, f"pixel size, {scale.axis}"), str(scale))
                for scale in self.scale
            ),
            ("B-scans", self._describe_bscans()),
            ("order of B-scans", str(self.bscan_order)),
            ("order of A-scans", str(self.ascan_order)),
            ("laterality", str(self.laterality)),
            ("device", str(self.device)),
            ("scan pattern", str(self.scan_pattern)),
            ("averaged frames", _describe_range(self.averaged)),
            ("quality", _describe_range(self.quality)),
            *(("not read", line) for line in self.left_out),
            *(("warning", line) for line in self.warnings),
        ]

    def _describe_bscans(self) -> str:
        parts = [f"{self.bscans_read} read"]
        if self.bscans_declared is not None:
            parts.append(f"{self.bscans_declared} declared")
        for name, numbers in (("missing", self.bscans_missing), ("repeated", self.bscans_repeated)):
            if numbers:
                parts.append(f"{name}: {list_first(numbers, _MOST_NUMBERS)}")
        return ", ".join(parts)


def make_trust_sheet(scan: OctScan) -> TrustSheet:
    """Say what is known of a scan, and how; nothing is guessed.

    Parameters
    ----------
    scan
        As its reader made it, with what the user entered.
    """
    about = scan.acquisition
    return TrustSheet(
        scale=tuple(_describe_axes(scan)),
        bscans_declared=scan.bscans_declared,
        bscans_read=scan.n_bscans,
        bscans_missing=about.missing,
        bscans_repeated=about.repeated,
        bscan_order=_find_bscan_order(scan),
        ascan_order=_find_ascan_order(scan),
        laterality=_find_laterality(scan),
        device=_from_file(scan.device),
        scan_pattern=_find_pattern(scan),
        averaged=about.averaged,
        quality=about.quality,
        left_out=about.left_out,
        warnings=(*about.contradictions, *_find_gaps(scan), *check_spacing(scan)),
    )


def _describe_axes(scan: OctScan) -> Iterator[AxisScale]:
    derived = scan.acquisition.derived
    for axis, um in zip(scan.spatial_axes, scan.spacing_um, strict=True):
        if um is None:
            yield AxisScale(axis, None, "unknown")
            continue
        known: Known = "derived" if axis in derived else "file"
        if scan.spacing_source == "user":
            known = "user"
        how = derived[axis] if known == "derived" else ""
        yield AxisScale(axis, um, known, how, _is_plausible(axis, um))


def _is_plausible(axis: str, um: float) -> bool | None:
    limits = _PLAUSIBLE.get(axis)
    return None if limits is None else limits[0] <= um <= limits[1]


def _find_bscan_order(scan: OctScan) -> Fact:
    if not scan.is_oct or scan.n_bscans == 1:
        return Fact(None, "unknown", "one B-scan" if scan.is_oct else "")
    return _find_order(scan, "bscan", ("superior", "inferior"), 0)


def _find_ascan_order(scan: OctScan) -> Fact:
    if not scan.is_oct:
        return Fact(None, "unknown")
    sides = ("right", "left")
    if scan.laterality is not None:
        temporal_first = _SIDES[scan.laterality]
        sides = (temporal_first[1], temporal_first[0])
    return _find_order(scan, "width", sides, 1)


def _find_order(scan: OctScan, axis: str, ends: tuple[str, str], number: int) -> Fact:
    """How an axis runs: from the second of `ends` to the first where its direction is 1."""
    about = scan.acquisition
    if not about.positions_mm:
        return Fact(None, "unknown", "no positions in the file")
    if scan.scan_pattern in NOT_RASTERS:
        return Fact(None, "unknown", f"a {scan.scan_pattern} scan")
    found = find_direction(about.positions_mm)
    if found is None:
        return Fact(None, "unknown", "the positions are not those of horizontal B-scans in order")
    first, last = ends[::-1] if found[number] == 1 else ends
    how, derived = "positions of the B-scans", about.derived.get("positions")
    if derived is not None:
        how += f", {derived}"
    if axis in about.reversed_axes:
        how += "; reversed on reading"
    return Fact(f"{first} to {last}", "file" if derived is None else "derived", how)


def _find_laterality(scan: OctScan) -> Fact:
    if scan.laterality is None:
        return Fact(None, "unknown")
    how = scan.acquisition.laterality_from
    if how == BY_USER:
        return Fact(scan.laterality, "user")
    return Fact(scan.laterality, "derived" if how == FROM_NAME else "file", how)


def _find_pattern(scan: OctScan) -> Fact:
    if scan.scan_pattern in (None, "unknown"):
        return Fact(None, "unknown")
    how = scan.acquisition.derived.get("scan_pattern", "")
    return Fact(scan.scan_pattern, "derived" if how else "file", how)


def _from_file(value: str | None) -> Fact:
    return Fact(value, "unknown" if value is None else "file")


def _find_gaps(scan: OctScan) -> Iterator[str]:
    declared = scan.bscans_declared
    if declared is not None and declared != scan.n_bscans:
        yield f"the file declares {count_noun(declared, 'B-scan')}, but {scan.n_bscans} were read"


def _say_how(known: Known, how: str) -> str:
    return f"{known}: {how}" if how else known


def _describe_range(values: Sequence[float | None]) -> str:
    """Write one value, or the least and the largest, with how many are unknown."""
    found = [value for value in values if value is not None]
    if not found:
        return "unknown"
    least, largest = min(found), max(found)
    text = f"{least:.6g}" if least == largest else f"{least:.6g} to {largest:.6g}"
    missing = len(values) - len(found)
    return f"{text} (unknown for {count_noun(missing, 'B-scan')})" if missing else text
