"""What a training needs, checked and built before its first step."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from napari_retseg.config import NetworkConfig, TrainConfig
from napari_retseg.dataset import Dataset, pin_split, save_dataset
from napari_retseg.errors import InputError, ModelError, UsageError
from napari_retseg.infer.evaluate import check_classes
from napari_retseg.models import ModelInfo, TrainedOn
from napari_retseg.nets.build import build_seeded
from napari_retseg.nets.bundle import load_model
from napari_retseg.nets.device import Compute, choose_compute
from napari_retseg.nets.preprocess import plan_input


@dataclass(frozen=True, slots=True)
class Setup:
    """A training that is ready to begin.

    Attributes
    ----------
    dataset
        With its split pinned.
    network
        New weights, or those of the starting model; on the compute device.
    info
        Description of the model to be, without scores.
    from_model
        Whether the weights are a starting model's.
    """

    dataset: Dataset
    config: TrainConfig
    compute: Compute
    network: torch.nn.Module
    info: ModelInfo
    heldout_bscans: int
    from_model: bool
    warnings: tuple[str, ...]

    def describe(self, scores: dict[str, Any], *, iteration: int) -> ModelInfo:
        """Describe the model after `iteration` steps."""
        trained = self.info.trained_on
        if trained is not None:
            trained = trained.model_copy(update={"iterations": iteration})
        return self.info.model_copy(update={"scores": scores, "trained_on": trained})


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
        Bundle to start from; new weights without one.
    resumed
        What an earlier part of the same run trained; takes the place of `start`, and the
        weights come from the run's checkpoint.

    Raises
    ------
    RetsegError
        Where they do not: the device is missing, nothing is labelled, nothing is held
        out, the classes or channels differ, or a file cannot be read.
    """
    dataset, pinned = _pin(dataset)
    training = _count(dataset, "train")
    if not training:
        raise InputError(f"{dataset.root}: no labelled B-scan in the training split")
    heldout = _count(dataset, "val")
    if not heldout:
        raise InputError(
            f"{dataset.root}: no labelled B-scan is held out (split 'val'), so nothing could "
            "be scored; label the scans of a second patient, or mark cases with split 'val'"
        )
    compute = choose_compute(config.device, config.precision)
    channels, widest = _survey(dataset)
    trained_on = _trained_on(dataset, training)
    if resumed is not None:
        info, network = _resumed(resumed, dataset, config, trained_on)
    elif start is None:
        info, network = _new(dataset, config, channels=channels, widest=widest)
    else:
        info, network = _from_model(start, dataset, config, channels=channels)
    info = info.model_copy(update={"trained_on": trained_on, "scores": None})
    return Setup(
        dataset=dataset,
        config=config,
        compute=compute,
        network=compute.place(network),
        info=info,
        heldout_bscans=heldout,
        from_model=info.parent is not None,
        warnings=(*dataset.warnings, *pinned),
    )


def _pin(dataset: Dataset) -> tuple[Dataset, tuple[str, ...]]:
    """Pin the split in ``dataset.json``, so that patients added later move nobody.

    Returns
    -------
    dataset, warnings
        Where the folder cannot be written, the split holds for this run only.
    """
    pinned = pin_split(dataset)
    if pinned == dataset:
        return dataset, ()
    try:
        save_dataset(pinned)
    except InputError as error:
        return pinned, (f"the split is not kept for later runs: {error}",)
    return pinned, ()


def _count(dataset: Dataset, split: str) -> int:
    return sum(len(dataset.annotated_bscans(case, split)) for case in dataset.of_split(split))


def _survey(dataset: Dataset) -> tuple[int, int]:
    """Channels, and the widest B-scan, over all labelled cases."""
    channels: dict[int, Path] = {}
    widest = 0
    for split in ("train", "val"):
        for case in dataset.of_split(split):
            if not dataset.annotated_bscans(case, split):
                continue
            scan = case.read_scan()
            channels.setdefault(scan.n_channels, case.image)
            widest = max(widest, scan.spatial_shape[-1])
    if len(channels) > 1:
        found = ", ".join(f"{path.name} has {n}" for n, path in channels.items())
        raise InputError(f"{dataset.root}: all images need the same channels ({found})")
    return next(iter(channels)), widest


def _new(
    dataset: Dataset, config: TrainConfig, *, channels: int, widest: int
) -> tuple[ModelInfo, torch.nn.Module]:
    network_config = NetworkConfig(
        arch=config.arch,
        encoder=config.encoder,
        in_channels=channels,
        n_classes=len(dataset.labels),
    )
    info = ModelInfo(
        name=dataset.name,
        network=network_config,
        classes=dataset.labels,
        preprocess=plan_input(config.resize, normalise=config.normalise, widest=widest),
    )
    return info, build_seeded(network_config, config.seed)


def _from_model(
    start: Path, dataset: Dataset, config: TrainConfig, *, channels: int
) -> tuple[ModelInfo, torch.nn.Module]:
    model = load_model(start)
    check_classes(model.info.classes, dataset)
    if model.info.network.in_channels != channels:
        raise ModelError(
            f"{dataset.root}: its images have {channels} channel(s), but model "
            f"{model.info.name} takes {model.info.network.in_channels}"
        )
    info = model.info.model_copy(update={"parent": model.info.weights_id, "name": dataset.name})
    if config.strategy == "scratch":
        info = info.model_copy(update={"parent": None})
        return info, build_seeded(model.info.network, config.seed)
    return info, model.network


def _resumed(
    info: ModelInfo, dataset: Dataset, config: TrainConfig, trained_on: TrainedOn
) -> tuple[ModelInfo, torch.nn.Module]:
    before = info.trained_on
    if before is not None and before.sha256 != trained_on.sha256:
        raise UsageError(
            f"{dataset.root}: its training data changed since this run began, so the run "
            "cannot be resumed; start a new one from its model"
        )
    return info, build_seeded(info.network, config.seed)


def _trained_on(dataset: Dataset, bscans: int) -> TrainedOn:
    return TrainedOn(
        dataset=dataset.name,
        sha256=dataset.fingerprint(dataset.of_split("train")),
        groups=dataset.groups("train"),
        heldout_groups=dataset.groups("val"),
        bscans=bscans,
        iterations=0,
        simulated=dataset.simulated,
    )
