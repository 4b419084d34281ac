"""ONNX Runtime and OpenVINO: what computes an exported network on the CPU, without torch."""

from __future__ import annotations

import os
from collections import OrderedDict
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_retseg.config import Runtime
from napari_retseg.errors import UsageError

INPUT, OUTPUT = "image", "logits"
#: Networks that OpenVINO keeps, each compiled for one size of the input.
_KEPT = 3
_MODULES = {"onnx": "onnxruntime", "openvino": "openvino"}


class Session(Protocol):
    """A network that is ready to compute."""

    @property
    def name(self) -> str:
        """What computes, in words."""

    def run(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits ``(n, class, rows, columns)`` of images ``(n, channel, rows, columns)``."""


def open_session(runtime: Runtime, model: bytes, *, threads: int = 0) -> Session:
    """Make a network ready.

    Parameters
    ----------
    model
        The bytes of an ONNX file, checked by :mod:`napari_retseg.models.onnxfile`.
    threads
        0: as OMP_NUM_THREADS says, or as many as the runtime chooses.

    Raises
    ------
    UsageError
        Where the runtime is not installed.
    """
    threads = threads or _read_threads()
    if runtime == "onnx":
        return _OnnxSession(import_runtime(runtime), model, threads)
    return _OpenVinoSession(import_runtime(runtime), model, threads)


def import_runtime(runtime: Runtime, *, library: str = "") -> Any:
    """Import the library of a runtime, or another one of its extra.

    Raises
    ------
    UsageError
        Where it is not installed, naming the extra that brings it.
    """
    name = library or _MODULES[runtime]
    try:
        return import_module(name)
    except ImportError as error:
        raise UsageError(
            f"{name} is not installed; install it with pip install 'napari-retseg[{runtime}]'"
        ) from error


def _read_threads() -> int:
    text = os.environ.get("OMP_NUM_THREADS", "")
    return int(text) if text.isdecimal() else 0


class _OnnxSession:
    def __init__(self, library: Any, model: bytes, threads: int) -> None:
        options = library.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4  # what fails is raised
        self._session = library.InferenceSession(
            model, sess_options=options, providers=["CPUExecutionProvider"]
        )
        self.name = f"cpu (ONNX Runtime {library.__version__})"

    def run(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        (logits,) = self._session.run([OUTPUT], {INPUT: images})
        return np.asarray(logits)


class _OpenVinoSession:
    """Compiled for each size of the input, which is faster than for any size."""

    def __init__(self, library: Any, model: bytes, threads: int) -> None:
        self._core = library.Core()
        self._model = self._core.read_model(model)
        # of itself it takes bf16 where the processor has it
        self._options: dict[str, object] = {
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
        }
        if threads:
            self._options["INFERENCE_NUM_THREADS"] = threads
        self._compiled: OrderedDict[tuple[int, ...], Any] = OrderedDict()
        self.name = f"cpu (OpenVINO {library.__version__.split('-')[0]})"

    def run(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        compiled = self._compiled.get(images.shape)
        if compiled is None:
            self._model.reshape(list(images.shape))
            compiled = self._core.compile_model(self._model, "CPU", self._options)
            self._compiled[images.shape] = compiled
            if len(self._compiled) > _KEPT:
                self._compiled.popitem(last=False)
        # the runtime's own memory is used again by the next call
        return np.array(compiled({INPUT: images})[OUTPUT])
