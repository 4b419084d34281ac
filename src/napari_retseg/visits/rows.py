"""One number of both visits: a row of the table of changes."""

from __future__ import annotations

from dataclasses import astuple, dataclass

#: Of a table of changes.
COLUMNS = (
    "measure",
    "class",
    "sector",
    "before",
    "after",
    "change",
    "unit",
    "repeatability",
    "smallest_change",
    "is_change",
    "valid_fraction",
)


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One number of both visits; None where it is not known.

    `repeatability` is the coefficient of one number. `smallest_change` is larger, since many are
    compared; `is_change` says whether the change exceeds it.
    """

    measure: str
    structure: str
    sector: str
    before: float | None
    after: float | None
    change: float | None
    unit: str
    repeatability: float | None
    smallest_change: float | None
    is_change: bool | None
    valid: float

    def to_row(self) -> dict[str, str | float | bool | None]:
        """Return it as a row of a table, with the columns :data:`COLUMNS`."""
        return dict(zip(COLUMNS, astuple(self), strict=True))

    def format_change(self, digits: int) -> str:
        """Write the change with its sign, and a star where it is more than the smallest change."""
        if self.change is None:
            return "-"
        text = f"{self.change:+.{digits}f}"
        # neither +0 nor -0
        text = text if float(text) else text[1:]
        return f"{text}*" if self.is_change else text


def make_row(
    measure: str,
    structure: str,
    sector: str,
    both: tuple[float | None, float | None],
    unit: str,
    valid: float,
) -> ChangeRow:
    """Make a row of the numbers of both visits; its meaning is judged later."""
    before, after = both
    change = None if before is None or after is None else after - before
    return ChangeRow(
        measure, structure, sector, before, after, change, unit, None, None, None, valid
    )
