"""`rs.change`: a table of what changed."""

from __future__ import annotations

import pytest

import napari_retseg as rs
from tests.visits.eyes import CLASSES, Eye, Pose, visit

NAMES = list(CLASSES.names[1:])


def test_a_table() -> None:
    (one, before), (other, after) = (
        visit(Eye(1), pose, noise, with_slo=False)
        for noise, pose in enumerate((Pose(), Pose(-2.0, (0.1, 0.1))))
    )
    table = rs.change(
        before, after, scans=(one, other), classes=NAMES, repeatability_um={"retina": 4.0}
    )
    cst = table[(table["class"] == "retina") & (table["sector"] == "C0")].iloc[0]
    assert abs(cst["change"]) < 1
    assert cst["repeatability"] == 4
    # twelve numbers of the retina
    assert cst["smallest_change"] == pytest.approx(4 * 3.935 / 1.96, rel=0.01)
    assert cst["is_change"] is False
    assert table[table["class"] == "NFL"]["is_change"].isna().all()
    assert table.attrs["maps"]["retina"].shape == (len(before), before.shape[-1])
    assert abs(table.attrs["registration"].turn_deg + 2) < 0.5


def test_labels_of_a_model_have_its_repeatability() -> None:
    scan, labels = visit(Eye(1), Pose(), 0, with_slo=False)
    table = rs.change(labels, labels, scans=(scan, scan), model="starter")
    assert "the model's own labels in" in table.attrs["repeatability"]
    assert (table["smallest_change"] > 0).any()
    assert not table["is_change"].fillna(value=False).any()
    table = rs.change(labels, labels, scans=(scan, scan), classes=NAMES)
    assert "CLEOPATRA" in table.attrs["repeatability"]


def test_arguments() -> None:
    scan, labels = visit(Eye(1), Pose(), 0, with_slo=False)
    with pytest.raises(rs.RetsegError, match="scans: give the scan of the first"):
        rs.change(labels, labels, scans=(scan,), classes=NAMES)  # type: ignore[arg-type]
    with pytest.raises(rs.RetsegError, match="repeatability_um"):
        rs.change(labels, labels, scans=(scan, scan), classes=NAMES, repeatability_um=-1)
