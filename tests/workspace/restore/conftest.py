"""A workspace of two volumes, and its restore points."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from napari_retseg.workspace.restore import RestorePoints
from napari_retseg.workspace.workspace import Workspace
from tests.workspace.restore.painting import CLASSES, add_volume


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.create(tmp_path / "space", classes=CLASSES) as made:
        for name in ("first", "second"):
            add_volume(made, tmp_path / f"{name}.npy")
        yield made


@pytest.fixture
def points(workspace: Workspace) -> RestorePoints:
    return RestorePoints(workspace)
