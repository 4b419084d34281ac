"""What devices burn into an image: a frame, a scale, a compass, and text."""

from __future__ import annotations

import numpy as np

from napari_retseg.simulate.field import Map
from napari_retseg.simulate.parameters import ScanParameters

#: Marks lie in a corner of this share of the image.
_CORNER = 0.2
#: Rows and columns of a letter.
_LETTER = (7, 5)


def burn_marks(grey: Map, drawn: ScanParameters) -> None:
    """Draw marks into an image of 0 to 1 as it is shown, in place; all B-scans have the same."""
    if not drawn.artefacts.marks:
        return
    rng = drawn.stream("marks")
    level = np.float32(1.0 if rng.random() < 0.8 else rng.uniform(0.4, 0.9))
    if rng.random() < 0.35:
        _draw_frame(grey, int(rng.integers(1, 4)), level)
    for _ in range(int(rng.integers(1, 4))):
        draw = (_draw_scale, _draw_compass, _write_text)[int(rng.integers(3))]
        draw(_take_corner(grey, rng), rng, level)


def _take_corner(grey: Map, rng: np.random.Generator) -> Map:
    height, width = (max(int(_CORNER * size), 12) for size in grey.shape)
    rows = slice(0, height) if rng.random() < 0.4 else slice(grey.shape[0] - height, None)
    columns = slice(0, width) if rng.random() < 0.5 else slice(grey.shape[1] - width, None)
    return grey[rows, columns]


def _draw_frame(grey: Map, thick: int, level: np.float32) -> None:
    grey[:thick], grey[-thick:], grey[:, :thick], grey[:, -thick:] = level, level, level, level


def _draw_scale(corner: Map, rng: np.random.Generator, level: np.float32) -> None:
    """Two bars at a right angle."""
    height, width = corner.shape
    long, high = (int(rng.uniform(0.3, 0.8) * size) for size in (width, height))
    thick = int(rng.integers(1, 4))
    corner[height - 4 - thick : height - 4, 4 : 4 + long] = level
    corner[height - 4 - high : height - 4, 4 : 4 + thick] = level


def _draw_compass(corner: Map, rng: np.random.Generator, level: np.float32) -> None:
    """A ring with a line through it, or an arrow in a box."""
    size = int(rng.uniform(0.4, 0.9) * min(corner.shape))
    rows, columns = np.ogrid[:size, :size]
    middle, turn = (size - 1) / 2, rng.uniform(0, np.pi)
    away = np.hypot(rows - middle, columns - middle)
    line = np.abs((rows - middle) * np.cos(turn) - (columns - middle) * np.sin(turn)) < 1
    ring = np.abs(away - 0.45 * size) < 1
    part = corner[2 : 2 + size, 2 : 2 + size]
    if rng.random() < 0.5:
        part[...] = 0.0
    part[(ring | (line & (away < 0.45 * size)))[: part.shape[0], : part.shape[1]]] = level


def _write_text(corner: Map, rng: np.random.Generator, level: np.float32) -> None:
    """Letters of no language, in one or two rows."""
    size = int(rng.integers(1, 3))
    height, width = (size * n for n in _LETTER)
    for row in range(int(rng.integers(1, 3))):
        top = 3 + row * (height + 3)
        for left in range(3, corner.shape[1] - width, width + size):
            letter = (rng.random(_LETTER) < 0.5).repeat(size, axis=0).repeat(size, axis=1)
            part = corner[top : top + height, left : left + width]
            part[letter[: part.shape[0], : part.shape[1]]] = level
