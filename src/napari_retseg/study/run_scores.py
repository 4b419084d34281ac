"""Scores of a finished run on the part that is reported, and the predictions that they are of."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.config import PredictConfig
from napari_retseg.dataset import Dataset
from napari_retseg.events import Cancel, Event, Progress
from napari_retseg.infer.evaluate import count_scores
from napari_retseg.infer.predictor import Predictor
from napari_retseg.io import write_labels
from napari_retseg.layers import translate_indices
from napari_retseg.nets.bundle import load_model
from napari_retseg.scan import OctScan
from napari_retseg.scores import Scores
from napari_retseg.study.run_plan import RunSpec
from napari_retseg.study.study_run import prediction_path

Scoring = Generator[Event, None, dict[str, Any] | None]


def score_model(
    model: Path, dataset: Dataset, spec: RunSpec, cancel: Cancel, *, keep: Path | None
) -> Scoring:
    """Score a model on the reported part; classes are taken by name.

    Parameters
    ----------
    keep
        Where the predicted labels go, a folder for each case; None: nowhere.

    Returns
    -------
    dict or None
        The scores' JSON with each B-scan's; None where it was cancelled.
    """
    bundle = load_model(model)
    config = PredictConfig(
        device=spec.config.device, precision=spec.config.precision, decode="plain"
    )
    predictor = Predictor(bundle.network, bundle.info, config)
    table = translate_indices(dataset.labels, bundle.info.classes)
    keeper = _Keeper(spec, keep)

    def label(scan: OctScan, bscans: Sequence[int]) -> Sequence[NDArray[np.uint8]]:
        found = [table[one.labels] for _, one in predictor.label_scan(scan, bscans, cancel=cancel)]
        keeper.take(scan, bscans, found)
        return found

    counting = count_scores(
        dataset, spec.report_on, label, batch_size=predictor.batch_size, cancel=cancel
    )
    for step in counting:
        if isinstance(step, Scores):
            keeper.write()
            return step.to_json()
        yield Progress(step.done, step.total, unit="scored B-scan")
    return None


def copy_model(source: Path, target: Path) -> None:
    """Put a bundle at its place, whole."""
    partial = target.with_name(f".{target.name}")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(source, partial)
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)


class _Keeper:
    """Collects the predicted labels of one scan after the other, and writes each when it is whole.

    Parameters
    ----------
    spec
        Of the run whose cases they are.
    folder
        Where to; None: nowhere.
    """

    def __init__(self, spec: RunSpec, folder: Path | None) -> None:
        self._cases = {case.image: case for case in spec.data.cases}
        self._classes = spec.data.labels
        self._folder = folder
        self._scan: OctScan | None = None
        self._labels: NDArray[np.uint8] = np.zeros(0, np.uint8)

    def take(
        self, scan: OctScan, bscans: Sequence[int], found: Sequence[NDArray[np.uint8]]
    ) -> None:
        """Take class indices of some B-scans."""
        if self._folder is None:
            return
        if self._scan is not scan:
            self.write()
            self._scan = scan
            self._labels = np.zeros(scan.spatial_shape, np.uint8)
        planes = self._labels.reshape(-1, *scan.spatial_shape[-2:])
        for bscan, labels in zip(bscans, found, strict=False):
            planes[bscan] = self._classes.values[labels]

    def write(self) -> None:
        """Write the scan that was collected."""
        scan, self._scan = self._scan, None
        if self._folder is None or scan is None or scan.source is None:
            return
        case = self._cases[scan.source]
        write_labels(prediction_path(case, scan, self._folder), self._labels, scan=scan)
