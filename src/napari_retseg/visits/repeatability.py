"""The smallest change that is more than what two scans of an unchanged eye differ by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from scipy.special import ndtri

from napari_retseg.errors import UsageError
from napari_retseg.measures.spans import RETINA, TO_BRUCH

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
    """

    by_name: Mapping[str, float] = field(
        default_factory=lambda: {RETINA: DEFAULT_UM, TO_BRUCH: DEFAULT_UM}
    )
    source: str = SOURCE

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
