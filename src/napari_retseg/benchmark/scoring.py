"""Scores of one set of a scoreboard, as plain values."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.benchmark.board import DeviceSet, LabelledSet, SimulatedSet
from napari_retseg.benchmark.cases import (
    LabelledBscan,
    find_classes,
    open_labelled,
    read_bscans,
    simulate_bscans,
)
from napari_retseg.classes import IGNORE, LabelSet
from napari_retseg.errors import InputError
from napari_retseg.events import Cancel, Progress
from napari_retseg.infer.anatomy import IMPOSSIBLE, Anatomy
from napari_retseg.infer.predictor import Predictor
from napari_retseg.io import read_scan
from napari_retseg.io.heidelberg_xml import ETDRS
from napari_retseg.layers import find_common_classes, translate_classes
from napari_retseg.measures import measure_labels
from napari_retseg.scores import ScoreCounter, Scores

Row = dict[str, Any]


def score_labelled(
    one: LabelledSet | SimulatedSet, root: Path, predictor: Predictor, cancel: Cancel
) -> Iterator[Progress | Row]:
    """Score a model on labelled B-scans.

    Yields
    ------
    Progress or dict
        The scores come last, and not at all where the work was cancelled: ``n_bscans``,
        ``n_groups``, ``classes`` (Dice and IoU of all pixels together, ``dice_of_bscans``: the
        mean over B-scans that hold the class), ``boundaries``, ``groups`` (the same of each
        patient), ``second`` (the same of a second grader), ``impossible`` (B-scans that no eye can
        look like) and ``seconds`` a B-scan.
    """
    scored = one.classes if isinstance(one, LabelledSet) else ()
    counting = _Counting(find_classes(one, root), scored, predictor)
    if isinstance(one, SimulatedSet):
        bscans, total = simulate_bscans(one), one.eyes
    else:
        bscans, total = read_bscans(one, root), len(open_labelled(one, root).cases)
    for done, bscan in enumerate(bscans, start=1):
        if cancel.is_cancelled():
            return
        counting.add(bscan)
        yield Progress(min(done, total), total, unit="B-scan")
    yield counting.to_row(by_group=isinstance(one, LabelledSet))


class _Counting:
    """Counts a set's B-scans: all together, by patient, and by the second grader."""

    def __init__(self, classes: LabelSet, scored: Sequence[str], predictor: Predictor) -> None:
        own = predictor.info.classes
        wanted = LabelSet.from_names(scored) if scored else classes
        self._predictor, self._classes = predictor, find_common_classes(wanted, own)
        if len(self._classes) < 2:
            raise InputError(
                f"the data ({', '.join(classes.names[1:])}) and the model "
                f"({', '.join(own.names[1:])}) have no class in common"
            )
        self._of_data = translate_classes(self._classes, classes)
        self._of_model = translate_classes(self._classes, own)[own.values]
        self._anatomy = Anatomy(own)
        self._all, self._second = ScoreCounter(self._classes), ScoreCounter(self._classes)
        self._groups: dict[str, ScoreCounter] = {}
        self._seconds: list[float] = []
        self._n_impossible = 0

    def add(self, bscan: LabelledBscan) -> None:
        start = time.perf_counter()
        ((_, found),) = self._predictor.label_scan(bscan.scan, [bscan.index])
        self._seconds.append(time.perf_counter() - start)
        self._n_impossible += self._anatomy.misplaced(found.labels) > IMPOSSIBLE
        group = self._groups.setdefault(bscan.group, ScoreCounter(self._classes))
        for counter in (self._all, group):
            self._compare(counter, bscan, self._of_model[found.labels])
        if bscan.second is not None:
            self._compare(self._second, bscan, self._of_data[bscan.second])

    def _compare(
        self, counter: ScoreCounter, bscan: LabelledBscan, labels: NDArray[np.uint8]
    ) -> None:
        # what either grader left out does not count for anybody
        reference = self._of_data[bscan.reference]
        if bscan.second is not None:
            reference = np.where(bscan.second == IGNORE, IGNORE, reference)
        labels = np.where(reference == IGNORE, 0, labels)
        counter.compare(
            reference, labels, name=bscan.name, group=bscan.group, um_per_px=bscan.axial_um
        )

    def to_row(self, *, by_group: bool) -> Row:
        second, groups = self._second.scores(), self._groups if by_group else {}
        return {
            **_describe(self._all.scores()),
            "groups": {name: _describe(one.scores()) for name, one in groups.items()},
            "second": _describe(second) if second.n_bscans else None,
            "impossible": self._n_impossible,
            "seconds": round(statistics.median(self._seconds), 4),
        }


def _describe(scores: Scores) -> Row:
    per_bscan: dict[str, list[float]] = {}
    for bscan in scores.bscans:
        for name, one in bscan.overlap.classes.items():
            if one.is_present and one.dice is not None:
                per_bscan.setdefault(name, []).append(one.dice)
    classes = {
        name: {
            "dice": _short(one.dice),
            "iou": _short(one.iou),
            "dice_of_bscans": _short(statistics.fmean(per_bscan[name])),
        }
        for name, one in list(scores.classes.items())[1:]
        if name in per_bscan
    }
    boundaries = None
    if scores.boundaries is not None:
        found = scores.boundaries
        names = ("mean_px", "p95_px", "mean_um", "p95_um")
        boundaries = {name: _short(getattr(found, name)) for name in names}
    numbers = {"n_bscans": scores.n_bscans, "n_groups": scores.n_groups}
    return {**numbers, "classes": classes, "boundaries": boundaries}


def score_device(
    one: DeviceSet, root: Path, predictor: Predictor, cancel: Cancel
) -> Iterator[Progress | Row]:
    """Compare thickness with the ETDRS grid that the device measured itself.

    Yields
    ------
    Progress or dict
        Last, and not where the work was cancelled: for each export the mean absolute difference of
        the zones' means in um, and the B-scans that no eye can look like.
    """
    folders = list_exports(one, root)
    anatomy, values = Anatomy(predictor.info.classes), predictor.info.classes.values
    exports: dict[str, Row] = {}
    for done, folder in enumerate(folders, start=1):
        scan = read_scan(folder)
        device = scan.metadata.get(ETDRS)
        if not isinstance(device, dict):
            continue
        labels = np.zeros(scan.spatial_shape, np.uint8)
        n_impossible = 0
        for index, found in predictor.label_scan(scan, range(scan.n_bscans), cancel=cancel):
            labels[index] = values[found.labels]
            n_impossible += anatomy.misplaced(found.labels) > IMPOSSIBLE
        if cancel.is_cancelled():
            return
        measures = measure_labels(labels, predictor.info.classes, scan, centre="file")
        exports[folder.name] = {**_compare_zones(measures.numbers, device), "bscans": scan.n_bscans}
        exports[folder.name]["impossible"] = n_impossible
        yield Progress(done, len(folders), unit="export")
    yield {"exports": exports}


def _compare_zones(numbers: Iterable[Any], device: dict[str, Any]) -> Row:
    found = {
        (row["class"], row["sector"]): row["value"]
        for row in (one.to_row() for one in numbers)
        if row["measure"] == "mean thickness"
    }
    rows = {}
    for name in ("retina", "retina to BM"):
        away = [found[name, zone] - one["um"] for zone, one in device["zones"].items()]
        rows[f"{name}, um"] = round(statistics.fmean(map(abs, away)), 2)
    return rows


def list_exports(one: DeviceSet, root: Path) -> list[Path]:
    """List the exports of a set; each is a folder.

    Raises
    ------
    InputError
        Where there are none.
    """
    folder = root / one.data
    found = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    if not found:
        raise InputError(f"{folder}: no exports there")
    return found


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
