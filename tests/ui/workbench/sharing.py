"""A workspace with a scan whose predictions share an error, corrected on one B-scan."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_retseg.classes import RETINA
from napari_retseg.io import read_scan, write_scan
from napari_retseg.scan import OctScan
from napari_retseg.workspace import Workspace
from tests.decode.sharederror import Volume

BOUNDARY, STRETCH = 3, slice(40, 170)
CONFIRMED, SHARING = 3, (2, 4, 5)


@dataclass(frozen=True)
class Model:
    name: str = "tiny"
    weights_id: str = "a" * 64


def make_shared_error(folder: Path, healthy: Volume) -> Volume:
    """Make a workspace, ``work``: predictions have an error on B-scans 2 to 5; 3 is confirmed."""
    volume = Volume(healthy.pixels, healthy.truth, healthy.truth.copy())
    for bscan in (*SHARING, CONFIRMED):
        volume.move(bscan, BOUNDARY, 7, STRETCH)
    axes = ("bscan", "depth", "width")
    scan = OctScan(volume.pixels, axes, (60.0, 3.9, 15.0), spacing_source="file")  # type: ignore[arg-type]
    path = write_scan(folder / "eye.tif", scan)
    planes = {b: (plane, None) for b, plane in enumerate(volume.prediction)}
    with Workspace.create(folder / "work", classes=RETINA) as workspace:
        workspace.add_scan(read_scan(path))
        workspace.write_predictions("eye", planes, model=Model(), options="{}")
        workspace.write_labels("eye", CONFIRMED, volume.truth[CONFIRMED], state="confirmed")
    return volume
