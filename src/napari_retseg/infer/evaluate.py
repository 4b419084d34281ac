"""Score a model, or predictions on disk, on the labelled scans of a dataset."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import LabelSet
from napari_retseg.config import PredictConfig
from napari_retseg.dataset import Case, Dataset
from napari_retseg.errors import InputError, ModelError
from napari_retseg.events import Cancel, CancelToken, Event, Finished, Message, Progress
from napari_retseg.infer.predict import AnyPredictor, open_predictor
from napari_retseg.io import label_path, read_labels
from napari_retseg.layers import list_missing_classes, translate_indices
from napari_retseg.models import ModelInfo
from napari_retseg.nets.bundle import Model
from napari_retseg.scan import OctScan
from napari_retseg.scores import ScoreCounter, Scores

#: Gives label indices of some B-scans of a scan: ``(scan, [index, ...]) -> [indices, ...]``.
#: One whose work was cancelled meanwhile may give fewer.
Labeller = Callable[[OctScan, Sequence[int]], Sequence[NDArray[np.uint8]]]


def evaluate(
    model: AnyPredictor | Model | str | Path,
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
    predictor = open_predictor(model, config or PredictConfig())
    cancel = cancel or CancelToken()
    yield from warn_before(predictor.info, dataset, split)
    label = _label_by(predictor, dataset, cancel)
    counting = count_scores(dataset, split, label, batch_size=predictor.batch_size, cancel=cancel)
    try:
        yield from _finish(counting, describe_scores(predictor.info, dataset, split))
    finally:
        predictor.forget()


def evaluate_case(
    predictor: AnyPredictor,
    dataset: Dataset,
    bscans: Sequence[int],
    cancel: Cancel | None = None,
) -> Iterator[Event]:
    """Score a model on some B-scans of the only case of a dataset, as :func:`evaluate` does.

    Yields
    ------
    Event
        Progress, and at last :class:`Finished` with ``counts`` for
        :meth:`napari_retseg.scores.ScoreCounter.merge_plain`.
    """
    cancel = cancel or CancelToken()
    label = _label_by(predictor, dataset, cancel)
    counter = ScoreCounter(dataset.labels)
    (case,) = dataset.cases
    counting = count_case(case, dataset, bscans, label, counter, predictor.batch_size, cancel)
    is_whole = yield from _show(counting, 0, len(bscans))
    yield Finished(cancelled=not is_whole, result={"counts": counter.to_plain()})


def describe_scores(info: ModelInfo, dataset: Dataset, split: str) -> dict[str, str]:
    """Say whose scores they are."""
    return {"model": info.name, "dataset": dataset.name, "split": split}


def _label_by(predictor: AnyPredictor, dataset: Dataset, cancel: Cancel) -> Labeller:
    table = translate_indices(dataset.labels, predictor.info.classes)

    def label(scan: OctScan, bscans: Sequence[int]) -> Sequence[NDArray[np.uint8]]:
        predictor.check_channels(scan.n_channels, scan.source)
        found = predictor.label_scan(scan, bscans, cancel=cancel)
        return [table[result.labels] for _, result in found]

    return label


def warn_before(info: ModelInfo, dataset: Dataset, split: str) -> Iterator[Message]:
    """Name patients that the model was trained on: its own split may have held out others.

    Raises
    ------
    ModelError
        Where the model does not know a class of the dataset.
    """
    check_all_known(info.classes, dataset)
    trained = info.trained_on
    if trained is None or split == "train" or not trained.is_of(dataset.name):
        return
    known = trained.find_known(dataset.groups(split))
    if known:
        yield Message(
            f"{info.name} was trained on {', '.join(known)}, now in split {split!r} "
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


def check_all_known(classes: LabelSet, dataset: Dataset) -> None:
    """Raise a ModelError that names the classes of a dataset that a model does not know."""
    names = list_missing_classes(dataset.labels, classes)
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
    work = list_work(dataset, split)
    total = sum(len(bscans) for _, bscans in work)
    counter = ScoreCounter(dataset.labels)
    before = 0
    for case, bscans in work:
        # added case by case, the sums are those of cases that were counted in several processes
        own = ScoreCounter(dataset.labels)
        counting = count_case(case, dataset, bscans, label, own, batch_size, cancel)
        is_whole = yield from _show(counting, before, total)
        if not is_whole:
            return
        counter.merge(own)
        before += len(bscans)
    yield counter.scores()


def list_work(dataset: Dataset, split: str) -> list[tuple[Case, list[int]]]:
    """List the cases of a split that have labelled B-scans, with these.

    Raises
    ------
    InputError
        Where there are none.
    """
    cases = dataset.of_split(split)
    work = [(case, bscans) for case in cases if (bscans := dataset.annotated_bscans(case, split))]
    if not work:
        raise InputError(f"{dataset.root}: split {split!r} has no labelled B-scans to score")
    return work


def count_case(
    case: Case,
    dataset: Dataset,
    bscans: Sequence[int],
    label: Labeller,
    counter: ScoreCounter,
    batch_size: int,
    cancel: Cancel,
) -> Generator[int, None, bool]:
    """Compare the labels of some B-scans of a case with `label`'s; yield how many are counted.

    Returns
    -------
    bool
        Whether all are: not where the work was cancelled.
    """
    scan, reference = read_case(case, dataset)
    for start in range(0, len(bscans), batch_size):
        if cancel.is_cancelled():
            return False
        batch = bscans[start : start + batch_size]
        labelled = label(scan, batch)
        if len(labelled) < len(batch) and cancel.is_cancelled():
            return False
        for index, found in zip(batch, labelled, strict=True):
            wanted = reference[index] if scan.is_volume else reference
            name = f"{case.name}:{index}" if scan.is_volume else case.name
            um_per_px = scan.spacing_um[-2]
            counter.compare(wanted, found, name=name, group=case.group, um_per_px=um_per_px)
        yield start + len(batch)
    return True


def _show(
    counting: Generator[int, None, bool], before: int, total: int
) -> Generator[Progress, None, bool]:
    """Yield progress, and return what the counting returns."""
    try:
        while True:
            yield Progress(before + next(counting), total)
    except StopIteration as end:
        return bool(end.value)


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
