"""A mouse over the B-scan in view, as napari hands its events on; and a scan with a pocket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from napari.utils.interactions import mouse_double_click_callbacks
from numpy.typing import NDArray

from napari_retseg.io import write_scan
from napari_retseg.scan import OctScan
from tests.ui.workbench.pointing import Event, Mouse

SHAPE = (3, 64, 96)
#: Of the layers, from above; of the workspace's classes.
LAYERS = (1, 2, 3, 4, 5, 6, 7)
FLUID = 8
CENTRE = (32, 48)


def draw_pocket() -> NDArray[np.bool_]:
    """Where the scan shows a pocket, on all B-scans."""
    rows, columns = np.ogrid[: SHAPE[1], : SHAPE[2]]
    pocket: NDArray[np.bool_] = ((rows - CENTRE[0]) / 10.0) ** 2 + (
        (columns - CENTRE[1]) / 16.0
    ) ** 2 <= 1
    return pocket


def circle(height: float, width: float) -> list[tuple[float, float]]:
    """Rows and columns of a line around the pocket, which ends beside its start."""
    angle = np.arange(0.1, 2 * np.pi, 0.2)
    rows, columns = CENTRE[0] + height * np.sin(angle), CENTRE[1] + width * np.cos(angle)
    return [(float(row), float(column)) for row, column in zip(rows, columns, strict=True)]


def draw_layers() -> NDArray[np.uint8]:
    """Seven layers from row 4 to row 59, as labels of a B-scan."""
    labels = np.zeros(SHAPE[1:], np.uint8)
    labels[4:60] = np.repeat(LAYERS, 8)[:, np.newaxis]
    return labels


def write_eye(folder: Path) -> Path:
    """Write a volume whose retina holds a dark pocket."""
    grey = np.where(draw_layers() > 0, 130.0, 20.0)
    grey[draw_pocket()] = 50
    noise = np.random.default_rng(3).normal(0, 12, SHAPE)
    pixels = np.clip(grey + noise, 0, 255).astype(np.uint8)
    scan = OctScan(
        pixels=pixels,
        axes=("bscan", "depth", "width"),
        spacing_um=(120.0, 3.5, 10.0),
        spacing_source="file",
    )
    return write_scan(folder / "pocket.tif", scan)


class Presser(Mouse):
    """Clicks at rows and columns of the B-scan in view, and presses keys of the labels layer."""

    def click(self, row: float, column: float) -> Event:
        """Press and let go; then let the files' thread answer."""
        event = self.drag((column, row))
        self._played.settle()
        return event

    def double_click(self, row: float, column: float) -> None:
        """Click twice, quickly: napari tells the second click as a double click."""
        self.click(row, column)
        self._send(mouse_double_click_callbacks, "mouse_double_click", (column, row))
        self.release(column, row)
        self._played.settle()

    def draw(self, *places: tuple[float, float], keys: tuple[str, ...] = ()) -> Event:
        """Draw a line with the button down."""
        event = self.drag(*((column, row) for row, column in places), keys=keys)
        self._played.settle()
        return event

    def roll(self, delta: float) -> Event:
        """Turn the wheel over the pocket."""
        return self.turn(CENTRE[1], CENTRE[0], delta)

    def press_key(self, key: str) -> None:
        """Press a key, which the active layer hears first."""
        labels: Any = self._played.opened.labels
        found = {str(known): action for known, action in labels.keymap.items()}
        found[key](labels)
        self._played.settle()
