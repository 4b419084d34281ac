"""Scores of a model, or of labels, against a reference: as a pandas table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from napari_retseg.api.arguments import (
    ClassesLike,
    DataLike,
    LabelsLike,
    PathLike,
    as_classes,
    as_dataset,
    as_labels,
    as_path,
    describe,
)
from napari_retseg.api.frames import (
    By,
    tabulate_boundaries,
    tabulate_bscans,
    tabulate_classes,
)
from napari_retseg.api.model import Model, load_model, make_predict_config
from napari_retseg.api.progressbar import run_job
from napari_retseg.classes import IGNORE, LabelSet
from napari_retseg.dataset import Dataset
from napari_retseg.errors import InputError, ModelError, UsageError
from napari_retseg.events import Cancel, Event
from napari_retseg.infer.evaluate import evaluate as evaluate_model
from napari_retseg.infer.evaluate import evaluate_predictions
from napari_retseg.io.suffixes import LABEL_SUFFIXES, suffix_of
from napari_retseg.models import find_model
from napari_retseg.scores import ScoreCounter

if TYPE_CHECKING:
    import pandas as pd

Part = Literal["train", "val", "test", "all"]
_Start: TypeAlias = Callable[[Cancel], Iterator[Event]]
_TABLES: dict[By, Callable[[dict[str, Any]], pd.DataFrame]] = {
    "class": tabulate_classes,
    "bscan": tabulate_bscans,
    "boundary": tabulate_boundaries,
}
_PREDICTED = "a model (its name or folder), a folder of label files, or an array of class values"


def evaluate(
    predicted: Model | PathLike | LabelsLike,
    reference: DataLike | LabelsLike,
    *,
    split: Part = "val",
    by: By = "class",
    classes: ClassesLike | None = None,
    progress: bool = True,
    **options: Any,
) -> pd.DataFrame:
    """Score a model on labelled scans, or compare labels with a reference.

    Dice and IoU are of the pixels of all B-scans together. Pixels that are 255 ("not annotated")
    in the reference do not count. A class that neither side holds has no score (NaN), and the
    mean is over the classes that the reference holds, without background.

    Parameters
    ----------
    predicted
        A model (from :func:`load_model`, or its name or folder), a folder of label files that
        ``napari-retseg predict`` wrote, or class values as an array or a label file.
    reference
        For a model or a folder: a dataset (its folder, or a workspace). For class values: those
        of a grader, of the same shape, as an array or a label file.
    split
        The part of a dataset to score on: "train", "val" (held out), "test", or "all" labelled
        B-scans, for data that no training has seen.
    by
        "class": a row for each class and their mean. "bscan": a row for each B-scan, with the
        Dice of each class. "boundary": a row for each boundary of the layers and their mean.
    classes
        Names for two arrays: a list of names, or value to name. By default ``class 1``,
        ``class 2`` and so on.
    progress
        Show a progress bar.
    **options
        For a model: those of :meth:`Model.predict`.

    Returns
    -------
    pandas.DataFrame
        By class: columns ``dice``, ``iou``, ``precision``, ``recall`` (0 to 1) and ``bscans``
        (how many hold the class). By B-scan: ``patient``, ``mean`` and a column for each class.
        By boundary: ``mean_px`` (mean absolute error), ``p95_px`` (its 95th percentile),
        ``bias_px`` (positive where the prediction lies deeper), the same in um where the scale is
        known (else NaN), ``ascans`` (how many count) and ``missing`` (in how many more only the
        prediction has no boundary).
        ``table.attrs`` says what was compared.

    Raises
    ------
    InputError
        Where a file is missing or does not fit, or there is nothing labelled to score on.
    ModelError
        Where the model's classes are not those of the dataset.
    UsageError
        Where an argument is something else, or pandas is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_retseg as rs
    >>> reference = np.zeros((64, 96), np.uint8)
    >>> reference[20:30] = 1
    >>> predicted = np.zeros((64, 96), np.uint8)
    >>> predicted[22:32] = 1
    >>> table = rs.evaluate(predicted, reference, classes=["NFL"])
    >>> float(table.loc["NFL", "dice"])
    0.8
    """
    if by not in get_args(By):
        raise UsageError(f"expected by='class', by='bscan' or by='boundary', got {describe(by)}")
    if _is_array(predicted) or _is_label_file(predicted):
        scores = _compare(predicted, reference, classes)
    else:
        _refuse_classes(classes)
        start = _plan(predicted, _take_part(as_dataset(reference), split), split, options)
        scores = run_job(start, title="scoring", progress=progress, stopped="stopped: no scores")
    table = _TABLES[by](scores)
    about = ("model", "predictions", "dataset", "split", "n_bscans", "n_groups")
    table.attrs = {key: scores[key] for key in about if key in scores}
    if "split" in table.attrs:
        table.attrs["split"] = split
    return table


def _plan(predicted: Any, dataset: Dataset, split: Part, options: dict[str, Any]) -> _Start:
    """Find out whether a model or its predictions are scored."""
    part = "test" if split == "all" else split
    folder = None if isinstance(predicted, Model) else as_path(predicted, expected=_PREDICTED)
    if folder is not None and _is_predictions(folder):
        if options:
            raise UsageError(
                f"{folder}: contains label files; {', '.join(options)} can only be used with models"
            )
        return lambda cancel: evaluate_predictions(folder, dataset, split=part, cancel=cancel)
    config = make_predict_config(options)
    predictor = load_model(predicted).ready(config)
    return lambda cancel: evaluate_model(
        predictor, dataset, split=part, config=config, cancel=cancel
    )


def _is_predictions(folder: Path) -> bool:
    try:
        find_model(folder)
    except ModelError:
        return folder.is_dir()
    return False


def _take_part(dataset: Dataset, split: Part) -> Dataset:
    if split not in get_args(Part):
        raise UsageError(f"expected split 'train', 'val', 'test' or 'all', got {describe(split)}")
    if split == "all":
        update = {"split": "test", "heldout_bscans": (), "unused_bscans": ()}
        cases = tuple(case.model_copy(update=update) for case in dataset.cases)
        return dataset.model_copy(update={"cases": cases})
    if all(case.split is None and not case.heldout_bscans for case in dataset.cases):
        raise InputError(
            f"{dataset.root}: this dataset has no split yet; use split='all' to score all "
            "labelled B-scans"
        )
    return dataset


def _compare(predicted: Any, reference: Any, classes: ClassesLike | None) -> dict[str, Any]:
    """Score class values against those of a grader."""
    if not (_is_array(reference) or _is_label_file(reference)):
        raise UsageError(
            "expected an array or a label file as reference of class values, got "
            f"{describe(reference)}"
        )
    wanted = as_labels(reference)
    found = as_labels(predicted, shape=wanted.shape)
    names = _find_classes(wanted, found) if classes is None else as_classes(classes)
    counter = ScoreCounter(names)
    planes = zip(*(_split_planes(names.to_indices(one)) for one in (wanted, found)), strict=True)
    for index, (truth, guess) in enumerate(planes):
        counter.compare(truth, guess, name=str(index), group="")
    return counter.scores().to_json()


def _split_planes(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return labels.reshape(-1, *labels.shape[-2:])


def _find_classes(*labels: NDArray[np.uint8]) -> LabelSet:
    values = set().union(*(np.unique(one).tolist() for one in labels)) - {0, IGNORE}
    return LabelSet.from_names({value: f"class {value}" for value in sorted(values)})


def _is_array(value: object) -> bool:
    return hasattr(value, "__array__") or isinstance(value, list | tuple)


def _is_label_file(value: object) -> bool:
    if not isinstance(value, str | Path):
        return False
    path = Path(value)
    return suffix_of(path) in LABEL_SUFFIXES and not path.is_dir()


def _refuse_classes(classes: ClassesLike | None) -> None:
    if classes is not None:
        raise UsageError("classes can only be given for arrays; datasets and models have their own")
