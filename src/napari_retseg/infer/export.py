"""A model written for other runtimes: an ONNX file, and how to use it."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_retseg import __version__
from napari_retseg.errors import ModelError, explaining
from napari_retseg.infer.deployment import OPSET, describe_deployment
from napari_retseg.infer.exported import check_exportable
from napari_retseg.infer.fuse import fuse_batchnorm
from napari_retseg.infer.runtimes import INPUT, OUTPUT, Session, import_runtime, open_session
from napari_retseg.io.atomic import write_bytes, write_json, write_text
from napari_retseg.models import CARD, DESCRIPTION, ModelInfo
from napari_retseg.models.calibrated import list_kept
from napari_retseg.models.card import write_card
from napari_retseg.models.description import DEPLOYMENT, ONNX
from napari_retseg.models.onnxfile import LARGEST_ONNX, check_graph
from napari_retseg.models.sharing import make_shareable
from napari_retseg.nets.bundle import load_model
from napari_retseg.scratch import scratch_folder

#: Sizes (n, rows, columns) on which the export is compared with torch; the first is traced.
_SIZES = ((2, 64, 96), (1, 128, 64), (3, 96, 224))
#: Largest difference of a logit, as a share of the largest logit.
_TOLERANCE = 1e-4
_BYTES = 4


def export_onnx(folder: Path, target: Path) -> list[Path]:
    """Write a folder with a model for runtimes other than torch.

    The network is compared with torch on images of several sizes before anything is written. Names
    are kept to yourself as in :func:`napari_retseg.models.export_model`.

    Parameters
    ----------
    folder
        The model's bundle.
    target
        Made where it is missing.

    Returns
    -------
    list of Path
        The files, ``model.json`` last: without it the folder is no model.

    Raises
    ------
    ModelError
        Where the bundle cannot be read, `target` is not empty, or the ONNX file would give other
        numbers.
    UsageError
        Where the network is 3D, or onnx or ONNX Runtime is not installed.
    """
    library = import_runtime("onnx")
    import_runtime("onnx", library="onnx")  # torch needs it to write the file
    model = load_model(folder)
    check_exportable(model.info)
    with explaining(target, "cannot be used as a folder", advice="choose another one"):
        target.mkdir(parents=True, exist_ok=True)
        if any(target.iterdir()):
            raise ModelError(f"{target}: this folder is not empty; choose a new one")
    info = make_shareable(model.info, name=target.resolve().name)
    network = fuse_batchnorm(model.network, in_channels=info.network.in_channels)
    n_bytes = _BYTES * sum(p.numel() for p in network.parameters())
    if n_bytes > LARGEST_ONNX:
        raise ModelError(f"{folder}: the network is too large for one ONNX file (limit 2 GB)")
    data = _trace(network, info, folder)
    check_graph(data, target / ONNX)
    difference = _compare(network, open_session("onnx", data), info, folder)
    about = describe_deployment(info, sha256=hashlib.sha256(data).hexdigest())
    about["checked"] = {
        "with": f"ONNX Runtime {library.__version__}, PyTorch {torch.__version__}",
        "sizes": [list(size) for size in _SIZES],
        "largest_difference_of_a_logit": difference,
    }
    return _write(folder, target, info, data, about)


def _trace(network: torch.nn.Module, info: ModelInfo, folder: Path) -> bytes:
    """Trace the network; sizes stay open."""
    names = {0: "n", 2: "rows", 3: "columns"}
    out = scratch_folder() / ONNX
    with warnings.catch_warnings():
        # this way needs no further package, and is there in all versions; what it would get wrong
        # is found when the numbers are compared
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                network,
                (torch.from_numpy(_draw(info, _SIZES[0])),),
                str(out),
                dynamo=False,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_axes={INPUT: names, OUTPUT: names},
            )
        except Exception as error:
            first = str(error).strip().split("\n", 1)[0][:300]
            raise ModelError(
                f"{folder}: this network cannot be written as ONNX ({first}); use it with PyTorch"
            ) from error
    data = out.read_bytes()
    out.unlink()
    return data


def _draw(info: ModelInfo, size: tuple[int, int, int]) -> NDArray[np.float32]:
    n, rows, columns = size
    shape = (n, info.network.in_channels, rows, columns)
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def _compare(network: torch.nn.Module, session: Session, info: ModelInfo, folder: Path) -> float:
    """Largest difference from torch; refused where it is more than rounding."""
    largest = 0.0
    for size in _SIZES:
        images = _draw(info, size)
        with torch.inference_mode():
            expected = network(torch.from_numpy(images)).numpy()
        try:
            found = session.run(images)
            difference = float(np.abs(found - expected).max())
        except Exception as error:
            raise ModelError(
                f"{folder}: as ONNX this network takes only one size of the input; use it with "
                "PyTorch"
            ) from error
        if not difference <= _TOLERANCE * max(1.0, float(np.abs(expected).max())):
            raise ModelError(
                f"{folder}: as ONNX this network gives other numbers (by up to {difference:.2g}); "
                "use it with PyTorch"
            )
        largest = max(largest, difference)
    return largest


def _write(
    folder: Path, target: Path, info: ModelInfo, data: bytes, about: dict[str, Any]
) -> list[Path]:
    write_bytes(target / ONNX, data)
    write_json(target / DEPLOYMENT, about)
    write_text(target / CARD, write_card(info, version=__version__))
    kept = {name: one.model_dump_json() for name, one in list_kept(folder)}
    for name, text in kept.items():
        write_text(target / name, text)
    write_json(target / DESCRIPTION, info.model_dump(mode="json"))
    return [target / name for name in (ONNX, DEPLOYMENT, CARD, *kept, DESCRIPTION)]
