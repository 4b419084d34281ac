from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_retseg.errors import ModelError
from napari_retseg.models import CARD, DESCRIPTION, WEIGHTS, ModelInfo, add_model, export_model
from napari_retseg.nets.bundle import load_model, save_model


def _change_weights(folder: Path, *, drop: str = "", reshape: str = "", extra: str = "") -> None:
    state = load_file(folder / WEIGHTS)
    state.pop(drop, None)
    if reshape:
        state[reshape] = torch.zeros(3, 3)
    if extra:
        state[extra] = torch.zeros(1)
    save_file(state, folder / WEIGHTS)


def test_round_trip_is_exact(
    tmp_path: Path, tiny_info: ModelInfo, tiny_network: torch.nn.Module
) -> None:
    saved = save_model(tmp_path / "m", tiny_network, tiny_info)
    loaded = load_model(tmp_path / "m")
    assert loaded.info == saved
    assert not loaded.network.training
    for name, tensor in tiny_network.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[name], tensor), name
    assert tiny_info.name in (tmp_path / "m" / CARD).read_text()


def test_half_precision_halves_the_file(
    tmp_path: Path, tiny_info: ModelInfo, tiny_network: torch.nn.Module
) -> None:
    save_model(tmp_path / "full", tiny_network, tiny_info)
    save_model(tmp_path / "half", tiny_network, tiny_info, half=True)
    full, half = ((tmp_path / n / WEIGHTS).stat().st_size for n in ("full", "half"))
    assert half < 0.7 * full
    assert next(load_model(tmp_path / "half").network.parameters()).dtype == torch.float32


def test_every_tensor_that_does_not_fit_is_named(tiny_bundle: Path) -> None:
    names = list(load_file(tiny_bundle / WEIGHTS))
    _change_weights(tiny_bundle, drop=names[0], reshape=names[1], extra="stranger")
    with pytest.raises(ModelError) as caught:
        load_model(tiny_bundle)
    message = str(caught.value)
    assert f"{names[0]} is missing" in message
    assert f"{names[1]} has shape (3, 3), not" in message
    assert "stranger does not belong to this network" in message
    assert "\n" not in message


def test_a_description_of_other_weights_gives_way_to_the_embedded_one(
    tmp_path: Path, tiny_info: ModelInfo, tiny_network: torch.nn.Module
) -> None:
    """As after a crash between the two files of a save."""
    folder = tmp_path / "m"
    save_model(folder, tiny_network, tiny_info.model_copy(update={"scores": None}))
    older = (folder / DESCRIPTION).read_text()
    with torch.no_grad():
        next(tiny_network.parameters()).add_(1)
    scores = {"mean_foreground_dice": 0.5, "mean_foreground_iou": 0.4, "classes": {}}
    scores |= {"n_bscans": 1, "n_groups": 1}
    newer = save_model(folder, tiny_network, tiny_info.model_copy(update={"scores": scores}))
    (folder / DESCRIPTION).write_text(older)
    assert load_model(folder).info == newer


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema_version": 99}, "newer than this program"),
        ({"schema_version": None}, "not a model description"),
        ({"classes": {"classes": []}}, "classes"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_description_that_is_wrong_says_what(
    tiny_bundle: Path, change: dict[str, object], words: str
) -> None:
    data = json.loads((tiny_bundle / DESCRIPTION).read_text())
    (tiny_bundle / DESCRIPTION).write_text(json.dumps({**data, **change}))
    with pytest.raises(ModelError, match=words):
        load_model(tiny_bundle)


def test_outputs_and_classes_must_agree(tiny_bundle: Path) -> None:
    data = json.loads((tiny_bundle / DESCRIPTION).read_text())
    data["network"]["n_classes"] += 1
    (tiny_bundle / DESCRIPTION).write_text(json.dumps(data))
    with pytest.raises(ModelError, match="outputs, but"):
        load_model(tiny_bundle)


def test_a_pickled_file_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(ModelError, match="a model is a folder"):
        load_model(path)


def test_missing_or_damaged_weights_are_named(tiny_bundle: Path) -> None:
    weights = tiny_bundle / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ModelError, match="not readable as safetensors"):
        load_model(tiny_bundle)
    weights.unlink()
    with pytest.raises(ModelError, match="weights file not found"):
        load_model(tiny_bundle)


def test_an_exported_model_comes_back(
    tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAPARI_RETSEG_MODELS", str(tmp_path / "models"))
    archive = export_model(tiny_bundle, tmp_path / "shared.zip")
    expected = load_model(tiny_bundle).info.model_copy(update={"name": "shared"})
    shutil.rmtree(tiny_bundle)
    add_model(archive)
    assert load_model("shared").info == expected
    with pytest.raises(ModelError, match="name is already used"):
        add_model(archive)
    add_model(archive, replace=True)
