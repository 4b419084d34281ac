"""Names of B-scans: from the files of a folder, where these are in the B-scans' order."""

from __future__ import annotations

from pathlib import Path

from napari_retseg.io import read_scan
from napari_retseg.ui.numbering import describe_bscan, list_bscan_files
from tests.io.heyex_export import PLAIN, write_export


def test_files_of_a_folder_name_its_bscans_but_for_a_devices_export(tmp_path: Path) -> None:
    file = write_export(tmp_path, PLAIN)
    (tmp_path / "S0SLO.tif").unlink()
    assert list_bscan_files(read_scan(tmp_path)) == ()
    file.unlink()
    files = list_bscan_files(read_scan(tmp_path))
    assert files == ("S0B0.tif", "S0B1.tif", "S0B2.tif")
    assert describe_bscan(1, 3, files) == "B-scan 1 of 0–2: S0B1.tif"
