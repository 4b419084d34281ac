"""Files whose names are not UTF-8: no description can hold them, and one line says so."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_retseg.dataset import load_dataset
from napari_retseg.errors import InputError
from napari_retseg.io import read_scan
from napari_retseg.scan import hash_path
from napari_retseg.workspace import Workspace

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="such names exist on Linux")

NAME = os.fsdecode(b"caf\xe9.png")
SAID = r"caf\\xe9\.png: this name is not UTF-8"


def draw(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.eye(16, dtype=np.uint8)).save(path, format="PNG")
    return path


@pytest.mark.parametrize("folder", ["images", "labels"])
def test_a_folder_pair_names_the_file(tmp_path: Path, folder: str) -> None:
    for kind in ("images", "labels"):
        draw(tmp_path / kind / "plain.png")
    draw(tmp_path / folder / NAME)
    with pytest.raises(InputError, match=SAID):
        load_dataset(tmp_path)


def test_a_folder_of_scans_names_the_file(tmp_path: Path) -> None:
    draw(tmp_path / NAME)
    with pytest.raises(InputError, match=SAID):
        load_dataset(tmp_path)


def test_a_workspace_names_the_file_and_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAPARI_RETSEG_STATE", str(tmp_path / "state"))
    with Workspace.create(tmp_path / "work") as workspace:
        with pytest.raises(InputError, match=SAID):
            workspace.add_scan(read_scan(draw(tmp_path / NAME)))
        assert workspace.scans == ()


def test_a_folder_of_bscans_with_such_names_has_a_hash(tmp_path: Path) -> None:
    draw(tmp_path / "volume" / NAME)
    first = hash_path(tmp_path / "volume")
    (tmp_path / "volume" / NAME).rename(tmp_path / "volume" / os.fsdecode(b"caf\xe8.png"))
    assert hash_path(tmp_path / "volume") != first
