"""Small volumes, labels on them, and what a workspace holds of these."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import LabelSet
from napari_retseg.scan import OctScan
from napari_retseg.workspace.entry import State
from napari_retseg.workspace.workspace import Workspace

SHAPE = (8, 10)
CLASSES = LabelSet.from_names([f"layer{n}" for n in range(1, 9)])
Seen = dict[int, tuple[int, State]]


def add_volume(workspace: Workspace, path: Path, *, n_bscans: int = 6) -> None:
    np.save(path, np.arange(n_bscans * 80, dtype=np.uint8).reshape(n_bscans, *SHAPE))
    pixels = np.load(path)
    scan = OctScan(pixels=pixels, axes=("bscan", "depth", "width"), source=path)
    workspace.add_scan(scan)


def plane(value: int) -> NDArray[np.uint8]:
    return np.full(SHAPE, value, np.uint8)


def paint(
    workspace: Workspace, bscan: int, value: int, state: State = "corrected", name: str = "first"
) -> None:
    workspace.write_labels(name, bscan, plane(value), state=state)


def see(workspace: Workspace, name: str = "first") -> Seen:
    """Return the value and the state of each B-scan that has labels."""
    labels = workspace.read_labels(name)
    states = workspace.states(name)
    files = {int(path.stem) for path in (workspace.folder / "labels" / name).glob("*.png")}
    assert files == set(states)
    assert all(len(np.unique(labels[bscan])) == 1 for bscan in states)
    return {bscan: (int(labels[bscan].flat[0]), state) for bscan, state in states.items()}
