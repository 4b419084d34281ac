"""Drag a boundary with the real mouse and take its picture.

Needs an X display, xdotool and ImageMagick's ``import``::

    xvfb-run -a -s "-screen 0 1366x768x24" python docs/boundaries.py

makes ``docs/images/workbench-boundaries.png`` of the simulated sample volume again.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from driving import open_scan, open_workbench, pause, press, run, wait_until
from qtpy.QtCore import QPointF

from napari_retseg.samples import sample_folder
from napari_retseg.ui.workbench.focus import find_canvas
from napari_retseg.ui.workbench.workbench_dock import WorkbenchDock

IMAGES = Path(__file__).parent / "images"
#: What is dragged: boundary, A-scan, and by how many rows.
_BOUNDARY, _COLUMN, _ROWS = 2, 90, 3


def main() -> None:
    """Segment, show the boundaries, drag one, look."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, default=IMAGES / "workbench-boundaries.png")
    parser.add_argument("--theme", choices=["dark", "light"], default="dark")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        os.environ["NAPARI_RETSEG_STATE"] = str(Path(name) / "state")
        viewer, dock = open_workbench(options.theme)
        _segment(dock, Path(name) / "work")
        _drag(dock, options.output)
        viewer.close()


def _segment(dock: WorkbenchDock, folder: Path) -> None:
    """Open the sample volume in a new workspace, and segment the B-scan in view."""
    bench, state = dock.bench, dock.bench.state
    open_scan(dock, sample_folder() / "volumes" / "device-a.tif", folder)
    bench.predicting.segment_bscan()
    wait_until(lambda: state.work is None and bool(state.notice.text))
    pause(1.0)


def _drag(dock: WorkbenchDock, output: Path) -> None:
    """Hold a boundary with the mouse while the picture is taken."""
    curves, canvas = dock.bench.curves, find_canvas(dock)
    assert canvas is not None
    canvas.setFocus()
    press("w")
    wait_until(lambda: dock.bench.weighing.of(dock.bench.state.bscan) is not None)
    pause(1.0)
    assert curves.rows is not None
    row = float(curves.rows[_BOUNDARY, _COLUMN])
    _move(dock, _COLUMN, row)
    run("xdotool", "mousedown", "1")
    for step in range(1, 4):
        _move(dock, _COLUMN, row - _ROWS * step / 3)
    run("import", "-window", "root", "+dither", "-colors", "256", f"png8:{output}")
    run("xdotool", "mouseup", "1")
    pause(0.5)


def _move(dock: WorkbenchDock, column: float, row: float) -> None:
    """Move the mouse to a pixel of the B-scan."""
    sheet = dock.curve_view.sheet
    assert sheet is not None
    place = sheet.find_transform()
    assert place is not None
    where = sheet.mapToGlobal(place.map(QPointF(column, row)).toPoint())
    run("xdotool", "mousemove", str(where.x()), str(where.y()))
    pause(0.2)


if __name__ == "__main__":
    main()
