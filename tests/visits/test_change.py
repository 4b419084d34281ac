"""A planted change is found in its sectors, and noise is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_retseg.errors import InputError, UsageError
from napari_retseg.visits import Visit, find_change, parse_repeatability
from napari_retseg.visits.repeatability import SOURCE, find_widening
from tests.visits.eyes import CLASSES, Eye, Pose, grown, visit

FIRST, SECOND = Pose(-1.5, (0.1, -0.1)), Pose(2.5, (-0.15, 0.1), 1.005)


def see(pose: Pose, noise: int, *, grown_um: float = 0.0) -> Visit:
    scan, labels = visit(Eye(1), pose, noise, grown_um=grown_um)
    return Visit(f"visit {noise}", scan, labels, CLASSES)


@pytest.fixture(scope="module")
def before() -> Visit:
    return see(FIRST, 1)


def test_a_planted_change(before: Visit) -> None:
    found = find_change(
        before, see(SECOND, 2, grown_um=12.0), repeatability=parse_repeatability(["retina=2"])
    )
    at = FIRST.find(found.grid.places_mm())
    truth = found.sectors.measure(grown(at, 12.0).astype(np.float32))
    rows = {one.sector: one for one in found.rows if one.structure == "retina"}
    for sector, numbers in truth.items():
        assert rows[sector].change == pytest.approx(numbers.mean, abs=1.0)
        assert rows[sector].valid > 0.9
    assert [name for name, one in rows.items() if one.is_change] == ["N1"]
    away = found.maps["retina"] - grown(at, 12.0)
    assert abs(np.nanmean(away)) < 0.5
    assert found.maps["retina"].shape == found.grid.shape


def test_an_unchanged_eye(before: Visit) -> None:
    found = find_change(before, see(SECOND, 3))
    assert found.repeatability.source == SOURCE
    changes = [one.change for one in found.rows if one.structure in ("retina", "NFL")]
    assert changes
    assert max(abs(one or 0.0) for one in changes) < 1.0
    # only of the whole retina the literature says what is noise
    assert {one.is_change for one in found.rows if one.structure == "retina"} == {False}
    assert {one.is_change for one in found.rows if one.structure == "NFL"} == {None}


def test_fluid_that_is_new(before: Visit) -> None:
    names = CLASSES.from_names([*CLASSES.names[1:], "fluid"])
    after = see(SECOND, 2)
    labels = after.labels.copy()
    labels[22:27, 60:64, 60:68] = 5
    found = find_change(
        replace(before, classes=names), replace(after, classes=names, labels=labels)
    )
    (grid,) = (one for one in found.rows if (one.structure, one.sector) == ("fluid", "grid"))
    voxel_um3 = np.prod([one or 0 for one in after.scan.spacing_um])
    planted = 5 * 4 * 8 * voxel_um3 / 1e6 / SECOND.scale**2
    assert grid.before == 0
    assert grid.change == pytest.approx(planted, rel=0.01)
    assert grid.unit == "nl"


def test_other_eyes_and_patients_are_refused(before: Visit) -> None:
    other = replace(before, name="left", scan=replace(before.scan, laterality="OS"))
    with pytest.raises(InputError, match="visit 1 is of the OD, left of the OS"):
        find_change(before, other)
    one, two = (replace(before, scan=replace(before.scan, patient_key=key)) for key in "ab")
    with pytest.raises(InputError, match="different patients"):
        find_change(one, two)


def test_unknown_scale_is_refused(before: Visit) -> None:
    flat = replace(before.scan, spacing_um=(100.0, None, 40.0))
    with pytest.raises(InputError, match="axial pixel size is unknown"):
        find_change(before, replace(before, scan=flat))


def test_marks_of_unchanged_eyes_are_rare() -> None:
    """Of reports with 100 numbers one of 1000 has a mark; by the plain coefficient all have."""
    differences = np.abs(np.random.default_rng(5).standard_normal((20_000, 100)))
    coefficient = 1.96
    marked = differences.max(axis=1) > coefficient * find_widening(100)
    assert 5 <= marked.sum() <= 35
    assert (differences.max(axis=1) > coefficient).mean() > 0.99


def test_repeatability_is_parsed() -> None:
    own = parse_repeatability(["4.5", "Retina=6"])
    assert (own.find("retina"), own.find("NFL")) == (6.0, 4.5)
    assert parse_repeatability([]).find("NFL") is None
    # a volume has no µm
    assert (own.find_volume("fluid"), own.find_volume("")) == (None, None)
    assert parse_repeatability(["fluid=2"]).find_volume("Fluid") == 2.0
    for bad in ("x", "retina=-1", "nan", "retina="):
        with pytest.raises(UsageError, match="repeatability"):
            parse_repeatability([bad])
