"""Many scans, one after the other: one that fails leaves the others done."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from natsort import natsorted, ns

from napari_retseg.cli.group import FAILED, INTERRUPTED, describe_os_error
from napari_retseg.cli.labeller import Labeller
from napari_retseg.cli.ranking import RankedBscan, Ranking, describe_next
from napari_retseg.cli.reporting import Reporter, count, format_seconds
from napari_retseg.errors import InputError, JobError, RetsegError, UsageError
from napari_retseg.events import BscanPredicted, Finished
from napari_retseg.io import (
    is_scan_path,
    label_path,
    open_label_writer,
    read_labels,
    read_scan,
)
from napari_retseg.io.atomic import write_bytes
from napari_retseg.io.suffixes import stem_of
from napari_retseg.models import DESCRIPTION
from napari_retseg.overlay import draw_overlay, encode_png
from napari_retseg.scan import OctScan

OVERLAYS = "overlays"


@dataclass
class Summary:
    """What became of each scan."""

    model: str
    output: Path
    predicted: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)
    not_tried: list[str] = field(default_factory=list)
    ranking: list[RankedBscan] | None = None
    interrupted: bool = False

    @property
    def exit_code(self) -> int:
        """The command's exit code."""
        if self.interrupted:
            return INTERRUPTED
        return FAILED if self.failed else 0

    def describe(self) -> str:
        """Name what to label next, and count the scans in one line."""
        parts = [f"{len(self.predicted)} labelled"]
        for name, scans in (("up to date", self.skipped), ("failed", self.failed)):
            if scans:
                parts.append(f"{len(scans)} {name}")
        if self.not_tried:
            parts.append(f"{len(self.not_tried)} not tried")
        line = f"{', '.join(parts)}; labels in {self.output}"
        return f"{describe_next(self.ranking)}\n{line}" if self.ranking else line

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        data: dict[str, Any] = {
            "model": self.model,
            "output": str(self.output),
            "predicted": self.predicted,
            "skipped": self.skipped,
            "failed": self.failed,
            "not_tried": self.not_tried,
        }
        if self.ranking is not None:
            data["label_next"] = [one.to_json() for one in self.ranking]
        return data


class _Stopped(Exception):  # noqa: N818 - a request, not an error
    """The user asked to stop."""


class Batch:
    """Labels scans into one folder.

    Parameters
    ----------
    output
        The folder; made if missing.
    labeller
        The model.
    reporter
        Tells the user.
    resume
        Leave scans alone whose labels are readable and newer than scan and model.
    overlay
        Draw pictures, too.
    uncertainty
        Write maps of the uncertainty and rank the B-scans; the labeller measures it.
    """

    def __init__(
        self,
        *,
        output: Path,
        labeller: Labeller,
        reporter: Reporter,
        resume: bool = False,
        overlay: bool = False,
        uncertainty: bool = False,
    ) -> None:
        self._output = output
        self._labeller = labeller
        self._reporter = reporter
        self._resume = resume
        self._overlay = overlay
        self._ranking = Ranking(output) if uncertainty else None
        self._summary = Summary(model=labeller.info.name, output=output)

    def run(self, paths: Sequence[Path], *, fail_fast: bool = False) -> Summary:
        """Label scans one after the other.

        Raises
        ------
        UsageError
            Where two scans would get the same label file, or one would be overwritten.
        InputError
            Where the folder cannot be made.
        """
        check_targets(paths, self._output)
        if self._ranking is not None:
            self._ranking.check_sources(paths)
        make_folder(self._output)
        for number, path in enumerate(paths, start=1):
            try:
                self._label(path)
            except _Stopped:
                self._summary.interrupted = True
            except (RetsegError, OSError) as error:
                self._reporter.end_progress()
                self._fail(path, error)
            if self._summary.interrupted or (fail_fast and self._summary.failed):
                self._summary.not_tried = [str(rest) for rest in paths[number:]]
                break
        if self._ranking is not None:
            self._summary.ranking = self._ranking.write()
        return self._summary

    def _label(self, path: Path) -> None:
        scan = read_scan(path)
        target = label_path(scan, self._output)
        entry: dict[str, Any] = {"input": str(path), "labels": str(target)}
        if self._ranking is not None:
            entry["uncertainty"] = str(self._ranking.map_path(target))
        if self._resume and self._is_done(path, scan, target):
            self._summary.skipped.append(entry)
            return
        for note in scan.notes:
            self._reporter.say(f"{path}: {note}")
        began = time.monotonic()
        self._write(path, scan, target)
        seconds = time.monotonic() - began
        self._reporter.end_progress()
        size = count(scan.n_bscans, "B-scan")
        self._reporter.say(f"{path} -> {target} ({size}, {format_seconds(seconds)})")
        entry |= {"bscans": scan.n_bscans, "seconds": round(seconds, 3)}
        self._summary.predicted.append(entry)

    def _write(self, path: Path, scan: OctScan, target: Path) -> None:
        """Predict and write B-scan by B-scan; the file appears when it is whole."""
        written = 0
        with (
            open_label_writer(target, scan=scan) as writer,
            self._open_map(path, scan, target) as write_map,
        ):
            for event in self._labeller.label(scan):
                self._reporter.show(event, subject=path.name)
                if isinstance(event, BscanPredicted):
                    writer.write(event.index, event.labels)
                    write_map(event)
                    self._draw(scan, target, event)
                    written += 1
                elif isinstance(event, Finished) and event.cancelled:
                    raise _Stopped
            if written != scan.n_bscans:
                raise JobError(f"{path}: only {written} of {scan.n_bscans} B-scans were labelled")

    def _open_map(
        self, path: Path, scan: OctScan, target: Path
    ) -> AbstractContextManager[Callable[[BscanPredicted], None]]:
        if self._ranking is None:
            return nullcontext(lambda _: None)
        return self._ranking.open_map(path, scan, target)

    def _draw(self, scan: OctScan, target: Path, event: BscanPredicted) -> None:
        if not self._overlay:
            return
        folder = self._output / OVERLAYS
        stem = stem_of(target)
        path = folder / f"{stem}.png"
        if scan.is_volume:
            digits = len(str(scan.n_bscans - 1))
            path = folder / stem / f"{stem}_b{event.index:0{digits}d}.png"
        make_folder(path.parent)
        classes = self._labeller.info.classes
        picture = draw_overlay(scan.read_bscan(event.index), event.labels, classes)
        write_bytes(path, encode_png(picture))

    def _is_done(self, path: Path, scan: OctScan, target: Path) -> bool:
        """Whether the labels are newer than scan and model, and can be read."""
        if not target.is_file():
            return False
        made_from = (_newest(path), (self._labeller.folder / DESCRIPTION).stat().st_mtime_ns)
        if target.stat().st_mtime_ns < max(made_from):
            return False
        try:
            read_labels(target, scan=scan)
        except InputError as error:
            self._reporter.say(f"{error}: labelled again")
            return False
        if self._ranking is not None:
            return self._ranking.recall(path, target, n_bscans=scan.n_bscans)
        return True

    def _fail(self, path: Path, error: Exception) -> None:
        reason = describe_os_error(error) if isinstance(error, OSError) else str(error)
        line = reason if str(path) in reason else f"{path}: {reason}"
        self._reporter.end_progress()
        self._reporter.fail(line)
        self._summary.failed.append({"input": str(path), "error": line})


def list_scans(inputs: Sequence[Path], *, as_volume: bool) -> list[Path]:
    """Put the scans of a folder in its place, in natural order; each scan comes once."""
    found: list[Path] = []
    for path in inputs:
        inside: list[Path] = []
        if path.is_dir() and not as_volume:
            inside = [entry for entry in path.iterdir() if _is_visible_scan(entry)]
            inside = natsorted(inside, key=lambda entry: entry.name, alg=ns.IGNORECASE)
        found += inside or [path]
    return list({path.resolve(): path for path in found}.values())


def _is_visible_scan(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".") and is_scan_path(path)


def check_targets(paths: Sequence[Path], output: Path) -> None:
    """Refuse scans whose labels would fall on each other, or on a scan.

    Raises
    ------
    UsageError
        Naming both.
    """
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        by_stem[stem_of(path)].append(path)
    inside = {path for path in paths if path.resolve().parent == output.resolve()}
    sources = {path.resolve() for path in paths}
    taken: dict[Path, Path] = {}
    for path in paths:
        if len(by_stem[stem_of(path)]) == 1 and path not in inside:
            continue
        try:
            target = label_path(read_scan(path), output)
        except (RetsegError, OSError):
            continue  # named when its turn comes
        if target.resolve() in sources:
            raise UsageError(f"{path}: its labels would replace {target}; choose another --output")
        if target in taken:
            raise UsageError(
                f"{path}: its labels would replace those of {taken[target]}, both {target.name}; "
                "label them in two runs with different --output"
            )
        taken[target] = path


def make_folder(folder: Path) -> None:
    """Make a folder.

    Raises
    ------
    InputError
        Where the system refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder}: this folder cannot be made ({error.strerror}); choose another"
        ) from error


def _newest(path: Path) -> int:
    """Return the latest modification of a file, or of a folder's files, in ns."""
    files = [entry for entry in path.iterdir() if entry.is_file()] if path.is_dir() else [path]
    return max(file.stat().st_mtime_ns for file in [*files, path])
