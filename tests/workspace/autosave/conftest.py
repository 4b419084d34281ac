"""An autosaver that writes into a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from napari_retseg.workspace.autosave import Autosaver
from tests.workspace.autosave.sink import FolderSink


@pytest.fixture(scope="module", autouse=True)
def disk() -> None:
    """Wait for the disk: time is measured here."""


@pytest.fixture
def sink(tmp_path: Path) -> FolderSink:
    return FolderSink(tmp_path)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def saver(sink: FolderSink, told: list[str]) -> Iterator[Autosaver]:
    made = Autosaver(sink, on_error=told.append, on_saved=lambda: told.append("saved"))
    yield made
    sink.refuse = lambda name, bscan: None
    sink.open.set()
    made.close()
