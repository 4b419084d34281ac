"""The network and the input of a training: new ones, or those of a starting model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import ValidationError

from napari_retseg.classes import LabelSet
from napari_retseg.config import (
    MOST_PIXELS,
    NetworkConfig,
    PreprocessConfig,
    TrainConfig,
    parse_size,
    parse_strategy,
)
from napari_retseg.dataset import Dataset
from napari_retseg.errors import InputError, UsageError
from napari_retseg.models import ModelInfo
from napari_retseg.models.outputs import plan_parts
from napari_retseg.models.trained import shorten_name
from napari_retseg.nets.build import build_seeded
from napari_retseg.nets.bundle import Model
from napari_retseg.nets.grid import plan_grid, plan_preprocess
from napari_retseg.nets.sizes import DEEPEST, plan_sample_size, smallest_sample
from napari_retseg.nets.transfer import TransferReport, transfer
from napari_retseg.plural import count_noun
from napari_retseg.records import first_problem

_DEFAULT_ARCH = {2: "unet", 3: "basicunet"}
_DEFAULT_ENCODER = "resnet18"
#: Whole samples that are too small are padded to at most this multiple of their sides.
_PADDING = 4


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be trained: its description, its weights, and where they came from."""

    info: ModelInfo
    network: torch.nn.Module
    report: TransferReport | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Survey:
    """What the labelled scans are like.

    Attributes
    ----------
    shapes
        Of the B-scans or slices in 2D, of the volumes in 3D; each once.
    spacings
        Pixel sizes in um, one for each shape.
    """

    channels: int
    shapes: tuple[tuple[int, ...], ...]
    spacings: tuple[tuple[float | None, ...], ...]


def survey(dataset: Dataset, *, dims: int, axis: int) -> Survey:
    """Look at all labelled scans.

    Parameters
    ----------
    dims
        Of the network.
    axis
        Along which volumes that are not OCT are sliced in 2D.

    Raises
    ------
    InputError
        Where their numbers of channels differ, or a single B-scan is no volume.
    """
    channels: dict[int, Path] = {}
    found: dict[tuple[int, ...], tuple[float | None, ...]] = {}
    for case in (*dataset.of_split("train"), *dataset.of_split("val")):
        if not case.has_annotation:
            continue
        scan = case.read_scan()
        channels.setdefault(scan.n_channels, case.image)
        shape, spacing = scan.spatial_shape, scan.spacing_um
        if scan.is_volume and dims == 2:
            place = 0 if scan.is_oct else axis
            shape, spacing = _without(shape, place), _without(spacing, place)
        elif not scan.is_volume and dims == 3:
            raise InputError(
                f"{case.image}: this is a single B-scan, but a 3D network needs volumes; remove "
                "--dims 3, or use a 2D starting model"
            )
        found.setdefault(shape, spacing)
    if len(channels) > 1:
        names = ", ".join(f"{path.name} has {n}" for n, path in channels.items())
        raise InputError(f"{dataset.root}: all images need the same channels ({names})")
    return Survey(next(iter(channels)), tuple(found), tuple(found.values()))


def _without(values: tuple, axis: int) -> tuple:  # type: ignore[type-arg]
    return values[:axis] + values[axis + 1 :]


def plan_new(dataset: Dataset, config: TrainConfig) -> Plan:
    """Plan a network from scratch."""
    dims = 3 if config.dims == "3" else 2
    found = survey(dataset, dims=dims, axis=0 if config.axis == "auto" else int(config.axis))
    preprocess = plan_preprocess(config, shapes=found.shapes)
    try:
        network = NetworkConfig(
            arch=_DEFAULT_ARCH[dims] if config.arch == "auto" else config.arch,
            encoder=_DEFAULT_ENCODER if config.encoder == "auto" else config.encoder,
            head="plain" if config.head == "auto" else config.head,
            auxiliary=config.aux_weight > 0,
            in_channels=found.channels * preprocess.neighbours,
            n_classes=len(dataset.labels),
        )
    except ValidationError as error:
        raise UsageError(f"unknown network: {first_problem(error)}") from error
    info = ModelInfo(
        name=shorten_name(dataset.name),
        network=network,
        classes=dataset.labels,
        preprocess=preprocess,
    )
    info = _settle_size(config, info, found)
    return Plan(info, build_seeded(network, config.seed))


def plan_from_model(model: Model, dataset: Dataset, config: TrainConfig) -> Plan:
    """Plan a network that takes over what fits from a starting model.

    Network and input are the starting model's, but for the options that are not ``auto``.
    """
    before = model.info
    asked, config = config, complete(config, before)
    dims = 3 if config.dims == "3" else 2
    if dims != before.network.dims:
        raise UsageError(
            f"model {before.name} is a {before.network.dims}D network; remove --dims "
            f"{config.dims}, or use another starting model"
        )
    found = survey(dataset, dims=dims, axis=int(config.axis))
    preprocess = _keep(plan_preprocess(config, shapes=found.shapes), asked, before)
    network = _describe_network(config, before, planes=found.channels * preprocess.neighbours)
    network = _describe_outputs(network, config, before, dataset.labels)
    info = ModelInfo(
        name=shorten_name(dataset.name),
        network=network,
        classes=dataset.labels,
        preprocess=preprocess,
        parent=before.weights_id,
    )
    info = _settle_size(config, info, found)
    if config.strategy == "scratch":
        info = info.model_copy(update={"parent": None})
        return Plan(info, build_seeded(network, config.seed))
    weights, report = transfer(model, network=network, classes=dataset.labels, seed=config.seed)
    return Plan(info, weights, report)


def plan_sample_shape(
    config: TrainConfig,
    before: ModelInfo | None,
    *,
    shape: tuple[int, ...],
    spacing_um: tuple[float | None, ...],
) -> tuple[int, ...]:
    """Tell the size that a scan has as the network's input, without planning the network.

    Parameters
    ----------
    before
        The starting model's description; None: from scratch.
    shape, spacing_um
        Of a B-scan or slice in 2D, of a volume in 3D.
    """
    if before is None:
        preprocess = plan_preprocess(config, shapes=(shape,))
    else:
        completed = complete(config, before)
        preprocess = _keep(plan_preprocess(completed, shapes=(shape,)), config, before)
    return plan_grid(shape, preprocess, spacing_um=spacing_um).input_shape


def complete(config: TrainConfig, before: ModelInfo) -> TrainConfig:
    """Fill what is ``auto`` about the input with the starting model's, but for its grid."""
    kept = before.preprocess
    dims = "3" if before.network.dims == 3 else "2" if kept.neighbours == 1 else "2.5"
    values = {
        "dims": dims,
        "normalise": kept.normalise,
        "normalise_over": kept.normalise_over,
        "n4": "on" if kept.n4 else "off",
        "axis": str(kept.axis),
    }
    update: dict[str, object] = {
        name: value for name, value in values.items() if getattr(config, name) == "auto"
    }
    if not config.neighbours and kept.neighbours > 1:
        update["neighbours"] = kept.neighbours
    return config.model_copy(update=update)


def _keep(planned: PreprocessConfig, config: TrainConfig, before: ModelInfo) -> PreprocessConfig:
    """Take what is ``auto`` about the grid, and landmarks, from the starting model."""
    kept = before.preprocess
    names: list[str] = []
    if config.resize == "auto":
        names += ["scale", "size", "spacing_um", "every"]
    if config.fit == "auto":
        names += ["fit", "multiple"]
    if config.window == "auto":
        names += ["window", "window_stride"]
    if config.normalise == "auto":
        names += ["landmarks"]
    return planned.model_copy(update={name: getattr(kept, name) for name in names})


def _describe_network(config: TrainConfig, before: ModelInfo, *, planes: int) -> NetworkConfig:
    """Describe the starting model's network with the changes that were asked for."""
    names = ("arch", "encoder", "head")
    given = {name: getattr(config, name) for name in names if getattr(config, name) != "auto"}
    changed = before.network.model_copy(
        update={**given, "auxiliary": config.aux_weight > 0, "in_channels": planes}
    )
    same = changed.arch == before.network.arch and changed.encoder == before.network.encoder
    return changed if same else changed.model_copy(update={"options": {}})


def _describe_outputs(
    network: NetworkConfig, config: TrainConfig, before: ModelInfo, classes: LabelSet
) -> NetworkConfig:
    """Keep the starting model's outputs apart, unless the output layer is a new one."""
    kept = not parse_strategy(config.strategy).renews_output and network.head == before.network.head
    parts = plan_parts(before, classes) if kept else ()
    return network.model_copy(update={"n_classes": len(classes), "parts": parts})


def _settle_size(config: TrainConfig, info: ModelInfo, found: Survey) -> ModelInfo:
    """Settle the size of the samples, which is what the model is shown in prediction, too.

    Raises
    ------
    UsageError
        Where samples are but a point at the network's deepest stage.
    """
    crop = parse_size(config.crop)
    dims = info.network.dims
    if crop is not None and len(crop) != dims:
        raise UsageError(
            f"crop {config.crop} has {count_noun(len(crop), 'number')}, but the network has "
            f"{dims} dimensions"
        )
    pairs = zip(found.shapes, found.spacings, strict=True)
    shapes = [_input_shape(info, *pair) for pair in pairs]
    size = plan_sample_size(info.network, shapes, crop=crop or info.preprocess.window)
    fewest = smallest_sample(info.network)
    smallest = [size] if crop else [tuple(_PADDING * n for n in shape) for shape in shapes]
    if min(min(one) for one in smallest) < fewest:
        text = config.crop if crop else " and ".join("x".join(map(str, s)) for s in found.shapes)
        raise UsageError(
            f"{info.network.arch} is too deep for samples of {text} pixels: its deepest stage "
            f"reduces them {fewest // DEEPEST} times; use a --crop or --resize of at least "
            f"{fewest} pixels per side, or a network with fewer stages"
        )
    trained = size if math.prod(size) <= MOST_PIXELS else None
    preprocess = info.preprocess.model_copy(update={"trained_size": trained})
    return info.model_copy(update={"preprocess": preprocess})


def _input_shape(
    info: ModelInfo, shape: tuple[int, ...], spacing: tuple[float | None, ...]
) -> tuple[int, ...]:
    return plan_grid(shape, info.preprocess, spacing_um=spacing).input_shape
