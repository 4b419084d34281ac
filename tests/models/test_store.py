"""Models are added, replaced, removed and rolled back: nothing is lost."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from napari_retseg.errors import ModelError
from napari_retseg.models import (
    CARD,
    DESCRIPTION,
    WEIGHTS,
    add_model,
    export_model,
    find_model,
    list_models,
    list_versions,
    read_info,
    remove_model,
    roll_back,
)
from tests.models.versions import Write, current, earlier

# Replacing and going back -----------------------------------------------------------------------


def test_what_is_replaced_is_kept_whole(write: Write, own: Path) -> None:
    first, second = write("aaaaaa"), write("bbbbbb")
    assert add_model(first, name="mine").kept_as is None
    change = add_model(second, name="mine", replace=True)
    assert (change.folder, change.kept_as) == (own / "mine", 1)
    assert current() == "bbbbbb"
    assert earlier() == {1: "aaaaaa"}
    kept = list_versions("mine")[1].folder
    for file in (DESCRIPTION, WEIGHTS, CARD):
        assert (kept / file).read_bytes() == (first / file).read_bytes()
        assert (own / "mine" / file).read_bytes() == (second / file).read_bytes()


def test_rolling_back_twice_returns(write: Write) -> None:
    add_model(write("aaaaaa"), name="mine")
    add_model(write("bbbbbb"), name="mine", replace=True)
    change = roll_back("mine")
    assert (change.restored, change.kept_as) == (1, 2)
    assert (current(), earlier()) == ("aaaaaa", {2: "bbbbbb"})
    roll_back("mine")
    assert (current(), earlier()) == ("bbbbbb", {3: "aaaaaa"})


def test_any_version_comes_back_by_number_or_weights(write: Write) -> None:
    for number, weights_id in enumerate(("aaaaaa", "bbbbbb", "cccccc", "dddddd")):
        add_model(write(weights_id), name="mine", replace=number > 0)
    assert earlier() == {3: "cccccc", 2: "bbbbbb", 1: "aaaaaa"}
    roll_back("mine", to="0001")
    assert (current(), earlier()) == ("aaaaaa", {4: "dddddd", 3: "cccccc", 2: "bbbbbb"})
    roll_back("mine", to="bbbbbb")
    assert current() == "bbbbbb"
    assert sorted(earlier().values()) == ["aaaaaa", "cccccc", "dddddd"]
    roll_back("mine", to="3")
    assert current() == "cccccc"
    for wrong in ("9", "bbb", "eeeeee", "cccccc", ""):
        with pytest.raises(ModelError, match=f"no version '{wrong}'; choose from 0006, "):
            roll_back("mine", to=wrong)
    assert current() == "cccccc"


def test_weights_with_two_descriptions_are_told_apart(write: Write, tmp_path: Path) -> None:
    add_model(write("aaaaaa"), name="mine")
    (tmp_path / "made" / "aaaaaa").rename(tmp_path / "made" / "first")
    add_model(write("aaaaaa", thresholds={"fluid": 0.3}), name="mine", replace=True)
    add_model(write("bbbbbb"), name="mine", replace=True)
    with pytest.raises(ModelError, match=r"fits several versions \(0002, 0001\)"):
        roll_back("mine", to="aaaaaa")
    roll_back("mine", to="2")
    assert read_info(find_model("mine")).thresholds == {"fluid": 0.3}


def test_a_card_does_not_stay_beside_another_model(write: Write, own: Path) -> None:
    add_model(write("aaaaaa"), name="mine")
    add_model(write("bbbbbb", card=False), name="mine", replace=True)
    assert not (own / "mine" / CARD).exists()
    roll_back("mine")
    assert (own / "mine" / CARD).read_text() == "card of aaaaaa"


def test_the_history_is_hidden(write: Write, own: Path) -> None:
    for number, weights_id in enumerate(("aaaaaa", "bbbbbb")):
        add_model(write(weights_id), name="mine", replace=number > 0)
    shutil.copytree(own / "mine", own / ".mine.new")
    assert [folder.name for folder in list_models() if folder.parent == own] == ["mine"]
    with pytest.raises(ModelError, match="no model of this name"):
        find_model(".history")


def test_a_removed_model_comes_back(write: Write, own: Path) -> None:
    add_model(write("aaaaaa"), name="mine")
    assert remove_model("mine").kept_as == 1
    assert not (own / "mine").exists()
    with pytest.raises(ModelError, match="no model of this name"):
        find_model("mine")
    assert [version.label for version in list_versions("mine")] == ["0001"]
    change = roll_back("mine")
    assert (change.restored, change.kept_as) == (1, None)
    assert (current(), earlier()) == ("aaaaaa", {})
    remove_model("mine")
    add_model(write("bbbbbb"), name="mine")
    assert (current(), earlier()) == ("bbbbbb", {1: "aaaaaa"})


def test_the_time_is_when_a_model_became_the_current_one(write: Write) -> None:
    add_model(age(write("aaaaaa")), name="mine")
    assert time_of_current() > LONG_AGO
    age(find_model("mine"))
    add_model(age(write("bbbbbb")), name="mine", replace=True)
    now, before = list_versions("mine")
    assert before.when.timestamp() == LONG_AGO
    assert now.when.timestamp() > LONG_AGO
    # 'predict --resume' labels again what is older than the model
    roll_back("mine")
    assert time_of_current() > LONG_AGO
    age(find_model("mine"))
    remove_model("mine")
    roll_back("mine")
    assert time_of_current() > LONG_AGO


LONG_AGO = 1_000_000_000


def age(folder: Path) -> Path:
    """Let a bundle be of long ago."""
    for file in folder.iterdir():
        os.utime(file, (LONG_AGO, LONG_AGO))
    return folder


def time_of_current() -> float:
    return (find_model("mine") / DESCRIPTION).stat().st_mtime


def test_a_damaged_model_can_be_left_and_is_skipped(write: Write, own: Path) -> None:
    add_model(write("aaaaaa"), name="mine")
    add_model(write("bbbbbb"), name="mine", replace=True)
    (own / "mine" / DESCRIPTION).write_text("{")
    roll_back("mine")
    assert (current(), earlier()) == ("aaaaaa", {2: "?"})
    with pytest.raises(ModelError, match="no other version of this model to roll back to"):
        roll_back("mine")
    with pytest.raises(ModelError, match="cannot be read"):
        roll_back("mine", to="2")
    (list_versions("mine")[1].folder / WEIGHTS).unlink()
    with pytest.raises(ModelError, match=f"0002: not a model, {WEIGHTS}"):
        roll_back("mine", to="2")
    assert current() == "aaaaaa"


def test_there_is_nothing_to_go_back_to(write: Write) -> None:
    add_model(write("aaaaaa"), name="mine")
    with pytest.raises(ModelError, match="no other version of this model to roll back to"):
        roll_back("mine")
    for call in (list_versions, roll_back, remove_model):
        with pytest.raises(ModelError, match=r"other: .*'napari-retseg models list'"):
            call("other")
    with pytest.raises(ModelError, match="starter: the built-in model cannot be changed"):
        remove_model("starter")


# The gate ---------------------------------------------------------------------------------------


def scores(dice: float) -> dict[str, Any]:
    return {
        "classes": {},
        "mean_foreground_dice": dice,
        "mean_foreground_iou": dice / 2,
        "n_bscans": 6,
        "n_groups": 2,
    }


def test_a_model_that_is_not_promoted_does_not_replace_another(write: Write) -> None:
    add_model(write("aaaaaa"), name="mine")
    worse = write("bbbbbb", promoted=False, scores=scores(0.612), start_scores=scores(0.7014))
    with pytest.raises(
        ModelError, match=r"not promoted: .*0\.612 .*0\.701 .*; add --force"
    ) as caught:
        add_model(worse, name="mine", replace=True)
    assert "\n" not in str(caught.value)
    assert (current(), earlier()) == ("aaaaaa", {})
    add_model(worse, name="mine", replace=True, force=True)
    assert (current(), earlier()) == ("bbbbbb", {1: "aaaaaa"})


def test_other_models_pass_the_gate(write: Write) -> None:
    worse = write("aaaaaa", promoted=False, scores=scores(0.6), start_scores=scores(0.7))
    add_model(worse, name="mine")  # both are kept: it has a name of its own
    add_model(write("bbbbbb", promoted=True), name="mine", replace=True)
    add_model(write("cccccc", promoted=None), name="mine", replace=True)
    assert current() == "cccccc"


def test_what_is_refused_by_the_system_changes_nothing(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where another program has the weights open, on Windows."""
    add_model(write("aaaaaa"), name="mine")
    second = write("bbbbbb")
    rename = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if target.name == WEIGHTS and target.parent.name == "mine":
            raise PermissionError(13, "in use", str(target))
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        for _ in range(3):
            with pytest.raises(Exception, match="cannot be written"):
                add_model(second, name="mine", replace=True)
    assert current() == "aaaaaa"
    assert len(earlier()) == 1  # three attempts leave one copy
    add_model(second, name="mine", replace=True)
    assert (current(), earlier()) == ("bbbbbb", {1: "aaaaaa"})


def test_one_command_at_a_time(write: Write, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_model(write("aaaaaa"), name="mine")
    monkeypatch.setattr("napari_retseg.models.store._PATIENCE", 0.01)
    with (
        FileLock(own / ".lock"),
        pytest.raises(ModelError, match="another command is changing the models"),
    ):
        remove_model("mine")
    assert current() == "aaaaaa"


# Names and places -------------------------------------------------------------------------------

WRONG = ["", ".", "..", "../x", "a/b", "a\\b", ".history", ".x", "-x", "a b", "ü", "a.", "mine\n"]


@pytest.mark.parametrize("name", WRONG)
def test_a_name_that_is_none_is_refused(write: Write, own: Path, name: str) -> None:
    source = write("aaaaaa")
    calls: list[Callable[[], object]] = [
        lambda: list_versions(name),
        lambda: roll_back(name),
        lambda: remove_model(name),
    ]
    if name:
        calls.append(lambda: add_model(source, name=name))
    for call in calls:
        with pytest.raises(ModelError, match="is not a valid model name"):
            call()
    assert not own.exists()
    assert [path.name for path in own.parent.iterdir()] == ["made"]


@pytest.mark.parametrize("name", ["a", "0", "0001", "A.B-c_1", "a..b", "x-", "new", "history"])
def test_odd_names_have_their_own_history(write: Write, name: str) -> None:
    first, second = write("aaaaaa"), write("bbbbbb")
    for one in (name, f"{name}.1"):
        add_model(first, name=one)
        add_model(second, name=one, replace=True)
        roll_back(one)
        assert (current(one), earlier(one)) == ("aaaaaa", {2: "bbbbbb"})


def test_what_is_no_model_is_left_alone(write: Write, own: Path) -> None:
    (own / "notes").mkdir(parents=True)
    (own / "notes" / "todo.txt").write_text("x")
    (own / "file").write_text("y")
    for name in ("notes", "file"):
        with pytest.raises(ModelError, match="exists and is not a model"):
            add_model(write(f"{name}aa"), name=name, replace=True)
    assert (own / "notes" / "todo.txt").read_text() == "x"
    (own / "empty").mkdir()
    add_model(write("aaaaaa"), name="empty")
    assert current("empty") == "aaaaaa"


def test_half_a_model_is_not_added(write: Write, own: Path, tmp_path: Path) -> None:
    source = write("aaaaaa")
    archive = export_model(source, tmp_path / "half.zip")
    (source / WEIGHTS).unlink()
    with pytest.raises(ModelError, match=f"aaaaaa: not a model, {WEIGHTS}"):
        add_model(source, name="mine")
    with pytest.raises(ModelError, match="not a model, "):
        export_model(source, tmp_path / "less.zip")
    half = tmp_path / "less.zip"
    with zipfile.ZipFile(half, "w") as packed:
        packed.write(source / DESCRIPTION, DESCRIPTION)
    with pytest.raises(ModelError, match=f"less.zip: not a model, {WEIGHTS}"):
        add_model(half, name="mine")
    assert not (own / "mine").exists()
    add_model(archive)
    assert current("half") == "aaaaaa"


@pytest.mark.parametrize("content", [b"", b"\x08", b"\xff" * 9, b"\x02\0\0\0\0\0\0\0[]", b"x" * 99])
def test_damaged_weights_do_not_hide_the_description(write: Write, content: bytes) -> None:
    source = write("aaaaaa")
    (source / WEIGHTS).write_bytes(content)
    assert read_info(source).weights_id == "aaaaaa"
