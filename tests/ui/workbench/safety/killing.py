"""Kills napari while it is painted in, opens the workspace again, and says what was lost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from napari_retseg.classes import RETINA
from napari_retseg.io import read_scan, write_scan
from napari_retseg.scan import OctScan
from napari_retseg.workspace import Workspace
from tests.ui.workbench.safety.painting import NAME, SHAPE, SIDE
from tests.ui.workbench.safety.pulling import decode

#: A stroke that has ended longer ago must be on disk.
LAST_S = 1.0
KINDS = ("segmenting", "painting", "confirming", "opening")
#: How often the hand drags boundaries or clicks pockets, and does not paint.
HANDS = {"brush": 0.0, "curves": 1.0, "mixed": 0.6}
#: How long napari works before it is killed, of which "opening" counts from its start.
_SECONDS = {
    "segmenting": (0.3, 2.5),
    "painting": (2.0, 4.0),
    "confirming": (0.3, 2.5),
    "opening": (0.5, 4.0),
}
_ROOT = Path(__file__).parents[4]
_LEAVE_SECONDS = 30.0

Plane = NDArray[np.uint8]


@dataclass
class Report:
    """What kills did; all that begins with ``lost`` or ``damaged`` is a broken promise."""

    kills: int = 0
    strokes: int = 0
    #: What was done with boundaries and pockets, and how often.
    drawn: dict[str, int] = field(default_factory=dict)
    #: Kills while a boundary was held with the mouse.
    held: int = 0
    confirmed: int = 0
    strokes_of_the_last_second_lost: int = 0
    lost_strokes: list[str] = field(default_factory=list)
    lost_confirmed: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    processes_left: list[str] = field(default_factory=list)


@dataclass
class Stroke:
    """Dabs, ``(row, column, value)``, or all labels that were drawn at once; when it ended."""

    dabs: list[tuple[int, int, int] | Plane] = field(default_factory=list)
    ended: float | None = None


@dataclass
class Told:
    """What is known of a B-scan: as it was on disk, and what the killed program said since."""

    plane: Plane
    is_sure: bool = False
    strokes: list[Stroke] = field(default_factory=list)
    #: How many dabs had been made when Confirm was pressed; 0: it was confirmed at the start.
    confirmed_at: list[int] = field(default_factory=list)

    def versions(self) -> Iterator[Plane]:
        """All that was ever seen: at the beginning, and after each dab."""
        plane = self.plane.copy()
        yield plane.copy()
        for stroke in self.strokes:
            for dab in stroke.dabs:
                if isinstance(dab, tuple):
                    row, column, value = dab
                    plane[row : row + SIDE, column : column + SIDE] = value
                else:
                    plane = dab.copy()
                yield plane.copy()

    @property
    def n_dabs(self) -> int:
        return sum(len(stroke.dabs) for stroke in self.strokes)

    def take(self, words: list[str]) -> None:
        """Note a line of the program."""
        if words[0] == "begin":
            self.strokes.append(Stroke())
            self.is_sure = False
        elif words[0] == "dab":
            row, column, value = map(int, words[2:])
            self.strokes[-1].dabs.append((row, column, value))
        elif words[0] == "drawn":
            self.strokes[-1].dabs.append(decode(words[2], (SHAPE[1], SHAPE[2])))
        elif words[0] == "hold":
            pass
        elif words[0] == "end":
            self.strokes[-1].ended = float(words[2])
        elif words[0] == "confirm":
            self.confirmed_at.append(self.n_dabs)
        else:
            self.is_sure = True


def make_workspace(folder: Path) -> Path:
    """Make a workspace with one scan."""
    pixels = np.random.default_rng(0).integers(0, 255, SHAPE, dtype=np.uint8)
    scan = OctScan(pixels, ("bscan", "depth", "width"), (120.0, 3.9, 11.3), spacing_source="file")
    path = write_scan(folder / f"{NAME}.tif", scan)
    with Workspace.create(folder / "space", classes=RETINA) as workspace:
        workspace.add_scan(read_scan(path))
    return folder / "space"


def kill_often(
    folder: Path, n_kills: int, *, seed: int, first: int = 0, hand: str = "brush"
) -> Report:
    """Open, paint, kill and look, again and again on the same workspace.

    Parameters
    ----------
    folder
        Of the workspace.
    first
        With which of :data:`KINDS` to begin.
    hand
        One of :data:`HANDS`.
    """
    rng = np.random.default_rng(seed)
    report = Report()
    told = {bscan: Told(np.zeros(SHAPE[1:], np.uint8)) for bscan in range(SHAPE[0])}
    children: list[psutil.Process] = []
    for number in range(n_kills):
        kind = KINDS[(first + number) % len(KINDS)]
        lines, end = _run_until_killed(folder, kind, HANDS[hand], rng, children)
        for words in lines:
            report.strokes += words[0] == "end"
            if words[0] == "drawn":
                report.drawn[words[3]] = report.drawn.get(words[3], 0) + 1
            report.confirmed += words[0] == "kept"
            told[int(words[1])].take(words)
        report.held += bool(lines) and lines[-1][0] == "hold"
        states, labels = _look(folder)
        for bscan, known in told.items():
            name = f"kill {number} ({kind}), B-scan {bscan}"
            _compare(known, labels[bscan], states.get(bscan), end, name, report)
            is_confirmed = states.get(bscan) == "confirmed"
            told[bscan] = Told(labels[bscan], is_confirmed, confirmed_at=[0] * is_confirmed)
        report.kills += 1
    _, left = psutil.wait_procs(children, timeout=_LEAVE_SECONDS)
    report.processes_left = [str(child) for child in left]
    return report


def _run_until_killed(
    folder: Path,
    kind: str,
    pulls: float,
    rng: np.random.Generator,
    children: list[psutil.Process],
) -> tuple[list[list[str]], float]:
    """Let a napari work for some time; return all that it said, and when it was killed."""
    confirms = "0" if kind == "painting" else "0.25"
    module = "tests.ui.workbench.safety.painting"
    command = [sys.executable, "-m", module, str(folder), str(rng.integers(2**31)), confirms]
    command += ["segments" if kind == "segmenting" else "alone", str(pulls)]
    own = {name: str(folder.parent / "own") for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME")}
    own["NAPARI_CONFIG"] = str(folder.parent / "own" / "napari.yaml")
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
        env={**os.environ, **own},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        said = []
        if kind != "opening":
            said.append(process.stdout.readline())
            assert said[0], process.stderr.read()
        while kind == "confirming" and not said[-1].startswith("kept"):
            said.append(process.stdout.readline())  # on a busy machine nothing may be so far
            assert said[-1], process.stderr.read()
        time.sleep(rng.uniform(*_SECONDS[kind]))
        children += psutil.Process(process.pid).children(recursive=True)
        end = time.monotonic()
        process.kill()
        said += process.stdout.read().splitlines(keepends=True)
    known = ("begin", "dab", "hold", "drawn", "end", "confirm", "kept")
    # the last line may have been cut off
    words = [line.split() for line in said if line.endswith("\n")]
    return [line for line in words if line and line[0] in known], end


def _look(folder: Path) -> tuple[dict[int, str], Plane]:
    """Open the workspace as the next program does."""
    with Workspace.open(folder) as workspace:
        assert not workspace.is_read_only
        return dict(workspace.states(NAME)), workspace.read_labels(NAME)


def _compare(
    known: Told, found: Plane, state: str | None, end: float, name: str, report: Report
) -> None:
    """Note what the kill broke of what was promised about a B-scan."""
    matches = [k for k, plane in enumerate(known.versions()) if np.array_equal(plane, found)]
    if not matches:
        report.damaged.append(f"{name}: holds what was never painted")
        return
    newest, made, is_old = (
        matches[-1],
        0,
        [s.ended and s.ended < end - LAST_S for s in known.strokes],
    )
    for k, stroke in enumerate(known.strokes):
        made += len(stroke.dabs)
        if made > newest and any(is_old[k:]):
            report.lost_strokes.append(f"{name}: stroke {k + 1} of {len(known.strokes)}")
        elif made > newest and stroke.ended:
            report.strokes_of_the_last_second_lost += 1
    if known.is_sure and (state != "confirmed" or newest != known.n_dabs):
        report.lost_confirmed.append(f"{name}: was confirmed, is {state}, dab {newest}")
    elif state == "confirmed" and not set(matches) & set(known.confirmed_at):
        report.damaged.append(f"{name}: is confirmed as nobody confirmed it")
