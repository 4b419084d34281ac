"""Drive a viewer of this process with real mouse and key events, and take pictures of the screen.

Needs an X display, xdotool, ImageMagick's ``import``, and a window manager where dialogs are
typed into.
"""

from __future__ import annotations

import math
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import napari
import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPoint
from qtpy.QtWidgets import QApplication, QComboBox, QScrollArea, QWidget

from napari_retseg.ui.workbench.workbench_dock import WorkbenchDock

if TYPE_CHECKING:
    from PIL import Image

TIMEOUT_S = 300.0
#: Of a film: what is a grey, and how many colours it has.
_GREY, _N_COLOURS, _N_GREYS = 24, 80, 14


@dataclass
class Effort:
    """What a hand has done since the script began.

    Attributes
    ----------
    clicks, keys
        Of the mouse, and keys pressed; a typed text is one.
    scrolls
        How often something had to be scrolled into view before it could be clicked.
    travel_px
        How far the pointer has gone, in pixels of the screen.
    """

    clicks: int = 0
    keys: int = 0
    scrolls: int = 0
    travel_px: float = 0.0
    _pointer: tuple[int, int] | None = None

    def note(self, steps: Sequence[str]) -> None:
        """Count what steps of xdotool do."""
        words = list(steps)
        while words:
            word = words.pop(0)
            if word == "mousemove":
                place = (int(words.pop(0)), int(words.pop(0)))
                if self._pointer is not None:
                    self.travel_px += math.dist(self._pointer, place)
                self._pointer = place
            elif word == "click":
                self.clicks += 1
            elif word in ("key", "type"):
                self.keys += 1

    def since(self, before: Effort) -> dict[str, int]:
        """Return what was done since then."""
        return {
            "clicks": self.clicks - before.clicks,
            "keys": self.keys - before.keys,
            "scrolls": self.scrolls - before.scrolls,
            "travel_px": round(self.travel_px - before.travel_px),
        }

    def copy(self) -> Effort:
        """Return what was done so far."""
        return replace(self)


#: Of the hand that drives this process.
EFFORT = Effort()


def click(widget: QWidget) -> None:
    """Scroll a widget into view, and click on it."""
    show(widget)
    run("xdotool", *_click_at(centre_of(widget)))
    pause(0.4)


def click_then(widget: QWidget, steps: Sequence[str]) -> None:
    """Click on a widget and go on with steps of xdotool, whatever it opens."""
    show(widget)
    run("xdotool", *_click_at(centre_of(widget)), *steps)
    pause(0.5)


def choose(box: QComboBox, text: str) -> None:
    """Open a box with a click and type an entry, where it is not chosen yet."""
    if box.currentText() == text:
        return
    click(box)
    run("xdotool", "type", text)
    pause(0.3)
    run("xdotool", "key", "Return")
    wait_until(lambda: box.currentText() == text and not box.view().isVisible())


def press(*keys: str) -> None:
    """Press and release keys, as xdotool names them."""
    run("xdotool", "key", "--delay", "30", *keys)
    pause(0.15)


def click_places(places: Sequence[tuple[int, int]]) -> None:
    """Click on places of the screen, one after the other."""
    steps: list[str] = []
    for place in places:
        steps += [*_click_at(place), "sleep", "0.012"]
    for start in range(0, len(steps), 600):
        run("xdotool", *steps[start : start + 600])


def show(widget: QWidget) -> None:
    """Scroll a widget into view, as the wheel would."""
    area: QWidget | None = widget.parentWidget()
    while area is not None and not isinstance(area, QScrollArea):
        area = area.parentWidget()
    if isinstance(area, QScrollArea):
        if widget.visibleRegion().boundingRect() != widget.rect():
            EFFORT.scrolls += 1
        area.ensureWidgetVisible(widget)
    pause(0.1)


def centre_of(widget: QWidget) -> tuple[int, int]:
    """Return where the middle of a widget is on the screen."""
    place = widget.mapToGlobal(QPoint(widget.width() // 2, widget.height() // 2))
    return place.x(), place.y()


def take_picture(path: Path) -> None:
    """Save the whole screen, with the pointer out of the way."""
    screen = QApplication.primaryScreen()
    assert screen is not None
    before = EFFORT.copy()
    run("xdotool", "mousemove", "700", str(screen.size().height() - 4))
    EFFORT.__dict__.update(before.__dict__)  # no user does that
    pause(0.5)
    path.parent.mkdir(parents=True, exist_ok=True)
    # 256 colours are enough for a screen, and make a third of the file
    run("import", "-window", "root", "+dither", "-colors", "256", f"png8:{path}")


def run(*command: str) -> None:
    """Run a program while Qt works, and wait for its end."""
    if command[0] == "xdotool":
        EFFORT.note(command[1:])
    process = subprocess.Popen(command)  # noqa: S603 - fixed programs
    while process.poll() is None:
        QApplication.processEvents()
        time.sleep(0.001)
    if process.returncode:
        raise RuntimeError(f"{command[0]}: exit status {process.returncode}")


def wait_until(is_so: Callable[[], bool], seconds: float = TIMEOUT_S) -> float:
    """Let Qt work until something is so; return how many seconds that took."""
    began = time.monotonic()
    while not is_so():
        if time.monotonic() > began + seconds:
            raise TimeoutError("the viewer did not get there")
        QApplication.processEvents()
        time.sleep(0.002)
    return time.monotonic() - began


def pause(seconds: float) -> None:
    """Let Qt work for a while."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        QApplication.processEvents()
        time.sleep(0.005)


def save_film(path: Path, frames: Iterable[tuple[Path, float]], *, width: int = 800) -> None:
    """Save pictures as a GIF, each for so many seconds."""
    from PIL import Image

    shown = list(frames)
    small = []
    for source, _ in shown:
        with Image.open(source) as picture:
            size = (width, round(picture.height * width / picture.width))
            small.append(picture.convert("RGB").resize(size, Image.Resampling.LANCZOS))
    # with the same colours in all of them, only what has changed is stored again
    palette = _choose_colours(np.concatenate([np.asarray(one).reshape(-1, 3) for one in small]))
    pictures = [one.quantize(palette=palette, dither=Image.Dither.NONE) for one in small]
    pictures[0].save(
        path,
        save_all=True,
        append_images=pictures[1:],
        duration=[round(1000 * seconds) for _, seconds in shown],
        loop=0,
        optimize=True,
    )


def _choose_colours(pixels: NDArray[np.uint8]) -> Image.Image:
    """Choose colours for greys and for all else apart: thin curves are lost among speckle."""
    from PIL import Image

    is_colour = np.ptp(pixels, axis=1) > _GREY
    colours: list[int] = []
    for part, count in ((pixels[is_colour], _N_COLOURS), (pixels[~is_colour], _N_GREYS)):
        quantised = Image.fromarray(part[np.newaxis, ::7]).quantize(count)
        colours += (quantised.getpalette() or [])[: 3 * count]
    palette = Image.new("P", (1, 1))
    palette.putpalette(colours)
    return palette


def _click_at(place: tuple[int, int]) -> tuple[str, ...]:
    return "mousemove", str(place[0]), str(place[1]), "click", "1"


def open_workbench(theme: str) -> tuple[napari.Viewer, WorkbenchDock]:
    """Open a viewer of 1366 x 768 pixels with the workbench."""
    viewer = napari.Viewer(show=False)
    viewer.theme = theme
    window = viewer.window._qt_window
    window.setGeometry(0, 0, 1366, 768)
    window.show()
    _, dock = viewer.window.add_plugin_dock_widget("napari-retseg", "Retseg workbench")
    assert isinstance(dock, WorkbenchDock)
    return viewer, dock


def open_scan(dock: WorkbenchDock, scan: Path, folder: Path) -> None:
    """Add a scan to a new workspace, and choose the starter."""
    bench, state = dock.bench, dock.bench.state
    bench.create(folder)
    wait_until(lambda: state.folder is not None)
    bench.scan_import.add_files([scan])
    wait_until(lambda: state.n_bscans > 0)
    pause(1.0)
    bench.predicting.choose_by_name("starter")
