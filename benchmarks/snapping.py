"""What one drag mends without a model: the image's edges alone, against a smooth curve.

Run ``python -m benchmarks.snapping FOLDER`` with the folder of Chiu et al. 2015 (``images``,
``labels``). Each boundary of each B-scan is moved by 2 to 5 pixels over about 400 A-scans, and
dragged once, 90 A-scans on either side going with it, to where grader 1 has it, with an error of
the hand of 0.4 pixels. Reported is the mean distance from grader 1 over 60 A-scans on either side,
where no fluid hides the boundary. The constants were chosen on S01 and S02.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_retseg.decode.edges import find_edges
from napari_retseg.decode.editing import Drag, drag_boundary
from napari_retseg.decode.snapping import Clues
from napari_retseg.io import read_labels, read_scan
from napari_retseg.layers import boundaries_of_labels

LAYERS = tuple(range(1, 8))
WIDTH, CORE = 90, 60
PATIENTS = ("S03", "S04", "S05", "S06", "S07", "S08")


def measure(folder: Path, name: str, rng: np.random.Generator) -> dict[str, list[float]]:
    """Drag each boundary of a B-scan once; return the mean errors of all, in pixels."""
    bscan = read_scan(folder / "images" / f"{name}.png").read_bscan(0)[0]
    found = boundaries_of_labels(read_labels(folder / "labels" / f"{name}.png"), LAYERS)
    true, edges = found.rows + np.float32(0.5), find_edges(bscan)
    errors = defaultdict(list)
    for boundary, seen in enumerate(np.isfinite(found.visible_rows())):
        columns = np.flatnonzero(seen)
        if len(columns) < 200:
            continue
        column = int(rng.choice(columns[CORE:-CORE]))
        rows = move(true, boundary, column, rng)
        row = float(true[boundary, column]) + float(rng.normal(0, 0.4))
        drag = Drag(boundary, column, row, WIDTH)
        core = slice(max(column - CORE, 0), column + CORE + 1)
        for way, clues in (("smooth", None), ("snapped", Clues(edges=edges))):
            left = np.abs(drag_boundary(rows, drag, clues)[boundary] - true[boundary])
            errors[way].append(float(left[core][seen[core]].mean()))
        before = np.abs(rows[boundary] - true[boundary])
        errors["before"].append(float(before[core][seen[core]].mean()))
    return errors


def move(
    true: NDArray[np.float32], boundary: int, column: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Move a boundary up or down around an A-scan."""
    away = np.abs(np.arange(true.shape[1]) - column - rng.uniform(-80, 80))
    rows = true.copy()
    by = rng.choice([-1, 1]) * rng.uniform(2, 5)
    rows[boundary] += (by * np.clip((200 - away) / 30, 0, 1)).astype(np.float32)
    return np.maximum.accumulate(rows, axis=0)


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--patients", nargs="+", default=list(PATIENTS))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    names = sorted(path.stem for path in (options.folder / "images").glob("*.png"))
    errors = defaultdict(list)
    for name in names:
        if name.split("_")[0] in options.patients:
            for way, values in measure(options.folder, name, rng).items():
                errors[way].extend(values)
    found = {
        way: {
            "boundaries": len(values),
            "mean_px": round(float(np.mean(values)), 2),
            "p90_px": round(float(np.percentile(values, 90)), 2),
        }
        for way, values in errors.items()
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
