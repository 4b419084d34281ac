"""Take pictures of the windows *Compare labels…* and *Two visits…*, on a simulated eye.

Needs an X display, xdotool and ImageMagick's ``import``::

    xvfb-run -a -s "-screen 0 1366x768x24" python docs/measure_windows.py

makes ``docs/images/compare-labels.png`` and ``two-visits.png`` again. The eye is scanned twice, the
second time with less swelling, 3° turned. Its labels are compared with those of the simulator.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import napari
import numpy as np
from driving import open_scan, open_workbench, pause, wait_until
from PIL import Image
from qtpy.QtWidgets import QWidget

from napari_retseg.classes import RETINA
from napari_retseg.config import PredictConfig
from napari_retseg.infer.predict import predict_labels
from napari_retseg.io import write_labels
from napari_retseg.io.scans import write_tiff_copy
from napari_retseg.simulate import ScanParameters, draw_parameters, make_device_config
from napari_retseg.simulate.revisit import Eye, Pose
from napari_retseg.simulate.volume import SimulatedVolume
from napari_retseg.ui.layers import make_labels_layer
from napari_retseg.ui.workbench.workbench_dock import WorkbenchDock

IMAGES = Path(__file__).parent / "images"
SEED, SIZE, N_BSCANS, BETWEEN_UM = 21, (496, 384), 19, 300.0


def main() -> None:
    """Scan an eye twice, segment it, and open both windows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, default=IMAGES)
    parser.add_argument("--theme", choices=["dark", "light"], default="dark")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["NAPARI_RETSEG_STATE"] = str(folder / "state")
        first = _scan(folder)
        viewer, dock = open_workbench(options.theme)
        open_scan(dock, folder / "march.tif", folder / "work")
        dock.bench.predicting.segment_volume()
        state = dock.bench.state
        wait_until(lambda: state.work is None and bool(state.notice.text))
        dock.bench.measuring.watch(is_watched=True)
        _show_visits(dock, folder, options.output / "two-visits.png")
        _show_agreement(viewer, dock, first.labels, options.output / "compare-labels.png")
        viewer.close()


def _scan(folder: Path) -> SimulatedVolume:
    """Write both scans, and the starter's labels of the second."""
    config = make_device_config("A", size=SIZE, n_bscans=N_BSCANS, bscan_um=BETWEEN_UM)
    config = config.with_ranges(
        disease={"ill": 1.0, "swelling": 1.0, "cysts": 1.0, "swelling_amount": (0.6, 0.6)},
        anatomy={"vessels": (12, 14)},
    )
    ill = draw_parameters(config, SEED)
    before = Eye(ill).scan(Pose(), 1)
    after = Eye(_treat(ill)).scan(Pose(3.0, (120.0, -150.0), 1.005), 2)
    (folder / "labels").mkdir()
    for name, volume in (("march", before), ("september", after)):
        write_tiff_copy(folder / f"{name}.tif", volume.scan)
    labels = predict_labels(after.scan, "starter", PredictConfig(device="cpu"))
    write_labels(folder / "labels" / "september.tif", labels, scan=after.scan)
    return before


def _treat(drawn: ScanParameters) -> ScanParameters:
    """The same eye with a third of the swelling."""
    amount = drawn.disease.swelling_amount / 3
    disease = drawn.disease.model_copy(update={"swelling_amount": amount})
    return drawn.model_copy(update={"disease": disease})


def _show_visits(dock: WorkbenchDock, folder: Path, path: Path) -> None:
    window = dock.dialogs.show_visits(lambda _: None)
    window.take_files(folder / "september.tif", folder / "labels" / "september.tif")
    window.compare()
    wait_until(lambda: window.visited is not None or "match" in window.notice.text())
    pause(3.0)
    _take(window, path)


def _show_agreement(
    viewer: napari.Viewer, dock: WorkbenchDock, labels: np.ndarray, path: Path
) -> None:
    opened = dock.bench.session.opened
    assert opened is not None
    scan = opened.loaded.scan
    right = make_labels_layer(
        labels, name="simulator", scan=scan, source=opened.image, classes=RETINA
    )
    viewer.add_layer(right)
    window = dock.dialogs.show_agreement(lambda _: None)
    first, second = window.boxes
    first.setCurrentText(right.name)
    second.setCurrentText(opened.prediction.name)
    window.compare()
    pause(6.0)
    _take(window, path)


def _take(window: QWidget, path: Path) -> None:
    window.grab().save(str(path))
    # 256 colours are enough for a screen, and make a third of the file
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(256)
    small.save(path, optimize=True)
    window.close()
    pause(0.5)


if __name__ == "__main__":
    main()
