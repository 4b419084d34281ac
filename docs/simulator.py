"""Make the picture and the tables of ranges in docs/simulator.md again.

``python docs/simulator.py`` writes ``docs/images/simulator.png`` (simulated scans only) and the
part of ``docs/simulator.md`` between its two marks.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_retseg.classes import RETINA
from napari_retseg.config import Frozen
from napari_retseg.simulate import SimulatorConfig, draw_bscan

HERE = Path(__file__).parent
BEGIN, END = "<!-- ranges: made by docs/simulator.py -->", "<!-- end of ranges -->"
SEED = 22
SHAPE = (3, 5)
TILE = (230, 150)
GREYS = 64
GROUPS = ("gaze", "anatomy", "disease", "greys", "lines", "optics", "artefacts")


def main() -> None:
    """Write both."""
    picture = Image.fromarray(draw_picture())
    picture.putpalette(make_palette())
    picture.save(HERE / "images" / "simulator.png", optimize=True)
    page = HERE / "simulator.md"
    page.write_text(replace_tables(page.read_text(encoding="utf-8")), encoding="utf-8")


def draw_picture() -> NDArray[np.uint8]:
    """Draw B-scans of many kinds, each with its labels below, as indices of the palette."""
    tiles = [draw_tile(index) for index in range(SHAPE[0] * SHAPE[1])]
    rows = [np.hstack(tiles[k : k + SHAPE[1]]) for k in range(0, len(tiles), SHAPE[1])]
    return np.vstack(rows)


def draw_tile(index: int) -> NDArray[np.uint8]:
    """One B-scan over its labels."""
    pixels, labels, _ = draw_bscan(SimulatorConfig(), SEED, index)
    grey = np.asarray(Image.fromarray(pixels).resize(TILE, Image.Resampling.BOX))
    classes = np.asarray(Image.fromarray(labels).resize(TILE, Image.Resampling.NEAREST))
    return np.vstack([len(RETINA) + grey // (256 // GREYS), classes]).astype(np.uint8)


def make_palette() -> bytes:
    """Colours of the classes, then grey levels."""
    colors = [list(c.rgb) for c in RETINA.classes]
    colors += [[round(255 * level / (GREYS - 1))] * 3 for level in range(GREYS)]
    return bytes(value for color in colors for value in color)


def replace_tables(text: str) -> str:
    """Put the tables of the ranges between the marks of a page."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{write_tables()}\n{END}{rest.split(END)[1]}"


def write_tables() -> str:
    """All ranges, a table for each group."""
    config = SimulatorConfig()
    return "\n".join(_write_table(name, getattr(config, name)) for name in GROUPS)


def _write_table(name: str, ranges: Frozen) -> str:
    rows = [
        f"| `{field}` | {_write_range(getattr(ranges, field))} | {info.description} |"
        for field, info in type(ranges).model_fields.items()
    ]
    head = [f"### {name}", "", "| parameter | range or chance | what |", "|---|---|---|"]
    return "\n".join([*head, *rows, ""])


def _write_range(limits: object) -> str:
    if isinstance(limits, tuple):
        words = [str(limit) if isinstance(limit, str) else f"{limit:g}" for limit in limits]
        return ", ".join(words) if isinstance(limits[0], str) else " to ".join(words)
    return f"{limits:.0%}" if isinstance(limits, float) else str(limits)


if __name__ == "__main__":
    main()
