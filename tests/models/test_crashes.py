"""A crash at any moment leaves the old or the new model, and loses nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from napari_retseg.errors import ModelError
from napari_retseg.models import (
    CARD,
    DESCRIPTION,
    WEIGHTS,
    ModelInfo,
    add_model,
    find_model,
    list_models,
    read_info,
    remove_model,
    roll_back,
)
from tests.models.versions import Write, current, earlier


class Killed(BaseException):
    """Stands for the end of the process."""


def kill_at(
    monkeypatch: pytest.MonkeyPatch, step: int, action: Callable[[], object], *, after: bool
) -> bool:
    """End `action` at its rename number `step`, just before or after; nobody cleans up then."""
    done = 0
    is_dead = False
    rename = Path.replace

    def replace(self: Path, target: Path) -> Path:
        nonlocal done, is_dead
        done += 1
        if done - 1 == step:
            is_dead = True
            if after:
                rename(self, target)
            raise Killed
        return rename(self, target)

    def only_alive(cleaning: Callable[..., object]) -> Callable[..., object]:
        return lambda *args, **options: None if is_dead else cleaning(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        patch.setattr(Path, "unlink", only_alive(Path.unlink))
        patch.setattr(shutil, "rmtree", only_alive(shutil.rmtree))
        with suppress(Killed):
            action()
    return is_dead


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("links", [True, False])
def test_a_crash_leaves_the_old_or_the_new_model(
    write: Write, own: Path, monkeypatch: pytest.MonkeyPatch, after: bool, links: bool
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", refuse)
    first, second = write("aaaaaa"), write("bbbbbb")
    seen = set()
    for step in range(100):
        name = f"m{step}"
        add_model(first, name=name)

        act = partial(add_model, second, name=name, replace=True)
        was_killed = kill_at(monkeypatch, step, act, after=after)
        seen.add(current(name))
        if not was_killed:
            break
        assert {current(name), *earlier(name).values()} >= {"aaaaaa"}
        add_model(second, name=name, replace=True)
        assert current(name) == "bbbbbb"
        roll_back(name)
        assert current(name) == "aaaaaa"
        roll_back(name)
        assert current(name) == "bbbbbb"
        assert {path.name for path in (own / name).iterdir()} == {CARD, DESCRIPTION, WEIGHTS}
        names = {folder.name for folder in list_models() if folder.parent == own}
        assert names == {f"m{n}" for n in range(step + 1)}
    assert not was_killed
    assert step >= 4
    assert seen == {"aaaaaa", "bbbbbb"}


def refuse(*_: object) -> None:
    raise OSError("no links here")


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_while_going_back_loses_nothing(
    write: Write, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    first, second = write("aaaaaa"), write("bbbbbb")
    for step in range(100):
        name = f"m{step}"
        add_model(first, name=name)
        add_model(second, name=name, replace=True)
        was_killed = kill_at(monkeypatch, step, partial(roll_back, name), after=after)
        now = current(name)
        assert {now, *earlier(name).values()} == {"aaaaaa", "bbbbbb"}
        roll_back(name)
        assert {now, current(name)} == {"aaaaaa", "bbbbbb"}
        if not was_killed:
            break
    assert not was_killed
    assert step >= 4


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_while_adding_leaves_all_or_nothing(
    write: Write, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    first = write("aaaaaa")
    for step in range(100):
        name = f"m{step}"
        was_killed = kill_at(monkeypatch, step, partial(add_model, first, name=name), after=after)
        if not was_killed:
            break
        with suppress(ModelError):
            assert current(name) == "aaaaaa"
        add_model(first, name=name, replace=True)
        assert current(name) == "aaaaaa"
    assert step == 4


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_while_removing_leaves_all_or_nothing(
    write: Write, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    add_model(write("aaaaaa"), name="mine")
    assert kill_at(monkeypatch, 0, lambda: remove_model("mine"), after=after)
    if after:
        roll_back("mine")
    assert (current(), earlier()) == ("aaaaaa", {})


def test_weights_without_their_description_are_loaded_as_what_they_are(
    tiny_bundle: Path, tiny_info: ModelInfo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from napari_retseg.nets.build import build_seeded
    from napari_retseg.nets.bundle import load_model, save_model

    info = tiny_info.model_copy(update={"name": "other"})
    other = build_seeded(tiny_info.network, seed=8)
    save_model(tmp_path / "other", other, info)
    add_model(tiny_bundle, name="mine")
    # staging takes three renames, putting aside one; the next one brings the weights
    assert kill_at(
        monkeypatch,
        4,
        lambda: add_model(tmp_path / "other", name="mine", replace=True),
        after=True,
    )
    assert json.loads((find_model("mine") / DESCRIPTION).read_text())["name"] == "tiny"
    loaded = load_model("mine")
    assert loaded.info.name == read_info(find_model("mine")).name == "other"
    for name, tensor in other.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[name], tensor)
