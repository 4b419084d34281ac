"""Links cannot lead out of a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_retseg.containment import remove_within, resolve_within
from napari_retseg.errors import InputError


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a link out of it, reached over a link itself."""
    (tmp_path / "real" / "inner").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").write_text("kept")
    (tmp_path / "real" / "out").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "real" / "circle").symlink_to(tmp_path / "real" / "circle")
    (tmp_path / "root").symlink_to(tmp_path / "real")
    return tmp_path / "root"


def test_paths_within_are_followed(place: Path) -> None:
    assert resolve_within(place, Path("inner/new.png")) == place.resolve() / "inner" / "new.png"
    assert resolve_within(place, place / "inner") == place.resolve() / "inner"
    assert resolve_within(place, place) == place.resolve()


@pytest.mark.parametrize("path", ["out", "out/file", "../elsewhere", "circle/x", "inner/../../x"])
def test_paths_that_lead_out_are_refused(place: Path, path: str) -> None:
    with pytest.raises(InputError, match=r"leads out of|cannot be followed"):
        resolve_within(place, Path(path))


def test_a_link_is_removed_but_not_what_it_names(place: Path) -> None:
    remove_within(place, place / "out")
    assert not (place / "out").is_symlink()
    assert (place.parent / "elsewhere" / "file").read_text() == "kept"


def test_nothing_behind_a_link_is_removed(place: Path) -> None:
    with pytest.raises(InputError, match="leads out of"):
        remove_within(place, place / "out" / "file")
    assert (place.parent / "elsewhere" / "file").read_text() == "kept"
    remove_within(place, place / "inner")
    remove_within(place, place / "inner")
    assert not (place / "inner").exists()
