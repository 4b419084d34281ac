from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_retseg.classes import LabelClass, LabelSet
from napari_retseg.dataset import BscanState, Case, Dataset, load_dataset, save_dataset
from napari_retseg.errors import InputError
from tests.dataset.conftest import quick, write_pair, write_png

texts = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1, max_size=8
)
states = st.builds(
    BscanState,
    state=st.sampled_from(["predicted", "corrected", "confirmed"]),
    model=st.none() | texts,
    when=st.none() | st.datetimes(timezones=st.just(UTC)),
)
plain = st.none() | st.booleans() | st.integers(-9, 9) | texts
FILES = ["a.png", "ä b.png", "deep/c.d.png", "\\e.png"]
RESERVED = {
    *("schema_version", "name", "labels", "colors", "ignore", "split_seed", "simulated", "notes"),
    *("training", "test", "numTraining", "numTest", "image", "label", "group", "split", "bscans"),
    *("heldout_bscans", "unused_bscans"),
}
extras = st.dictionaries(texts.filter(lambda key: key not in RESERVED), plain, max_size=2)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved").resolve()
    for name in FILES:
        for kind in ("images", "labels"):
            write_png(folder / kind / name, np.zeros((2, 2), np.uint8))
    return folder


@st.composite
def label_sets(draw: st.DrawFn) -> LabelSet:
    values = sorted(draw(st.sets(st.integers(1, 253), max_size=3)))
    names = draw(st.lists(texts, min_size=len(values), max_size=len(values), unique=True))
    named = dict(zip(values, [f"{n}." for n in names], strict=True))
    colors = draw(st.sets(st.sampled_from([0, *values])))
    return LabelSet(
        classes=tuple(
            LabelClass(
                value=c.value, name=c.name, color="#123abc" if c.value in colors else c.color
            )
            for c in LabelSet.from_names(named).classes
        )
    )


@st.composite
def cases(draw: st.DrawFn, root: Path) -> tuple[Case, ...]:
    indices = st.lists(st.integers(0, 60), unique=True, max_size=3).map(tuple)
    return tuple(
        Case(
            image=root / "images" / name,
            label=draw(st.sampled_from([None, root / "labels" / name])),
            group=draw(texts),
            split=draw(st.sampled_from([None, "train", "val", "test"])),
            bscans=draw(st.none() | st.dictionaries(st.integers(0, 60), states, max_size=2)),
            heldout_bscans=draw(indices),
            unused_bscans=draw(indices),
            about=draw(extras),
        )
        for name in draw(st.lists(st.sampled_from(FILES), min_size=1, unique=True))
    )


@given(data=st.data())
@quick
def test_a_saved_dataset_loads_equal(root: Path, data: st.DataObject) -> None:
    dataset = Dataset(
        root=root,
        name=data.draw(texts),
        labels=data.draw(label_sets()),
        cases=data.draw(cases(root)),
        split_seed=data.draw(st.integers(0, 99)),
        simulated=data.draw(st.booleans()),
        notes=data.draw(st.lists(texts, max_size=2).map(tuple)),
        about=data.draw(extras),
    )
    assert save_dataset(dataset) == root / "dataset.json"
    assert load_dataset(root) == dataset


@pytest.mark.parametrize("name", ["a\0b", "half \ud83d"])
def test_what_could_not_be_read_again_is_not_written(root: Path, name: str) -> None:
    case = Case(image=root / "images" / "a.png", group="a", about={"note": name})
    before = (root / "dataset.json").read_bytes() if (root / "dataset.json").exists() else None
    with pytest.raises(InputError, match=r"dataset\.json: cannot store this"):
        save_dataset(Dataset(root=root, name="x", labels=LabelSet.from_names([]), cases=(case,)))
    after = (root / "dataset.json").read_bytes() if (root / "dataset.json").exists() else None
    assert after == before


def test_saving_keeps_plain_decathlon_readable(decathlon: Path) -> None:
    dataset = load_dataset(decathlon)
    before = json.loads((decathlon / "dataset.json").read_text())
    save_dataset(dataset)
    after: dict[str, Any] = json.loads((decathlon / "dataset.json").read_text())
    for key in ("name", "modality", "labels", "numTraining", "numTest", "test"):
        assert after[key] == before[key]
    assert after["training"][0] == {**before["training"][0], "group": "a_1"}
    assert load_dataset(decathlon) == dataset


def test_images_outside_are_saved_relative(tmp_path: Path) -> None:
    folder = write_pair(tmp_path / "work", ["a"]).resolve()
    scan = write_png(tmp_path / "scans" / "s.png", np.zeros((6, 8), np.uint8)).resolve()
    label = write_png(folder / "labels" / "s.png", np.zeros((6, 8), np.uint8))
    dataset = Dataset(
        root=folder,
        name="work",
        labels=LabelSet.from_names(["layer"]),
        cases=(Case(image=scan, label=label, group="P"),),
    )
    save_dataset(dataset)
    content = json.loads((folder / "dataset.json").read_text())
    assert content["training"][0]["image"] == "../scans/s.png"
    with pytest.raises(InputError, match="outside"):
        load_dataset(folder)
    assert load_dataset(folder, allow_outside=True) == dataset


def test_labels_outside_are_not_saved(tmp_path: Path) -> None:
    folder = write_pair(tmp_path / "work", ["a"]).resolve()
    dataset = load_dataset(folder)
    moved = dataset.cases[0].model_copy(update={"label": tmp_path.resolve() / "a.png"})
    with pytest.raises(InputError, match=r"a\.png: outside"):
        save_dataset(dataset.model_copy(update={"cases": (moved,)}))
    assert not (folder / "dataset.json").exists()


def test_states_are_readable_json(tmp_path: Path) -> None:
    dataset = load_dataset(write_pair(tmp_path, ["a"]))
    when = datetime(2026, 11, 20, 12, tzinfo=UTC)
    state = BscanState(state="predicted", model="abc", when=when)
    case = dataset.cases[0].model_copy(update={"bscans": {0: state}})
    save_dataset(dataset.model_copy(update={"cases": (case,)}))
    content = json.loads((tmp_path / "dataset.json").read_text())
    assert content["training"][0]["bscans"] == {
        "0": {"state": "predicted", "model": "abc", "when": "2026-11-20T12:00:00Z"}
    }


@pytest.mark.parametrize(
    ("update", "message"),
    [
        ({"root": Path("relative")}, "root is an absolute path"),
        ({"ignore": 0}, "not annotated must have the value 255, not 0"),
    ],
)
def test_wrong_datasets_are_refused(tmp_path: Path, update: dict[str, Any], message: str) -> None:
    fields = {"root": tmp_path, "name": "x", "labels": LabelSet.from_names(["a"]), "cases": ()}
    with pytest.raises(ValueError, match=message):
        Dataset(**{**fields, **update})
    with pytest.raises(ValueError, match="absolute paths"):
        Case(image=Path("relative.png"), group="P")
