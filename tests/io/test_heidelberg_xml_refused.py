"""HEYEX XML exports: what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_retseg.errors import InputError
from napari_retseg.io import read_scan
from tests.conftest import check_line
from tests.io.heyex_export import PLAIN, write_export


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.99])
def test_a_cut_file_is_an_input_error(tmp_path: Path, share: float) -> None:
    file = write_export(tmp_path, PLAIN)
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match="cannot be read as XML") as error:
        read_scan(file)
    check_line(error.value, str(file))


def test_a_cut_image_is_an_input_error(tmp_path: Path) -> None:
    write_export(tmp_path, PLAIN)
    data = (tmp_path / "S0B1.tif").read_bytes()
    (tmp_path / "S0B1.tif").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"S0B1\.tif: "):
        np.asarray(read_scan(tmp_path).pixels)


def test_images_of_different_sizes(tmp_path: Path) -> None:
    write_export(tmp_path, PLAIN)
    tifffile.imwrite(tmp_path / "S0B2.tif", np.zeros((6, 9), np.uint8))
    with pytest.raises(InputError, match="B-scans have different sizes or types"):
        read_scan(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE HEDX [<!ENTITY a "aaaaaaaa">]><HEDX>&a;</HEDX>',
        '<!DOCTYPE HEDX SYSTEM "http://example.org/a.dtd"><HEDX/>',
        "<HEDX>" + "<a>" * 60 + "</a>" * 60 + "</HEDX>",
        "<HEDX>" + "<a/>" * 500_001 + "</HEDX>",
        "<HEDX>&b;</HEDX>",
        "<HEDX></HEDX>",
        "<other></other>",
        "\ufeff<HEDX/>",
    ],
    ids=["entity", "dtd", "deep", "many", "unknown entity", "empty", "other", "mark"],
)
def test_hostile_and_other_xml_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.xml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_scan(file)
    check_line(error.value, str(file))


@pytest.mark.parametrize(
    "name", ["..\\outside.tif", "../outside.tif", "/etc/outside.tif", "x:..", ""]
)
def test_only_files_of_the_folder_are_read(tmp_path: Path, name: str) -> None:
    file = write_export(tmp_path / "export", PLAIN)
    tifffile.imwrite(tmp_path / "outside.tif", PLAIN.pixels[1])
    file.write_text(file.read_text().replace("C:\\Export\\Sommer\\S0B1.tif", name))
    assert read_scan(tmp_path / "export").acquisition.missing == (1,)


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    write_export(tmp_path / "export", PLAIN)
    (tmp_path / "export" / "S0B1.tif").rename(tmp_path / "outside.tif")
    (tmp_path / "export" / "S0B1.tif").symlink_to(tmp_path / "outside.tif")
    with pytest.raises(InputError, match="leads out of"):
        read_scan(tmp_path / "export")
