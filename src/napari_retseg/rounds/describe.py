"""What a round of training is about to do, in words; and what is missing before it can."""

from __future__ import annotations

from pathlib import Path

from napari_retseg.config import TrainConfig, parse_split
from napari_retseg.dataset import Dataset, divide, pin_split
from napari_retseg.errors import RetsegError
from napari_retseg.learn.budget import Budget
from napari_retseg.models import ModelInfo
from napari_retseg.plural import count_noun, plural
from napari_retseg.rounds.duration import describe_duration
from napari_retseg.rounds.words import (
    NAMED,
    count_bscans,
    join,
    make_sentence,
    name_heldout_places,
    name_patients,
)

#: With fewer held-out B-scans, a score depends on which they are.
FEW = 5
_DEVICES = {"cpu": "the CPU", "cuda": "the GPU", "mps": "the GPU", "auto": "the fastest device"}


def describe_round(
    dataset: Dataset,
    config: TrainConfig,
    start: ModelInfo | None,
    *,
    parameters: tuple[int, int] | None,
    seconds_per_step: float | None,
    device: str,
) -> str:
    """Say who is trained on, who is held out, how much is trained, where, and how long.

    Parameters
    ----------
    dataset
        As it is saved; new patients get their part of the split here as they will in training.
    start
        The model to start from; None: from scratch.
    parameters
        Trained and frozen (:func:`~napari_retseg.rounds.parameters.count_for_round`); None: not
        known.
    seconds_per_step
        See :func:`~napari_retseg.rounds.duration.seconds_per_step`; None: not known.
    device
        ``cpu``, ``cuda``, ``mps``, ``auto``, or a device in words.

    Returns
    -------
    str
        Two sentences; empty where :func:`check_round` says what is missing.
    """
    if check_round(dataset, config, start) is not None:
        return ""
    divided = plan_split(dataset, config)
    what = "confirmed B-scan" if _has_states(divided) else "labelled B-scan"
    training = count_bscans(divided, "train")
    groups = divided.groups("train")
    trained = f"Trains on {count_noun(training, what)} of {name_patients(groups)}"
    where = _DEVICES.get(device, device)
    budget = _find_budget(divided, config, start)
    return (
        f"{trained}; held out: {_describe_heldout(divided)}. "
        f"{_describe_weights(config, start, parameters)} on {where}, "
        f"{_describe_length(config, budget, seconds_per_step)}."
    )


def check_round(dataset: Dataset, config: TrainConfig, start: ModelInfo | None) -> str | None:
    """Say in one sentence what is missing before a training can start; None: nothing.

    The training itself checks all of it again, and what only the pixels tell.
    """
    missing = check_labels(dataset) or _check_model(config, start)
    if missing is not None:
        return missing
    if config.rehearse and not Path(config.rehearse).exists():
        return (
            f"Rehearsal dataset {config.rehearse} not found. Choose another one, or leave it empty."
        )
    try:
        divided = plan_split(dataset, config)
        return check_sides(divided)
    except RetsegError as error:
        return make_sentence(error)


def plan_split(dataset: Dataset, config: TrainConfig) -> Dataset:
    """Divide a dataset as the training will, without saving it.

    Raises
    ------
    RetsegError
        Where it cannot be divided like that.
    """
    plan = parse_split(config.split)
    if plan.fractions is None and not plan.folds and config.split_by == "patient":
        return pin_split(dataset)
    return divide(dataset, plan, by=config.split_by, seed=dataset.split_seed)


def check_labels(dataset: Dataset) -> str | None:
    """Say in one sentence which labels are missing; None: none."""
    if not dataset.cases:
        return "No scans yet: add a scan, correct some of its B-scans and confirm them."
    labelled = sum(len(case.annotated_bscans()) for case in dataset.cases)
    if labelled == 0:
        return (
            "No confirmed B-scans yet: correct and confirm at least two B-scans, if possible of "
            "two patients."
        )
    if labelled == 1:
        return (
            "Only one B-scan is confirmed, so none can be held out. Confirm another one, if "
            "possible of another patient."
        )
    return None


def _check_model(config: TrainConfig, start: ModelInfo | None) -> str | None:
    if start is None:
        if config.strategy in ("all", "scratch"):
            return None
        return (
            f"Strategy {config.strategy} needs a starting model. Choose a model, or train from "
            "scratch."
        )
    if config.dims != "auto" and (config.dims == "3") != (start.network.dims == 3):
        return (
            f"Model {start.name} is a {start.network.dims}D network. Set the dimensions to auto, "
            "or choose another starting model."
        )
    return None


def check_sides(divided: Dataset) -> str | None:
    """Say which side of the split has no confirmed B-scan."""
    if not count_bscans(divided, "train"):
        names = name_patients(divided.groups("val"))
        return (
            f"All confirmed B-scans are held out ({names}), so none is left for training. "
            "Confirm some of another patient."
        )
    if not count_bscans(divided, "val"):
        places = name_heldout_places(divided) if divided.of_split("val") else ""
        return (
            "No confirmed B-scan is held out, so there would be no scores: "
            f"{f'confirm one of {places}' if places else 'confirm some of a second patient'}."
        )
    return None


def _describe_heldout(divided: Dataset) -> str:
    shared = {*divided.groups("train")} & {*divided.groups("val")}
    groups = divided.groups("val")
    total = count_noun(count_bscans(divided, "val"), "B-scan")
    if shared and len({case.group for case in divided.cases if case.split}) == 1:
        return f"{total} of the same patient ({name_heldout_places(divided)})"
    if len(groups) == 1:
        return f"{total} of {groups[0]}"
    if len(groups) > NAMED:
        return f"{total} of {name_patients(groups)}"
    counts = [f"{count_bscans(divided, 'val', group=group)} of {group}" for group in groups]
    return f"{total}, {join(counts)}"


def _describe_weights(
    config: TrainConfig, start: ModelInfo | None, parameters: tuple[int, int] | None
) -> str:
    if parameters is not None:
        trained, frozen = parameters
        total = _round_number(trained + frozen)
        if not frozen:
            return f"All {total} parameters are trained"
        return f"{_round_number(trained)} of {total} parameters are trained"
    if start is None or config.strategy == "scratch":
        return "Trains a network from scratch"
    return f"Fine-tunes {start.name} with strategy {config.strategy}"


def _find_budget(divided: Dataset, config: TrainConfig, start: ModelInfo | None) -> Budget:
    is_3d = config.dims == "3" or (start is not None and start.network.dims == 3)
    n_samples = len(divided.of_split("train")) if is_3d else count_bscans(divided, "train")
    is_new = start is None or config.strategy == "scratch"
    return Budget.of(config, n_samples=n_samples, is_new=is_new)


def _describe_length(config: TrainConfig, budget: Budget, seconds_per_step: float | None) -> str:
    if config.minutes:
        text = f"{config.minutes:g} {plural('minute', config.minutes)}"
        return f"for {text}, without the time for scores"
    iterations = budget.iterations
    text = f"for {count_noun(iterations, 'iteration')}"
    if seconds_per_step is None:
        return text
    return (
        f"{text}: {describe_duration(iterations * seconds_per_step)}, without the time for scores"
    )


def _has_states(dataset: Dataset) -> bool:
    return any(case.bscans is not None for case in dataset.cases)


def _round_number(number: int) -> str:
    if number >= 1_000_000:
        return f"{number / 1e6:.3g} million"
    return f"{number / 1e3:.3g} thousand" if number >= 10_000 else f"{number:,}"
