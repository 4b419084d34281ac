"""A checkpoint that is damaged, forged or of another run: one clear line."""

from __future__ import annotations

import io
import pickle
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from napari_retseg.config import TrainConfig
from napari_retseg.dataset import load_dataset
from napari_retseg.errors import InputError
from napari_retseg.learn.checkpoint import load_checkpoint, save_checkpoint
from napari_retseg.learn.setup import prepare
from napari_retseg.learn.state import TrainingState
from tests.nets.test_hostile import Payload


def write(path: Path) -> bytes:
    """Write a small checkpoint; return its bytes."""
    state = {"network": {"w": torch.arange(100.0)}, "iteration": 3, "more": [1, "x", None]}
    save_checkpoint(path, state)
    return path.read_bytes()


def refuse(path: Path, words: str = "") -> None:
    with pytest.raises(InputError, match=words) as caught:
        load_checkpoint(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def make_pickle(value: object, protocol: int = 2) -> bytes:
    return pickle.dumps(value, protocol=protocol)


def pack(**parts: bytes) -> bytes:
    """Write a zip file as torch does."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in {"data.pkl": b"", "version": b"3\n", **parts}.items():
            archive.writestr(f"archive/{name.replace('__', '/')}", data)
    return out.getvalue()


GARBAGE: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "text": lambda: b"not a checkpoint at all\n" * 50,
    "zeros": lambda: bytes(5000),
    "ones": lambda: b"\xff" * 5000,
    "pickle": lambda: make_pickle({"format": 1}),
    "old pickle": lambda: make_pickle({"format": 1}, 0),
    "legacy magic": lambda: make_pickle(0x1950A86A20F9469CFC6C) + make_pickle(1001),
    "tar": lambda: b"archive/data.pkl".ljust(257, b"\0") + b"ustar\0" + bytes(1000),
    "zip without index": lambda: pack(other=b"x"),
    "index of nothing": lambda: pack(**{"data.pkl": b""}),
    "index cut": lambda: pack(**{"data.pkl": make_pickle({"format": 1})[:-3]}),
    "index of bytes": lambda: pack(**{"data.pkl": b"\x80\x02" + bytes(range(256))}),
    "stack": lambda: pack(**{"data.pkl": b"\x80\x02R."}),
    "memo": lambda: pack(**{"data.pkl": b"\x80\x02h\x05."}),
    "global": lambda: pack(**{"data.pkl": b"\x80\x02cos\nsystem\nX\x02\0\0\0lsR."}),
    "long": lambda: pack(**{"data.pkl": b"\x80\x02\x8b\xff\xff\xff\x7f."}),
    "deep": lambda: pack(**{"data.pkl": b"\x80\x02" + b"(" * 10_000 + b"l" * 10_000 + b"."}),
    "no storage": lambda: pack(**{"data.pkl": b"\x80\x02X\x01\0\0\0aQ."}),
    "list": lambda: pack(**{"data.pkl": make_pickle([1])}),
    "other format": lambda: pack(**{"data.pkl": make_pickle({"format": 2})}),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", sorted(GARBAGE))
def test_garbage_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "last.pt"
    path.write_bytes(GARBAGE[kind]())
    refuse(path)


@pytest.mark.filterwarnings("ignore")
def test_damage_anywhere_is_named_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    whole, rng, refused = write(path), random.Random(5), 0
    for _ in range(200):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 1, 5, 50))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        if rng.random() < 0.2:
            del data[rng.randrange(len(data)) :]
        path.write_bytes(data)
        try:
            load_checkpoint(path)
        except InputError as error:
            refused += 1
            if "\n" in str(error):
                raise
    assert refused > 50


@pytest.mark.filterwarnings("ignore")
def test_one_that_is_cut_off_says_what_it_is_and_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    whole = write(path)
    for length in (len(whole) - 10, len(whole) // 2, 100):
        path.write_bytes(whole[:length])
        refuse(path, r"this checkpoint cannot be read \(.+\); start a new run")


def test_code_in_a_checkpoint_does_not_run(tmp_path: Path) -> None:
    path, evidence = tmp_path / "last.pt", tmp_path / "evidence"
    path.write_bytes(pack(**{"data.pkl": make_pickle({"format": 1, "x": Payload(evidence)})}))
    refuse(path, "cannot be read")
    assert not evidence.exists()


def test_what_unfolds_is_not_unfolded(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(50_000_000))
    assert path.stat().st_size < 100_000
    refuse(path, "a part of it is compressed")


def test_a_tensor_cannot_be_larger_than_its_values(tmp_path: Path) -> None:
    """Torch believes the index, and would read memory that is not its own."""
    path = tmp_path / "last.pt"
    write(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data[:8] if name.endswith("data/0") else data)
    refuse(path, "a size that does not match its values|cannot be read")


def test_only_a_regular_file_is_a_checkpoint(tmp_path: Path) -> None:
    refuse(tmp_path / "none.pt", "no checkpoint to resume from")
    refuse(tmp_path, "is a folder")
    (tmp_path / "zero.pt").symlink_to("/dev/zero")
    refuse(tmp_path / "zero.pt", "not a regular file")


def try_to_restore(state: TrainingState, values: dict[str, Any], path: Path) -> str:
    """Return the error's line; empty where it was taken."""
    try:
        state.restore(values, path)
    except InputError as error:
        return str(error)
    return ""


def test_a_state_that_is_not_this_runs_is_named(tiny_dataset: Path, tmp_path: Path) -> None:
    config = TrainConfig(device="cpu", encoder="tu-test_resnet", crop="64x64", l2_sp=0.0)
    setup = prepare(load_dataset(tiny_dataset), config, start=None)
    state = TrainingState(setup)
    path = tmp_path / "last.pt"
    save_checkpoint(path, state.snapshot())
    state.restore(load_checkpoint(path), path)
    whole = load_checkpoint(path)
    first = next(iter(whole["network"]))
    del whole["format"]
    wrong: dict[str, list[Any]] = {name: [None, "x", [1], -5] for name in whole}
    for name in ("start_scores", "start_rehearsed", "best_scores", "last_scores", "last_rehearsed"):
        wrong[name] = ["x", 1, [], {}, {"mean_foreground_dice": "x"}]
    wrong["best_iteration"] = ["x", [], -1]
    wrong["starting_point"] = ["x", 3, {1: 2}]
    wrong["seconds"] += [float("nan"), float("inf")]
    wrong["history"] = [None, "x", ["x"], [float("nan")], [7.0]]
    wrong["network"] += [
        {},
        {**whole["network"], "stranger": torch.zeros(1)},
        {**whole["network"], first: "x"},
        {**whole["network"], first: torch.zeros(1)},
        {**whole["network"], first: torch.full_like(whole["network"][first], float("nan"))},
    ]
    forged = {"state": {0: {"exp_avg": torch.zeros(1)}}}
    wrong["optimizer"] += [{}, {"state": {}, "param_groups": []}]
    wrong["optimizer"] += [{**whole["optimizer"], "state": {0: {"exp_avg": "x"}}}]
    wrong["optimizer"] += [{**whole["optimizer"], "state": {0: {"exp_avg": torch.zeros(1, 2)}}}]
    wrong["optimizer"] += [{**whole["optimizer"], **forged, "param_groups": "x"}]
    for name, values in wrong.items():
        for value in values:
            said = try_to_restore(state, {**whole, name: value}, path)
            assert said.startswith(str(path)), (name, value)
            assert "\n" not in said
        missing = {key: whole[key] for key in whole if key != name}
        assert try_to_restore(state, missing, path).startswith(str(path)), name
    groups = [{**group, "betas": "x", "lr": "x"} for group in whole["optimizer"]["param_groups"]]
    state.restore({**whole, "optimizer": {**whole["optimizer"], "param_groups": groups}}, path)
    assert state.optimizer.param_groups[0]["betas"] != "x"  # settings are the run's own
