"""About how long a training takes, from what earlier ones took."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from statistics import median

from napari_retseg.config import TrainConfig
from napari_retseg.errors import RetsegError
from napari_retseg.events import StepDone
from napari_retseg.models import ModelInfo
from napari_retseg.plural import count_noun, plural
from napari_retseg.runs.eventlog import read_events
from napari_retseg.runs.record import read_config, read_run_model

#: What a step's time depends on, besides the network and the number of samples.
_ALIKE = (
    "device", "devices", "precision", "dims", "neighbours", "arch", "encoder", "head", "crop",
    "resize",
)  # fmt: skip
_NETWORK = ("arch", "encoder", "head", "in_channels", "options")
#: The first steps of a run are slower.
_WARM_UP = 3
_FEWEST = 3


def seconds_per_step(
    rounds: Iterable[Path], config: TrainConfig | None = None, *, start: ModelInfo | None = None
) -> float | None:
    """Estimate the seconds of an optimizer step from earlier runs on this computer.

    Parameters
    ----------
    rounds
        Folders of runs, the oldest first; those that cannot be read are passed over.
    config
        Of the training to come. The newest run that is like it counts, scaled by the number of
        samples in a step. None: the newest run, whatever it did.
    start
        The starting model: runs of another network do not count.

    Returns
    -------
    float or None
        None where no run is like it.
    """
    for run in reversed(list(rounds)):
        try:
            earlier, network = read_config(run), read_run_model(run).network
            steps = [e.seconds for e in read_events(run) if isinstance(e, StepDone)]
        except RetsegError:
            continue
        if len(steps) < _WARM_UP + _FEWEST or not _is_alike(earlier, config or earlier):
            continue
        if start is not None and any(
            getattr(network, name) != getattr(start.network, name) for name in _NETWORK
        ):
            continue
        return (
            median(steps[_WARM_UP:]) * _count_samples(config or earlier) / _count_samples(earlier)
        )
    return None


def describe_duration(seconds: float) -> str:
    """Write a duration in words, as roughly as it is known: ``about 6 minutes``."""
    if seconds < 50:
        tens = max(1, round(seconds / 10))
        return f"about {10 * tens} seconds"
    minutes = round(seconds / 60)
    if minutes < 60:
        step = 1 if minutes < 20 else 5
        minutes = max(1, step * round(minutes / step))
        return f"about {count_noun(minutes, 'minute')}"
    halves = round(seconds / 1800)
    text = f"{halves // 2}" if halves % 2 == 0 else f"{halves / 2:.1f}"
    return f"about {text} {plural('hour', halves / 2)}"


def _is_alike(earlier: TrainConfig, config: TrainConfig) -> bool:
    return all(getattr(earlier, name) == getattr(config, name) for name in _ALIKE) and (
        earlier.strategy == config.strategy
    )


def _count_samples(config: TrainConfig) -> int:
    return config.batch_size * config.accumulate
