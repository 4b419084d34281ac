"""How many parameters a training changes, told from a bundle's description without torch."""

from __future__ import annotations

from pathlib import Path

from napari_retseg.classes import LabelSet
from napari_retseg.config import TrainConfig, parse_strategy
from napari_retseg.models import ModelInfo, read_info
from napari_retseg.models.outputs import plan_parts


def count_parameters(
    bundle: Path, strategy: str, *, classes: LabelSet | None = None, auxiliary: bool | None = None
) -> tuple[int, int] | None:
    """Count the parameters that a strategy trains, and those that it freezes.

    Parameters
    ----------
    bundle
        Its folder; only its description is read.
    strategy
        As ``--strategy`` has it. Gradual unfreezing does not count: what is thawed in the end is.
    classes
        Of the network to be; None: the bundle's.
    auxiliary
        Whether the network to be has an auxiliary head; None: as the bundle.

    Returns
    -------
    tuple of int, or None
        Trained and frozen; None where the description does not tell.

    Raises
    ------
    ModelError
        Where the bundle cannot be read.
    UsageError
        Where there are fewer encoder stages than are to be frozen.
    """
    info = read_info(bundle)
    before = info.network
    wanted = before.auxiliary if auxiliary is None else auxiliary
    if info.parameters is None or (wanted and not before.auxiliary):
        return None
    return info.parameters.count(
        parse_strategy(strategy),
        n_outputs=_count_outputs(info, strategy, classes),
        auxiliary=wanted,
    )


def _count_outputs(info: ModelInfo, strategy: str, classes: LabelSet | None) -> int:
    """Count the outputs of the network to be, as :mod:`napari_retseg.learn.plan` does."""
    if classes is None:
        return info.network.n_outputs
    parts = () if parse_strategy(strategy).renews_output else plan_parts(info, classes)
    return sum(map(len, parts)) or len(classes)


def count_for_round(
    bundle: Path, config: TrainConfig, *, classes: LabelSet
) -> tuple[int, int] | None:
    """Count the parameters that a training from a bundle would change, and those it would freeze.

    Returns
    -------
    tuple of int, or None
        None where the configuration asks for another network than the bundle's.

    Raises
    ------
    ModelError, UsageError
        As :func:`count_parameters`.
    """
    if _asks_for_another(config, read_info(bundle)):
        return None
    return count_parameters(
        bundle, config.strategy, classes=classes, auxiliary=config.aux_weight > 0
    )


def _asks_for_another(config: TrainConfig, info: ModelInfo) -> bool:
    """Whether layers would have other sizes than the bundle's, but for the output's rows."""
    before = info.network
    if any(
        getattr(config, name) not in ("auto", getattr(before, name))
        for name in ("arch", "encoder", "head")
    ):
        return True
    now = info.preprocess.neighbours
    if config.dims == "2" and now > 1:
        return True
    if config.dims == "2.5" and now == 1:
        return True
    return bool(config.neighbours) and config.neighbours != now
