"""Labels of one scan predicted into files: a job, done here or by a worker."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from napari_retseg.cli.group import describe_failed_input, name_input
from napari_retseg.cli.labeller import Labeller
from napari_retseg.cli.listing import Place
from napari_retseg.cli.outputs import make_folder
from napari_retseg.cli.uncertainty_maps import Ranking
from napari_retseg.engine.jobs import JobOutcome, Lane
from napari_retseg.engine.sight import check_seen
from napari_retseg.errors import InputError, JobError
from napari_retseg.events import POOR, BscanPredicted, Cancel, CancelToken, Event, Finished, Runs
from napari_retseg.failures import release_memory
from napari_retseg.infer.anatomy import IMPOSSIBLE, Anatomy
from napari_retseg.io import LabelWriter, label_path, read_scan
from napari_retseg.io.atomic import write_bytes
from napari_retseg.io.inventory import list_read
from napari_retseg.io.suffixes import LABEL_SUFFIXES, stem_of
from napari_retseg.models.label_records import (
    Found,
    Origin,
    Record,
    Records,
    hash_plane,
    hash_planes,
)
from napari_retseg.overlay import draw_overlay, encode_png
from napari_retseg.scan import OctScan

OVERLAYS = "overlays"
#: Scans that are worked on at a time in a process: one is read, one predicted, one written.
AT_A_TIME = 3
#: Readers collect notes and warnings for one scan at a time, and a predictor knows one scan.
_READING = threading.Lock()
_PREDICTING = threading.Lock()
_WHAT_NOW = "delete it, move it away, or replace it with --overwrite"


class _Stopped(Exception):  # noqa: N818 - a request, not an error
    """The user asked to stop."""


@dataclass(frozen=True)
class Wanted:
    """What is wanted of every scan of a batch.

    Attributes
    ----------
    output
        The folder of the labels.
    resume
        Leave scans alone whose labels are there and made from the same scan, model and options,
        and those whose labels somebody has changed.
    overwrite
        Replace labels also where they were changed by hand, or nothing is known of them.
    overlay
        Draw pictures, too.
    uncertainty
        Write maps of the uncertainty; the labeller measures it.
    """

    output: Path
    resume: bool = False
    overwrite: bool = False
    overlay: bool = False
    uncertainty: bool = False


@dataclass(frozen=True)
class Labelled:
    """What came of a scan.

    Attributes
    ----------
    state
        ``predicted``; ``skipped``: its labels are up to date; ``kept``: somebody has changed them.
    target
        The label file, from the folder of the labels.
    impossible
        Which share of the foreground is misplaced, of B-scans where it is too much.
    doubtful
        Which share of the A-scans is doubtful, of B-scans where it is too much.
    """

    state: Literal["predicted", "skipped", "kept"]
    target: str
    n_bscans: int
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    impossible: tuple[tuple[int, float], ...] = ()
    doubtful: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class LabelJob:
    """Label a scan, and write its files.

    Attributes
    ----------
    place
        The scan.
    labeller
        The model.
    needs
        What a worker must see before it begins.
    before
        Digest of the labels that will be replaced, where the job is done in another folder.
    """

    place: Place
    wanted: Wanted
    labeller: Labeller
    needs: tuple[Path, ...] = ()
    before: str | None = None
    lane: ClassVar[Lane] = "predict"

    def run(self, cancel: Cancel) -> Iterator[Event]:
        """Yield the events but for the labels; the last says what came of it, or why it failed."""
        check_seen(self.needs)
        try:
            found = yield from _ScanFiles(self, cancel).label()
            yield Finished(result=asdict(found))
            return
        except _Stopped:
            yield Finished(cancelled=True)
            return
        except Exception as error:  # noqa: BLE001 - said as the outcome of this scan
            line = name_input(self.place.path, describe_failed_input(error))
        # after the exception, whose frames hold the arrays, is gone
        release_memory()
        yield Finished(result={"error": line})

    def look(self) -> LabelJob | JobOutcome:
        """Say what is to be done with what lies in the folder of the labels, before it is sent."""
        stem = stem_of(self.place.path)
        folder = self.wanted.output / self.place.inside
        if not any(os.path.lexists(folder / f"{stem}{suffix}") for suffix in LABEL_SUFFIXES):
            return self
        try:
            found = _ScanFiles(self, CancelToken()).look()
        except Exception as error:  # noqa: BLE001 - said as the outcome of this scan
            line = name_input(self.place.path, describe_failed_input(error))
            return JobOutcome("done", result={"error": line})
        if isinstance(found, Labelled):
            return JobOutcome("done", result=asdict(found))
        return replace(self, before=found.before)

    @property
    def bundle(self) -> Path:
        """The folder of the model."""
        return self.labeller.folder

    @property
    def written(self) -> Path:
        """The folder of the labels."""
        return self.wanted.output

    def list_files(self) -> list[Path]:
        """List the files of the scan."""
        return list_read(self.place.path)

    def move(self, to: Callable[[Path], Path]) -> LabelJob:
        """Return it with all paths changed."""
        return replace(
            self,
            place=replace(self.place, path=to(self.place.path)),
            wanted=replace(self.wanted, output=to(self.wanted.output)),
            labeller=self.labeller.move(to),
        )

    def receive(self, files: Mapping[str, bytes], result: Mapping[str, Any]) -> None:
        """Write what a worker made elsewhere: the labels last, when all others are there."""
        last = result.get("target", "")
        for name in sorted(files, key=lambda name: name == last):
            write_bytes(self.wanted.output / name, files[name])


@dataclass(frozen=True)
class _ToDo:
    """A scan that is to be labelled, and the digest of the labels that are there."""

    scan: OctScan
    target: Path
    origin: Origin
    before: str | None


class _ScanFiles:
    """The files of one scan: what is there, and what is written."""

    def __init__(self, job: LabelJob, cancel: Cancel) -> None:
        self._place = job.place
        self._wanted = job.wanted
        self._before = job.before
        self._output = job.wanted.output
        self._labeller = job.labeller
        self._cancel = cancel
        self._ranking = Ranking(self._output) if job.wanted.uncertainty else None
        self._records = Records(self._output)
        self._anatomy = Anatomy(self._labeller.info.classes)
        self._began = time.monotonic()

    def label(self) -> Generator[Event, None, Labelled]:
        """Label the scan where that is wanted; yield events, and return what came of it."""
        to_do = self.look()
        if isinstance(to_do, Labelled):
            return to_do
        misplaced, doubtful = yield from self._write(to_do)
        return Labelled(
            "predicted",
            to_do.target.relative_to(self._output).as_posix(),
            to_do.scan.n_bscans,
            seconds=round(time.monotonic() - self._began, 3),
            notes=to_do.scan.notes,
            impossible=_choose(misplaced, IMPOSSIBLE),
            doubtful=_choose(doubtful, POOR),
        )

    def look(self) -> _ToDo | Labelled:
        """Read the scan, and say what is to be done with what lies in the place of its labels."""
        path = self._place.path
        with _READING:
            scan = read_scan(path)
            target = label_path(scan, self._output / self._place.inside)
            name = target.relative_to(self._output).as_posix()
            found = self._records.look(target, shape=scan.spatial_shape)
            origin = self._labeller.origin(path)
        if self._wanted.resume and self._is_done(scan, target, found, origin):
            return Labelled("skipped", name, scan.n_bscans)
        if self._wanted.resume and found.state == "changed" and not self._wanted.overwrite:
            return Labelled("kept", name, scan.n_bscans)
        self._check_free(target, found)
        return _ToDo(scan, target, origin, found.digest or self._before)

    def _check_free(self, target: Path, found: Found) -> None:
        """Refuse to replace what predict did not write as it is."""
        if self._wanted.overwrite or found.state in ("none", "ours"):
            return
        if found.state == "unreadable":
            raise InputError(f"{found.reason}; not replaced: {_WHAT_NOW}")
        why = {
            "changed": "changed since it was predicted",
            "unknown": "already exists and was not written by predict",
        }
        raise InputError(f"{target}: {why[found.state]}; {_WHAT_NOW}")

    def _is_done(self, scan: OctScan, target: Path, found: Found, origin: Origin) -> bool:
        """Whether labels, and what else is asked for, are there and made from the same."""
        record = found.record
        if found.state != "ours" or record is None or record.made_from != origin:
            return False
        if self._wanted.overlay and not record.overlay:
            return False
        if self._ranking is None:
            return True
        path = self._place.path
        return record.uncertainty and self._ranking.recall(path, target, n_bscans=scan.n_bscans)

    def _write(
        self, to_do: _ToDo
    ) -> Generator[Event, None, tuple[dict[int, float], dict[int, float]]]:
        """Predict and write B-scan by B-scan; the file appears when it is whole.

        Returns
        -------
        dict, dict
            Which share of each B-scan's foreground is misplaced, and of its A-scans doubtful.
        """
        scan, target = to_do.scan, to_do.target
        misplaced: dict[int, float] = {}
        doubtful: dict[int, Runs] = {}
        shares: dict[int, float] = {}
        planes: dict[int, str] = {}
        with (
            LabelWriter(target, scan=scan) as writer,
            self._open_map(scan, target) as write_map,
            closing(self._predict(scan)) as events,
        ):
            for event in events:
                if isinstance(event, BscanPredicted):
                    writer.write(event.index, event.labels)
                    misplaced[event.index] = self._measure(event)
                    shares[event.index] = event.doubtful_share
                    if event.doubtful:
                        doubtful[event.index] = event.doubtful
                    write_map(event, misplaced[event.index])
                    self._draw(scan, target, event)
                    planes[event.index] = hash_plane(event.labels)
                elif not isinstance(event, Finished):
                    yield event
                elif event.cancelled:
                    raise _Stopped
            if len(planes) != scan.n_bscans:
                raise JobError(
                    f"{self._place.path}: only {len(planes)} of {scan.n_bscans} B-scans were "
                    "labelled"
                )
            record = Record(
                made_from=to_do.origin,
                weights_id=self._labeller.info.weights_id,
                labels=hash_planes(scan.spatial_shape, planes),
                before=to_do.before,
                uncertainty=self._wanted.uncertainty,
                overlay=self._wanted.overlay,
                doubtful=doubtful,
                classes={one.value: one.name for one in self._labeller.info.classes.foreground},
            )
            self._records.write(target, record)
        return misplaced, shares

    def _predict(self, scan: OctScan) -> Generator[Event, None, None]:
        """Yield the events of the prediction; that of another scan begins when it has ended."""
        with _PREDICTING:
            self._began = time.monotonic()
            events = self._labeller.label(scan, self._cancel)
            if scan.is_volume:
                yield from events
                return
            known = list(events)
        yield from known

    def _measure(self, event: BscanPredicted) -> float:
        classes = self._labeller.info.classes
        return self._anatomy.misplaced(classes.to_indices(event.labels))

    def _open_map(
        self, scan: OctScan, target: Path
    ) -> AbstractContextManager[Callable[[BscanPredicted, float], None]]:
        if self._ranking is None:
            return nullcontext(lambda *_: None)
        return self._ranking.open_map(self._place.path, scan, target)

    def _draw(self, scan: OctScan, target: Path, event: BscanPredicted) -> None:
        if not self._wanted.overlay:
            return
        folder = self._output / OVERLAYS / target.parent.relative_to(self._output)
        stem = stem_of(target)
        path = folder / f"{stem}.png"
        if scan.is_volume:
            digits = len(str(scan.n_bscans - 1))
            path = folder / stem / f"{stem}_b{event.index:0{digits}d}.png"
        make_folder(path.parent)
        classes = self._labeller.info.classes
        picture = draw_overlay(scan.read_bscan(event.index), event.labels, classes)
        write_bytes(path, encode_png(picture))


def _choose(shares: Mapping[int, float], limit: float) -> tuple[tuple[int, float], ...]:
    return tuple((k, round(share, 4)) for k, share in sorted(shares.items()) if share > limit)
