"""The agreement on several eyes, as rows of tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from napari_retseg.agreement.bland_altman import Limits, find_limits
from napari_retseg.agreement.eye import Eye, PairedNumber
from napari_retseg.agreement.icc import Icc, find_icc
from napari_retseg.classes import LabelSet
from napari_retseg.scores import ScoreCounter, Scores

#: A row of a table; None where there is no value.
Row: TypeAlias = dict[str, str | int | float | None]
#: Of what is pooled over all eyes, in place of a scan's name.
ALL = "all"
#: The mean over the classes that either side has, background left out.
MEAN = "mean"

OVERLAP = ("scan", "eye", "class", "dice", "iou", "pixels_a", "pixels_b")
BOUNDARIES = ("scan", "eye", "boundary", "mean", "p95", "bias", "unit", "ascans", "missing")
MEASURES = ("scan", "eye", "measure", "class", "sector", "a", "b", "difference", "unit")
_WHAT = ("measure", "class", "sector", "unit")
AGREEMENT = (
    *_WHAT,
    *("n", "mean_a", "mean_b", "bias", "bias_low", "bias_high", "sd"),
    *("lower", "lower_low", "lower_high", "upper", "upper_low", "upper_high"),
    *("icc", "icc_low", "icc_high", "icc_consistency"),
)


@dataclass(frozen=True, slots=True)
class Agreement:
    """The agreement on one measure over all eyes that have it.

    Attributes
    ----------
    key
        Measure, class, sector and unit.
    names
        Of the scans.
    first, second
        The numbers of both.
    limits, icc
        The agreement; `icc` is None where it has no value.
    """

    key: tuple[str, str, str, str]
    names: tuple[str, ...]
    first: tuple[float, ...]
    second: tuple[float, ...]
    limits: Limits
    icc: Icc | None

    def to_row(self) -> Row:
        """Return it as a row with the columns :data:`AGREEMENT`."""
        found, icc = self.limits, self.icc
        low, high = found.bias_interval or (None, None)
        icc_low, icc_high = (icc and icc.interval) or (None, None)
        values = (
            *self.key,
            *(found.n, _mean(self.first), _mean(self.second), found.bias, low, high, found.sd),
            *(found.lower, *(found.lower_interval or (None, None))),
            *(found.upper, *(found.upper_interval or (None, None))),
            *(icc and icc.agreement, icc_low, icc_high, icc and icc.consistency),
        )
        return dict(zip(AGREEMENT, values, strict=True))


class Cohort:
    """Collects the agreement on eyes; labels are not kept.

    Parameters
    ----------
    classes
        Of all labels.
    """

    def __init__(self, classes: LabelSet) -> None:
        self._pooled = ScoreCounter(classes)
        self._has_scale = True
        self._numbers: dict[tuple[str, str, str, str], list[tuple[str, PairedNumber]]] = {}
        self._n_eyes = 0
        #: Tables, with the columns :data:`OVERLAP`, :data:`BOUNDARIES` and :data:`MEASURES`.
        self._overlap: list[Row] = []
        self._boundaries: list[Row] = []
        self.measures: list[Row] = []

    def __len__(self) -> int:
        return self._n_eyes

    def add(self, eye: Eye) -> None:
        """Count an eye."""
        self._pooled.merge(eye.counter)
        self._has_scale &= eye.has_scale
        self._n_eyes += 1
        scores = eye.counter.scores()
        self._overlap += list_overlap(scores, eye.name, eye.laterality or "")
        unit = "um" if eye.has_scale else "px"
        self._boundaries += list_boundaries(scores, eye.name, eye.laterality or "", unit)
        for one in eye.numbers:
            self._numbers.setdefault(one.key, []).append((eye.name, one))
            self.measures.append(_list_number(eye, one))

    @property
    def scores(self) -> Scores:
        """Overlap and boundaries over all pixels and A-scans of all eyes."""
        return self._pooled.scores()

    @property
    def unit(self) -> str:
        """Of the boundary error over all eyes: um only where all axial pixel sizes are known."""
        return "um" if self._has_scale else "px"

    def list_overlap(self) -> list[Row]:
        """Rows of :data:`OVERLAP`: of all eyes together, then of each."""
        return [*list_overlap(self.scores, ALL, ""), *self._overlap]

    def list_boundaries(self) -> list[Row]:
        """Rows of :data:`BOUNDARIES`: of all eyes together, then of each."""
        return [*list_boundaries(self.scores, ALL, "", self.unit), *self._boundaries]

    def list_agreements(self) -> list[Agreement]:
        """The agreement on each measure, in the order in which they were first measured."""
        return [_agree(key, pairs) for key, pairs in self._numbers.items()]


def list_overlap(scores: Scores, scan: str, eye: str) -> list[Row]:
    """Rows of :data:`OVERLAP`: of each class, and their mean."""
    foreground = list(scores.classes.items())[1:]
    rows = [
        (name, own.dice, own.iou, own.reference_pixels, own.predicted_pixels)
        for name, own in foreground
    ]
    known = [row for row in rows if row[1] is not None]
    if known:
        means = (_mean([row[1] or 0.0 for row in known]), _mean([row[2] or 0.0 for row in known]))
        sums = (sum(row[3] for row in rows), sum(row[4] for row in rows))
        rows.append((MEAN, *means, *sums))
    return [dict(zip(OVERLAP, (scan, eye, *row), strict=True)) for row in rows]


def list_boundaries(scores: Scores, scan: str, eye: str, unit: str) -> list[Row]:
    """Rows of :data:`BOUNDARIES`: of each boundary, and the means of those that have an error."""
    if scores.boundaries is None:
        return []
    found = scores.boundaries
    rows: list[tuple[Any, ...]] = []
    for name, own in found.boundaries.items():
        lengths = (getattr(own, f"{m}_{unit}") for m in ("mean", "p95", "bias"))
        rows.append((name, *lengths, unit, own.ascans, own.missing))
    means = (getattr(found, f"mean_{unit}"), getattr(found, f"p95_{unit}"))
    rows.append((MEAN, *means, None, unit, sum(r[5] for r in rows), sum(r[6] for r in rows)))
    return [dict(zip(BOUNDARIES, (scan, eye, *row), strict=True)) for row in rows]


def _list_number(eye: Eye, one: PairedNumber) -> Row:
    values = (
        *(eye.name, eye.laterality or "", one.measure, one.structure, one.sector),
        *(one.first, one.second, one.second - one.first, one.unit),
    )
    return dict(zip(MEASURES, values, strict=True))


def _agree(key: tuple[str, str, str, str], pairs: Sequence[tuple[str, PairedNumber]]) -> Agreement:
    names = tuple(name for name, _ in pairs)
    first = tuple(one.first for _, one in pairs)
    second = tuple(one.second for _, one in pairs)
    icc = find_icc(list(zip(first, second, strict=True)))
    return Agreement(key, names, first, second, find_limits(first, second), icc)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def choose_shown(agreements: Sequence[Agreement]) -> Iterator[Agreement]:
    """The measures that are looked at first: one place of each structure, and the fluid."""
    for one in agreements:
        measure, _, sector, _ = one.key
        if measure in ("CST", "pixels") or (
            measure in ("mean thickness", "volume", "area in the B-scan") and sector == "scan"
        ):
            yield one
