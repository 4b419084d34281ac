"""A model that labels scans."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from napari_retseg.config import PredictConfig
from napari_retseg.decode.choice import choose_layers
from napari_retseg.engine.jobs import ready_predictor
from napari_retseg.engine.machine import share_cores
from napari_retseg.events import Cancel, Event
from napari_retseg.models import ModelInfo, find_model, read_info
from napari_retseg.models.label_records import ModelOrigin, Origin
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
    label: Callable[[OctScan, Cancel], Iterator[Event]]
    origin: Callable[[Path], Origin]

    def move(self, to: Callable[[Path], Path]) -> Labeller:
        """Return it with its model in another folder."""
        folder, label = to(self.folder), self.label
        if isinstance(label, ModelLabels):
            label = replace(label, folder=folder)
        return replace(self, folder=folder, label=label)


@dataclass(frozen=True)
class ModelLabels:
    """Labels scans with a model in the process that asks for it, which keeps the model.

    Parameters
    ----------
    threads
        That the process may compute with; 0: as many as it likes.
    """

    folder: Path
    config: PredictConfig
    threads: int = 0

    def __call__(self, scan: OctScan, cancel: Cancel) -> Iterator[Event]:
        """Yield the events of :func:`napari_retseg.infer.predict.predict`."""
        from napari_retseg.infer.predict import predict

        predictor = ready_predictor(self.folder, self.config, self.threads)
        return predict(scan, predictor, cancel=cancel)


def open_labeller(
    model: str, config: PredictConfig, *, scheduler: str | None = None, workers: int = 1
) -> Labeller:
    """Load a model in this process, or let others load it.

    Parameters
    ----------
    scheduler
        A dask scheduler's address, whose workers load it.
    workers
        How many processes of this machine share its cores.

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
    if scheduler is None and workers == 1:
        ready_predictor(folder, config)  # what is wrong with it is said before any scan
    labels = ModelLabels(folder.absolute(), config, share_cores(workers))
    return Labeller(folder, info, labels, origin)
