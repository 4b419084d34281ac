"""Commands over several processes: the same files and scores, in the same order of report."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from napari_retseg.cli.batch import Batch
from napari_retseg.cli.labeller import Labeller
from napari_retseg.cli.listing import Place
from napari_retseg.cli.predict_files import Wanted
from napari_retseg.cli.reporting import Reporter
from napari_retseg.engine import machine
from napari_retseg.engine.spread import Crew
from napari_retseg.events import BscanPredicted, Cancel, Event, Finished
from napari_retseg.io.file_layout import Layout
from napari_retseg.io.save import save_planes
from napari_retseg.models import ModelInfo
from napari_retseg.models.label_records import Origin
from napari_retseg.scan import OctScan
from tests.cli.conftest import DEPTH, WIDTH, Run, only_error, save_bscan


@pytest.fixture
def crews(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of workers of all crews that are put together."""
    made: list[int] = []
    real = Crew.__init__

    def make(self: Crew[int], *, workers: int, scheduler: str | None) -> None:
        made.append(workers)
        real(self, workers=workers, scheduler=scheduler)

    monkeypatch.setattr(Crew, "__init__", make)
    return made


EXACT = ("--device", "cpu", "--precision", "fp32")


@pytest.mark.slow  # two processes, which take seconds to start
def test_workers_write_what_this_process_writes(
    run: Run, tiny_bundle: Path, tmp_path: Path, crews: list[int]
) -> None:
    for k, name in enumerate(["a", "b", "c", "d"]):
        save_bscan(tmp_path / "scans" / f"{name}.png", seed=k)
    (tmp_path / "scans" / "bad.png").write_bytes(b"no picture")
    told: list[str] = []
    for name, workers in (("here", "1"), ("there", "2")):
        options = ("--uncertainty", "--overlay", "--workers", workers, *EXACT)
        output = tmp_path / name
        result = run(
            "predict", tmp_path / "scans", "--model", tiny_bundle, "--output", output, *options
        )
        assert result.exit_code == 1
        assert "bad.png" in only_error(result)
        lines = [line for line in result.stdout.splitlines() if " -> " in line]
        told.append(re.sub(r", \d+:\d\d", "", "\n".join(lines)).replace(str(output), "OUT"))
    assert crews == [2]
    assert told[0].count(" -> ") == 4
    assert told[0] == told[1]
    files = [path.relative_to(tmp_path / "here") for path in (tmp_path / "here").rglob("*.*")]
    assert len(files) > 15
    for file in files:
        if not (tmp_path / "here" / file).is_dir():
            here, there = ((tmp_path / name / file).read_bytes() for name in ("here", "there"))
            assert here == there, file


@pytest.mark.slow  # two processes
def test_scores_of_workers_are_those_of_this_process(
    run: Run, tiny_dataset: Path, tiny_bundle: Path, crews: list[int]
) -> None:
    given = ("evaluate", tiny_dataset, "--model", tiny_bundle, "--split", "train", "--json", *EXACT)
    here, there = (run(*given, "--workers", number) for number in ("1", "2"))
    assert here.exit_code == there.exit_code == 0, there.output
    assert crews == [2]
    assert json.loads(here.stdout)["n_bscans"] > 4
    assert json.loads(there.stdout) == json.loads(here.stdout)


@pytest.mark.slow  # two processes
def test_copies_of_workers_are_those_of_this_process(
    run: Run, tmp_path: Path, crews: list[int]
) -> None:
    for k, name in enumerate(["ann_1", "ann_2", "bob"]):
        save_bscan(tmp_path / "scans" / f"{name}.png", seed=k)
    (tmp_path / "scans" / "bad.png").write_bytes(b"no picture")
    copies = []
    for number in ("1", "2"):
        output = tmp_path / f"with-{number}"
        result = run(
            *("anonymise", tmp_path / "scans", "--output", output, "--workers", number, "--json")
        )
        assert result.exit_code == 1
        assert [
            line for line in result.stderr.splitlines() if "error" in line and "bad.png" in line
        ]
        names = [Path(one["copy"]).name for one in json.loads(result.stdout)["anonymised"]]
        copies.append({name: (output / name).read_bytes() for name in names})
    assert crews == [2]
    assert len(copies[0]) == 3
    assert list(copies[0].items()) == list(copies[1].items())


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--workers", "0"), "--workers '0': give a number from 1 to 256, or auto"),
        (("--workers", "many"), "--workers 'many'"),
        (("--workers", "2", "--scheduler", "tcp://127.0.0.1:9"), "not both"),
    ],
)
def test_numbers_of_workers_that_make_no_sense(
    run: Run, tmp_path: Path, words: tuple[str, ...], what: str
) -> None:
    save_bscan(tmp_path / "a.png", seed=1)
    for command in (["predict", tmp_path / "a.png"], ["measure", tmp_path / "a.png"]):
        result = run(*command, "--output", tmp_path / "out", *words)
        assert result.exit_code == 2
        assert what in only_error(result)
    assert not (tmp_path / "out").exists()


def test_auto_takes_as_many_as_cores_memory_and_scans_are_worth(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Memory:
        available = 7 << 30

    monkeypatch.setattr(machine, "count_cores", lambda: 8)
    monkeypatch.setattr(psutil, "virtual_memory", Memory)
    assert [machine.choose_workers(n) for n in (0, 7, 8, 100)] == [1, 1, 2, 3]
    Memory.available = 1 << 40
    assert machine.choose_workers(1000) == 8
    assert [machine.share_cores(n) for n in (1, 3, 100)] == [0, 2, 1]


def test_a_scan_is_predicted_while_another_is_written_and_never_two_at_a_time(
    tmp_path: Path, tiny_info: ModelInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [Place(save_bscan(tmp_path / "s" / f"{k}.png", seed=k)) for k in range(4)]
    predicted = [threading.Event() for _ in places]
    busy, most = [], []

    def label(scan: OctScan, _cancel: Cancel) -> Iterator[Event]:
        busy.append(scan)
        most.append(len(busy))
        time.sleep(0.02)
        yield BscanPredicted(0, np.ones((DEPTH, WIDTH), np.uint8))
        yield Finished()
        busy.pop()
        predicted[int(str(scan.source)[-5])].set()

    def save(path: Path, planes: Iterator[object], layout: Layout) -> Path:
        if path.stem in "01":  # written when one of the others is predicted, not before
            assert predicted[2].wait(5)
        return save_planes(path, planes, layout)  # type: ignore[arg-type]

    monkeypatch.setattr("napari_retseg.io.writer.save_planes", save)
    origin = Origin(scan="", weights="", model="", options={}, program="")
    labeller = Labeller(tmp_path, tiny_info, label, lambda _: origin)
    with Reporter() as reporter:
        batch = Batch(
            wanted=Wanted(tmp_path / "out"), labeller=labeller, reporter=reporter, threads=3
        )
        summary = batch.run(places)
    assert summary.failed == []
    assert [Path(one["labels"]).stem for one in summary.predicted] == ["0", "1", "2", "3"]
    assert most == [1] * 4
