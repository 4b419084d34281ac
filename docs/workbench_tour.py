"""Drive the workbench as a new user would, with real mouse and key events, and take pictures.

A workspace is made, a scan added and segmented; the three B-scans that Next proposes are outlined
with the polygon tool along the labels that are known, and confirmed; a model is retrained and
kept, and segments the rest. What is printed is how good the other B-scans were before and after,
and what each part took of a user's hand.
Needs an X display, xdotool, a window manager and ImageMagick's ``import``::

    xvfb-run -a -s "-screen 0 1366x768x24" sh -c "openbox & python docs/workbench_tour.py"

makes the pictures in ``docs/images/`` of the simulated sample volume again. With
``--scan`` and ``--labels`` it does the same with any other scan; keep those of real patients to
yourself.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import napari
import numpy as np
from driving import (
    EFFORT,
    choose,
    click,
    click_places,
    click_then,
    pause,
    press,
    take_picture,
    wait_until,
)
from numpy.typing import NDArray
from qtpy.QtWidgets import QApplication
from skimage.measure import approximate_polygon, find_contours
from skimage.measure import label as label_components

from napari_retseg.classes import IGNORE, LabelSet
from napari_retseg.io import read_labels
from napari_retseg.samples import sample_folder
from napari_retseg.scores import ScoreCounter, confusion_matrix
from napari_retseg.ui.workbench.workbench_dock import WorkbenchDock

IMAGES = Path(__file__).parent / "images"
#: Smaller components are not outlined, in pixels.
SMALLEST = 20


class Tour:
    """The viewer with both docks, and what a user does in them."""

    def __init__(self, options: argparse.Namespace, work: Path) -> None:
        self._options = options
        self._work = work
        self._truth = read_labels(options.labels)
        self.effort: dict[str, Any] = {}
        self.viewer = napari.Viewer(show=False)
        self.viewer.theme = options.theme
        self.viewer.window._qt_window.showMaximized()
        place, dock = self.viewer.window.add_plugin_dock_widget("napari-retseg", "Retseg workbench")
        self.viewer.window.add_plugin_dock_widget("napari-retseg", "Scores")
        assert isinstance(dock, WorkbenchDock)
        self.dock = dock
        self.state = dock.bench.state
        pause(1.5)
        place.raise_()
        pause(0.5)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Note what a part of the round takes: clicks, keys, way of the pointer, seconds."""
        before, began = EFFORT.copy(), time.monotonic()
        yield
        seconds = round(time.monotonic() - began, 1)
        self.effort[name] = {**EFFORT.since(before), "seconds": seconds}

    def picture(self, name: str) -> None:
        """Take a picture."""
        take_picture(self._options.output / f"{self._options.prefix}-{name}.png")

    def show_tab(self, title: str) -> None:
        """Click on a tab, where it is not in front."""
        tabs = self.dock.tabs
        if tabs.title == title:
            return
        bar = tabs.tabBar()
        assert bar is not None
        centre = bar.tabRect(tabs.titles.index(title)).center()
        place = bar.mapToGlobal(centre)
        click_places([(place.x(), place.y())])
        wait_until(lambda: tabs.title == title)
        pause(0.4)

    def start(self) -> None:
        """Make a workspace, add the scan, choose the model."""
        panel = self.dock.scan_panel
        self.show_tab("Scan")
        click(panel.new_button)
        pause(0.5)
        panel.new_window.name_edit.value = "first-round"
        panel.new_window.folder_edit.value = self._work
        click(panel.new_window.take_button)
        wait_until(lambda: self.state.folder is not None)
        # the second press of Down reaches "Files", whose dialog takes the name
        answer = ("sleep", "1", "key", "Down", "Return", "sleep", "1.5", "type", "--args", "1")
        click_then(panel.add_button, (*answer, str(self._options.scan), "key", "Return"))
        wait_until(lambda: self.state.n_bscans > 0)
        self.show_tab("Model")
        choose(self.dock.model_panel.model_box, self._options.model)
        pause(1.0)
        self.picture("opened")

    def segment(self) -> dict[int, NDArray[np.uint8]]:
        """Segment the volume; return the predictions of the B-scans."""
        self.show_tab("Model")
        click(self.dock.model_panel.volume_button)
        wait_until(lambda: self.state.work is not None)
        wait_until(lambda: self.state.work is None)
        opened = self.dock.bench.session.opened
        assert opened is not None
        return {b: opened.loaded.prediction[b].copy() for b in range(opened.n_bscans)}

    def correct(self, count: int) -> list[int]:
        """Outline and confirm the B-scans that Next proposes."""
        done: list[int] = []
        for number in range(count):
            was = self.state.bscan
            press("n")
            wait_until(lambda n=number, w=was: n == 0 or self.state.bscan != w)  # type: ignore[misc]
            bscan = self.state.bscan
            self._outline(bscan)
            if not done:
                self.picture("corrected")
            press("k")
            wait_until(lambda b=bscan: self.state.strip[b].status == "confirmed")  # type: ignore[misc]
            done.append(bscan)
        self.picture("confirmed")
        return done

    def retrain(self) -> None:
        """Set the number of iterations, press Retrain, watch, keep the new model."""
        dock, options = self.dock, self._options
        self.show_tab("Training")
        dock.retrain_panel.form.set_values({"iterations": options.iterations, "score_every": 20})
        dock.retrain_panel.form.changed.emit()
        wait_until(lambda: bool(self.state.round_text) and not self.state.round_problem)
        click(dock.retrain_panel.retrain_button)
        curves = dock.bench.training
        took = wait_until(lambda: len(curves.curves.iterations) > 0)
        print(f"first point of the loss {took:.1f} s after Retrain")
        wait_until(lambda: len(curves.curves.iterations) > options.iterations // 2, 1800)
        self.picture("training")
        wait_until(lambda: self.state.verdict is not None, 1800)
        pause(0.5)
        self.picture("verdict")
        click(dock.progress_panel.new_button)
        wait_until(lambda: self.state.verdict is None)
        pause(1.0)

    def describe(self, predicted: dict[int, NDArray[np.uint8]], bscans: list[int]) -> str:
        """Return the mean Dice of the foreground on some B-scans."""
        workspace = self.dock.bench.session.workspace
        assert workspace is not None
        counter = ScoreCounter(workspace.classes)
        for bscan in bscans:
            matrix = confusion_matrix(
                workspace.classes.to_indices(self._truth[bscan]),
                workspace.classes.to_indices(predicted[bscan]),
                len(workspace.classes.names),
            )
            counter.add(matrix, name=str(bscan), group="")
        return f"{counter.scores().mean_foreground_dice:.3f}"

    def _outline(self, bscan: int) -> None:
        """Outline every component of every class, and what is not annotated."""
        workspace = self.dock.bench.session.workspace
        assert workspace is not None
        self.viewer.reset_view()
        if self.viewer.layers["prediction"].visible:
            press("h")
        pause(0.3)
        for keys, outline in outlines(self._truth[bscan], workspace.classes):
            # a click above the scan brings the keys to the canvas, Escape forgets its vertex
            click_places([self._place(-12.0, 12.0)])
            press("Escape", keys, "3")
            click_places([self._place(row, column) for row, column in outline])
            press("Return")

    def _place(self, row: float, column: float) -> tuple[int, int]:
        """Return where a pixel of the B-scan is on the screen."""
        opened = self.dock.bench.session.opened
        assert opened is not None
        world = opened.labels.data_to_world((self.state.bscan, row, column))
        canvas = self.viewer.window._qt_viewer.canvas.native
        camera = self.viewer.scene.camera
        offset = (np.array(world[-2:]) - np.array(camera.center[-2:])) * camera.zoom
        corner = canvas.mapToGlobal(canvas.rect().topLeft())
        x = corner.x() + canvas.width() / 2 + offset[1]
        y = corner.y() + canvas.height() / 2 + offset[0]
        return round(x), round(y)


def outlines(
    truth: NDArray[np.uint8], classes: LabelSet
) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Give the key that picks a class and the vertices of a polygon, one after the other.

    The last class comes last: fluid lies on top of the layers.
    """
    picks = [("q", IGNORE)]
    picks += [(f"ctrl+{k + 1}", own.value) for k, own in enumerate(classes.foreground)]
    for keys, value in picks:
        components = label_components(truth == value, connectivity=1)
        for number in range(1, components.max() + 1):
            mask = components == number
            if mask.sum() < SMALLEST:
                continue
            contour = max(find_contours(np.pad(mask, 1).astype(float), 0.5), key=len) - 1
            vertices = approximate_polygon(contour, 0.8)[:-1]
            limit = np.array(mask.shape) - 1
            yield keys, np.clip(vertices, 0, limit)


def main() -> None:
    """Go through a round, and say what it brought."""
    options = _read_options()
    QApplication.setDoubleClickInterval(20)  # vertices that are close are no double click
    with tempfile.TemporaryDirectory() as name:
        os.environ["NAPARI_RETSEG_STATE"] = str(Path(name) / "state")
        os.environ["NAPARI_RETSEG_MODELS"] = str(Path(name) / "models")
        tour = Tour(options, Path(name))
        with tour.part("open"):
            tour.start()
        with tour.part("segment"):
            before = tour.segment()
        tour.picture("segmented")
        with tour.part("correct and confirm"):
            done = tour.correct(options.bscans)
        with tour.part("retrain and keep"):
            tour.retrain()
        with tour.part("segment again"):
            after = tour.segment()
        press("h")
        others = [bscan for bscan in before if bscan not in done]
        tour.dock.bench.navigation.go_to(others[len(others) // 2])
        tour.picture("after")
        found = {
            "effort": tour.effort,
            "corrected": done,
            "others": others,
            "mean foreground Dice before": tour.describe(before, others),
            "mean foreground Dice after": tour.describe(after, others),
        }
        print(json.dumps(found, indent=2))
        tour.viewer.close()


def _read_options() -> argparse.Namespace:
    volumes = sample_folder() / "volumes"
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scan", type=Path, default=volumes / "device-b.nii.gz")
    parser.add_argument("--labels", type=Path, default=volumes / "device-b-labels.nii.gz")
    parser.add_argument("--model", default="starter")
    parser.add_argument("--bscans", type=int, default=3, help="that are corrected")
    parser.add_argument("--iterations", type=int, default=120)
    parser.add_argument("--output", type=Path, default=IMAGES)
    parser.add_argument("--prefix", default="workbench", help="of the pictures' names")
    parser.add_argument("--theme", choices=["dark", "light"], default="dark")
    return parser.parse_args()


if __name__ == "__main__":
    main()
