"""Archives that claim, hide or unfold into what no exported model is."""

from __future__ import annotations

import json
import os
import random
import stat
import zipfile
from pathlib import Path

import pytest

from napari_retseg.errors import ModelError
from napari_retseg.models import CARD, DESCRIPTION, WEIGHTS, add_model, archive, export_model
from tests.models.versions import Write


@pytest.fixture
def exported(write: Write, tmp_path: Path) -> Path:
    """An archive as it should be."""
    return export_model(write("aaaaaa"), tmp_path / "shared.zip")


def repack(source: Path, **changed: bytes) -> Path:
    """Write an archive again, with other content of some files."""
    target = source.with_name("changed.zip")
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, changed.get(name.partition(".")[0], old.read(name)))
    return target


def refuse(source: Path, own: Path, words: str) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        add_model(source, name="mine")
    assert "\n" not in str(caught.value)
    assert not (own / "mine").exists()
    assert not [path for path in own.rglob("*") if path.name.startswith(".retseg")]


def test_what_unfolds_is_refused_by_what_it_claims(exported: Path, own: Path) -> None:
    card = repack(exported, MODEL_CARD=bytes(2 * archive.LARGEST_CARD))
    assert card.stat().st_size < 100_000
    refuse(card, own, "MODEL_CARD.md is too large")
    refuse(repack(exported, model=bytes(70_000_000)), own, "is too large")


def test_what_comes_out_is_counted(
    exported: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forged size is believed by nobody: here the check of it is taken out."""
    source = repack(exported, MODEL_CARD=bytes(3_000_000))
    entries = archive._choose_entries
    monkeypatch.setattr(
        archive,
        "_choose_entries",
        lambda packed, _: [e for e in packed.infolist() if e.filename in archive._LIMITS],
    )
    refuse(source, own, "MODEL_CARD.md is too large")
    monkeypatch.setattr(archive, "_choose_entries", entries)
    add_model(exported, name="mine")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_is_there_twice_or_a_link_is_refused(exported: Path, own: Path) -> None:
    twice = exported.with_name("twice.zip")
    twice.write_bytes(exported.read_bytes())
    with zipfile.ZipFile(twice, "a") as packed:
        packed.writestr(DESCRIPTION, "{}")
    refuse(twice, own, "model.json exists twice")
    linked = exported.with_name("linked.zip")
    with zipfile.ZipFile(exported) as old, zipfile.ZipFile(linked, "w") as new:
        for name in old.namelist():
            entry = zipfile.ZipInfo(name)
            if name == CARD:
                entry.external_attr = (stat.S_IFLNK | 0o777) << 16
            new.writestr(entry, "/etc/passwd" if name == CARD else old.read(name))
    refuse(linked, own, "MODEL_CARD.md is a link")


def test_only_a_models_files_come_out(exported: Path, own: Path) -> None:
    with zipfile.ZipFile(exported, "a") as packed:
        for name in ("../outside", "/tmp/outside", "sub/model.json", "more"):
            packed.writestr(name, "stranger")
    add_model(exported, name="mine")
    assert {path.name for path in (own / "mine").iterdir()} == {CARD, DESCRIPTION, WEIGHTS}


def test_an_archive_of_very_many_files_is_not_listed(tmp_path: Path, own: Path) -> None:
    many = tmp_path / "many.zip"
    with zipfile.ZipFile(many, "w") as packed:
        for number in range(16_000):
            packed.writestr(f"{number:040d}", "")
    refuse(many, own, "more entries than")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes by name here")
def test_a_device_is_no_archive(tmp_path: Path, own: Path) -> None:
    os.mkfifo(tmp_path / "pipe.zip")
    (tmp_path / "zero.zip").symlink_to("/dev/zero")
    for name in ("pipe.zip", "zero.zip"):
        refuse(tmp_path / name, own, "not a regular file")
    refuse(tmp_path / "none.zip", own, "file or folder not found")


def test_damage_anywhere_gives_one_clear_line_or_the_model(exported: Path, own: Path) -> None:
    rng = random.Random(3)
    whole = exported.read_bytes()
    refused = 0
    for number in range(150):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 1, 4, 30))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        if rng.random() < 0.2:
            del data[rng.randrange(len(data)) :]
        exported.write_bytes(data)
        try:
            add_model(exported, name=f"m{number}")
        except ModelError as error:
            refused += 1
            if "\n" in str(error):
                raise
    assert refused > 50
    assert not (own / ".history" / ".new").exists()


def test_links_out_of_a_bundle_are_not_copied(write: Write, tmp_path: Path, own: Path) -> None:
    folder = write("aaaaaa")
    outside = tmp_path / "outside.safetensors"
    (folder / WEIGHTS).rename(outside)
    (folder / WEIGHTS).symlink_to(outside)
    with pytest.raises(ModelError, match="leads out of"):
        add_model(folder, name="mine")
    with pytest.raises(ModelError, match="leads out of"):
        export_model(folder, tmp_path / "x.zip")
    assert not (own / "mine").exists()


def test_a_huge_card_or_description_is_not_copied(write: Write, own: Path) -> None:
    folder = write("aaaaaa")
    (folder / CARD).write_bytes(bytes(2 * archive.LARGEST_CARD))
    refuse(folder, own, "too large")
    (folder / CARD).unlink()
    text = json.loads((folder / DESCRIPTION).read_text())
    (folder / DESCRIPTION).write_text(json.dumps(text) + " " * 9_000_000)
    refuse(folder, own, "too large")
