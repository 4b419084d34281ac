"""A program that is killed while its user paints and confirms loses nothing that it promised."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_retseg.classes import RETINA
from napari_retseg.dataset import load_dataset
from napari_retseg.dataset.planes import list_planes, plane_path, read_plane
from napari_retseg.scan import OctScan
from napari_retseg.workspace.restore import RestorePoints
from napari_retseg.workspace.workspace import Workspace
from tests.workspace.painting import N_BSCANS, NAME, SHAPE, draw, read_value

#: What the last strokes may be younger than when they are lost.
LAST_S = 1.0
KINDS = ("at any moment", "while painting", "while confirming")


@dataclass
class Told:
    """What the killed program said of one B-scan since it was last sure: (value, state, time)."""

    sure: tuple[int, str] | None = None
    put: list[tuple[int, str, float]] = field(default_factory=list)

    def allowed(self, end: float) -> set[tuple[int, str] | None]:
        """Return what may be on disk after a kill at `end`."""
        old = [n for n, (_, _, when) in enumerate(self.put) if when < end - LAST_S]
        first = old[-1] if old else None
        allowed: set[tuple[int, str] | None] = set()
        if first is None:
            allowed.add(self.sure)
            if self.sure is not None and self.put:
                allowed.add((self.sure[0], "corrected"))
        for value, state, _ in self.put[first:]:
            # one that was painted on later, or is confirmed in this moment, is not yet confirmed
            allowed |= {(value, state), (value, "corrected")}
        return allowed


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAPARI_RETSEG_STATE", str(tmp_path / "state"))
    path = tmp_path / f"{NAME}.npy"
    np.save(path, np.arange(N_BSCANS, dtype=np.uint8)[:, None, None] + np.zeros(SHAPE, np.uint8))
    scan = OctScan(pixels=np.load(path), axes=("bscan", "depth", "width"), source=path)
    with Workspace.create(tmp_path / "space", classes=RETINA) as workspace:
        assert workspace.add_scan(scan).name == NAME
    return tmp_path / "space"


@pytest.mark.parametrize(
    ("seed", "n_kills"), [(1, 10), pytest.param(2, 15, marks=pytest.mark.slow)]
)
def test_no_kill_loses_a_confirmed_bscan_or_more_than_the_last_second(
    folder: Path, seed: int, n_kills: int
) -> None:
    rng = np.random.default_rng(seed)
    told = {bscan: Told() for bscan in range(N_BSCANS)}
    n_sure = 0
    for kill in range(n_kills):
        lines, end = run_until_killed(folder, 10_000 * (kill + 1), kind=KINDS[kill % 3], rng=rng)
        n_sure += listen(lines, told)
        found = look(folder)
        for bscan, known in told.items():
            allowed = known.allowed(end)
            now = found.get(bscan)
            assert now in allowed, f"kill {kill}, B-scan {bscan}: {now}, not one of {allowed}"
            told[bscan] = Told(sure=now)
    assert n_sure > n_kills / 2


def run_until_killed(
    folder: Path, value: int, *, kind: str, rng: np.random.Generator
) -> tuple[list[list[str]], float]:
    """Let a grader work for some time; return all lines that it said, and when it was killed."""
    child = Path(__file__).with_name("painting.py")
    confirms = "0" if kind == "while painting" else "0.7"
    command = [sys.executable, "-W", "error", str(child), str(folder), str(value), confirms]
    seconds = rng.uniform(1, 2) if kind == "while painting" else rng.uniform(0, 1)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines = [process.stdout.readline()]
        begin = time.monotonic()
        while True:
            lines.append(process.stdout.readline())
            assert lines[-1], process.stderr.read()
            is_confirming = "confirmed" in lines[-1] or kind != "while confirming"
            if is_confirming and time.monotonic() > begin + seconds:
                break
        time.sleep(rng.uniform(0, 0.03))
        end = time.monotonic()
        process.kill()
        lines += process.stdout.read().splitlines()
    assert lines.pop(0).startswith("ready")
    words = [line.split() for line in lines]
    # the last line may have been cut off
    return [line for line in words if len(line) == {"put": 5, "kept": 4}.get(line[0])], end


def listen(lines: list[list[str]], told: dict[int, Told]) -> int:
    """Note what was said; return how many confirmations were promised."""
    n_sure = 0
    for words in lines:
        known, value = told[int(words[1])], int(words[2])
        if words[0] == "kept":
            known.sure, known.put = (value, "confirmed"), []
            n_sure += 1
        else:
            known.put.append((value, words[3], float(words[4])))
    return n_sure


def look(folder: Path) -> dict[int, tuple[int, str] | None]:
    """Open the workspace as the next program does; return value and state of each B-scan."""
    with Workspace.open(folder) as workspace:
        assert not workspace.is_read_only
        states = workspace.states(NAME)
        labels = workspace.read_labels(NAME)
        for point in RestorePoints(workspace).list():
            kept = folder / "restore" / f"{point.number:06d}"
            assert list_planes(kept) == [b for b, state in point.labels.items() if state]
            for bscan in list_planes(kept):
                name_of(read_plane(plane_path(kept, bscan), SHAPE))
    (case,) = load_dataset(folder).cases
    assert set(case.annotated_bscans()) == {b for b, s in states.items() if s == "confirmed"}
    planes = folder / "labels" / NAME
    for bscan in list_planes(planes):
        assert np.array_equal(read_plane(plane_path(planes, bscan), SHAPE), labels[bscan])
    assert set(states) <= set(list_planes(planes))
    return {
        bscan: (name_of(labels[bscan]), states.get(bscan, "corrected"))
        for bscan in list_planes(planes)
    }


def name_of(plane: NDArray[np.uint8]) -> int:
    """Return the value that a plane was drawn from; half a plane has none."""
    value = read_value(plane)
    assert np.array_equal(plane, draw(value)), "a plane that was never painted"
    return value
