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
