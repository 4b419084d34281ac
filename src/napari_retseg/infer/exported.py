"""A network that was exported to ONNX, made ready for prediction without torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.config import PredictConfig
from napari_retseg.errors import ModelError, UsageError
from napari_retseg.events import Cancel
from napari_retseg.failures import is_memory_short, one_line
from napari_retseg.infer.runtimes import Session, import_runtime, open_session
from napari_retseg.infer.scanpredictor import ScanPredictor
from napari_retseg.models import ModelInfo, read_info
from napari_retseg.models.description import ONNX
from napari_retseg.models.onnxfile import read_onnx
from napari_retseg.scan import OctScan

#: Size of the small image that a network is tried on.
_PROBE_SIZE = (64, 96)


class ExportedPredictor(ScanPredictor[NDArray[Any]]):
    """Labels scans with a model from ``models export --onnx``, on the CPU in fp32.

    Parameters
    ----------
    folder
        With ``model.onnx``, ``model.json`` and ``deployment.json``.
    config
        Its `runtime` computes.
    threads
        0: as many as the runtime chooses.

    Raises
    ------
    ModelError
        Where the folder holds no such model, or the runtime cannot compute it.
    UsageError
        Where the runtime is not installed, or another device or precision is asked for.
    """

    def __init__(self, folder: Path, config: PredictConfig, *, threads: int = 0) -> None:
        if config.device not in ("auto", "cpu") or config.precision not in ("auto", "fp32"):
            raise UsageError(
                f"runtime {config.runtime} computes on the CPU in fp32; leave out --device and "
                "--precision, or use --runtime torch"
            )
        import_runtime(config.runtime)  # what to install is said before what to export
        info = read_info(folder)
        check_exportable(info)
        super().__init__(info, config, batch_size=config.batch_size or 1)
        self._path = folder / ONNX
        self._session = self._open_session(read_onnx(folder, info), threads)
        self._try_out()

    @property
    def device(self) -> str:
        """What computes, in words."""
        return self._session.name

    def _open_session(self, model: bytes, threads: int) -> Session:
        try:
            return open_session(self.config.runtime, model, threads=threads)
        except Exception as error:
            raise self._explain(error) from error

    def _try_out(self) -> None:
        """Send a small image through: a stranger's network may take or give anything."""
        network = self.info.network
        logits = self._compute(np.zeros((1, network.in_channels, *_PROBE_SIZE), np.float32))
        expected = (1, network.n_classes, *_PROBE_SIZE)
        if logits.shape != expected or logits.dtype != np.float32:
            raise ModelError(
                f"{self._path}: returns {logits.dtype} of {logits.shape} where model.json says "
                f"float32 of {expected}; export the model again"
            )

    def _stack(self, slices: Sequence[NDArray[np.float32]]) -> NDArray[Any]:
        return np.stack(slices)

    def _compute(self, images: NDArray[Any]) -> NDArray[Any]:
        try:
            return self._session.run(np.ascontiguousarray(images))
        except Exception as error:
            raise self._explain(error) from error

    def _explain(self, error: Exception) -> Exception:
        """Say in one line what a runtime raises, which has types of its own."""
        if is_memory_short(error):
            return MemoryError()
        first = one_line(str(error).strip().split("\n", 1)[0])[:300]
        return ModelError(
            f"{self._path}: runtime {self.config.runtime} cannot compute it ({first}); export the "
            "model again, or use --runtime torch"
        )

    def _predict_volume(self, scan: OctScan, cancel: Cancel | None) -> NDArray[Any] | None:
        volume = np.empty((self.info.network.n_classes, *scan.spatial_shape), np.float32)
        return volume if self._fill_volume(scan, volume, cancel) else None


def check_exportable(info: ModelInfo) -> None:
    """Raise a UsageError where a model is 3D: only 2D networks are exported."""
    if info.network.dims == 3:
        raise UsageError(
            f"model {info.name} is 3D, and only 2D models run without PyTorch; use --runtime torch"
        )
