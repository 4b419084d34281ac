"""``model.onnx``: a network for other runtimes, checked before one of them sees it.

A bundle for deployment is a folder with ``model.onnx``, ``model.json`` and ``deployment.json``,
which says what the ONNX file is and how to use it. The graph of a stranger may name other files
(external data) and hold graphs in graphs; ours never does, so that neither is accepted.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from napari_retseg.config import Frozen
from napari_retseg.errors import InputError, ModelError
from napari_retseg.models.description import DEPLOYMENT, ONNX, ModelInfo, check_links
from napari_retseg.models.protobuf import read_fields
from napari_retseg.records import check_record, read_json
from napari_retseg.regular import read_limited

#: Protocol buffers cannot be larger.
LARGEST_ONNX = 2**31 - 1
_LARGEST_DEPLOYMENT = 1024**2
_MOST_NODES = 50_000

_WHAT_NOW = "export the model again ('napari-retseg models export --onnx')"

#: Numbers of the fields of ONNX's messages (onnx.proto, IR version 10).
_MODEL = {"graph": 7, "training": 20, "functions": 25}
_GRAPH = {"node": 1, "initializer": 5, "sparse": 15}
_NODE = {"attribute": 5, "domain": 7}
_ATTRIBUTE = {"tensor": 5, "graph": 6, "tensors": 10, "graphs": 11, "sparse": 22, "sparses": 23}
_TENSOR = {"external": 13, "location": 14}
_DOMAINS = (b"", b"ai.onnx")


class Deployment(Frozen):
    """What of ``deployment.json`` is read again; the rest is for people and their programs."""

    schema_version: Annotated[int, Field(ge=1, le=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    weights_id: Annotated[str, Field(max_length=128)]
    model: dict[str, Any]
    input: dict[str, Any]
    output: dict[str, Any]
    preprocessing: dict[str, Any]
    decoding: dict[str, Any]
    checked: dict[str, Any]


def find_onnx(folder: Path) -> Path:
    """Return the network's file of a bundle for other runtimes.

    Raises
    ------
    ModelError
        Where there is none, saying how to make one.
    """
    if not (folder / ONNX).is_file() or not (folder / DEPLOYMENT).is_file():
        raise ModelError(
            f"{folder}: this model has no {ONNX} with {DEPLOYMENT}; make a folder with both by "
            "'napari-retseg models export MODEL FOLDER --onnx' and give it as --model"
        )
    return folder / ONNX


def read_onnx(folder: Path, info: ModelInfo) -> bytes:
    """Read the network of a bundle for another runtime.

    Raises
    ------
    ModelError
        Where there is none, it is not the one that ``deployment.json`` is about, or its graph
        holds what ours never does.
    """
    path = find_onnx(folder)
    try:
        check_links(folder)
        data = read_limited(path, LARGEST_ONNX)
        about = check_record(
            read_json(folder / DEPLOYMENT, limit=_LARGEST_DEPLOYMENT),
            Deployment,
            folder / DEPLOYMENT,
        )
    except InputError as error:
        raise ModelError(str(error)) from error
    if about.sha256 != hashlib.sha256(data).hexdigest() or about.weights_id != info.weights_id:
        raise ModelError(f"{path}: not the file that {DEPLOYMENT} describes; {_WHAT_NOW}")
    check_graph(data, path)
    return data


def check_graph(data: bytes, path: Path) -> None:
    """Refuse what is no ONNX model, and one that is not whole in itself.

    Raises
    ------
    ModelError
        Naming what is wrong.
    """
    try:
        n_graphs = 0
        for number, value in read_fields(memoryview(data)):
            if number in (_MODEL["training"], _MODEL["functions"]):
                raise ValueError("it holds functions or a training")
            if number == _MODEL["graph"] and isinstance(value, memoryview):
                n_graphs += 1
                _check_nodes(value)
        if n_graphs != 1:
            raise ValueError(f"it holds {n_graphs} graphs")
    except ValueError as error:
        raise ModelError(f"{path}: not usable as an ONNX model ({error}); {_WHAT_NOW}") from error


def _check_nodes(graph: memoryview) -> None:
    n_nodes = 0
    for number, value in read_fields(graph):
        if number == _GRAPH["sparse"]:
            raise ValueError("it holds sparse tensors")
        if not isinstance(value, memoryview):
            continue
        if number == _GRAPH["initializer"]:
            _check_tensor(value)
        elif number == _GRAPH["node"]:
            n_nodes += 1
            if n_nodes > _MOST_NODES:
                raise ValueError(f"it has more than {_MOST_NODES:,} nodes")
            _check_node(value)


def _check_node(node: memoryview) -> None:
    for number, value in read_fields(node):
        if not isinstance(value, memoryview):
            continue
        if number == _NODE["domain"] and bytes(value) not in _DOMAINS:
            raise ValueError("it needs operators that are not ONNX's own")
        if number == _NODE["attribute"]:
            _check_attribute(value)


def _check_attribute(attribute: memoryview) -> None:
    for number, value in read_fields(attribute):
        if number in (_ATTRIBUTE["graph"], _ATTRIBUTE["graphs"]):
            raise ValueError("it holds a graph in a graph")
        if number in (_ATTRIBUTE["sparse"], _ATTRIBUTE["sparses"]):
            raise ValueError("it holds sparse tensors")
        is_tensor = number in (_ATTRIBUTE["tensor"], _ATTRIBUTE["tensors"])
        if is_tensor and isinstance(value, memoryview):
            _check_tensor(value)


def _check_tensor(tensor: memoryview) -> None:
    for number, value in read_fields(tensor):
        if number == _TENSOR["external"] or (number == _TENSOR["location"] and value != 0):
            raise ValueError("its values lie in another file, which is not read")
