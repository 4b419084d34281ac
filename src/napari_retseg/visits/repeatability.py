"""The smallest change that is more than what two scans of an unchanged eye differ by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

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


@dataclass(frozen=True)
class Repeatability:
    """Coefficients of repeatability of thickness, in um.

    95 % of the differences of two scans of an unchanged eye are smaller (Bland and Altman, 1986).

    Attributes
    ----------
    by_name
        Of each span of layers; :data:`ALL` of those that are not named.
    source
        Where they come from.
    """

    by_name: Mapping[str, float] = field(
        default_factory=lambda: {RETINA: DEFAULT_UM, TO_BRUCH: DEFAULT_UM}
    )
    source: str = SOURCE

    def find(self, name: str) -> float | None:
        """Return that of a span of layers; None where it is unknown."""
        known = {key.casefold(): value for key, value in self.by_name.items()}
        return known.get(name.casefold(), known.get(ALL))


def parse_repeatability(texts: Iterable[str]) -> Repeatability:
    """Read ``4.5`` (all layers) and ``retina=4.5``; without any, the default.

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
                f"--repeatability {text!r}: use µm, as in 4.5, or a layer and µm, as in retina=4.5"
            )
        found[name.strip().casefold()] = value
    return Repeatability(found, OWN) if found else Repeatability()
