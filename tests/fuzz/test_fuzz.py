"""A short run over changed files of all kinds: right readings or our own clear errors."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.fuzz.drive import fuzz
from tests.fuzz.seeds import FILES, FOLDERS


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is read in /proc")
def test_changed_files_are_read_or_refused(tmp_path: Path) -> None:
    report = fuzz(tmp_path, count=700, seed=20261129)
    assert sum(report.outcomes.values()) == 700
    assert [f"{f['outcome']} {f['name']}: {f['message']}" for f in report.faults] == []
    assert report.outcomes["read"] > 50
    assert {name.split()[0] for name in report.by_kind} == {*FILES, *FOLDERS}
