"""What a training needs, checked and built before its first step."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from napari_retseg.config import TrainConfig, parse_split, parse_strategy
from napari_retseg.dataset import (
    Dataset,
    describe_split,
    divide,
    load_dataset,
    pin_split,
    save_dataset,
)
from napari_retseg.dataset.growing import describe_unlisted
from napari_retseg.dataset.twins import describe_twins
from napari_retseg.errors import InputError, ModelError, UsageError
from napari_retseg.learn.eyes import choose_kind, share_of_eyes, takes_eyes
from napari_retseg.learn.plan import Plan, plan_from_model, plan_new, survey
from napari_retseg.learn.samples import translate_labels
from napari_retseg.models import ModelInfo, TrainedOn, describe_groups
from napari_retseg.models.trained import shorten_name
from napari_retseg.nets.build import build_seeded
from napari_retseg.nets.bundle import Model, load_model
from napari_retseg.nets.device import Compute, choose_compute
from napari_retseg.nets.freeze import apply_strategy
from napari_retseg.nets.transfer import TransferReport
from napari_retseg.plural import count_noun
from napari_retseg.workspace.write_lock import writing


@dataclass(frozen=True, slots=True)
class Setup:
    """A training that is ready to begin.

    Attributes
    ----------
    dataset
        Divided into training and held-out scans.
    network
        New weights, or those that came over from the starting model; on the compute device.
    info
        Description of the model to be, without scores.
    start
        The starting model, to be scored first; None without one.
    report
        What came over from it.
    rehearsal
        The older dataset that is mixed in.
    eye_share
        Simulated B-scans that are added to each batch, as a fraction of it.
    """

    dataset: Dataset
    config: TrainConfig
    compute: Compute
    network: torch.nn.Module
    info: ModelInfo
    heldout_bscans: int
    start: Model | None
    report: TransferReport | None
    rehearsal: Dataset | None
    eye_share: float
    warnings: tuple[str, ...]

    def describe(
        self,
        scores: dict[str, Any],
        *,
        iteration: int,
        kept_start: float = 0.0,
        start_scores: dict[str, Any] | None = None,
        promoted: bool | None = None,
    ) -> ModelInfo:
        """Describe the model after `iteration` steps."""
        trained = self.info.trained_on
        if trained is not None:
            update = {"iterations": iteration, "kept_start": kept_start}
            trained = trained.model_copy(update=update)
        changed = {
            "scores": scores,
            "start_scores": start_scores,
            "promoted": promoted,
            "trained_on": trained,
        }
        return self.info.model_copy(update=changed)


def prepare(
    dataset: Dataset,
    config: TrainConfig,
    *,
    start: Path | None,
    resumed: ModelInfo | None = None,
) -> Setup:
    """Check that data, configuration and starting model go together, and build the network.

    Parameters
    ----------
    start
        Bundle to start from; from scratch without one.
    resumed
        What an earlier part of the same run trained; takes the place of `start`, and the
        weights come from the run's checkpoint.

    Raises
    ------
    RetsegError
        Where they do not: the device is missing, nothing is labelled, nothing is held
        out, the channels differ, the network is too deep for the crop, the weights are of
        another network, or a file cannot be read.
    """
    if config.strategy not in ("all", "scratch") and start is None and resumed is None:
        raise UsageError(
            f"strategy {config.strategy!r} needs a starting model; add --from MODEL, or use "
            "--strategy scratch"
        )
    dataset, warnings = _divide(dataset, config)
    heldout = _check_labels(dataset)
    compute = choose_compute(config.device, config.precision)
    model = None if start is None else _load_finite(start)
    if resumed is not None:
        plan = _plan_resumed(resumed, config)
    elif model is None:
        plan = plan_new(dataset, config)
    else:
        plan = plan_from_model(model, dataset, config)
    _check_resumed(resumed, dataset)
    apply_strategy(
        plan.network, plan.info.network, parse_strategy(config.strategy), seed=config.seed
    )
    kept = None if model is None or config.strategy == "scratch" else model
    eyes = _find_eye_share(config, kept, resumed, dataset, plan.info)
    return Setup(
        dataset=dataset,
        config=config,
        compute=compute,
        network=compute.place(plan.network),
        info=plan.info.model_copy(update={"trained_on": _trained_on(dataset, config, eyes)}),
        heldout_bscans=heldout,
        start=kept,
        report=plan.report,
        rehearsal=_open_rehearsal(config, plan.info),
        eye_share=eyes,
        warnings=(*dataset.warnings, *warnings, *plan.warnings),
    )


def _load_finite(start: Path) -> Model:
    """Load a model to start from; weights that are not finite would make every loss so."""
    model = load_model(start)
    for name, tensor in model.network.state_dict().items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ModelError(
                f"{start}: this model has weights that are not finite ({name}); use another "
                "starting model"
            )
    return model


def _divide(dataset: Dataset, config: TrainConfig) -> tuple[Dataset, tuple[str, ...]]:
    """Divide the dataset; a pinned split is kept in ``dataset.json`` where that can be written.

    Returns
    -------
    dataset, warnings
        Where the folder cannot be written, or is a workspace that another program has open,
        the split holds for this run only.
    """
    found = (describe_unlisted(dataset), describe_twins(dataset))
    divided, warnings = _divide_listed(dataset, config)
    return divided, (*filter(None, found), *warnings)


def _divide_listed(dataset: Dataset, config: TrainConfig) -> tuple[Dataset, tuple[str, ...]]:
    plan = parse_split(config.split)
    if plan.fractions is not None or plan.folds or config.split_by != "patient":
        words = describe_split(plan, config.split_by, seed=dataset.split_seed)
        divided = divide(dataset, plan, by=config.split_by, seed=dataset.split_seed)
        return divided, (words,) if config.split_by != "patient" else ()
    pinned = pin_split(dataset)
    if pinned == dataset:
        return dataset, ()
    try:
        with writing(pinned.root):
            save_dataset(pinned)
    except InputError as error:
        return pinned, (f"the split could not be saved for later runs: {error}",)
    return pinned, ()


def _check_labels(dataset: Dataset) -> int:
    """Check that there is something to train on and something held out; count the latter."""
    training, heldout = _count(dataset, "train"), _count(dataset, "val")
    labelled = sum(len(dataset.annotated_bscans(case)) for case in dataset.cases)
    if not labelled:
        raise InputError(
            f"{dataset.root}: no labelled B-scans; label some, of at least two patients"
        )
    if labelled == 1:
        raise InputError(
            f"{dataset.root}: only one B-scan is labelled, so none can be held out; label "
            "another one, if possible of another patient"
        )
    if not training:
        raise InputError(f"{dataset.root}: no labelled B-scan in the training split")
    if not heldout:
        raise InputError(
            f"{dataset.root}: no labelled B-scan is held out (split 'val'), so there would be no "
            "scores; label the scans of a second patient, or mark cases with split 'val'"
        )
    return heldout


def _count(dataset: Dataset, split: str) -> int:
    return sum(len(dataset.annotated_bscans(case, split)) for case in dataset.of_split(split))


def _plan_resumed(info: ModelInfo, config: TrainConfig) -> Plan:
    return Plan(info=info, network=build_seeded(info.network, config.seed))


def _check_resumed(resumed: ModelInfo | None, dataset: Dataset) -> None:
    before = None if resumed is None else resumed.trained_on
    if before is None:
        return
    if before.sha256 != dataset.fingerprint(dataset.of_split("train")):
        raise UsageError(
            f"{dataset.root}: the training data changed since this run began, so the run cannot "
            "be resumed; start a new one from its model"
        )


def _find_eye_share(
    config: TrainConfig,
    start: Model | None,
    resumed: ModelInfo | None,
    dataset: Dataset,
    info: ModelInfo,
) -> float:
    """Find the share of simulated B-scans; a run that is resumed keeps its own.

    Raises
    ------
    UsageError
        Where they are asked for, but the network or its classes do not go with the simulator.
    """
    if resumed is not None and resumed.trained_on is not None:
        return resumed.trained_on.simulated_share
    share = share_of_eyes(config, None if start is None else start.info, dataset, info)
    if not share:
        return 0.0
    if not takes_eyes(info):
        raise UsageError(
            "simulated B-scans go with 2D networks of one channel only; add --rehearse-simulated 0"
        )
    if choose_kind(info.classes) is None:
        names = ", ".join(info.classes.names[1:])
        raise UsageError(
            f"the simulator draws none of the classes ({names}); add --rehearse-simulated 0"
        )
    return share


def _open_rehearsal(config: TrainConfig, info: ModelInfo) -> Dataset | None:
    """Open the older dataset; its own held-out scans stay held out."""
    if not config.rehearse:
        return None
    if round(config.rehearse_share * config.batch_size * config.accumulate) == 0:
        raise UsageError(
            f"a rehearsal part of {config.rehearse_share:g} gives no sample in a batch of "
            f"{config.batch_size}; raise --rehearse-share or --batch-size"
        )
    older = pin_split(load_dataset(Path(config.rehearse)))
    translate_labels(older, info.classes)
    if not _count(older, "train"):
        raise InputError(f"{older.root}: no labelled B-scans for the rehearsal")
    found = survey(older, dims=info.network.dims, axis=info.preprocess.axis)
    planes = found.channels * info.preprocess.neighbours
    if planes != info.network.in_channels:
        raise InputError(
            f"{older.root}: its images have {count_noun(planes, 'input channel')}, but the "
            f"network needs {info.network.in_channels}"
        )
    return older


def _trained_on(dataset: Dataset, config: TrainConfig, eye_share: float = 0.0) -> TrainedOn:
    sha256 = dataset.fingerprint(dataset.of_split("train"))
    groups = describe_groups(
        dataset.groups("train"), dataset.groups("val"), dataset=dataset.name, sha256=sha256
    )
    return TrainedOn(
        dataset=shorten_name(dataset.name),
        sha256=sha256,
        **groups,
        bscans=_count(dataset, "train"),
        iterations=0,
        simulated_share=eye_share,
        simulated=dataset.simulated,
        split=describe_split(parse_split(config.split), config.split_by, seed=dataset.split_seed),
    )
