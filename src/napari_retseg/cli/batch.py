"""Many scans, one after the other: one that fails leaves the others done."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_retseg.cli.group import describe_failed_input, name_input
from napari_retseg.cli.label_records import (
    FOLDER,
    Found,
    Origin,
    Record,
    Records,
    hash_plane,
    hash_planes,
)
from napari_retseg.cli.labeller import Labeller
from napari_retseg.cli.listing import Place, check_targets
from napari_retseg.cli.outputs import make_folder, shared
from napari_retseg.cli.reporting import Reporter, format_seconds
from napari_retseg.cli.summary import (
    DOUBTFUL_LAYERS,
    IMPOSSIBLE_LAYERS,
    Summary,
    describe_check,
)
from napari_retseg.cli.uncertainty_maps import FOLDER as MAPS
from napari_retseg.cli.uncertainty_maps import Ranking
from napari_retseg.errors import InputError, JobError
from napari_retseg.events import POOR, BscanPredicted, Finished, Runs
from napari_retseg.failures import release_memory
from napari_retseg.infer.anatomy import IMPOSSIBLE, Anatomy
from napari_retseg.io import LabelWriter, label_path, read_scan
from napari_retseg.io.atomic import write_bytes
from napari_retseg.io.suffixes import stem_of
from napari_retseg.overlay import draw_overlay, encode_png
from napari_retseg.plural import count_noun
from napari_retseg.scan import OctScan

OVERLAYS = "overlays"
_WHAT_NOW = "delete it, move it away, or replace it with --overwrite"


class _Stopped(Exception):  # noqa: N818 - a request, not an error
    """The user asked to stop."""


@dataclass(kw_only=True)
class Batch:
    """Labels scans into one folder.

    Attributes
    ----------
    output
        The folder; made if missing.
    labeller
        The model.
    reporter
        Tells the user.
    resume
        Leave scans alone whose labels are there and made from the same scan, model and options,
        and those whose labels somebody has changed.
    overwrite
        Replace labels also where they were changed by hand, or nothing is known of them.
    overlay
        Draw pictures, too.
    uncertainty
        Write maps of the uncertainty and rank the B-scans; the labeller measures it.
    """

    output: Path
    labeller: Labeller
    reporter: Reporter
    resume: bool = False
    overwrite: bool = False
    overlay: bool = False
    uncertainty: bool = False

    def __post_init__(self) -> None:
        self._ranking = Ranking(self.output) if self.uncertainty else None
        self._records = Records(self.output)
        self._anatomy = Anatomy(self.labeller.info.classes)
        self._summary = Summary(model=self.labeller.info.name, output=self.output)

    def run(self, places: Sequence[Place], *, fail_fast: bool = False) -> Summary:
        """Label scans one after the other.

        Raises
        ------
        UsageError
            Where two scans would get the same label file, or one would be overwritten.
        InputError
            Where the folder cannot be made.
        """
        check_targets(places, self.output)
        if self._ranking is not None:
            self._ranking.check_sources([one.path for one in places])
        make_folder(self.output)
        with shared(self.output / FOLDER / "lock", self._list_folders(places)):
            for number, place in enumerate(places, start=1):
                self._try(place)
                if self._summary.interrupted or (fail_fast and self._summary.failed):
                    self._summary.not_tried = [str(rest.path) for rest in places[number:]]
                    break
            self._rank()
        return self._summary

    def _list_folders(self, places: Sequence[Place]) -> set[Path]:
        """Where files are written."""
        roots = [self.output / name for name in ("", MAPS, OVERLAYS, FOLDER)]
        return {root / inside for root in roots for inside in {one.inside for one in places}}

    def _try(self, place: Place) -> None:
        """Label a scan; whatever goes wrong is told, and is no reason to leave the others."""
        try:
            self._label(place)
            return
        except _Stopped:
            self._summary.interrupted = True
        except Exception as error:  # noqa: BLE001 - a fault of ours is told as such
            self._fail(place.path, error)
        # after the exception, whose frames hold the arrays, is gone
        release_memory()

    def _rank(self) -> None:
        if self._ranking is None:
            return
        try:
            self._summary.ranking = self._ranking.write()
        except Exception as error:  # noqa: BLE001 - the labels are there all the same
            self._fail(self._ranking.table, error)

    def _label(self, place: Place) -> None:
        path = place.path
        scan = read_scan(path)
        target = label_path(scan, self.output / place.inside)
        entry: dict[str, Any] = {"input": str(path), "labels": str(target)}
        if self._ranking is not None:
            entry["uncertainty"] = str(self._ranking.map_path(target))
        found = self._records.look(target)
        origin = self.labeller.origin(path)
        if self.resume and self._is_done(path, scan, target, found, origin):
            self._summary.skipped.append(entry)
            return
        if self.resume and found.state == "changed" and not self.overwrite:
            self.reporter.say(f"{target}: changed since it was predicted; not replaced")
            self._summary.kept.append(entry)
            return
        self._check_free(target, found)
        for note in scan.notes:
            self.reporter.say(f"{path}: {note}")
        began = time.monotonic()
        misplaced, doubtful = self._write(place, scan, target, (origin, found.digest))
        seconds = time.monotonic() - began
        self.reporter.end_progress()
        size = count_noun(scan.n_bscans, "B-scan")
        self.reporter.say(f"{path} -> {target} ({size}, {format_seconds(seconds)})")
        impossible = {k: share for k, share in sorted(misplaced.items()) if share > IMPOSSIBLE}
        poor = {k: share for k, share in sorted(doubtful.items()) if share > POOR}
        for bscans, what in ((impossible, IMPOSSIBLE_LAYERS), (poor, DOUBTFUL_LAYERS)):
            if bscans:
                self.reporter.say(f"{path}: {describe_check(what, bscans, scan.n_bscans)}")
        entry["impossible"] = [
            {"bscan": k, "misplaced": round(share, 4)} for k, share in impossible.items()
        ]
        entry["doubtful"] = [{"bscan": k, "share": round(v, 4)} for k, v in poor.items()]
        entry |= {"bscans": scan.n_bscans, "seconds": round(seconds, 3)}
        self._summary.predicted.append(entry)

    def _check_free(self, target: Path, found: Found) -> None:
        """Refuse to replace what predict did not write as it is."""
        if self.overwrite or found.state in ("none", "ours"):
            return
        if found.state == "unreadable":
            raise InputError(f"{found.reason}; not replaced: {_WHAT_NOW}")
        why = {
            "changed": "changed since it was predicted",
            "unknown": "already exists and was not written by predict",
        }
        raise InputError(f"{target}: {why[found.state]}; {_WHAT_NOW}")

    def _is_done(
        self, path: Path, scan: OctScan, target: Path, found: Found, origin: Origin
    ) -> bool:
        """Whether labels, and what else is asked for, are there and made from the same."""
        record = found.record
        if found.state != "ours" or record is None or record.made_from != origin:
            return False
        if self.overlay and not record.overlay:
            return False
        if self._ranking is not None:
            return record.uncertainty and self._ranking.recall(path, target, n_bscans=scan.n_bscans)
        return True

    def _write(
        self, place: Place, scan: OctScan, target: Path, known: tuple[Origin, str | None]
    ) -> tuple[dict[int, float], dict[int, float]]:
        """Predict and write B-scan by B-scan; the file appears when it is whole.

        Returns
        -------
        dict, dict
            Which share of each B-scan's foreground is misplaced, and of its A-scans doubtful.
        """
        path = place.path
        misplaced: dict[int, float] = {}
        doubtful: dict[int, Runs] = {}
        shares: dict[int, float] = {}
        planes: dict[int, str] = {}
        with (
            LabelWriter(target, scan=scan) as writer,
            self._open_map(path, scan, target) as write_map,
        ):
            for event in self.labeller.label(scan):
                self.reporter.show(event, subject=path.name)
                if isinstance(event, BscanPredicted):
                    writer.write(event.index, event.labels)
                    misplaced[event.index] = self._measure(event)
                    shares[event.index] = event.doubtful_share
                    if event.doubtful:
                        doubtful[event.index] = event.doubtful
                    write_map(event, misplaced[event.index])
                    self._draw(scan, target, event)
                    planes[event.index] = hash_plane(event.labels)
                elif isinstance(event, Finished) and event.cancelled:
                    raise _Stopped
            if len(planes) != scan.n_bscans:
                raise JobError(
                    f"{path}: only {len(planes)} of {scan.n_bscans} B-scans were labelled"
                )
            record = Record(
                made_from=known[0],
                weights_id=self.labeller.info.weights_id,
                labels=hash_planes(scan.spatial_shape, planes),
                before=known[1],
                uncertainty=self._ranking is not None,
                overlay=self.overlay,
                doubtful=doubtful,
            )
            self._records.write(target, record)
        return misplaced, shares

    def _measure(self, event: BscanPredicted) -> float:
        classes = self.labeller.info.classes
        return self._anatomy.misplaced(classes.to_indices(event.labels))

    def _open_map(
        self, path: Path, scan: OctScan, target: Path
    ) -> AbstractContextManager[Callable[[BscanPredicted, float], None]]:
        if self._ranking is None:
            return nullcontext(lambda *_: None)
        return self._ranking.open_map(path, scan, target)

    def _draw(self, scan: OctScan, target: Path, event: BscanPredicted) -> None:
        if not self.overlay:
            return
        folder = self.output / OVERLAYS / target.parent.relative_to(self.output)
        stem = stem_of(target)
        path = folder / f"{stem}.png"
        if scan.is_volume:
            digits = len(str(scan.n_bscans - 1))
            path = folder / stem / f"{stem}_b{event.index:0{digits}d}.png"
        make_folder(path.parent)
        classes = self.labeller.info.classes
        picture = draw_overlay(scan.read_bscan(event.index), event.labels, classes)
        write_bytes(path, encode_png(picture))

    def _fail(self, path: Path, error: Exception) -> None:
        line = name_input(path, describe_failed_input(error))
        self.reporter.end_progress()
        self.reporter.fail(line)
        self._summary.failed.append({"input": str(path), "error": line})
