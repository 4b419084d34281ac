"""`demo`: what the command adds to the loop, which has its own tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import napari_retseg.demo
from napari_retseg.events import Event, Finished, Message
from tests.cli.conftest import Run, only_error


def _stand_in(*, cancelled: bool) -> Any:
    def run_demo(output: Path, **_options: object) -> Iterator[Event]:
        yield Message("The scans of this demo are simulated.")
        yield Finished(cancelled=cancelled, result={"model": str(output / "run" / "model")})

    return run_demo


def test_messages_are_read_and_the_result_is_for_machines(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(napari_retseg.demo, "run_demo", _stand_in(cancelled=False))
    result = run("demo", "--output", tmp_path, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["model"] == str(tmp_path / "run" / "model")
    assert "simulated" in result.stderr
    assert "simulated" in run("demo", "--output", tmp_path).stdout


def test_a_demo_that_was_stopped_says_so_by_its_exit_code(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(napari_retseg.demo, "run_demo", _stand_in(cancelled=True))
    assert run("demo", "--output", tmp_path).exit_code == 130


def test_a_folder_with_something_in_it_is_kept(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    result = run("demo", "--output", tmp_path)
    assert result.exit_code == 2
    assert str(tmp_path) in only_error(result)
    assert (tmp_path / "mine.txt").read_text() == "keep"
