"""Datasets of strangers: a right value or one clear line, and nothing outside is read."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_retseg.dataset import Dataset, import_dataset, load_dataset
from napari_retseg.errors import RetsegError
from napari_retseg.io import read_scan
from tests.conftest import check_line
from tests.dataset.conftest import NAMES, draw_labels, entry, quick, write_pair, write_png

FAULTS = Path(__file__).resolve().parents[3] / "shared" / "faults" / "mutated"


def only_line(call: Callable[[], object]) -> str:
    with pytest.raises(RetsegError) as raised:
        call()
    return check_line(raised.value)


def test_descriptions_that_were_mutated_are_one_line() -> None:
    found = sorted(FAULTS.glob("dataset-*/dataset.json"))
    if not found:
        pytest.skip("the mutated files are not on this machine")
    for path in found:
        only_line(lambda path=path: load_dataset(path))  # type: ignore[misc]


@pytest.mark.parametrize("name", ["dataset.json", "classes.json", "images/a.png", "labels/a.png"])
@pytest.mark.parametrize("kind", ["pipe", "device", "socket", "folder of links"])
def test_what_is_no_regular_file_is_one_line(
    tmp_path: Path, name: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, outside = tmp_path / "data", tmp_path / "outside"
    write_pair(folder, ["a"])
    write_png(outside / "0000.png", draw_labels())
    description = {"labels": NAMES, "training": [entry("a")]}
    if name != "classes.json":
        (folder / "dataset.json").write_text(json.dumps(description))
    path = folder / name
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            monkeypatch.chdir(folder)  # the name of a socket is short
            server.bind(name)
    else:
        path.mkdir()
        (path / "0000.png").symlink_to(outside / "0000.png")
    only_line(lambda: load_dataset(folder))


@pytest.mark.parametrize("kind", ["images", "labels"])
@pytest.mark.parametrize("depth", ["", "deeper"])
@pytest.mark.parametrize("described", [True, False])
def test_a_file_of_a_folder_may_not_lead_out(
    tmp_path: Path, kind: str, depth: str, described: bool
) -> None:
    folder, outside = tmp_path / "data", write_png(tmp_path / "o.png", draw_labels())
    for which in ("images", "labels"):
        write_png(folder / which / "a" / "1.png", draw_labels())
        write_png(folder / which / "a" / "2.png", draw_labels())
    if described:
        case = {"image": "images/a", "label": "labels/a"}
        (folder / "dataset.json").write_text(json.dumps({"labels": NAMES, "training": [case]}))
    load_dataset(folder)
    (folder / kind / "a" / depth).mkdir(exist_ok=True)
    (folder / kind / "a" / depth / "3.png").symlink_to(outside)
    assert "leads out of" in only_line(lambda: load_dataset(folder))


@pytest.mark.parametrize(
    "given_path",
    [
        "/etc/passwd",
        "../o.png",
        "images/../../o.png",
        "x" * 5000,
        "a/" * 3000,
        "\\\\server\\share",
        "",
        ".",
        "~/o.png",
        "images/a.png/b",
    ],
)
@pytest.mark.parametrize("key", ["image", "label"])
def test_paths_that_are_none_are_one_line(tmp_path: Path, given_path: str, key: str) -> None:
    folder = tmp_path / "data"
    write_pair(folder, ["a"])
    write_png(tmp_path / "o.png", draw_labels())
    case = entry("a", **{key: given_path})
    (folder / "dataset.json").write_text(json.dumps({"labels": NAMES, "training": [case]}))

    def use() -> None:
        for one in load_dataset(folder).cases:
            one.read_scan()
            one.read_labels()

    only_line(use)


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("data")
    write_pair(folder, ["a", "b"])
    states = {"0": {"state": "confirmed", "when": "2026-01-01T00:00:00Z"}}
    return folder, {
        "name": "x",
        "schema_version": 1,
        "labels": NAMES,
        "colors": {"1": "#102030"},
        "ignore": 255,
        "split_seed": 3,
        "simulated": True,
        "notes": ["n"],
        "training": [
            entry("a", group="P1", split="train", bscans=states, laterality="OD"),
            entry(
                "b",
                group="P2",
                heldout_bscans=[0],
                unused_bscans=[1],
                spacing_source="user",
                spacing_um=[3.9, 11.6],
            ),
        ],
        "test": [],
    }


def _places(values: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = values.items() if isinstance(values, dict) else enumerate(values)
    found = []
    for name, value in inner:
        found.append((*path, name))
        if isinstance(value, dict | list):
            found += _places(value, (*path, name))
    return found


@given(data=st.data())
@quick
def test_a_wrong_value_anywhere_is_one_line_or_a_right_data_set(
    described: tuple[Path, dict[str, Any]], data: st.DataObject
) -> None:
    folder, plain = described
    values = json.loads(json.dumps(plain))
    *path, last = data.draw(st.sampled_from(_places(plain)))
    inner = values
    for name in path:
        inner = inner[name]
    inner[last] = data.draw(VALUES)
    try:
        (folder / "dataset.json").write_text(json.dumps(values), encoding="utf-8")
    except UnicodeEncodeError:
        return
    try:
        dataset = load_dataset(folder)
        for case in dataset.cases:
            case.read_scan()
            dataset.annotated_bscans(case)
            if case.label is not None:
                case.read_labels(dataset.labels)
    except RetsegError as error:
        check_line(error)
    else:
        assert isinstance(dataset, Dataset)


def test_a_workspace_of_scans_elsewhere_can_be_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_retseg.workspace import Workspace

    monkeypatch.setenv("NAPARI_RETSEG_STATE", str(tmp_path / "state"))
    elsewhere = write_png(tmp_path / "far" / "P1_OD.png", np.zeros((6, 8), np.uint8))
    with Workspace.create(tmp_path / "mine") as own:
        own.add_scan(read_scan(elsewhere))
    found = import_dataset(tmp_path / "mine", tmp_path / "copy")
    assert found.cases[0].image.is_relative_to((tmp_path / "copy").resolve())
