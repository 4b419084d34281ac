"""Predict a scan, and tell each B-scan's labels as soon as they are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.config import PredictConfig
from napari_retseg.errors import InputError, UsageError
from napari_retseg.events import (
    BscanPredicted,
    Cancel,
    CancelToken,
    Event,
    Finished,
    Progress,
    Runs,
)
from napari_retseg.infer.scanpredictor import ScanPredictor
from napari_retseg.models import find_model
from napari_retseg.plural import count_noun
from napari_retseg.scan import OctScan

if TYPE_CHECKING:
    from napari_retseg.infer.predictor import Predictor
    from napari_retseg.nets.bundle import Model

#: Of any runtime.
AnyPredictor = ScanPredictor[Any]


def load_predictor(model: Predictor | Model | str | Path, config: PredictConfig) -> Predictor:
    """Make a model ready for prediction by torch; one that is ready comes back as it is.

    Raises
    ------
    UsageError
        Where torch is not installed, or another runtime is asked for.
    """
    if config.runtime != "torch":
        raise UsageError(
            f"runtime {config.runtime} computes a folder from 'models export --onnx'; use "
            "'napari-retseg predict --runtime', or leave runtime out"
        )
    try:
        from napari_retseg.infer.predictor import Predictor
        from napari_retseg.nets.bundle import Model, load_model
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{error.name} is not installed; install napari-retseg with what it needs, or use "
            "--runtime onnx with a folder from 'models export --onnx'"
        ) from error

    if isinstance(model, Predictor):
        return model
    loaded = model if isinstance(model, Model) else load_model(model)
    return Predictor(loaded.network, loaded.info, config)


def open_predictor(
    model: AnyPredictor | Model | str | Path, config: PredictConfig, *, threads: int = 0
) -> AnyPredictor:
    """Make a model ready in the runtime of `config`; torch is imported only where it computes.

    Parameters
    ----------
    threads
        That another runtime than torch may compute with; 0: as many as there are cores.
    """
    if isinstance(model, ScanPredictor):
        return model
    if config.runtime == "torch" or not isinstance(model, str | Path):
        return load_predictor(model, config)

    from napari_retseg.infer.exported import ExportedPredictor

    return ExportedPredictor(find_model(model), config, threads=threads)


def predict(
    scan: OctScan,
    model: AnyPredictor | Model | str | Path,
    config: PredictConfig | None = None,
    cancel: Cancel | None = None,
    *,
    bscans: Sequence[int] | None = None,
) -> Iterator[Event]:
    """Label the B-scans of a scan.

    Parameters
    ----------
    scan
        A B-scan or a volume (for a 2D model, a volume that is not OCT is sliced along the
        axis that the model was trained on, or ``config.axis``).
    model
        A bundle's name or folder, a loaded model, or one that is ready.
    bscans
        Which B-scans; all by default.

    Yields
    ------
    Event
        A :class:`BscanPredicted` with class values for each B-scan, each followed by a
        :class:`Progress`, and :class:`Finished` at last.

    Raises
    ------
    ModelError
        Where the model cannot be loaded or takes another number of channels.
    UsageError
        Where surfaces are asked for and the model's classes are no layers.
    """
    cancel = cancel or CancelToken()
    predictor = open_predictor(model, config or PredictConfig())
    predictor.check_channels(scan.n_channels, scan.source or "the scan")
    chosen = list(range(scan.n_bscans)) if bscans is None else list(bscans)
    outside = [i for i in chosen if not 0 <= i < scan.n_bscans]
    if outside:
        raise InputError(
            f"{scan.source}: has {count_noun(scan.n_bscans, 'B-scan')}, but no B-scans {outside}"
        )
    values = predictor.info.classes.values
    done = 0
    try:
        for index, found in predictor.label_scan(scan, chosen, cancel=cancel):
            done += 1
            yield BscanPredicted(
                index, values[found.labels], found.uncertainty, list_runs(found.doubtful)
            )
            yield Progress(done, len(chosen))
            if cancel.is_cancelled():
                break
    finally:
        predictor.forget()
    if done < len(chosen):
        yield Finished(cancelled=True)
        return
    yield Finished(result={"bscans": len(chosen), "model": predictor.info.name})


def list_runs(marks: NDArray[np.bool_] | None) -> Runs:
    """List the runs of marked A-scans ``(width,)``: the first of each, and the one behind it."""
    if marks is None or not marks.any():
        return ()
    edges = np.flatnonzero(np.diff(marks, prepend=False, append=False))
    return tuple((int(a), int(b)) for a, b in edges.reshape(-1, 2))


def predict_labels(
    scan: OctScan,
    model: AnyPredictor | Model | str | Path,
    config: PredictConfig | None = None,
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Label a whole scan in memory; class values of the scan's spatial shape."""
    labels = np.zeros(scan.spatial_shape, dtype=np.uint8)
    for event in predict(scan, model, config):
        if isinstance(event, BscanPredicted):
            labels[event.index if scan.is_volume else ...] = event.labels
    return labels
