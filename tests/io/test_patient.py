from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from napari_retseg.errors import InputError
from napari_retseg.io.patient import make_patient_key


def test_a_key_is_stable_and_hides_the_patient(salt: Path) -> None:
    key = make_patient_key("1:DOE")
    assert key == make_patient_key("1:DOE")
    assert key != make_patient_key("2:DOE")
    assert len(key) == 16
    assert int(key, 16) >= 0
    assert len(salt.read_bytes()) == 32
    assert stat.S_IMODE(salt.stat().st_mode) == 0o600
    assert list(salt.parent.iterdir()) == [salt]


def test_processes_that_start_together_agree(salt: Path) -> None:
    code = "from napari_retseg.io.patient import make_patient_key as m; print(m('1:DOE'))"
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(3)
    ]
    keys = {process.communicate()[0] for process in processes}
    assert len(keys) == 1
    assert keys == {make_patient_key("1:DOE").encode() + b"\n"}


def test_no_place_for_the_salt_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("NAPARI_RETSEG_SALT", str(tmp_path / "file" / "salt"))
    with pytest.raises(InputError, match="NAPARI_RETSEG_SALT"):
        make_patient_key("1:DOE")


def test_the_salt_lies_in_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NAPARI_RETSEG_SALT")
    monkeypatch.setattr("platformdirs.user_data_path", lambda name: tmp_path / name)
    make_patient_key("1:DOE")
    assert (tmp_path / "napari-retseg" / "patient-salt").is_file()
