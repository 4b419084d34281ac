"""The ETDRS grid that a device exported, against that of the starter's labels of its B-scans."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import napari_retseg as rs
from napari_retseg.io.heidelberg_xml import ETDRS


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("name", "most_um"), [("healthy_subject1", 3.0), ("AMD_patient1", 8.0)])
def test_labels_that_nobody_corrected(name: str, most_um: float, shared_data: Path) -> None:
    """Means of the nine zones, and the total volume of the area that the device measured."""
    scan = rs.read_scan(shared_data / "vendor" / "heyex_exports" / name)
    model = rs.load_model("starter")
    labels = model.predict(scan, progress=False)
    table = rs.measure(labels, scan, classes=model.classes, centre="file")
    rows = table[(table["measure"] == "mean thickness") & (table["class"] == "retina to BM")]
    means = rows.set_index("sector")["value"]
    device = scan.metadata[ETDRS]
    away = [means[zone] - theirs["um"] for zone, theirs in device["zones"].items()]
    assert len(away) == 9
    assert np.abs(away).mean() < most_um
    # its volume by its mean is its area: of the healthy eye's N2 it left 6 % out
    areas_mm2 = {zone: 1000 * one["mm3"] / one["um"] for zone, one in device["zones"].items()}
    total_mm3 = sum(means[zone] * area / 1000 for zone, area in areas_mm2.items())
    assert total_mm3 == pytest.approx(device["total_mm3"], rel=0.01)
