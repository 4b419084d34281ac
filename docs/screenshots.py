"""Drive the Segment dock with real mouse events and take its picture.

Needs an X display, xdotool and ImageMagick's ``import``::

    xvfb-run -a -s "-screen 0 1366x768x24" python docs/screenshots.py

makes ``docs/images/segment-dock.png`` of the simulated sample volume again. With a scan's path
and ``--output`` it takes pictures of any other scan; keep those of real patients to yourself.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import napari
from driving import choose, click, pause, take_picture, wait_until

from napari_retseg.samples import sample_folder
from napari_retseg.ui.segment_dock import SegmentDock

IMAGES = Path(__file__).parent / "images"


def main() -> None:
    """Open, choose, press, wait, look."""
    options = _read_options()
    viewer = napari.Viewer(show=False)
    viewer.theme = options.theme
    window = viewer.window._qt_window
    window.setGeometry(0, 0, options.width, options.height)
    window.show()
    viewer.open(str(options.scan), plugin="napari-retseg")
    _, dock = viewer.window.add_plugin_dock_widget("napari-retseg", "Segment")
    assert isinstance(dock, SegmentDock)
    pause(1.0)
    choose(dock.panel.model_box, options.model)
    _press(dock, options.output, steps=options.steps)
    viewer.close()


def _press(dock: SegmentDock, output: Path, *, steps: bool) -> None:
    """Segment the B-scan in view, then all of them; a picture of the end, or of each step."""
    panel, state = dock.panel, dock.segmenter.state
    click(panel.bscan_button)
    wait_until(lambda: state.work is None and bool(state.notice.text))
    if steps:
        take_picture(output.with_stem(f"{output.stem}-bscan"))
    if state.n_bscans > 1:
        click(panel.volume_button)
        wait_until(lambda: state.work is None or state.work.done >= state.n_bscans // 3)
        if steps:
            take_picture(output.with_stem(f"{output.stem}-running"))
        wait_until(lambda: state.work is None)
    take_picture(output)
    print(state.notice.text)


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("scan", type=Path, nargs="?", help="default: the sample volume")
    parser.add_argument("--model", default="starter", help="name of the model to choose")
    parser.add_argument("--output", type=Path, default=IMAGES / "segment-dock.png")
    parser.add_argument("--theme", choices=["dark", "light"], default="dark")
    parser.add_argument("--steps", action="store_true", help="a picture of each step, too")
    parser.add_argument("--width", type=int, default=1366)
    parser.add_argument("--height", type=int, default=768)
    options = parser.parse_args()
    options.scan = options.scan or sample_folder() / "volumes" / "device-a.tif"
    return options


if __name__ == "__main__":
    main()
