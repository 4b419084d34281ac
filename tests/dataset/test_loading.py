from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from napari_retseg.dataset import Dataset, load_dataset, pin_split
from napari_retseg.errors import InputError
from tests.dataset.conftest import (
    NAMES,
    draw_labels,
    entry,
    write_description,
    write_pair,
    write_png,
)


def contents(dataset: Dataset) -> list[tuple[str, list[int]]]:
    return [(c.name, c.read_labels(dataset.labels).ravel().tolist()) for c in dataset.cases]


def test_a_decathlon_file_loads_as_it_is(decathlon: Path) -> None:
    dataset = load_dataset(decathlon)
    assert dataset == load_dataset(decathlon / "dataset.json")
    assert dataset.name == "Task"
    assert dataset.labels.names == ("background", "layer", "fluid")
    assert [(c.name, c.group, c.split) for c in dataset.cases] == [
        ("a_1", "a_1", None),
        ("a_2", "a_2", None),
        ("a_3", "a_3", "test"),
    ]
    assert dataset.cases[2].label is None
    assert dataset.about == {"modality": {"0": "OCT"}}
    assert dataset.warnings == ()
    np.testing.assert_array_equal(dataset.cases[1].read_labels(), draw_labels(1))


def test_all_layouts_load_as_the_same(decathlon: Path, tmp_path: Path) -> None:
    pair = write_pair(tmp_path / "pair", ["a_1", "a_2"])
    bare = write_pair(tmp_path / "bare", ["a_1", "a_2"], ("imagesTr", "labelsTr"))
    datasets = [load_dataset(folder) for folder in (pair, bare)]
    labelled = [c for c in load_dataset(decathlon).cases if c.label is not None]
    expected = [(c.name, c.read_labels().ravel().tolist()) for c in labelled]
    assert [contents(dataset) for dataset in datasets] == [expected, expected]
    assert [c.group for c in datasets[0].cases] == ["a", "a"]
    assert [c.group for c in datasets[1].cases] == ["a_1", "a_2"]
    assert datasets[0].labels.names == ("background", "class 1", "class 2")


def test_nnunet_names_load(tmp_path: Path) -> None:
    folder = write_pair(tmp_path / "Dataset001", ["a_0000", "b_0000"], ("imagesTr", "labelsTr"))
    for name in ("a", "b"):
        (folder / "labelsTr" / f"{name}_0000.png").rename(folder / "labelsTr" / f"{name}.png")
    write_description(
        folder, labels={"background": 0, "layer": 1, "fluid": 2}, file_ending=".png", numTraining=2
    )
    dataset = load_dataset(folder)
    assert dataset.labels.names == ("background", "layer", "fluid")
    assert [c.group for c in dataset.cases] == ["a", "b"]
    write_png(folder / "imagesTr" / "a_0001.png", np.zeros((6, 8), np.uint8))
    with pytest.raises(InputError, match=r"a_0001\.png: a_0000\.png is another channel"):
        load_dataset(folder)


@pytest.mark.parametrize("as_folder", [False, True])
def test_labels_of_a_volume_are_a_file_or_a_folder(tmp_path: Path, as_folder: bool) -> None:
    volume = np.arange(3 * 6 * 8, dtype=np.uint8).reshape(3, 6, 8)
    labels = draw_labels(shape=volume.shape)
    labels[1] = 255
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    np.save(tmp_path / "images" / "v.npy", volume)
    if as_folder:
        for index, plane in enumerate(labels):
            write_png(tmp_path / "labels" / "v" / f"{index:03d}.png", plane)
    else:
        np.save(tmp_path / "labels" / "v.npy", labels)
    dataset = load_dataset(tmp_path)
    (case,) = dataset.cases
    assert (case.name, case.group) == ("v", "v")
    np.testing.assert_array_equal(case.read_labels(dataset.labels), labels)
    assert dataset.annotated_bscans(case) == [0, 2]


def test_class_names_come_from_classes_json(tmp_path: Path) -> None:
    write_pair(tmp_path, ["a", "b"])
    for names in (NAMES, {"background": 0, "layer": 1, "fluid": 2}, list(NAMES.values())):
        (tmp_path / "classes.json").write_text(json.dumps(names))
        assert load_dataset(tmp_path).labels.names == ("background", "layer", "fluid")
    (tmp_path / "classes.json").write_text('{"a": [1]}')
    with pytest.raises(InputError, match=r"classes\.json: labels"):
        load_dataset(tmp_path)


def test_patients_of_a_folder_pair_are_guessed_and_said(tmp_path: Path) -> None:
    write_pair(tmp_path, ["P1_B1", "P1_B2", "P2_B1", "P10", "x_1"])
    dataset = load_dataset(tmp_path)
    groups = {c.name: c.group for c in dataset.cases}
    assert groups == {"P1_B1": "P1", "P1_B2": "P1", "P2_B1": "P2_B1", "P10": "P10", "x_1": "x_1"}
    assert "4 patients guessed from the file names" in dataset.warnings[0]
    write_description(tmp_path, labels=NAMES, training=[entry("P1_B1", group="other")])
    described = load_dataset(tmp_path)
    assert described.groups("train") == ()
    assert [c.group for c in described.cases] == ["other"]
    assert described.warnings == ()


def test_images_without_a_label_are_cases_without_labels(tmp_path: Path) -> None:
    write_pair(tmp_path, ["a", "b"])
    (tmp_path / "labels" / "b.png").unlink()
    (tmp_path / "images" / "notes.txt").write_text("not a scan")
    (tmp_path / "images" / ".hidden.png").write_text("not listed")
    dataset = load_dataset(tmp_path)
    assert [c.label is None for c in dataset.cases] == [False, True]
    assert dataset.annotated_bscans(dataset.cases[1]) == []
    assert any("notes.txt" in note for note in dataset.warnings)
    with pytest.raises(InputError, match=r"b\.png: has no labels"):
        dataset.cases[1].read_labels()


def test_a_folder_of_scans_loads_without_labels(tmp_path: Path) -> None:
    for name in ("B10", "B2"):
        write_png(tmp_path / f"{name}.png", np.zeros((6, 8), np.uint8))
    dataset = load_dataset(tmp_path)
    assert [(c.name, c.label, c.split) for c in dataset.cases] == [
        ("B2", None, None),
        ("B10", None, None),
    ]
    assert dataset.labels.names == ("background",)


def test_labels_of_another_shape_name_the_file(tmp_path: Path) -> None:
    write_pair(tmp_path, ["a", "b"])
    write_png(tmp_path / "labels" / "a.png", draw_labels(shape=(5, 8)))
    case = load_dataset(tmp_path).cases[0]
    with pytest.raises(InputError, match=r"labels/a\.png.*\(5, 8\).*\(6, 8\)"):
        case.read_labels()


def test_unknown_label_values_name_the_file(tmp_path: Path) -> None:
    write_pair(tmp_path, ["a", "b"])
    write_description(tmp_path, labels={"0": "background", "1": "layer"}, training=[entry("a")])
    dataset = load_dataset(tmp_path)
    with pytest.raises(InputError, match=r"labels/a\.png: label values \[2\].*1 layer"):
        dataset.cases[0].read_labels(dataset.labels)


def test_states_of_bscans_that_are_not_there_name_the_image(tmp_path: Path) -> None:
    write_pair(tmp_path, ["a"])
    case = entry("a", bscans={"3": {"state": "confirmed"}})
    write_description(tmp_path, labels=NAMES, training=[case])
    with pytest.raises(InputError, match=r"a\.png: has 1 B-scan, .*B-scan 3"):
        load_dataset(tmp_path).cases[0].read_labels()


def test_binary_masks_of_255_are_refused(tmp_path: Path) -> None:
    write_pair(tmp_path, ["a"])
    write_png(tmp_path / "labels" / "a.png", np.eye(8, dtype=np.uint8)[:6] * 255)
    with pytest.raises(InputError, match="contain no class"):
        load_dataset(tmp_path)


@pytest.mark.parametrize("given", ["../secret.png", "{outside}", "./link.png", "./door/secret.png"])
def test_paths_that_leave_the_folder_are_refused(tmp_path: Path, given: str) -> None:
    folder = write_pair(tmp_path / "data", ["a"])
    outside = write_png(tmp_path / "secret.png", draw_labels())
    (folder / "link.png").symlink_to(outside)
    (folder / "door").symlink_to(tmp_path)
    given = given.format(outside=outside)
    write_description(folder, labels=NAMES, training=[entry("a", label=given)])
    for allow in (False, True):
        with pytest.raises(
            InputError, match="is outside the dataset folder; labels must be inside"
        ):
            load_dataset(folder, allow_outside=allow)
    write_description(folder, labels=NAMES, training=[{**entry("a"), "image": given}])
    with pytest.raises(InputError, match="add the dataset to a workspace in napari"):
        load_dataset(folder)
    case = load_dataset(folder, allow_outside=True).cases[0]
    np.testing.assert_array_equal(case.read_scan().pixels, draw_labels())
    assert case.name == Path(given).stem


def test_links_in_a_folder_pair_may_not_leave_it(tmp_path: Path) -> None:
    folder = write_pair(tmp_path / "data", ["a"])
    (folder / "labels" / "a.png").rename(tmp_path / "a.png")
    (folder / "labels" / "a.png").symlink_to(tmp_path / "a.png")
    with pytest.raises(InputError, match="this link leads out of"):
        load_dataset(folder)


def test_links_and_dots_within_the_folder_are_fine(tmp_path: Path) -> None:
    folder = write_pair(tmp_path / "data", ["a"])
    (folder / "b.png").symlink_to(folder / "images" / "a.png")
    case = {"image": "./images/../b.png", "label": "labels/a.png"}
    write_description(folder, labels=NAMES, training=[case])
    loaded = load_dataset(folder).cases[0]
    assert (loaded.name, loaded.image) == ("b", folder.resolve() / "b.png")
    (tmp_path / "alias").symlink_to(folder)
    assert load_dataset(tmp_path / "alias") == load_dataset(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("not json", "cannot be read as JSON"),
        ("[]", "not a dataset description"),
        ('{"training": {}}', "'training' is not a list"),
        ('{"training": []}', "lists no cases"),
        ('{"training": [{"label": "x"}]}', "entry 0 of 'training' has no image"),
        ('{"training": ["./images/none.png"]}', "image not found"),
        ('{"training": [{"image": "./images/a.png", "label": "no.png"}]}', "label not found"),
        ('{"training": [{"image": "./images/a.png", "label": 3}]}', "is not a path"),
        ('{"training": ["./images/a.png", "./images/a.png"], "labels": ["b"]}', "listed twice"),
        ('{"training": [{"image": "./images/a.png", "split": "dev"}]}', "split"),
        ('{"training": [{"image": "./images/a.png", "group": ""}]}', "group"),
        ('{"training": [{"image": "./images/a\\u0000.png"}]}', "a text contains a NUL"),
        ('{"training": ["./images/a.png"], "labels": {"0": "b"}, "ignore": 9}', "255, not 9"),
        ('{"training": ["./images/a.png"], "labels": {"1": "x", "2": "x"}}', "distinct"),
        ('{"training": ["./images/a.png"], "labels": {"b": 0, "i": 0}}', "two names"),
        (
            '{"training": ["./images/a.png"], "labels": {"b": 0, "ignore": 4}}',
            "must have the value 255",
        ),
        ('{"training": ["./images/a.png"], "labels": "b"}', "neither an object nor a list"),
        ('{"training": ["./images/a.png"], "labels": {"300": "b"}}', "less than 254"),
        ('{"schema_version": 2}', "schema version 2 is unknown"),
        ('{"schema_version": "x"}', "schema version 'x'"),
    ],
)
def test_a_wrong_description_is_one_clear_line(tmp_path: Path, content: str, message: str) -> None:
    write_pair(tmp_path, ["a"])
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        load_dataset(tmp_path)
    assert "\n" not in str(caught.value)
    assert str(tmp_path.resolve()) in str(caught.value)


def test_what_is_no_dataset_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="dataset not found"):
        load_dataset(tmp_path / "none")
    with pytest.raises(InputError, match="not a dataset; it needs"):
        load_dataset(tmp_path)
    write_pair(tmp_path, ["a"])
    write_png(tmp_path / "labels" / "b.png", draw_labels())
    with pytest.raises(InputError, match=r"b\.png: this label has no image"):
        load_dataset(tmp_path)
    (tmp_path / "labels" / "b.png").rename(tmp_path / "labels" / "a.bmp")
    with pytest.raises(InputError, match=r"a\.bmp has the same name"):
        load_dataset(tmp_path)
    for path in (tmp_path / "labels").iterdir():
        path.unlink()
    with pytest.raises(InputError, match="contains no labels"):
        load_dataset(tmp_path)


def test_real_bscans_load_as_they_are(shared_data: Path) -> None:
    dataset = load_dataset(shared_data / "chiu2015")
    assert len(dataset.cases) == 88
    assert dataset.groups("train") == tuple(f"S0{n}" for n in range(1, 7))
    assert dataset.groups("val") == ("S07", "S08")
    assert dataset.labels.names[8] == "fluid"
    assert pin_split(dataset) is dataset
    case = dataset.cases[4]
    assert case.name == "S01_B28"
    assert dataset.annotated_bscans(case, "train") == [0]
    assert dataset.annotated_bscans(case, "val") == []
    assert set(np.unique(case.read_labels(dataset.labels))) == {*range(9), 255}


def test_real_volumes_load_as_they_are(shared_data: Path) -> None:
    dataset = load_dataset(shared_data / "hippocampus")
    assert len(dataset.cases) == 120
    assert dataset.labels.names == ("background", "Anterior", "Posterior")
    assert dataset.cases[0].group == dataset.cases[0].name == "hippocampus_001"
    pinned = pin_split(dataset)
    assert (len(pinned.groups("train")), len(pinned.groups("val"))) == (96, 24)
    for case in dataset.cases:
        values = case.read_labels(dataset.labels)
        assert values.dtype == np.uint8
        assert set(np.unique(values)) == {0, 1, 2}
