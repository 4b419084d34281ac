"""Score a model, or predictions on disk, on the labelled scans of a dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import LabelSet
from napari_retseg.config import PredictConfig
from napari_retseg.dataset import Case, Dataset
from napari_retseg.errors import InputError, ModelError
from napari_retseg.events import Cancel, CancelToken, Event, Finished, Message, Progress
from napari_retseg.infer.predict import load_predictor
from napari_retseg.infer.predictor import Predictor
from napari_retseg.io import label_path, read_labels
from napari_retseg.layers import translate_classes, translate_indices
from napari_retseg.nets.bundle import Model
from napari_retseg.scan import OctScan
from napari_retseg.scores import ScoreCounter, Scores

#: Gives label indices of some B-scans of a scan: ``(scan, [index, ...]) -> [indices, ...]``.
#: One whose work was cancelled meanwhile may give fewer.
Labeller = Callable[[OctScan, Sequence[int]], Sequence[NDArray[np.uint8]]]


def evaluate(
    model: Predictor | Model | str | Path,
    dataset: Dataset,
    *,
    split: str = "val",
    config: PredictConfig | None = None,
    cancel: Cancel | None = None,
) -> Iterator[Event]:
    """Score a model on one split of a dataset.

    A class of the dataset may be several of the model's: ``fluid`` is ``IRF`` and ``SRF``.
    Classes that the dataset does not know count as background.

    Yields
    ------
    Event
        :class:`Progress` for each B-scan; the last is :class:`Finished`, whose result is
        the scores' JSON with ``model``, ``dataset`` and ``split``.

    Raises
    ------
    ModelError
        Where the model does not know a class of the dataset.
    InputError
        Where the split holds no labelled B-scan.
    """
    predictor = load_predictor(model, config or PredictConfig())
    table = translate_indices(dataset.labels, predictor.info.classes)
    _check_all_known(predictor.info.classes, dataset)
    cancel = cancel or CancelToken()

    def label(scan: OctScan, bscans: Sequence[int]) -> Sequence[NDArray[np.uint8]]:
        predictor.check_channels(scan.n_channels, scan.source)
        found = predictor.label_scan(scan, bscans, cancel=cancel)
        return [table[result.labels] for _, result in found]

    yield from _warn_of_training_patients(predictor, dataset, split)
    about = {"model": predictor.info.name, "dataset": dataset.name, "split": split}
    counting = count_scores(dataset, split, label, batch_size=predictor.batch_size, cancel=cancel)
    try:
        yield from _finish(counting, about)
    finally:
        predictor.forget()


def _warn_of_training_patients(
    predictor: Predictor, dataset: Dataset, split: str
) -> Iterator[Message]:
    """Name patients that the model was trained on: its own split may have held out others."""
    trained = predictor.info.trained_on
    if trained is None or split == "train" or not trained.is_of(dataset.name):
        return
    known = trained.find_known(dataset.groups(split))
    if known:
        yield Message(
            f"{predictor.info.name} was trained on {', '.join(known)}, now in split {split!r} "
            f"(its own split: {trained.split}); the scores are too optimistic for other patients",
            "warning",
        )


def evaluate_predictions(
    folder: Path, dataset: Dataset, *, split: str = "val", cancel: Cancel | None = None
) -> Iterator[Event]:
    """Score label files that lie in a folder under the names that ``predict`` gives them.

    Where scans of several folders have one name, each has its labels in a folder that is called
    as its own: ``P1/macula.png`` for the scan ``.../P1/macula.png``.

    Raises
    ------
    InputError
        Where a file is missing or does not fit, or would be scored as that of several scans.
    """
    read: dict[Path, NDArray[np.uint8]] = {}
    owners: dict[Path, Path | None] = {}

    def label(scan: OctScan, bscans: Sequence[int]) -> Sequence[NDArray[np.uint8]]:
        path = _find_prediction(scan, folder)
        if owners.setdefault(path, scan.source) != scan.source:
            raise InputError(
                f"{path}: does it belong to {owners[path]} or to {scan.source}? Put the labels "
                "of each scan in a folder with the name of the scan's folder "
                f"({path.parent / 'FOLDER' / path.name})"
            )
        if path not in read:
            read.clear()
            read[path] = dataset.labels.to_indices(read_labels(path, scan=scan))
        return [read[path][i] if scan.is_volume else read[path] for i in bscans]

    about = {"predictions": str(folder), "dataset": dataset.name, "split": split}
    yield from _finish(count_scores(dataset, split, label, batch_size=1, cancel=cancel), about)


def _find_prediction(scan: OctScan, folder: Path) -> Path:
    path = label_path(scan, folder)
    own = path if scan.source is None else folder / scan.source.parent.name / path.name
    return own if own.exists() else path


def _check_all_known(classes: LabelSet, dataset: Dataset) -> None:
    known = set(translate_classes(dataset.labels, classes).tolist())
    names = [one.name for one in dataset.labels.foreground if one.value not in known]
    if names:
        raise ModelError(
            f"{dataset.root}: has classes that the model does not know: {', '.join(names)} "
            f"(the model's: {', '.join(classes.names[1:])})"
        )


def check_classes(classes: LabelSet, dataset: Dataset) -> None:
    """Raise a ModelError that names the classes in which a model and a dataset differ."""
    if classes.names == dataset.labels.names:
        return
    raise ModelError(
        f"{dataset.root}: its classes ({', '.join(dataset.labels.names)}) differ from the "
        f"model's ({', '.join(classes.names)})"
    )


def count_scores(
    dataset: Dataset,
    split: str,
    label: Labeller,
    *,
    batch_size: int,
    cancel: Cancel | None = None,
) -> Iterator[Progress | Scores]:
    """Compare the labels of every annotated B-scan of a split with `label`'s.

    Yields
    ------
    Progress or Scores
        The scores come last, and not at all where the work was cancelled.
    """
    cancel = cancel or CancelToken()
    work = [(case, dataset.annotated_bscans(case, split)) for case in dataset.of_split(split)]
    total = sum(len(bscans) for _, bscans in work)
    if not total:
        raise InputError(f"{dataset.root}: split {split!r} has no labelled B-scans to score")
    counter = ScoreCounter(dataset.labels)
    done = 0
    for case, bscans in work:
        if not bscans:
            continue
        scan, reference = read_case(case, dataset)
        axial = scan.spacing_um[-2]
        for start in range(0, len(bscans), batch_size):
            if cancel.is_cancelled():
                return
            batch = bscans[start : start + batch_size]
            labelled = label(scan, batch)
            if len(labelled) < len(batch) and cancel.is_cancelled():
                return
            for index, found in zip(batch, labelled, strict=True):
                wanted = reference[index] if scan.is_volume else reference
                name = f"{case.name}:{index}" if scan.is_volume else case.name
                counter.compare(wanted, found, name=name, group=case.group, um_per_px=axial)
            done += len(batch)
            yield Progress(done, total)
    yield counter.scores()


def read_case(case: Case, dataset: Dataset) -> tuple[OctScan, NDArray[np.uint8]]:
    """Read a case's scan and its labels as class indices (255 not annotated)."""
    scan = case.read_scan()
    return scan, dataset.labels.to_indices(
        case.read_labels(dataset.labels, shape=scan.spatial_shape)
    )


def _finish(counting: Iterator[Progress | Scores], about: dict[str, str]) -> Iterator[Event]:
    scores: Scores | None = None
    for step in counting:
        if isinstance(step, Scores):
            scores = step
        else:
            yield step
    if scores is None:
        yield Finished(cancelled=True)
    else:
        yield Finished(result={**about, **scores.to_json()})
