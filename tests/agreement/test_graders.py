"""Two graders of the same real B-scans: the numbers of docs/accuracy.md."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_retseg.agreement import Cohort, compare_labels
from napari_retseg.agreement.pairing import find_pairs, read_pair
from napari_retseg.classes import IGNORE
from napari_retseg.layers import BoundaryCounter, labels_of_boundaries

#: Patients: Dice of the classes and their mean, as the table has it; curves apart in pixels, and
#: where both drew all eight: so the description of the data counts them, 1.32.
PUBLISHED = {
    "S07 S08": ((0.869, 0.913, 0.806, 0.782, 0.903, 0.880, 0.847, 0.619, 0.827), 1.33, 1.32),
    "": ((0.866, 0.890, 0.770, 0.723, 0.855, 0.853, 0.820, 0.712, 0.811), 1.71, 1.66),
}


@pytest.mark.parametrize("patients", PUBLISHED)
def test_the_table_of_the_two_graders(patients: str, shared_data: Path) -> None:
    folder = shared_data / "chiu2015"
    pairs = find_pairs(folder / "labels", folder / "labels_grader2")
    assert len(pairs.found) == 88
    assert pairs.first.names[-1] == "fluid"
    with np.load(folder / "boundaries.npz") as found:
        ours, theirs = (
            dict(zip(map(str, found["names"]), found[name], strict=True))
            for name in ("grader1", "grader2")
        )
    cohort = Cohort(pairs.first)
    counter = BoundaryCounter([str(k) for k in range(8)])
    drawn: list[np.ndarray] = []
    for pair in pairs.found:
        if patients and pair.name[:3] not in patients:
            continue
        first, second, scan = read_pair(pair, pairs, None)
        # as the table does: layers of grader 2 lie between this grader's own curves
        layers = labels_of_boundaries(theirs[pair.name], range(1, 8), depth=len(second))
        second = np.where((second > 7) | (second == IGNORE), second, layers)
        cohort.add(compare_labels(first, second, pairs.first, scan, name=pair.name))
        counter.add(ours[pair.name], theirs[pair.name])
        away = np.abs(ours[pair.name] - theirs[pair.name])
        drawn.append(away[:, np.isfinite(away).all(axis=0)])
    dice, apart, apart_where_all = PUBLISHED[patients]
    pooled = [row for row in cohort.list_overlap() if row["scan"] == "all"]
    assert [row["dice"] for row in pooled] == pytest.approx(dice, abs=0.0005)
    # labels forget parts of a pixel, and the curves of A-scans that one grader left out
    edges = [row for row in cohort.list_boundaries() if row["scan"] == "all"]
    assert counter.errors().mean_px == pytest.approx(apart, abs=0.005)
    assert np.concatenate(drawn, axis=1).mean() == pytest.approx(apart_where_all, abs=0.005)
    assert {row["unit"] for row in edges} == {"px"}
    assert edges[-1]["mean"] == pytest.approx(apart, abs=0.1)
