"""The smallest change that is more than what two scans of an unchanged eye differ by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from scipy.special import ndtri

from napari_retseg.errors import UsageError
from napari_retseg.measures.spans import RETINA, TO_BRUCH
from napari_retseg.visits.retest import Retest
from napari_retseg.visits.rows import ChangeRow

#: Coefficient of repeatability of the central 1 mm: 601 repeated scans of four devices, eyes with
#: diabetic maculopathy (CLEOPATRA study, ARVO annual meeting 2019).
DEFAULT_UM = 20.0
SOURCE = (
    "coefficient of repeatability of CST in 601 repeated scans, four devices, diabetic maculopathy "
    "(CLEOPATRA study, ARVO 2019); used for all sectors of the whole retina"
)
OWN = "your own coefficient of repeatability"
#: Of all layers that are not named.
ALL = ""
#: Of so many reports of an unchanged eye one has a mark at any of its numbers.
REPORTS = 1000


@dataclass(frozen=True)
class Repeatability:
    """Coefficients of repeatability: of thickness in um, of lesions in nl.

    95 % of the differences of two scans of an unchanged eye are smaller (Bland and Altman, 1986).

    Attributes
    ----------
    by_name
        Of each span of layers or lesion; :data:`ALL` of the layers that are not named.
    source
        Where they come from.
    retest
        Of the model whose labels both visits have, uncorrected; it counts for what is not named.
    """

    by_name: Mapping[str, float] = field(
        default_factory=lambda: {RETINA: DEFAULT_UM, TO_BRUCH: DEFAULT_UM}
    )
    source: str = SOURCE
    retest: Retest | None = None

    @classmethod
    def of_model(cls, retest: Retest) -> Repeatability:
        """Return that of a model's own labels."""
        return cls({}, f"the model's own labels in {retest.data}", retest)

    def name(self, by_name: Mapping[str, float]) -> Repeatability:
        """Return it with a user's own coefficients; 0: not known."""
        before = Repeatability().by_name if self.retest is None else {}
        known = {name: um for name, um in {**before, **by_name}.items() if um > 0}
        return replace(self, by_name=known, source=OWN)

    def judge(self, rows: Iterable[ChangeRow]) -> tuple[tuple[ChangeRow, ...], str]:
        """Say which changes are more than noise.

        Returns
        -------
        rows, basis
            The rows, and where their smallest changes come from.
        """
        known = [replace(row, repeatability=self._find(row)) for row in rows]
        n_compared = sum(one.repeatability is not None and one.change is not None for one in known)
        judged = [_judge(one, n_compared) for one in known]
        if self.retest is None:
            return tuple(judged), self.describe(n_compared)
        basis = self.retest.describe(self.retest.find_noise(judged))
        by_model = self.retest.judge(judged)
        is_named = [self._find(row) is not None for row in judged]
        pairs = zip(judged, by_model, is_named, strict=True)
        if any(is_named):
            basis = f"{OWN}, of others {basis}"
        return tuple(own if named else one for own, one, named in pairs), basis

    def _find(self, row: ChangeRow) -> float | None:
        return (self.find_volume if row.unit == "nl" else self.find)(row.structure)

    def find(self, name: str) -> float | None:
        """Return that of a span of layers; None where it is unknown."""
        known = self._casefold()
        return known.get(name.casefold(), known.get(ALL))

    def find_volume(self, name: str) -> float | None:
        """Return that of a lesion; None where it is not named."""
        return self._casefold().get(name.casefold()) if name else None

    def describe(self, n_compared: int) -> str:
        """Say where the smallest changes come from, for so many numbers with a coefficient."""
        if not n_compared:
            return self.source
        return (
            f"{self.source}; times {find_widening(n_compared):.1f}, since a report has "
            f"{n_compared} such numbers: so of {REPORTS} reports of an unchanged eye at most one "
            "is expected to have a mark"
        )

    def _casefold(self) -> dict[str, float]:
        return {key.casefold(): value for key, value in self.by_name.items()}


def find_widening(n_compared: int) -> float:
    """How much larger than the coefficient a change must be, where many numbers are compared.

    The coefficient is exceeded by chance in one of twenty comparisons. A mark at any of
    `n_compared` numbers has at most the chance 1 / :data:`REPORTS` (Bonferroni; differences are
    taken to be normal).
    """
    return float(ndtri(1 - 1 / (2 * REPORTS * n_compared)) / ndtri(0.975))


def _judge(row: ChangeRow, n_compared: int) -> ChangeRow:
    if row.repeatability is None or row.change is None:
        return replace(row, smallest_change=None, is_change=None)
    least = row.repeatability * find_widening(n_compared)
    return replace(row, smallest_change=least, is_change=abs(row.change) > least)


def parse_repeatability(texts: Iterable[str]) -> Repeatability:
    """Read ``4.5`` (all layers), ``retina=4.5`` and ``fluid=2`` (nl); without any, the default.

    Raises
    ------
    UsageError
        Where one is neither.
    """
    found: dict[str, float] = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        if not 0 < value < 1000:
            raise UsageError(
                f"--repeatability {text!r}: use µm, as in 4.5, a layer and µm, as in retina=4.5, "
                "or a lesion and nl, as in fluid=2"
            )
        found[name.strip().casefold()] = value
    return Repeatability(found, OWN) if found else Repeatability()
