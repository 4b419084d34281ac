"""How many parameters a training changes, told from a bundle's description without torch."""

from __future__ import annotations

from pathlib import Path

from napari_retseg.config import TrainConfig, parse_strategy
from napari_retseg.models import ModelInfo, read_info


def count_parameters(
    bundle: Path, strategy: str, *, n_classes: int | None = None, auxiliary: bool | None = None
) -> tuple[int, int] | None:
    """Count the parameters that a strategy trains, and those that it freezes.

    Parameters
    ----------
    bundle
        Its folder; only its description is read.
    strategy
        As ``--strategy`` has it. Gradual unfreezing does not count: what is thawed in the end is.
    n_classes
        Classes with background of the network to be; None: the bundle's.
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
        parse_strategy(strategy), n_classes=n_classes or before.n_classes, auxiliary=wanted
    )


def count_for_round(bundle: Path, config: TrainConfig, *, n_classes: int) -> tuple[int, int] | None:
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
        bundle, config.strategy, n_classes=n_classes, auxiliary=config.aux_weight > 0
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
