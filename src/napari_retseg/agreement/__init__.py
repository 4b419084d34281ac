"""How far two sets of labels agree: of each eye, and over a cohort."""

from napari_retseg.agreement.bland_altman import Limits, find_limits
from napari_retseg.agreement.cohort import Agreement, Cohort
from napari_retseg.agreement.eye import Eye, PairedNumber, compare_labels
from napari_retseg.agreement.icc import Icc, find_icc

__all__ = [
    "Agreement",
    "Cohort",
    "Eye",
    "Icc",
    "Limits",
    "PairedNumber",
    "compare_labels",
    "find_icc",
    "find_limits",
]
