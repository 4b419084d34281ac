"""The network and the input of a training: new ones, or those of a starting model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from napari_retseg.config import NetworkConfig, PreprocessConfig, TrainConfig, parse_size
from napari_retseg.dataset import Dataset
from napari_retseg.errors import InputError, UsageError
from napari_retseg.models import ModelInfo
from napari_retseg.nets.build import build_seeded, stride_of
from napari_retseg.nets.bundle import Model
from napari_retseg.nets.grid import pad_amount, plan_grid, plan_preprocess
from napari_retseg.nets.scaninput import learn_scan_landmarks
from napari_retseg.nets.transfer import TransferReport, transfer

_NETWORK_FIELDS = {"arch", "encoder", "head", "dims", "neighbours"}
_INPUT_FIELDS = {"resize", "fit", "normalise", "normalise_over", "n4", "axis", "dims", "neighbours"}
_DEFAULT_3D = "basicunet"
#: Fewest pixels that a side may have at a network's deepest stage.
_DEEPEST = 2


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


def survey(dataset: Dataset, config: TrainConfig) -> Survey:
    """Look at all labelled scans.

    Raises
    ------
    InputError
        Where their numbers of channels differ.
    """
    channels: dict[int, Path] = {}
    found: dict[tuple[int, ...], tuple[float | None, ...]] = {}
    for case in (*dataset.of_split("train"), *dataset.of_split("val")):
        if not case.has_annotation:
            continue
        scan = case.read_scan()
        channels.setdefault(scan.n_channels, case.image)
        shape, spacing = scan.spatial_shape, scan.spacing_um
        if scan.is_volume and config.dims != "3":
            axis = 0 if scan.is_oct else config.axis
            shape, spacing = _without(shape, axis), _without(spacing, axis)
        elif not scan.is_volume and config.dims == "3":
            raise InputError(f"{case.image}: a single B-scan; --dims 3 needs volumes")
        found.setdefault(shape, spacing)
    if len(channels) > 1:
        names = ", ".join(f"{path.name} has {n}" for n, path in channels.items())
        raise InputError(f"{dataset.root}: all images need the same channels ({names})")
    return Survey(next(iter(channels)), tuple(found), tuple(found.values()))


def _without(values: tuple, axis: int) -> tuple:  # type: ignore[type-arg]
    return values[:axis] + values[axis + 1 :]


def plan_new(dataset: Dataset, config: TrainConfig, found: Survey) -> Plan:
    """Plan a network with new weights."""
    preprocess = plan_input(dataset, config, found)
    arch = config.arch
    if config.dims == "3" and "arch" not in config.model_fields_set:
        arch = _DEFAULT_3D
    network = NetworkConfig(
        arch=arch,
        encoder=config.encoder,
        head=config.head,
        auxiliary=config.aux_weight > 0,
        in_channels=found.channels * preprocess.neighbours,
        n_classes=len(dataset.labels),
    )
    info = ModelInfo(
        name=dataset.name, network=network, classes=dataset.labels, preprocess=preprocess
    )
    _check_depth(config, info, found)
    return Plan(info, build_seeded(network, config.seed))


def plan_from_model(model: Model, dataset: Dataset, config: TrainConfig, found: Survey) -> Plan:
    """Plan a network that takes over what fits from a starting model.

    Network and input are the starting model's, but for the options that were given.
    """
    given = config.model_fields_set
    before = model.info
    preprocess = before.preprocess
    if given & _INPUT_FIELDS:
        preprocess = plan_input(dataset, _complete(config, before), found)
    changes = {name: getattr(config, name) for name in ("arch", "encoder", "head") if name in given}
    network = before.network.model_copy(
        update={
            **changes,
            "auxiliary": config.aux_weight > 0,
            "in_channels": found.channels * preprocess.neighbours,
            "n_classes": len(dataset.labels),
        }
    )
    if network.arch != before.network.arch or network.encoder != before.network.encoder:
        network = network.model_copy(update={"options": {}})
    if (network.dims == 3) != (config.dims == "3") and "dims" in given:
        raise UsageError(
            f"model {before.name} is a {before.network.dims}D network; leave --dims out, or start "
            "without it"
        )
    info = before.model_copy(
        update={
            "name": dataset.name,
            "network": network,
            "classes": dataset.labels,
            "preprocess": preprocess,
            "parent": before.weights_id,
            "scores": None,
            "start_scores": None,
            "promoted": None,
            "thresholds": {},
        }
    )
    _check_depth(config, info, found)
    if config.strategy == "scratch":
        info = info.model_copy(update={"parent": None})
        return Plan(info, build_seeded(network, config.seed))
    weights, report = transfer(model, network=network, classes=dataset.labels, seed=config.seed)
    return Plan(info, weights, report)


def _complete(config: TrainConfig, before: ModelInfo) -> TrainConfig:
    """Fill the input options that were not given with the starting model's."""
    kept = before.preprocess
    values = {
        "normalise": kept.normalise,
        "normalise_over": kept.normalise_over,
        "n4": kept.n4,
        "axis": kept.axis,
    }
    if before.network.dims == 3:
        values["dims"] = "3"
    elif kept.neighbours > 1:
        values |= {"dims": "2.5", "neighbours": kept.neighbours}
    missing = {name: v for name, v in values.items() if name not in config.model_fields_set}
    return config.model_copy(update=missing)


def plan_input(dataset: Dataset, config: TrainConfig, found: Survey) -> PreprocessConfig:
    """Settle how scans become the network's input; Nyul's landmarks are learnt from training scans."""
    preprocess = plan_preprocess(config, shapes=found.shapes)
    if config.normalise != "nyul":
        return preprocess
    scans = (case.read_scan() for case in dataset.of_split("train") if case.has_annotation)
    landmarks = learn_scan_landmarks(scans, preprocess)
    return preprocess.model_copy(update={"landmarks": landmarks})


def _check_depth(config: TrainConfig, info: ModelInfo, found: Survey) -> None:
    """Raise a UsageError where the crop is but a point at the network's deepest stage."""
    crop = parse_size(config.crop)
    if crop is not None and len(crop) != info.network.dims:
        raise UsageError(
            f"crop {config.crop} has {len(crop)} numbers, but the network has "
            f"{info.network.dims} dimensions"
        )
    reduction = _reduction(info.network)
    sizes = [crop] if crop else [_input_shape(info, *pair) for pair in zip(found.shapes, found.spacings, strict=True)]
    stride = stride_of(info.network)
    for size in sizes:
        padded = [n + extra for n, extra in zip(size, pad_amount(size, stride), strict=True)]
        if min(padded) < _DEEPEST * reduction:
            text = "x".join(map(str, size))
            raise UsageError(
                f"{info.network.arch} is too deep for samples of {text} pixels: its deepest stage "
                f"sees them reduced {reduction} times; take a --crop or --resize of at least "
                f"{_DEEPEST * reduction} pixels a side, or a network with fewer stages"
            )


def _input_shape(
    info: ModelInfo, shape: tuple[int, ...], spacing: tuple[float | None, ...]
) -> tuple[int, ...]:
    return plan_grid(shape, info.preprocess, spacing_um=spacing).input_shape


def _reduction(network: NetworkConfig) -> int:
    """By how much the sides shrink at the deepest stage."""
    if network.dims == 3:
        return stride_of(network)
    depth = network.options.get("encoder_depth", 5)
    return 2 ** int(depth) if isinstance(depth, int) else stride_of(network)
