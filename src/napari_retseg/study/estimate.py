"""What a study will cost: pixels that go through a network, and the time that they take."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass

from napari_retseg.config import parse_size
from napari_retseg.dataset import Dataset
from napari_retseg.learn.budget import Budget
from napari_retseg.models import read_info
from napari_retseg.study.run_plan import RunSpec
from napari_retseg.study.study_run import StudyFolder

#: Seconds for a million pixels of a training step, of a small U-Net on one CPU core.
ROUGH_SECONDS = 2.0
#: A prediction takes about a third of a training step's time.
_PREDICTION_SHARE = 1 / 3


@dataclass(frozen=True)
class Cost:
    """What a run takes.

    Attributes
    ----------
    steps
        Optimizer steps; 0 where the training is limited by minutes.
    megapixels
        Trained on; predictions count a third.
    minutes
        The training's own limit; 0: none.
    """

    steps: int
    megapixels: float
    minutes: float = 0.0

    def seconds(self, rate: float) -> float:
        """Time at so many seconds for a million pixels."""
        return 60 * self.minutes if self.minutes else self.megapixels * rate


def estimate(run: RunSpec) -> Cost:
    """Estimate a run's cost from its options and the shape of its first scan."""
    config, dataset = run.config, run.data.open()
    sample, per_scan = _sample_pixels(run, dataset)
    n_train = len(dataset.of_split("train")) * per_scan
    batch = config.batch_size * config.accumulate
    is_new = config.strategy == "scratch" or (run.start is None and not run.start_run)
    budget = Budget.of(config, n_samples=n_train, is_new=is_new)
    steps = budget.iterations
    crop = parse_size(config.crop)
    trained = steps * batch * (math.prod(crop) if crop else sample)
    n_scored = len(dataset.of_split("val")) * per_scan * (steps // budget.score_every + 1)
    n_scored += len(dataset.of_split(run.report_on)) * per_scan
    pixels = trained + n_scored * sample * _PREDICTION_SHARE
    return Cost(steps, pixels / 1e6, config.minutes)


def find_rate(runs: Iterable[RunSpec], folder: StudyFolder) -> tuple[float, bool]:
    """Seconds for a million pixels.

    Returns
    -------
    rate, measured
        Whether it is measured on runs that are done, or the rough one.
    """
    seconds = pixels = 0.0
    for run in runs:
        if folder.run(run.key).state == "done" and not run.config.minutes:
            seconds += float(folder.run(run.key).read_result()["seconds"])
            pixels += estimate(run).megapixels
    return (seconds / pixels, True) if pixels else (ROUGH_SECONDS, False)


def measure_left(runs: Iterable[RunSpec], folder: StudyFolder) -> float:
    """Seconds that one worker needs for what is not done; what a begun run has done counts."""
    runs = list(runs)
    rate, _ = find_rate(runs, folder)
    left = 0.0
    for run in runs:
        state = folder.run(run.key).state
        if state != "done":
            cost = estimate(run)
            left += cost.seconds(rate) * (1 - _share_done(run, cost, folder))
    return left


class Pace:
    """How fast a study goes on, by the pixels of its runs: measured since it was started.

    Parameters
    ----------
    runs
        The runs to do. What a begun one has done already is not counted as work of now.
    """

    def __init__(self, runs: Iterable[RunSpec], folder: StudyFolder) -> None:
        self._pixels: dict[str, float] = {}
        self._first: dict[str, float] = {}
        for run in runs:
            if folder.run(run.key).state != "done":
                cost = estimate(run)
                self._pixels[run.key] = cost.megapixels
                self._first[run.key] = _share_done(run, cost, folder)
        self._shares = dict(self._first)
        self._since = time.monotonic()

    def reach(self, key: str, share: float) -> None:
        """Note which share of a run is done."""
        if key in self._shares:
            self._shares[key] = share

    def drop(self, key: str) -> None:
        """Leave out a run that failed."""
        self._shares.pop(key, None)

    def seconds_left(self) -> float:
        """Seconds until all is done at the pace so far; 0 where nothing is known or left."""
        done = left = 0.0
        for key, share in self._shares.items():
            done += self._pixels[key] * max(0.0, share - self._first[key])
            left += self._pixels[key] * (1 - share)
        return (time.monotonic() - self._since) * left / done if done else 0.0


def _share_done(run: RunSpec, cost: Cost, folder: StudyFolder) -> float:
    place = folder.run(run.key)
    if place.state != "begun" or not cost.steps:
        return 0.0
    return min(1.0, place.count_steps() / cost.steps)


def _sample_pixels(run: RunSpec, dataset: Dataset) -> tuple[int, int]:
    """Pixels of a sample on the network's grid, and samples in a scan."""
    from napari_retseg.learn.plan import complete, plan_sample_shape

    before = None if run.start is None else read_info(run.start)
    config = run.config if before is None else complete(run.config, before)
    scan = dataset.of_split("train")[0].read_scan()
    shape, spacing, per_scan = scan.spatial_shape, scan.spacing_um, 1
    if scan.is_volume and config.dims != "3":
        axis = int(config.axis) if config.axis != "auto" and not scan.is_oct else 0
        per_scan = shape[axis]
        shape = shape[:axis] + shape[axis + 1 :]
        spacing = spacing[:axis] + spacing[axis + 1 :]
    found = plan_sample_shape(run.config, before, shape=shape, spacing_um=spacing)
    return math.prod(found), per_scan
