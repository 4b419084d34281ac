"""Whatever a description holds, a reader gives right values or one clear line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from napari_retseg.cli.models import _describe, _row, _version_row
from napari_retseg.cli.models import _describe_version as describe_version
from napari_retseg.errors import ModelError, RetsegError
from napari_retseg.models import (
    CARD,
    DESCRIPTION,
    WEIGHTS,
    ModelInfo,
    TrainedOn,
    add_model,
    list_models,
    list_versions,
    read_info,
)
from napari_retseg.models.card import write_card
from napari_retseg.rounds import count_parameters
from napari_retseg.runs.record import read_run_model
from napari_retseg.ui.model_list import find_models
from tests.models.mutating import mutate
from tests.models.versions import Write


def full_description(info: ModelInfo) -> dict[str, Any]:
    """Describe a model with something in every field."""
    one = {
        "dice": 0.5, "iou": 0.4, "precision": 0.5, "recall": None, "bscans_present": 2,
        "reference_pixels": 10, "predicted_pixels": 9, "false_positive_pixels": 1,
    }  # fmt: skip
    sheet = {
        "classes": dict.fromkeys(info.classes.names, one),
        "mean_foreground_dice": 0.5,
        "mean_foreground_iou": 0.4,
        "mean_dice_with_background": 0.6,
        "mean_iou_with_background": 0.5,
        "n_bscans": 2,
        "n_exact": 0,
        "n_groups": 1,
    }
    trained = TrainedOn(
        dataset="d", sha256="f00d", n_groups=2, n_heldout_groups=1, bscans=4, iterations=5
    )
    return {
        **info.model_dump(mode="json"),
        "trained_on": trained.model_dump(mode="json"),
        "scores": sheet,
        "start_scores": sheet,
        "promoted": True,
        "about": "a test",
        "measured": [{"data": "elsewhere", "dice": {"fluid": 0.5}}],
        "thresholds": {"fluid": 0.4},
        "weights_id": "aaaaaa",
        "parent": "bbbbbb",
        "parameters": {
            "encoder_stages": [1, 2],
            "decoder": 3,
            "before_output": 2,
            "output_per_class": 1,
        },
    }


def use(folder: Path) -> ModelInfo:
    """Do with a description all that is done without its weights."""
    info = read_info(folder)
    assert write_card(info, version="1")
    assert _describe(folder, info)
    json.dumps(_row(folder, info), allow_nan=False)
    count_parameters(folder, "decoder")
    return info


def _is_refused(action: Callable[[], object]) -> bool:
    """Whether an action fails with a line of ours; any other failure goes on."""
    try:
        action()
    except RetsegError as error:
        if "\n" in str(error):
            raise
        return True
    return False


def test_every_field_of_a_description_may_be_wrong(
    write: Write, tiny_info: ModelInfo, own: Path
) -> None:
    folder = write("aaaaaa")
    document = full_description(tiny_info)
    (folder / DESCRIPTION).write_text(json.dumps(document))
    (folder / CARD).unlink()
    assert use(folder).mean_dice == 0.5
    good = add_model(write("bbbbbb"), name="good").folder
    bad = own / "bad"
    bad.mkdir()
    (bad / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes())
    refused = 0
    for what, text in mutate(document, each=4):
        (bad / DESCRIPTION).write_text(text)
        refused += _is_refused(partial(use, bad))
        models, unreadable = find_models([])
        assert good in [choice.folder for choice in models], what
        assert all(one.why for one in unreadable)
        for version in list_versions("bad"):
            assert describe_version(version)
            json.dumps(_version_row(version), allow_nan=False)
    assert refused > 300


def test_every_field_of_a_run_may_be_wrong(tmp_path: Path, tiny_info: ModelInfo) -> None:
    document = full_description(tiny_info)
    file = tmp_path / "run.json"
    file.write_text(json.dumps(document))
    assert read_run_model(tmp_path).mean_dice == 0.5
    refused = 0
    for _, text in mutate(document, each=4, seed=1):
        file.write_text(text)
        refused += _is_refused(partial(read_run_model, tmp_path))
    assert refused > 300


def test_the_embedded_description_may_be_wrong(write: Write, tiny_info: ModelInfo) -> None:
    """It counts where its weights are others than the description's."""
    from safetensors.numpy import load_file, save_file

    folder = write("aaaaaa")
    tensors = load_file(folder / WEIGHTS)
    document = {**full_description(tiny_info), "weights_id": "cccccc"}
    for _, text in mutate(document, each=1, seed=2, below=("scores", "network", "trained_on")):
        save_file(tensors, folder / WEIGHTS, metadata={DESCRIPTION: text})
        _is_refused(partial(use, folder))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes by name here")
def test_files_of_any_kind_are_listed_with_why(write: Write, own: Path) -> None:
    add_model(write("aaaaaa"), name="good")
    for name in ("pipe", "device", "folder", "linked", "empty", "deep"):
        (own / name).mkdir()
    os.mkfifo(own / "pipe" / DESCRIPTION)
    (own / "device" / DESCRIPTION).symlink_to("/dev/zero")
    (own / "folder" / DESCRIPTION).mkdir()
    (own / "linked" / DESCRIPTION).symlink_to(own / "good" / DESCRIPTION)
    (own / "empty" / DESCRIPTION).write_text("")
    (own / "deep" / DESCRIPTION).write_text("[" * 100_000)
    models, bad = find_models([])
    assert "good" in [choice.name for choice in models]
    assert {one.name for one in bad} == {"pipe", "device", "folder", "linked", "empty", "deep"}
    assert len(list_models()) == 8  # with the starter
    for one in bad:
        assert "\n" not in one.why
    row = _row(own / "deep", None, error="why")
    assert row["readable"] is False


def test_a_card_that_leads_elsewhere_is_not_read(write: Write, tmp_path: Path, own: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a key")
    folder = write("aaaaaa", card=False)
    (folder / CARD).symlink_to(secret)
    for act in (lambda: read_info(folder), lambda: add_model(folder, name="mine")):
        with pytest.raises(ModelError, match="leads out of"):
            act()
    assert not (own / "mine").exists()


def test_a_version_without_files_or_of_no_time_is_listed(write: Write, own: Path) -> None:
    add_model(write("aaaaaa"), name="mine")
    (own / ".history" / "mine" / "0007").mkdir(parents=True)
    os.utime(own / "mine" / DESCRIPTION, (1e18, 1e18))
    assert [version.number for version in list_versions("mine")] == [0, 7]
