"""The hash of a scan: of all that is read of it, and of nothing that only lies beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_retseg.dataset.content import identify
from napari_retseg.errors import InputError
from napari_retseg.io import read_labels, read_scan, write_labels
from napari_retseg.io.sources import hash_source, list_sources
from napari_retseg.models.label_records import hash_scan
from tests.io import octfiles
from tests.io.heyex_export import PLAIN, write_export


def test_the_pictures_of_an_export_count(tmp_path: Path) -> None:
    file = write_export(tmp_path / "export", PLAIN)
    one = hash_source(file)
    assert one == hash_source(file.parent) == hash_scan(file) == identify(file)["sha256"]
    file = file.parent.rename(tmp_path / "moved") / file.name
    file = file.rename(file.with_name("B2.xml"))
    # what only lies there does not
    (file.parent / "other.tif").write_bytes(b"x")
    (file.parent / "B2_Surfaces_Iowa.xml").write_text("<surfaces/>")
    assert hash_source(file) == hash_source(file.parent) == one
    picture = file.parent / "S0B1.tif"
    picture.write_bytes(picture.read_bytes() + b"x")
    assert hash_source(file) == hash_source(file.parent) != one
    picture.unlink()
    assert len(list_sources(file) or ()) == 4  # XML, SLO and two B-scans
    assert hash_source(file) != one


def test_volumes_of_an_export_differ(tmp_path: Path) -> None:
    file = write_export(tmp_path / "export", PLAIN, replace(PLAIN, eye="R"))
    names = [f"{path}#{number}" for path in (file, file.parent) for number in range(2)]
    assert len({hash_source(Path(name)) for name in names}) == 2


def test_the_description_of_an_optovue_scan_counts(tmp_path: Path) -> None:
    stack = np.arange(144, dtype=np.float32).reshape(3, 6, 8)
    text = octfiles.describe_optovue((8, 3, 6.0, 0.1), depth=6)
    file = octfiles.write_optovue(tmp_path / "a.OCT", stack, text=text)
    one = hash_source(file)
    file.with_suffix(".txt").write_text(text.replace("OD", "OS"))
    assert hash_source(file) != one
    file.with_suffix(".txt").unlink()
    assert list_sources(file) is None


def test_an_export_that_cannot_be_read_has_a_hash(tmp_path: Path) -> None:
    file = write_export(tmp_path / "export", PLAIN)
    file.write_text("<HEDX><")
    assert list_sources(file) is None
    assert hash_source(file) != hash_source(file.parent)


def test_labels_are_refused_where_the_pictures_were_exchanged(tmp_path: Path) -> None:
    file = write_export(tmp_path / "export", PLAIN)
    scan = read_scan(file)
    labels = write_labels(tmp_path / "a.tif", np.zeros(scan.spatial_shape, np.uint8), scan=scan)
    write_export(tmp_path / "export", replace(PLAIN, pixels=PLAIN.pixels[:, ::-1]))
    with pytest.raises(InputError, match="made for another scan"):
        read_labels(labels, scan=read_scan(file))
