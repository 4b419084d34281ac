"""Measure the simulated sample volume in the workbench, and take a picture of it.

Needs an X display, xdotool and ImageMagick's ``import``::

    xvfb-run -a -s "-screen 0 1366x768x24" python docs/measure.py

makes ``docs/images/workbench-measure.png`` again.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from driving import open_scan, open_workbench, pause, press, take_picture, wait_until

from napari_retseg.samples import sample_folder
from napari_retseg.ui.workbench.focus import find_canvas
from napari_retseg.ui.workbench.workbench_dock import WorkbenchDock

IMAGES = Path(__file__).parent / "images"


def main() -> None:
    """Segment all, go to the tab by its key, look."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("scan", type=Path, nargs="?", help="default: the sample volume")
    parser.add_argument("--output", type=Path, default=IMAGES / "workbench-measure.png")
    parser.add_argument("--theme", choices=["dark", "light"], default="dark")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        os.environ["NAPARI_RETSEG_STATE"] = str(Path(name) / "state")
        viewer, dock = open_workbench(options.theme)
        scan = options.scan or sample_folder() / "volumes" / "device-a.tif"
        _measure(dock, scan, Path(name) / "work")
        take_picture(options.output)
        viewer.close()


def _measure(dock: WorkbenchDock, scan: Path, folder: Path) -> None:
    """Segment a scan in a new workspace, and show its numbers."""
    bench, state = dock.bench, dock.bench.state
    open_scan(dock, scan, folder)
    bench.predicting.segment_volume()
    wait_until(lambda: state.work is None and bool(state.notice.text))
    canvas = find_canvas(dock)
    assert canvas is not None
    canvas.setFocus()
    press("F6")
    pause(4.0)


if __name__ == "__main__":
    main()
