"""Calibrate a model on patients that had no part in its training: how far its numbers are off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import IGNORE
from napari_retseg.config import PredictConfig
from napari_retseg.dataset import Case, Dataset
from napari_retseg.errors import InputError
from napari_retseg.events import Cancel, CancelToken, Event, Finished, Message, Progress
from napari_retseg.infer.evaluate import check_all_known, read_case
from napari_retseg.infer.predict import load_predictor
from napari_retseg.infer.predictor import Predictor
from napari_retseg.layers import translate_classes
from napari_retseg.measures.calibrating import Calibration
from napari_retseg.measures.conformal import count_fewest
from napari_retseg.measures.intervals import LEVEL
from napari_retseg.nets.bundle import Model
from napari_retseg.plural import count_noun, list_first
from napari_retseg.scan import OctScan


def calibrate(
    model: Predictor | Model | str | Path,
    dataset: Dataset,
    *,
    split: str = "val",
    config: PredictConfig | None = None,
    cancel: Cancel | None = None,
) -> Iterator[Event]:
    """Find the intervals of a model on one split of a dataset.

    Yields
    ------
    Event
        :class:`Progress` for each scan; the last is :class:`Finished`, whose result is that of
        :class:`napari_retseg.measures.intervals.Intervals`, as JSON.

    Raises
    ------
    ModelError
        Where the model does not know a class of the dataset.
    InputError
        Where there are too few patients, or the model was trained on one of them.
    """
    predictor = load_predictor(model, config or PredictConfig())
    check_all_known(predictor.info.classes, dataset)
    cases = [case for case in dataset.of_split(split) if dataset.annotated_bscans(case, split)]
    _check_patients(predictor, dataset, split, cases)
    cancel = cancel or CancelToken()
    table = translate_classes(dataset.labels, predictor.info.classes)
    calibration = Calibration(dataset.labels)
    n_scans = 0
    try:
        for number, case in enumerate(cases, start=1):
            scan, truth = _read_truth(case, dataset, split)
            if not scan.is_oct:
                yield Message(f"{case.image}: left out, because it is not OCT", "warning")
                continue
            labels, is_doubtful = predict_doubt(scan, predictor, cancel)
            if cancel.is_cancelled():
                yield Finished(cancelled=True)
                return
            calibration.add(case.group, table[labels], truth, scan, is_doubtful)
            n_scans += 1
            yield Progress(number, len(cases), "scan")
    finally:
        predictor.forget()
    patients = count_noun(len(calibration.groups), "held-out patient")
    data = f"{count_noun(n_scans, 'scan')} of {patients}"
    found = calibration.finish(weights_id=predictor.info.weights_id, data=data)
    yield Finished(result=found.model_dump(mode="json"))


def predict_doubt(
    scan: OctScan, predictor: Predictor, cancel: Cancel | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Predict a scan in memory.

    Returns
    -------
    labels, is_doubtful
        Class values of the scan's shape, and doubtful A-scans ``(bscan, width)``.
    """
    values = predictor.info.classes.values
    labels = np.zeros(scan.spatial_shape, np.uint8)
    planes = labels.reshape(-1, *labels.shape[-2:])
    is_doubtful = np.zeros((len(planes), planes.shape[-1]), bool)
    for index, found in predictor.label_scan(scan, range(scan.n_bscans), cancel=cancel):
        planes[index] = values[found.labels]
        if found.doubtful is not None:
            is_doubtful[index] = found.doubtful
    return labels, is_doubtful


def _check_patients(
    predictor: Predictor, dataset: Dataset, split: str, cases: Sequence[Case]
) -> None:
    groups = {case.group for case in cases}
    trained = predictor.info.trained_on
    known = [] if trained is None else trained.find_known(groups)
    if known:
        raise InputError(
            f"{dataset.root}: the model was trained on {list_first(known, 4)}, in split {split!r}; "
            "its errors there are smaller than on new patients: choose held-out patients"
        )
    fewest = count_fewest(LEVEL)
    if len(groups) < fewest:
        raise InputError(
            f"{dataset.root}: split {split!r} has {count_noun(len(groups), 'labelled patient')}; "
            f"{LEVEL:.0%} intervals need at least {fewest}"
        )


def _read_truth(case: Case, dataset: Dataset, split: str) -> tuple[OctScan, NDArray[np.uint8]]:
    """Read a scan, and its labels as class values; 255 on B-scans that do not count."""
    scan, indices = read_case(case, dataset)
    values = np.full(256, IGNORE, np.uint8)
    values[: len(dataset.labels)] = dataset.labels.values
    truth = values[indices]
    counted = dataset.annotated_bscans(case, split)
    planes = truth.reshape(-1, *truth.shape[-2:])
    planes[np.setdiff1d(np.arange(len(planes)), counted)] = IGNORE
    return scan, truth
