"""Nothing about a patient leaves in a model."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from napari_retseg.config import TrainConfig
from napari_retseg.dataset import load_dataset
from napari_retseg.errors import ModelError
from napari_retseg.models import (
    CARD,
    DESCRIPTION,
    WEIGHTS,
    ModelInfo,
    add_model,
    export_model,
    read_info,
)
from napari_retseg.models.card import write_card
from napari_retseg.models.trained import TrainedOn, describe_groups

NAMES = ("Mueller-Hans-1944", "Schmidt-Anna-1951")


@pytest.fixture(autouse=True)
def salt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the test an installation of its own."""
    monkeypatch.setenv("NAPARI_RETSEG_SALT", str(tmp_path / "salt"))


def write_old(folder: Path, info: ModelInfo, **about: Any) -> Path:
    """Write a bundle as version 1 did, which names the patients everywhere."""
    trained = {
        "dataset": "Praxis Mueller",
        "sha256": "f00d",
        "groups": list(NAMES),
        "heldout_groups": ["Mueller-Hans-1944"],
        "bscans": 12,
        "iterations": 400,
        "split": "by patient",
    }
    scores = {
        "classes": {}, "mean_foreground_dice": 0.5, "mean_foreground_iou": 0.4, "n_bscans": 1,
        "n_groups": 1, "bscans": [{"name": "Mueller-Hans-1944:3", "group": "Mueller-Hans-1944"}],
    }  # fmt: skip
    description = {
        **info.model_dump(mode="json"),
        "schema_version": 1,
        "name": "Praxis Mueller",
        "weights_id": "aaaaaa",
        "trained_on": trained,
        "scores": scores,
        **about,
    }
    folder.mkdir(parents=True)
    text = json.dumps(description)
    (folder / DESCRIPTION).write_text(text)
    (folder / WEIGHTS).write_bytes(save({"w": np.arange(3.0)}, metadata={DESCRIPTION: text}))
    (folder / CARD).write_text("Data set: Praxis Mueller, held out: Mueller-Hans-1944")
    (folder / "events.jsonl").write_text("Mueller-Hans-1944")
    return folder


def test_an_export_tells_nothing_about_patients(tmp_path: Path, tiny_info: ModelInfo) -> None:
    old = write_old(tmp_path / "Mueller" / "old", tiny_info)
    archive = export_model(old, tmp_path / "layers.zip")
    with zipfile.ZipFile(archive) as packed:
        assert sorted(packed.namelist()) == sorted((CARD, DESCRIPTION, WEIGHTS))
        content = {name: packed.read(name) for name in packed.namelist()}
    for data in (archive.read_bytes(), *content.values()):
        for word in ("Mueller", "Schmidt", "1944", "Praxis", str(tmp_path)):
            assert word.encode() not in data
    add_model(archive, name="back")
    info = read_info(tmp_path / "own" / "back")
    trained = info.trained_on
    assert trained is not None
    assert (info.name, trained.dataset) == ("layers", "")
    assert (trained.n_groups, trained.n_heldout_groups, trained.n_shared_groups) == (2, 1, 1)
    assert "Dataset: not named" in (tmp_path / "own" / "back" / CARD).read_text()
    weights = np.frombuffer(content[WEIGHTS][-24:])
    assert list(weights) == [0, 1, 2]


def test_what_is_added_names_no_patient(tmp_path: Path, tiny_info: ModelInfo, own: Path) -> None:
    add_model(write_old(tmp_path / "old", tiny_info), name="mine")
    for file in own.rglob("*"):
        if file.is_file():
            assert b"1944" not in file.read_bytes(), file
    info = read_info(own / "mine")
    assert (own / "mine" / CARD).read_text() == write_card(info, version=_version())
    assert info.scores is not None
    assert "bscans" not in info.scores


def _version() -> str:
    from napari_retseg import __version__

    return __version__


def test_this_installation_knows_its_patients_again(
    tmp_path: Path, tiny_info: ModelInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = export_model(write_old(tmp_path / "old", tiny_info), tmp_path / "shared.zip")
    add_model(archive)
    trained = read_info(tmp_path / "own" / "shared").trained_on
    assert trained is not None
    assert trained.is_of("Praxis Mueller")
    assert not trained.is_of("")
    assert trained.find_known(["P1", *NAMES]) == list(NAMES)
    monkeypatch.setenv("NAPARI_RETSEG_SALT", str(tmp_path / "salt of another"))
    assert not trained.is_of("Praxis Mueller")
    assert trained.find_known(["P1", *NAMES]) == []


def test_models_of_different_data_have_no_key_in_common() -> None:
    one, other = (describe_groups(NAMES, [], dataset="d", sha256=sha256) for sha256 in ("aa", "bb"))
    assert len({*one["keys"], *other["keys"], one["dataset_key"], other["dataset_key"]}) == 6


def test_without_a_place_for_the_secret_patients_are_counted_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NAPARI_RETSEG_SALT", str(tmp_path / "file" / "salt"))
    found = describe_groups(NAMES, [], dataset="d", sha256="aa")
    assert (found["n_groups"], found["keys"], found["dataset_key"]) == (2, (), None)


def test_a_training_describes_its_patients_by_number(tiny_dataset: Path) -> None:
    from napari_retseg.learn.setup import _trained_on

    path = tiny_dataset / "dataset.json"
    path.write_text(path.read_text().replace("P1", "Mueller-Hans-1944"))
    for image in [*tiny_dataset.rglob("P1*")]:
        image.rename(image.with_name(image.name.replace("P1", "Mueller-Hans-1944")))
    dataset = load_dataset(tiny_dataset)
    assert "Mueller-Hans-1944" in dataset.groups("train")
    trained = _trained_on(dataset, TrainConfig())
    assert "Mueller" not in trained.model_dump_json()
    assert trained.find_known(dataset.groups("train")) == list(dataset.groups("train"))


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_weights_that_are_not_finite_are_neither_added_nor_exported(
    tmp_path: Path, tiny_info: ModelInfo, own: Path, wrong: float, dtype: str
) -> None:
    folder = write_old(tmp_path / "old", tiny_info)
    values = np.array([1, wrong, 2]).astype(dtype)
    (folder / WEIGHTS).write_bytes(save({"good": np.ones(2), "bad": values}))
    for act in (
        lambda: add_model(folder, name="mine"),
        lambda: export_model(folder, tmp_path / "x.zip"),
    ):
        with pytest.raises(ModelError, match=r"not finite \(bad\)"):
            act()
    assert not (own / "mine").exists()
    assert not (tmp_path / "x.zip").exists()


def test_a_description_of_today_stays_as_it_is(tmp_path: Path, tiny_info: ModelInfo) -> None:
    trained = TrainedOn(
        dataset="d", sha256="f00d", bscans=4, iterations=5,
        **describe_groups(NAMES, [], dataset="d", sha256="f00d"),
    )  # fmt: skip
    info = tiny_info.model_copy(update={"trained_on": trained, "weights_id": "aaaaaa"})
    text = json.dumps(info.model_dump(mode="json"))
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / DESCRIPTION).write_text(text)
    (folder / WEIGHTS).write_bytes(save({"w": np.zeros(3)}, metadata={DESCRIPTION: text}))
    added = add_model(folder, name="mine").folder
    for file in (DESCRIPTION, WEIGHTS):
        assert (added / file).read_bytes() == (folder / file).read_bytes()
