"""Model bundles: weights as safetensors beside a readable description and a card."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise

from napari_retseg import __version__
from napari_retseg.errors import InputError, ModelError, UsageError
from napari_retseg.io.atomic import write_bytes, write_json, write_text
from napari_retseg.models import (
    CARD,
    DESCRIPTION,
    WEIGHTS,
    ModelInfo,
    find_model,
    parse_info,
    read_info,
)
from napari_retseg.models.card import write_card
from napari_retseg.models.description import check_links
from napari_retseg.models.weightsfile import WeightsHeader, read_header
from napari_retseg.nets.build import build_untried, try_out
from napari_retseg.nets.freeze import count_parts
from napari_retseg.plural import count_noun
from napari_retseg.records import parse_json

_EMBEDDED = DESCRIPTION
#: Bytes of a value in the network.
_FLOAT = 4
#: Memory that may be taken, and given back, while a network is built: some of timm are cut from
#: a larger one.
_SPARE = 1_250_000_000


@dataclass(frozen=True, slots=True)
class Model:
    """A network with its weights, on the CPU, and what is known about it."""

    info: ModelInfo
    network: torch.nn.Module


def save_model(
    folder: Path, network: torch.nn.Module, info: ModelInfo, *, half: bool = False
) -> ModelInfo:
    """Write a bundle; each file is replaced atomically.

    The description is embedded in the weights file too, so that weights and description
    belong together even if the program dies between the two files.

    Parameters
    ----------
    folder
        Made if missing.
    network
        Its state is saved, in fp32, or in fp16 with `half`.

    Returns
    -------
    ModelInfo
        With ``weights_id`` and ``parameters`` filled in.

    Raises
    ------
    ModelError
        Where a weight is NaN or infinite, or too large for fp16; nothing is written.
    """
    state = {name: _to_saved(tensor, half=half) for name, tensor in network.state_dict().items()}
    _check_finite(state, folder / WEIGHTS)
    parameters = count_parts(network, info.network)
    info = info.model_copy(update={"weights_id": hash_weights(state), "parameters": parameters})
    description = info.model_dump(mode="json")
    weights = serialise(state, metadata={_EMBEDDED: json.dumps(description)})
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(folder / WEIGHTS, weights)
    write_json(folder / DESCRIPTION, description)
    write_text(folder / CARD, write_card(info, version=__version__))
    return info


def load_model(name_or_folder: str | Path) -> Model:
    """Load a bundle by name or folder.

    Raises
    ------
    ModelError
        Where a file is missing or damaged, a weight is NaN or infinite, or the weights do not fit
        the description; every tensor that is missing, left over or of another shape is named.
    """
    folder = find_model(name_or_folder)
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise ModelError(f"{weights}: weights file not found; export or copy the model again")
    check_links(folder)
    header = read_header(weights)
    try:
        with safe_open(weights, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{weights}: not readable as safetensors ({error})") from error
    _check_finite(state, weights)
    embedded = header.metadata.get(_EMBEDDED)
    info = _matching_info(folder, embedded=embedded, weights_id=hash_weights(state))
    network = _build(folder, info, header)
    network.load_state_dict(state)
    return Model(info=info, network=network.eval())


def hash_weights(state: dict[str, torch.Tensor]) -> str:
    """SHA-256 over the names and bytes of all tensors, in order of their names."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _to_saved(tensor: torch.Tensor, *, half: bool) -> torch.Tensor:
    saved = tensor.detach().cpu().contiguous()
    return saved.half() if half and saved.is_floating_point() else saved.clone()


def _matching_info(folder: Path, *, embedded: str | None, weights_id: str) -> ModelInfo:
    """Read the description; where it is of other weights, take the one in the weights file."""
    info = read_info(folder)
    if embedded is None or info.weights_id == weights_id:
        return info
    try:
        return parse_info(parse_json(embedded, folder / WEIGHTS), folder / WEIGHTS)
    except InputError as error:
        raise ModelError(str(error)) from error


def _check_finite(state: dict[str, torch.Tensor], weights: Path) -> None:
    """Raise a ModelError where a weight is no number: all would become background."""
    for name, tensor in state.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ModelError(
                f"{weights}: the weights contain values that are not finite ({name} has NaN or "
                "infinity), because the training failed; use an earlier model"
            )


def _build(folder: Path, info: ModelInfo, header: WeightsHeader) -> torch.nn.Module:
    """Build the network of a description, in not much more memory than the weights need."""
    if info.network.n_classes != len(info.classes):
        raise ModelError(
            f"{folder / DESCRIPTION}: the network has {info.network.n_classes} outputs, "
            f"but {count_noun(len(info.classes), 'class')} are named"
        )
    try:
        values = sum(tensor.n_values for tensor in header.tensors.values())
        network = build_untried(info.network, limit_bytes=_SPARE + 2 * _FLOAT * values)
        # before any work is done with it, which a forged description could make long
        _check_tensors(folder / WEIGHTS, expected=network.state_dict(), found=header)
        try_out(network, info.network)
    except UsageError as error:
        raise ModelError(f"{folder / DESCRIPTION}: {error}") from error
    return network


def _check_tensors(path: Path, *, expected: dict[str, torch.Tensor], found: WeightsHeader) -> None:
    """Raise one error that names every mismatch."""
    stored = found.tensors
    wrong = [f"{name} is missing" for name in expected if name not in stored]
    wrong += [f"{name} does not belong to this network" for name in stored if name not in expected]
    wrong += [
        f"{name} has shape {stored[name].shape}, not {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in stored and stored[name].shape != tuple(tensor.shape)
    ]
    if wrong:
        raise ModelError(f"{path}: the weights do not fit the network: {'; '.join(wrong)}")
