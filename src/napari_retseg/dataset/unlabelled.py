"""B-scans that nobody labelled, of patients who are trained on."""

from __future__ import annotations

from napari_retseg.dataset.case import Case
from napari_retseg.dataset.collection import Dataset


def list_with_unlabelled(dataset: Dataset) -> list[Case]:
    """List the scans that may hold B-scans without labels to learn from.

    They are of patients on the training side, and of nobody else: a patient without any label may
    be held out once there is one.
    """
    trained = set(dataset.groups("train"))
    heldout = {case.group for case in dataset.cases if case.split in ("val", "test")}
    return [
        case
        for case in dataset.cases
        if case.split in ("train", None) and case.group in trained - heldout
    ]


def find_unlabelled(case: Case, n_bscans: int) -> list[int]:
    """Find the B-scans of a scan whose labels do not count, without held-out ones and their gap."""
    out = {*case.annotated_bscans(), *case.heldout_bscans, *case.unused_bscans}
    return [index for index in range(n_bscans) if index not in out]
