"""`anonymise`: a folder at a time; what fails is named."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Run, only_error, save_bscan
from tests.test_anonymise import NAME, check_nothing_tells, read_all
from tests.volfile import write_vol


def test_a_folder_of_them_by_command(run: Run, tmp_path: Path) -> None:
    vol = write_vol(tmp_path / NAME / f"{NAME}_OS.vol", patient=NAME)
    save_bscan(tmp_path / NAME / f"{NAME}_B1.png", seed=1)
    (tmp_path / NAME / "cut.vol").write_bytes(vol.read_bytes()[:3000])
    out = tmp_path / "out"
    result = run("anonymise", tmp_path / NAME, "--output", out)
    assert result.exit_code == 1
    assert "cut.vol" in only_error(result)
    assert len(list(out.glob("*.tif"))) == len(list(out.glob("*.json"))) == 2
    check_nothing_tells(read_all(out))
    (tmp_path / NAME / "cut.vol").unlink()
    again = run("anonymise", tmp_path / NAME, "--output", out, "--json")
    assert again.exit_code == 0
    assert [one["new"] for one in json.loads(again.stdout)["anonymised"]] == [False, False]
