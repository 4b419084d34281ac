"""Files of several volumes: one is named, and none is chosen silently."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from napari_retseg.errors import InputError
from napari_retseg.io import read_scan
from napari_retseg.io.volumes import SeveralVolumesError, choose_volume
from napari_retseg.scan import hash_path
from napari_retseg.volume_path import file_of, name_volume, split_volume

VOLUMES = ["right eye, 61 B-scans", "left eye, 25 B-scans"]


def test_a_path_names_a_volume(tmp_path: Path) -> None:
    file = tmp_path / "eye.E2E"
    assert split_volume(file) == (file, None)
    assert split_volume(tmp_path / "eye.E2E#2") == (file, 2)
    assert file_of(name_volume(file, 11)) == file
    assert split_volume(tmp_path / "eye#.E2E") == (tmp_path / "eye#.E2E", None)


def test_a_file_with_such_a_name_is_itself(tmp_path: Path) -> None:
    file = tmp_path / "scan#2"
    file.write_bytes(b"x")
    assert split_volume(file) == (file, None)


def test_none_is_chosen_of_several() -> None:
    with pytest.raises(SeveralVolumesError) as error:
        choose_volume(Path("eye.E2E"), VOLUMES, None)
    assert str(error.value) == (
        "eye.E2E: contains 2 volumes; name one, for example eye.E2E#0 (napari-retseg info lists "
        "them)"
    )
    again = pickle.loads(pickle.dumps(error.value))
    assert (again.path, again.volumes) == (Path("eye.E2E"), tuple(VOLUMES))
    assert choose_volume(Path("eye.E2E"), VOLUMES, 1) == 1
    assert choose_volume(Path("eye.E2E"), VOLUMES[:1], None) == 0
    with pytest.raises(InputError, match="no volume 2"):
        choose_volume(Path("eye.E2E"), VOLUMES, 2)


def test_each_volume_has_its_own_hash(tmp_path: Path) -> None:
    file = tmp_path / "eye.E2E"
    file.write_bytes(b"x")
    hashes = {hash_path(path) for path in (file, name_volume(file, 0), name_volume(file, 1))}
    assert len(hashes) == 3


def test_other_files_have_no_volumes(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(InputError, match="leave out the #1"):
        read_scan(tmp_path / "a.png#1")
