from __future__ import annotations

import re
from pathlib import Path

import pytest

from napari_retseg.cli.reporting import Reporter
from napari_retseg.cli.workload import Workload, count_bytes
from napari_retseg.events import Progress
from tests.cli.test_reporting import use_terminal

#: B-scans of scans whose large ones come last; a scan takes a second for each.
SIZES = [1] * 50 + [61] * 50
BYTES = 300_000


def make_scans(folder: Path, sizes: list[int]) -> list[Path]:
    paths = [folder / f"{number}.tif" for number in range(len(sizes))]
    for path, n_bscans in zip(paths, sizes, strict=True):
        with path.open("wb") as file:
            file.truncate(n_bscans * BYTES)
    return paths


def show_all(load: Workload, sizes: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    with Reporter() as reporter:
        for number, n_bscans in enumerate(sizes, start=1):
            now += n_bscans
            load.end()
            reporter.show(Progress(number, len(sizes), "scan"), to_go=load.to_go)


def test_the_time_left_is_right_where_large_scans_come_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    show_all(Workload(make_scans(tmp_path, SIZES)), SIZES, monkeypatch)
    lines = capsys.readouterr().out.splitlines()
    told = [re.fullmatch(r"(\d+)/100 scans, (?:(\d+):)?(\d+):(\d+) left", one) for one in lines]
    found = [[int(part or 0) for part in one.groups()] for one in told if one is not None]
    assert len(found) > 8
    for done, hours, minutes, seconds in found:
        left = 3600 * hours + 60 * minutes + seconds
        # each scan is taken to need a little more than its bytes
        assert left == pytest.approx(sum(SIZES[done:]), rel=0.3)
    assert lines[-1] == "100/100 scans"


def test_a_terminal_shows_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = use_terminal(monkeypatch)
    load = Workload(make_scans(tmp_path, [1, 1, 1, 1]))
    with Reporter() as reporter:
        now = 0.0
        monkeypatch.setattr("time.monotonic", lambda: now)
        for number in (1, 2):
            now += 90
            load.end()
            reporter.show(Progress(number, 4, "scan"), to_go=load.to_go)
        assert reporter._bar is not None
        reporter._bar.refresh()
    assert "3:00 left" in terminal.getvalue()


def test_scans_that_are_done_already_say_nothing_of_the_time(tmp_path: Path) -> None:
    load = Workload(make_scans(tmp_path, [2, 2, 2, 2, 2]))
    for _ in range(3):
        load.end(is_new=False)
    assert load.to_go is None
    load.end()
    assert load.to_go == 1


def test_folders_count_by_their_files_and_what_is_not_there_by_nothing(tmp_path: Path) -> None:
    make_scans(tmp_path, [1, 2])
    assert count_bytes(tmp_path) == 3 * BYTES
    assert count_bytes(tmp_path / "1.tif") == 2 * BYTES
    assert count_bytes(tmp_path / "eye.E2E#1") == 0
