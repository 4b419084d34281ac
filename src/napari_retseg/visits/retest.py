"""What the labels of a model differ by in two scans of an unchanged eye, and what is more.

Scans of some devices repeat worse in all their numbers, while an eye that has changed has done so
in few. So the noise of two visits is the median over all thicknesses of what they differ by,
relative to what is typical of a layer and the size of a sector, and a change of thickness is
measured in that noise. Labels fail now and then, so differences are not normal, and a report has
many numbers: what decides is the largest change of all numbers of a report. A change is more than
noise if it is larger than in any of the pairs. The next unchanged eye exceeds what n others do not
exceed with a chance of 1 / (n + 1), whatever the distribution (Vovk, Gammerman and Shafer,
Algorithmic Learning in a Random World, 2005).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Literal, TypeAlias

import numpy as np
from pydantic import Field

from napari_retseg.config import Frozen
from napari_retseg.measures.conformal import find_bound
from napari_retseg.measures.intervals import Region, find_region
from napari_retseg.plural import count_noun
from napari_retseg.visits.rows import ChangeRow

#: Of the changes of one number in unchanged eyes, so many are smaller than its coefficient.
_LEVEL = 0.95
#: So many pairs are needed, and so many thicknesses of a pair, to know its noise.
_FEWEST_PAIRS, _FEWEST_NUMBERS = 30, 12
#: Of a sector, at least so much must be measured in both visits.
_LEAST_VALID = 0.8
#: Two ETDRS grids have as many B-scans as count for all sectors.
_BSCANS = 5
#: Of the largest changes of a layer, one in so many pairs is larger than its tail.
_TAIL = 40
_DIGITS = 6
#: Two scans that are the same have no noise.
_QUIETEST = 1e-6

_Unit: TypeAlias = Literal["um", "nl"]
_Name = Annotated[str, Field(max_length=200)]
_Size = Annotated[float, Field(ge=0, le=1e6)]
_Regions = Annotated[dict[Region, _Size], Field(max_length=16)]
_Sizes = Annotated[dict[_Name, _Size], Field(max_length=300)]
_Table = Annotated[dict[_Name, _Regions], Field(max_length=300)]

Key: TypeAlias = tuple[_Unit, str, Region]


class Retest(Frozen):
    """How well the numbers from a model's labels repeat: ``repeatability.json`` of a bundle.

    Attributes
    ----------
    weights_id
        Of the model.
    pairs
        How many pairs of scans of unchanged eyes.
    data
        Which scans.
    typical
        Median change of thickness in um, by layer and region.
    coefficients
        Of the changes of one number, 95 % are smaller: of thickness in um, relative to the noise
        of two visits; of lesions of the square root of nl. By unit, layer or lesion, and region.
    widening
        By unit and layer or lesion, how many times larger than the coefficient a change must be,
        since a report has many numbers.
    quietest
        The least noise of all pairs.
    """

    schema_version: Literal[1] = 1
    weights_id: str = Field(max_length=128)
    pairs: int = Field(ge=1)
    data: str = Field(max_length=1000)
    typical: _Table
    coefficients: Annotated[dict[_Unit, _Table], Field(max_length=2)]
    widening: Annotated[dict[_Unit, _Sizes], Field(max_length=2)]
    quietest: float = Field(gt=0, le=1e6)

    def judge(self, rows: Sequence[ChangeRow]) -> list[ChangeRow]:
        """Say which changes are more than noise, where that is known."""
        noise = self.find_noise(rows)
        return [row if noise is None else self._judge(row, noise) for row in rows]

    def find_noise(self, rows: Iterable[ChangeRow]) -> float | None:
        """Return the noise of two visits, 1 where it is usual; None with too few numbers."""
        found = _find_noise(_list_changes(rows), self.typical)
        return None if found is None else max(found, self.quietest)

    def describe(self, noise: float | None) -> str:
        """Say where the smallest changes come from."""
        if noise is None:
            return f"not known: too few numbers to compare with {self.data}"
        return (
            f"larger than any change of the model's own labels in {self.data}; thickness measured "
            f"in the noise of these two scans ({noise:.1f}; usual is 1)"
        )

    def _judge(self, row: ChangeRow, noise: float) -> ChangeRow:
        unit, structure, region = _find_key(row)
        coefficient = self.coefficients.get(unit, {}).get(structure, {}).get(region)
        widening = self.widening.get(unit, {}).get(structure)
        change = _find_change(row)
        if coefficient is None or widening is None or change is None:
            return row
        usual = _relate(unit, noise) * coefficient
        least = usual * widening
        return replace(
            row,
            repeatability=_in_unit(row, usual),
            smallest_change=_in_unit(row, least),
            is_change=change > least,
        )


class Retesting:
    """Collects the changes between scans of unchanged eyes."""

    def __init__(self) -> None:
        self._pairs: list[list[tuple[Key, float]]] = []

    def add(self, rows: Iterable[ChangeRow]) -> None:
        """Add a pair of scans; one with too few numbers does not count."""
        changes = list(_list_changes(rows))
        if sum(key[0] == "um" for key, _ in changes) >= _FEWEST_NUMBERS:
            self._pairs.append(changes)

    def join(self, other: Retesting) -> None:
        """Add the pairs of another."""
        self._pairs += other._pairs

    def finish(self, *, weights_id: str, data: str) -> Retest:
        """Return how well the numbers repeat.

        Parameters
        ----------
        weights_id
            Of the model.
        data
            Which scans these were.

        Raises
        ------
        ValueError
            With fewer than 30 pairs.
        """
        if len(self._pairs) < _FEWEST_PAIRS:
            raise ValueError(f"{len(self._pairs)} pairs; at least {_FEWEST_PAIRS} are needed")
        typical = self._find_typical()
        noises = [max(_find_noise(pair, typical) or 0.0, _QUIETEST) for pair in self._pairs]
        coefficients = self._find_coefficients(noises)
        return Retest(
            weights_id=weights_id,
            pairs=len(self._pairs),
            data=f"{count_noun(len(self._pairs), 'pair')} of {data}",
            typical=typical,
            coefficients=coefficients,
            widening={
                unit: self._find_widening(unit, noises, by_name)
                for unit, by_name in coefficients.items()
            },
            quietest=round_digits(min(noises)),
        )

    def _find_typical(self) -> dict[str, dict[Region, float]]:
        found: dict[tuple[str, Region], list[float]] = {}
        for (unit, structure, region), value in (one for pair in self._pairs for one in pair):
            if unit == "um":
                found.setdefault((structure, region), []).append(value)
        typical: dict[str, dict[Region, float]] = {}
        for (structure, region), values in sorted(found.items()):
            typical.setdefault(structure, {})[region] = round_digits(float(np.median(values)))
        return typical

    def _find_coefficients(
        self, noises: Sequence[float]
    ) -> dict[_Unit, dict[str, dict[Region, float]]]:
        found: dict[Key, dict[str, list[float]]] = {}
        for number, (pair, noise) in enumerate(zip(self._pairs, noises, strict=True)):
            for key, value in pair:
                each = found.setdefault(key, {}).setdefault(str(number), [])
                each.append(value / _relate(key[0], noise))
        coefficients: dict[_Unit, dict[str, dict[Region, float]]] = {}
        for (unit, structure, region), values in sorted(found.items()):
            bound = find_bound(values, _LEVEL)
            if bound:  # what never changed says nothing
                by_name = coefficients.setdefault(unit, {})
                by_name.setdefault(structure, {})[region] = round_digits(bound)
        return coefficients

    def _find_widening(
        self,
        unit: _Unit,
        noises: Sequence[float],
        coefficients: Mapping[str, Mapping[Region, float]],
    ) -> dict[str, float]:
        """How many times its coefficient the largest change of each layer is, at most.

        Layers fail more or less often; each is compared with its own tail first.
        """
        largest = {name: np.zeros(len(self._pairs)) for name in coefficients}
        for number, (pair, noise) in enumerate(zip(self._pairs, noises, strict=True)):
            for (of_unit, name, region), value in pair:
                coefficient = coefficients.get(name, {}).get(region)
                if of_unit == unit and coefficient is not None:
                    share = value / _relate(unit, noise) / coefficient
                    largest[name][number] = max(largest[name][number], share)
        rank = max(1, len(self._pairs) // _TAIL)
        tails = {name: float(np.sort(values)[-rank]) for name, values in largest.items()}
        most = max(
            float(values.max()) / tails[name] for name, values in largest.items() if tails[name] > 0
        )
        return {name: round_up(tail * most) for name, tail in tails.items()}


def round_up(value: float) -> float:
    """Round to a few digits, never below: what was seen must not exceed it."""
    return round_digits(value * (1 + 10.0 ** (1 - _DIGITS)))


def round_digits(value: float) -> float:
    """Round to more digits than such numbers deserve."""
    return float(f"{value:.{_DIGITS}g}")


def _list_changes(rows: Iterable[ChangeRow]) -> Iterator[tuple[Key, float]]:
    for row in rows:
        change = _find_change(row)
        if change is not None:
            yield _find_key(row), change


def _find_key(row: ChangeRow) -> Key:
    unit: _Unit = "nl" if row.unit == "nl" else "um"
    return unit, row.structure, find_region(row.sector, _BSCANS)


def _find_change(row: ChangeRow) -> float | None:
    """Return the change of a number, of a volume that of its square root."""
    if row.before is None or row.after is None or row.valid < _LEAST_VALID:
        return None
    if row.unit == "nl":
        return abs(math.sqrt(row.after) - math.sqrt(row.before))
    return abs(row.after - row.before)


def _relate(unit: _Unit, noise: float) -> float:
    """Return what a change of a unit is relative to: lesions are missed on good scans, too."""
    return noise if unit == "um" else 1.0


def _in_unit(row: ChangeRow, size: float) -> float:
    """Return what a change of that size, see :func:`_find_change`, is in um or nl."""
    if row.unit != "nl" or row.before is None or row.after is None:
        return size
    root = math.sqrt(row.before)
    if row.after < row.before and root > size:
        return 2 * size * root - size**2
    return 2 * size * root + size**2


def _find_noise(
    changes: Iterable[tuple[Key, float]], typical: Mapping[str, Mapping[Region, float]]
) -> float | None:
    shares = []
    for (unit, structure, region), value in changes:
        usual = typical.get(structure, {}).get(region)
        if unit == "um" and usual:
            shares.append(value / usual)
    return float(np.median(shares)) if len(shares) >= _FEWEST_NUMBERS else None
