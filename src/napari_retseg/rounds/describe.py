"""What a round of training is about to do, in words; and what is missing before it can."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from napari_retseg.config import TrainConfig, parse_split
from napari_retseg.dataset import Case, Dataset, divide, pin_split
from napari_retseg.errors import RetsegError
from napari_retseg.learn.budget import Budget
from napari_retseg.models import ModelInfo
from napari_retseg.rounds.duration import describe_duration

#: So many patients or classes are named; of more, the number is said.
_NAMED = 4
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
        The model to start from; None: new weights.
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
    training = _count(divided, "train")
    groups = divided.groups("train")
    trained = f"Trains on {_number(training, what)} of {_name_patients(groups)}"
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
    missing = _check_labels(dataset) or _check_model(config, start)
    if missing is not None:
        return missing
    if config.rehearse and not Path(config.rehearse).exists():
        return f"The older data set {config.rehearse} is not there: choose another or leave it out."
    try:
        divided = plan_split(dataset, config)
        return _check_sides(divided)
    except RetsegError as error:
        return _as_sentence(error)


def list_remarks(dataset: Dataset, config: TrainConfig, start: ModelInfo | None) -> tuple[str, ...]:
    """Say what to know before a training that can start: sentences, the weightiest first.

    One patient only, few held-out B-scans, held-out patients that the starting model was trained
    on, and which classes it does not know.
    """
    try:
        divided = plan_split(dataset, config)
    except RetsegError:
        return ()  # check_round says why
    found = [
        _remark_on_patients(divided),
        _remark_on_number(divided),
        _remark_on_seen(divided, start),
    ]
    if start is not None and config.strategy != "scratch":
        found.append(_remark_on_classes(divided, start))
    return tuple(text for text in found if text)


@dataclass(frozen=True, slots=True)
class Judging:
    """How well the next training can be judged.

    Attributes
    ----------
    level
        ``well``; ``barely``: a score will say little; ``not``: nothing is held out to score on,
        so that no training starts.
    text
        Why, and what to do about it: sentences; empty where all is well.
    """

    level: Literal["well", "barely", "not"]
    text: str = ""


def foresee_judging(dataset: Dataset, config: TrainConfig, start: ModelInfo | None) -> Judging:
    """Say before a training how well its result can be judged."""
    try:
        divided = plan_split(dataset, config)
    except RetsegError as error:
        return Judging("not", _as_sentence(error))
    missing = _check_labels(dataset) or _check_sides(divided)
    if missing is not None:
        return Judging("not", missing)
    remarks = [
        _remark_on_patients(divided),
        _remark_on_number(divided),
        _remark_on_seen(divided, start),
    ]
    text = " ".join(filter(None, remarks))
    return Judging("barely" if text else "well", text)


def plan_split(dataset: Dataset, config: TrainConfig) -> Dataset:
    """Divide a data set as the training will, without saving it.

    Raises
    ------
    RetsegError
        Where it cannot be divided like that.
    """
    plan = parse_split(config.split)
    if plan.fractions is None and not plan.folds and config.split_by == "patient":
        return pin_split(dataset)
    return divide(dataset, plan, by=config.split_by, seed=dataset.split_seed)


def _check_labels(dataset: Dataset) -> str | None:
    if not dataset.cases:
        return "There is no scan yet: add one, correct some of its B-scans and confirm them."
    labelled = sum(len(case.annotated_bscans()) for case in dataset.cases)
    if labelled == 0:
        return (
            "Nothing is confirmed yet: correct two B-scans or more, best of two patients, and "
            "confirm them."
        )
    if labelled == 1:
        return (
            "Only one B-scan is confirmed, so that none can be held out: confirm another one, "
            "best of another patient."
        )
    return None


def _check_model(config: TrainConfig, start: ModelInfo | None) -> str | None:
    if start is None:
        if config.strategy in ("all", "scratch"):
            return None
        return (
            f"Strategy {config.strategy} trains a part of a model that knows something already: "
            "choose a model to start from."
        )
    if config.dims != "auto" and (config.dims == "3") != (start.network.dims == 3):
        return (
            f"Model {start.name} is a {start.network.dims}D network: set the dimensions to auto, "
            "or start from another model."
        )
    return None


def _check_sides(divided: Dataset) -> str | None:
    """Say which side of the split has no confirmed B-scan."""
    if not _count(divided, "train"):
        names = _name_patients(divided.groups("val"))
        return (
            f"All confirmed B-scans are held out ({names}), so that none is left to train on: "
            "confirm some of another patient."
        )
    if not _count(divided, "val"):
        places = _name_heldout_places(divided) if divided.of_split("val") else ""
        return (
            "No confirmed B-scan is held out, so that nothing could be scored: "
            f"{f'confirm one of {places}' if places else 'confirm some of a second patient'}."
        )
    return None


def _describe_heldout(divided: Dataset) -> str:
    shared = {*divided.groups("train")} & {*divided.groups("val")}
    groups = divided.groups("val")
    total = _number(_count(divided, "val"), "B-scan")
    if shared and len({case.group for case in divided.cases if case.split}) == 1:
        return f"{total} of the same patient ({_name_heldout_places(divided)})"
    if len(groups) == 1:
        return f"{total} of {groups[0]}"
    if len(groups) > _NAMED:
        return f"{total} of {_name_patients(groups)}"
    counts = [f"{_count(divided, 'val', group=group)} of {group}" for group in groups]
    return f"{total}, {_join(counts)}"


def _describe_weights(
    config: TrainConfig, start: ModelInfo | None, parameters: tuple[int, int] | None
) -> str:
    if parameters is not None:
        trained, frozen = parameters
        total = _round_number(trained + frozen)
        if not frozen:
            return f"All {total} parameters train"
        return f"{_round_number(trained)} of {total} parameters train"
    if start is None or config.strategy == "scratch":
        return "A new network trains"
    return f"Model {start.name} trains with strategy {config.strategy}"


def _find_budget(divided: Dataset, config: TrainConfig, start: ModelInfo | None) -> Budget:
    is_3d = config.dims == "3" or (start is not None and start.network.dims == 3)
    n_samples = len(divided.of_split("train")) if is_3d else _count(divided, "train")
    is_new = start is None or config.strategy == "scratch"
    return Budget.of(config, n_samples=n_samples, is_new=is_new)


def _describe_length(config: TrainConfig, budget: Budget, seconds_per_step: float | None) -> str:
    if config.minutes:
        text = f"{config.minutes:g} minute{'' if config.minutes == 1 else 's'}"
        return f"for {text}, scoring not counted"
    iterations = budget.iterations
    text = f"for {_number(iterations, 'iteration')}"
    if seconds_per_step is None:
        return text
    return f"{text}: {describe_duration(iterations * seconds_per_step)}, scoring not counted"


def _remark_on_patients(divided: Dataset) -> str:
    shared = sorted({*divided.groups("train")} & {*divided.groups("val")})
    if not shared:
        return ""
    if len({case.group for case in divided.cases if case.split}) > 1:
        return (
            f"{_name_patients(shared)} {'is' if len(shared) == 1 else 'are'} both trained on and "
            "held out: the scores are better than they would be on other patients."
        )
    return (
        f"There is one patient only ({shared[0]}): {_name_heldout_places(divided)} "
        f"are held out, and the scores say nothing about other patients."
    )


def _remark_on_number(divided: Dataset) -> str:
    heldout = _count(divided, "val")
    if heldout >= FEW:
        return ""
    return (
        f"Only {_number(heldout, 'B-scan')} {'is' if heldout == 1 else 'are'} held out: small "
        "differences of the scores will be chance."
    )


def _remark_on_seen(divided: Dataset, start: ModelInfo | None) -> str:
    """Say which held-out patients the starting model was trained on: it looks better there."""
    trained = None if start is None else start.trained_on
    if start is None or trained is None:
        return ""
    only = {*divided.groups("val")} - {*divided.groups("train")}
    seen = sorted(only & {*trained.groups})
    if not seen:
        return ""
    verb = "is" if len(seen) == 1 else "are"
    return (
        f"Model {start.name} was trained on {_name_patients(seen)}, who {verb} held out now: its "
        "own scores there flatter it. Start from a model that has not seen them."
    )


def _remark_on_classes(divided: Dataset, start: ModelInfo) -> str:
    """Say which classes come over from the starting model: they are matched by name."""
    here = [c.name for c in divided.labels.foreground]
    there = [c.name for c in start.classes.foreground]
    new = [name for name in here if name not in there]
    left_out = [name for name in there if name not in here]
    if not new and not left_out:
        return ""
    if len(new) == len(here):
        return (
            f"Model {start.name} knows none of the classes here ({_join(here)}): what it knows "
            "of images comes over, its output layer begins anew."
        )
    known = [name for name in here if name in there]
    parts = [f"{_join(known)} {'comes' if len(known) == 1 else 'come'} over from {start.name}"]
    if new:
        parts.append(f"{_join(new)} {'begins' if len(new) == 1 else 'begin'} untrained")
    if left_out:
        parts.append(f"{_join(left_out)} {'is' if len(left_out) == 1 else 'are'} no class here")
    return f"{'; '.join(parts)}."


def _name_heldout_places(divided: Dataset) -> str:
    """Name what is held out: B-scans of a patient who is alone, or else patients."""
    volumes = [case for case in divided.cases if case.heldout_bscans]
    if volumes:
        if len(volumes) > 1:
            return "the last B-scans of each volume"
        case = volumes[0]
        noun = "B-scan" if len(case.heldout_bscans) == 1 else "B-scans"
        return f"{noun} {_name_ranges(case.heldout_bscans)} of {_name_scan(case)}"
    names = [_name_scan(case) for case in divided.of_split("val")]
    groups = {case.group for case in divided.cases if case.split}
    if len(groups) == 1 and names:
        return _join(names)
    return _name_patients(divided.groups("val"))


def _name_ranges(bscans: Sequence[int]) -> str:
    """Write B-scans, counted from 1: ``3, 5 to 7``."""
    parts: list[tuple[int, int]] = []
    for bscan in bscans:
        if parts and parts[-1][1] == bscan:
            parts[-1] = (parts[-1][0], bscan + 1)
        else:
            parts.append((bscan + 1, bscan + 1))
    return _join([f"{a}" if a == b else f"{a} to {b}" for a, b in parts])


def _name_scan(case: Case) -> str:
    """Name a scan as the workspace does, where it is of one."""
    return str(case.about.get("name", case.name))


def _count(divided: Dataset, split: str, *, group: str | None = None) -> int:
    """Count the B-scans of a split that are trained on or scored; None: of all patients."""
    cases = [case for case in divided.of_split(split) if group in (None, case.group)]
    return sum(len(divided.annotated_bscans(case, split)) for case in cases)


def _has_states(dataset: Dataset) -> bool:
    return any(case.bscans is not None for case in dataset.cases)


def _name_patients(groups: Sequence[str]) -> str:
    if len(groups) > _NAMED:
        return f"{len(groups)} patients ({', '.join(groups[:_NAMED])}, ...)"
    if len(groups) > 1:
        return f"{len(groups)} patients ({', '.join(groups)})"
    return groups[0] if groups else "no patient"


def _join(names: Sequence[str]) -> str:
    """Write a list: ``a``, ``a and b``, ``a, b and c``."""
    if len(names) > 2 * _NAMED:
        names = [*names[: 2 * _NAMED], f"{len(names) - 2 * _NAMED} more"]
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _round_number(number: int) -> str:
    if number >= 1_000_000:
        return f"{number / 1e6:.3g} million"
    return f"{number / 1e3:.3g} thousand" if number >= 10_000 else f"{number:,}"


def _as_sentence(error: RetsegError) -> str:
    text = " ".join(str(error).split())
    return text if text.endswith(".") else f"{text}."
