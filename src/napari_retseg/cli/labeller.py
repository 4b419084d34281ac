"""A model that labels scans, here or on a scheduler."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from napari_retseg.cli.label_records import ModelOrigin, Origin
from napari_retseg.config import PredictConfig
from napari_retseg.decode.choice import choose_layers
from napari_retseg.engine import Engine, PredictJob
from napari_retseg.events import Cancel, Event
from napari_retseg.models import ModelInfo, find_model, read_info
from napari_retseg.scan import OctScan


@dataclass(frozen=True)
class Labeller:
    """A model, loaded once for many scans.

    Parameters
    ----------
    folder
        The model's bundle.
    info
        What is known about it.
    label
        Gives the events of one scan's prediction.
    origin
        Says what the labels of a scan are made from.
    """

    folder: Path
    info: ModelInfo
    label: Callable[[OctScan], Iterator[Event]]
    origin: Callable[[Path], Origin]


@contextmanager
def open_labeller(
    model: str, config: PredictConfig, *, scheduler: str | None, cancel: Cancel
) -> Iterator[Labeller]:
    """Load a model in this process, or reach the scheduler whose workers load it.

    Raises
    ------
    ModelError
        Where there is no such model, or its weights do not fit.
    UsageError
        Where surfaces are asked for and the model's classes are no layers.
    """
    folder = find_model(model)
    info = read_info(folder)
    choose_layers(info.classes, config.decode)  # refused before any work, also on a worker
    origin = ModelOrigin(folder, info, config).of_scan
    if scheduler is None:
        from napari_retseg.infer.predict import load_predictor, predict

        predictor = load_predictor(folder, config)
        yield Labeller(folder, info, lambda scan: predict(scan, predictor, cancel=cancel), origin)
        return
    with Engine(scheduler) as engine:
        yield Labeller(
            folder,
            info,
            lambda scan: engine.run(PredictJob(scan, folder, config), cancel=cancel),
            origin,
        )
