"""Drive the workbench with real mouse and key events, and film it for the README.

One drag mends a layer, one click makes a pocket of fluid, Propagate carries the correction over,
and Retrain learns it. The volume is simulated (device B, seed 10); the errors are those of the
starter. Needs an X display, xdotool, a window manager and ImageMagick's ``import``::

    xvfb-run -a -s "-screen 0 1366x768x24" sh -c "openbox & python docs/film.py"

makes ``docs/images/workbench.gif`` again.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import napari
import numpy as np
from driving import click, pause, press, run, save_film, wait_until
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from qtpy.QtCore import QPointF
from qtpy.QtWidgets import QApplication, QWidget
from scipy import ndimage

from napari_retseg.io import write_scan
from napari_retseg.layers import boundaries_of_labels
from napari_retseg.scan import OctScan
from napari_retseg.simulate import draw_volume, make_device_config
from napari_retseg.ui.camera import camera_of
from napari_retseg.ui.workbench.dialogs.propagation_window import PropagationWindow
from napari_retseg.ui.workbench.focus import find_canvas
from napari_retseg.ui.workbench.workbench_dock import WorkbenchDock

IMAGES = Path(__file__).parent / "images"
_SIZE, _N_BSCANS, _BETWEEN_UM, _SEED = (320, 400), 9, 60.0, 10
_LAYERS, _FLUID = tuple(range(1, 8)), 8
#: B-scan that is corrected, boundary that is dragged, and the B-scan beside it that is looked at.
_BSCAN, _BOUNDARY, _NEIGHBOUR = 2, 1, 4
#: B-scans that are labelled as the simulator knows them, before the training.
_LABELLED = (0, 7)
_REACH = 150
#: What is seen of the B-scan.
_ZOOM, _CENTRE = 2.5, (112, 200)
_CAPTION, _INK, _PAPER = 40, "#ffffff", "#20242c"
_ARROW = ((0, 0), (0, 17), (4, 13), (7, 20), (10, 19), (7, 12), (12, 12))


class Film:
    """Frames of the screen with the pointer, and a line below that says what happens."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pointer = (0, 0)
        self.caption = ""
        self.frames: list[tuple[Path, float]] = []

    def point(self, place: tuple[int, int]) -> None:
        """Move the mouse."""
        self._pointer = place
        run("xdotool", "mousemove", str(place[0]), str(place[1]))
        pause(0.25)

    def shoot(self, seconds: float) -> None:
        """Take a frame that is shown for so many seconds."""
        path = self._folder / f"{len(self.frames):03d}.png"
        run("import", "-window", "root", str(path))
        with Image.open(path) as source:
            screen = source.convert("RGB")
        frame = Image.new("RGB", (screen.width, screen.height + _CAPTION), _PAPER)
        frame.paste(screen)
        pen = ImageDraw.Draw(frame)
        x, y = self._pointer
        pen.polygon([(x + a, y + b) for a, b in _ARROW], fill="white", outline="black")
        font = ImageFont.load_default(size=22)
        middle = screen.height + _CAPTION / 2
        pen.text((16, middle), self.caption, fill=_INK, font=font, anchor="lm")
        frame.save(path)
        self.frames.append((path, seconds))


class Story:
    """The viewer, and what is done in it."""

    def __init__(self, film: Film, folder: Path, theme: str) -> None:
        self.film, self._folder = film, folder
        config = make_device_config("B", size=_SIZE, n_bscans=_N_BSCANS, bscan_um=_BETWEEN_UM)
        drawn = draw_volume(config, _SEED)
        self._truth = drawn.labels
        axes = ("bscan", "depth", "width")
        spacing = (_BETWEEN_UM, 3.9, 11.0)
        scan = OctScan(drawn.pixels, axes, spacing, spacing_source="file")  # type: ignore[arg-type]
        self._scan = write_scan(folder / "simulated.tif", scan)
        self.viewer = napari.Viewer(show=False)
        self.viewer.theme = theme
        self.viewer.window._qt_window.showMaximized()
        _, dock = self.viewer.window.add_plugin_dock_widget("napari-retseg", "Retseg workbench")
        assert isinstance(dock, WorkbenchDock)
        self.dock, self.bench, self.state = dock, dock.bench, dock.bench.state
        pause(1.5)

    def segment(self) -> None:
        """Open the scan in a new workspace, and segment all of it."""
        bench, state = self.bench, self.state
        bench.create(self._folder / "work")
        wait_until(lambda: state.folder is not None)
        bench.scan_import.add_files([self._scan])
        wait_until(lambda: state.n_bscans > 0)
        bench.predicting.choose_by_name("starter")
        pause(1.0)
        bench.predicting.segment_volume()
        wait_until(lambda: state.work is not None)
        wait_until(lambda: state.work is None)
        bench.navigation.go_to(_BSCAN)
        self._focus()
        press("shift+s")
        camera = camera_of(self.viewer)
        camera.zoom, camera.center = _ZOOM, (0, *_CENTRE)
        press("w")
        wait_until(lambda: bench.weighing.of(_BSCAN) is not None)
        pause(1.0)

    def drag(self) -> None:
        """Drag the boundary to where it is, as the simulator knows."""
        film, curves = self.film, self.bench.curves
        found, truth = curves.rows, self._rows(_BSCAN)
        assert found is not None
        error = ndimage.uniform_filter1d(np.nan_to_num(found - truth)[_BOUNDARY], 81)
        column = int(np.abs(error[60:-60]).argmax()) + 60
        start, end = float(found[_BOUNDARY, column]), float(truth[_BOUNDARY, column])
        while curves.width < _REACH:
            press("shift+Right")
        film.caption = "The starter has segmented all: a boundary is off on many B-scans"
        film.point(self._place(column + 40, start + 60))
        film.shoot(2.0)
        film.caption = "1   One drag mends the layer: it snaps to what the image shows"
        film.point(self._place(column, start))
        film.shoot(0.6)
        run("xdotool", "mousedown", "1")
        for step in range(1, 6):
            film.point(self._place(column, start + (end - start) * step / 5))
            film.shoot(0.25)
        run("xdotool", "mouseup", "1")
        pause(0.6)
        film.shoot(1.5)

    def click_pocket(self) -> None:
        """Click into the largest pocket that the model has missed, and take it."""
        film, pockets = self.film, self.bench.pockets
        film.caption = "2   One click outlines a pocket of fluid, a second one labels it"
        press("shift+f")
        pause(0.5)
        row, column = self._find_missed()
        film.point(self._place(column, row))
        film.shoot(0.8)
        run("xdotool", "click", "1")
        wait_until(lambda: pockets.proposal is not None)
        pause(0.4)
        film.shoot(1.2)
        pause(0.6)  # two clicks, and no double click
        run("xdotool", "click", "1")
        wait_until(lambda: pockets.proposal is None)
        pause(0.5)
        film.shoot(1.5)
        press("k")
        wait_until(lambda: self.state.strip[_BSCAN].status == "confirmed")

    def propagate(self) -> None:
        """Carry the correction over to the neighbours; look at one of them before and after."""
        film, bench = self.film, self.bench
        film.caption = "3   Propagate: B-scans beside it have the same error"
        bench.navigation.go_to(_NEIGHBOUR)
        press("w")
        pause(1.0)
        film.shoot(1.5)
        press("shift+g")
        wait_until(lambda: _find_window() is not None)
        window = _find_window()
        assert window is not None
        pause(0.8)
        self._point_at(window.take_button)
        film.shoot(2.2)
        run("xdotool", "click", "1")
        wait_until(lambda: _find_window() is None)
        bench.navigation.go_to(_NEIGHBOUR)
        pause(1.2)
        film.caption = "3   Propagate: their predictions are corrected, in one step"
        film.shoot(2.2)

    def retrain(self, iterations: int) -> None:
        """Confirm two more, retrain, and read the verdict."""
        film, state, dock = self.film, self.state, self.dock
        film.caption = "4   Two more are labelled. Retrain: the model learns from all three"
        self._label()
        press("F4")
        dock.retrain_panel.form.set_values({"iterations": iterations, "score_every": 20})
        dock.retrain_panel.form.changed.emit()
        wait_until(lambda: bool(state.round_text) and not state.round_problem)
        self._point_at(dock.retrain_panel.retrain_button)
        film.shoot(1.2)
        click(dock.retrain_panel.retrain_button)
        seen = self.bench.training
        for share in (0.3, 0.6, 0.9):
            wait_until(lambda s=share: len(seen.curves.iterations) > s * iterations, 1800)  # type: ignore[misc]
            pause(0.4)
            film.shoot(0.9)
        wait_until(lambda: state.verdict is not None, 1800)
        pause(1.0)
        film.shoot(3.5)

    def _label(self) -> None:
        """Label and confirm B-scans without help of the prediction."""
        opened = self.bench.session.opened
        assert opened is not None
        self._focus()
        press("h")
        for bscan in _LABELLED:
            self.bench.navigation.go_to(bscan)
            rows, columns = np.nonzero(self._truth[bscan])
            where = (np.full(rows.size, bscan), rows, columns)
            opened.labels.data_setitem(where, self._truth[bscan][rows, columns])
            press("k")
            wait_until(lambda b=bscan: self.state.strip[b].status == "confirmed")  # type: ignore[misc]
        press("h")

    def _focus(self) -> None:
        canvas = find_canvas(self.dock)
        assert canvas is not None
        canvas.setFocus()
        pause(0.2)

    def _rows(self, bscan: int) -> NDArray[np.float32]:
        return boundaries_of_labels(self._truth[bscan], _LAYERS).visible_rows()

    def _find_missed(self) -> tuple[float, float]:
        seen = self.bench.correcting.drawing.see(_BSCAN)
        parts, n = ndimage.label(self._truth[_BSCAN] == _FLUID)
        missed = [k for k in range(1, n + 1) if (seen[parts == k] == _FLUID).mean() < 0.2]
        largest = max(missed, key=lambda k: int((parts == k).sum()))
        row, column = ndimage.center_of_mass(parts == largest)
        return float(row), float(column)

    def _place(self, column: float, row: float) -> tuple[int, int]:
        """Where a pixel of the B-scan is on the screen."""
        sheet = self.dock.curve_view.sheet or self.dock.pocket_view.sheet
        assert sheet is not None
        place = sheet.find_transform()
        assert place is not None
        where = sheet.mapToGlobal(place.map(QPointF(column, row)).toPoint())
        return where.x(), where.y()

    def _point_at(self, widget: QWidget) -> None:
        where = widget.mapToGlobal(widget.rect().center())
        self.film.point((where.x(), where.y()))


def _find_window() -> PropagationWindow | None:
    windows = [w for w in QApplication.topLevelWidgets() if isinstance(w, PropagationWindow)]
    return next((window for window in windows if window.isVisible()), None)


def main() -> None:
    """Play the story, and save the film."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, default=IMAGES / "workbench.gif")
    parser.add_argument("--iterations", type=int, default=60)
    parser.add_argument("--theme", choices=["dark", "light"], default="dark")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        os.environ["NAPARI_RETSEG_STATE"] = str(Path(name) / "state")
        os.environ["NAPARI_RETSEG_MODELS"] = str(Path(name) / "models")
        film = Film(Path(name))
        story = Story(film, Path(name), options.theme)
        story.segment()
        story.drag()
        story.click_pocket()
        story.propagate()
        story.retrain(options.iterations)
        save_film(options.output, film.frames)
        print(f"{sum(seconds for _, seconds in film.frames):.1f} s, {len(film.frames)} frames")
        story.viewer.close()


if __name__ == "__main__":
    main()
