"""Two visits of one eye: laid over each other by their vessels, and what changed between them."""

from napari_retseg.visits.change import Change, Visit, find_change
from napari_retseg.visits.registration import Registration
from napari_retseg.visits.repeatability import Repeatability, parse_repeatability
from napari_retseg.visits.rows import COLUMNS

__all__ = [
    "COLUMNS",
    "Change",
    "Registration",
    "Repeatability",
    "Visit",
    "find_change",
    "parse_repeatability",
]
