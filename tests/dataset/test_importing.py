from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

from napari_retseg.classes import IGNORE, RETINA
from napari_retseg.dataset import import_dataset, load_dataset
from napari_retseg.dataset.chiu import draw_labels as draw_layers
from napari_retseg.dataset.importing import Kind
from napari_retseg.errors import InputError, UsageError
from tests.dataset.conftest import NAMES, draw_labels, write_description, write_pair, write_png

DEPTH, WIDTH, N = 24, 10, 5


def make_subject(annotated: tuple[int, ...] = (1, 3)) -> dict[str, NDArray[Any]]:
    """A small file as those of Chiu 2015; column 0 and 9 are outside the annotated field."""
    rng = np.random.default_rng(1)
    boundaries = np.full((8, WIDTH, N), np.nan)
    fluid = np.full((DEPTH, WIDTH, N), np.nan)
    for index in annotated:
        boundaries[:, 1:-1, index] = np.array([4, 6, 8, 10, 12, 15, 16, 20])[:, np.newaxis]
        boundaries[3, 4, index] = np.nan
        fluid[..., index] = 0
        fluid[11:14, 6:, index] = 7
    return {
        "images": rng.integers(0, 256, (DEPTH, WIDTH, N)).astype(np.float64),
        "manualLayers1": boundaries,
        "manualLayers2": boundaries,
        "manualFluid1": fluid,
    }


def write_subjects(folder: Path, count: int = 3, **changed: Any) -> Path:
    folder.mkdir()
    for number in range(1, count + 1):
        subject = make_subject()
        subject["images"] = (subject["images"] + number - 1) % 256
        savemat(folder / f"Subject_{number:02d}.mat", {**subject, **changed})
    return folder


def files_below(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_chiu_files_become_bscans_with_labels(tmp_path: Path) -> None:
    source = write_subjects(tmp_path / "mat")
    dataset = import_dataset(source, tmp_path / "new" / "chiu")
    assert [c.name for c in dataset.cases[:3]] == ["S01_B02", "S01_B04", "S02_B02"]
    assert len(dataset.cases) == 6
    assert dataset.labels == RETINA
    assert (len(dataset.groups("train")), len(dataset.groups("val"))) == (2, 1)
    assert dataset == load_dataset(tmp_path / "new" / "chiu")
    case = dataset.cases[1]
    expected = make_subject()["images"][..., 3]
    np.testing.assert_array_equal(case.read_scan().pixels, expected)
    labels = case.read_labels(dataset.labels)
    column = [0] * 4 + [1] * 2 + [2] * 2 + [3] * 2 + [4] * 2 + [5] * 3 + [6] + [7] * 4 + [0] * 4
    assert labels[:, 2].tolist() == column
    with_fluid = np.array(column)
    with_fluid[11:14] = 8
    assert labels[:, 7].tolist() == with_fluid.tolist()
    for outside in (0, 4, 9):
        assert set(labels[:, outside].tolist()) == {IGNORE}


def test_a_single_chiu_file_is_divided_by_bscans(tmp_path: Path) -> None:
    source = write_subjects(tmp_path / "mat")
    dataset = import_dataset(source / "Subject_02.mat", tmp_path / "one", kind="chiu-mat")
    assert [(c.name, c.split) for c in dataset.cases] == [("S02_B02", "train"), ("S02_B04", "val")]
    assert "one patient" in dataset.warnings[-1]


def test_boundaries_between_pixels_and_crossing_ones_are_drawn() -> None:
    rows = np.array([2.0, 2.9, 3.0, 5.5, 5.4, 7.0, 7.0, 9.0])[:, np.newaxis]
    labels = draw_layers(rows, np.full((12, 1), np.nan), depth=12)
    # centres lie at 1, 2, 3, ...: row 2 (centre 3) is the first below 2 and below 2.9
    assert labels[:, 0].tolist() == [0, 0, 2, 3, 3, 5, 5, 7, 7, 0, 0, 0]


def test_real_labels_are_as_the_importer_draws_them(shared_data: Path) -> None:
    """Boundaries taken from labels give the same labels again, where no fluid hides them."""
    for name in ("S01_B28", "S05_B10", "S07_B25"):
        labels = np.asarray(Image.open(shared_data / "chiu2015" / "labels" / f"{name}.png"))
        shown = ((labels != 8) | (labels == IGNORE)).all(axis=0)
        rows = np.full((8, labels.shape[1]), np.nan)
        for column in np.flatnonzero(shown & (labels[0] != IGNORE)):
            inside = np.flatnonzero(labels[:, column])
            line = labels[inside[0] : inside[-1] + 1, column]
            rows[:, column] = inside[0] + np.searchsorted(line, np.arange(1, 9))
        drawn = draw_layers(rows, np.zeros(labels.shape), depth=len(labels))
        np.testing.assert_array_equal(drawn[:, shown], labels[:, shown])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"images": np.full((DEPTH, WIDTH, N), 300.0)}, "outside 0 to 255"),
        ({"images": np.full((DEPTH, WIDTH, N), np.nan)}, "outside 0 to 255"),
        ({"manualFluid1": np.zeros((3, 3, 3))}, r"do not fit"),
        ({"manualLayers1": np.full((8, WIDTH, N), np.nan)}, "none of its 5 B-scans is annotated"),
    ],
)
def test_wrong_chiu_files_are_named(
    tmp_path: Path, changed: dict[str, NDArray[Any]], message: str
) -> None:
    source = write_subjects(tmp_path / "mat", count=1, **changed)
    with pytest.raises(InputError, match=rf"Subject_01\.mat: .*{message}"):
        import_dataset(source, tmp_path / "new")
    assert [p.name for p in tmp_path.iterdir()] == ["mat"]


def test_a_broken_file_leaves_nothing(tmp_path: Path) -> None:
    source = write_subjects(tmp_path / "mat")
    whole = (source / "Subject_03.mat").read_bytes()
    (source / "Subject_03.mat").write_bytes(whole[:300])
    with pytest.raises(InputError, match=r"Subject_03\.mat"):
        import_dataset(source, tmp_path / "new")
    assert [p.name for p in tmp_path.iterdir()] == ["mat"]


def test_an_interrupted_import_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_pair(tmp_path / "pair", ["a", "b"])
    copy = shutil.copyfile

    def stop_at_b(source: Path, target: Path) -> Path:
        if target.name == "b.png":
            raise KeyboardInterrupt
        return copy(source, target)

    monkeypatch.setattr(shutil, "copyfile", stop_at_b)
    with pytest.raises(KeyboardInterrupt):
        import_dataset(source, tmp_path / "new")
    assert [p.name for p in tmp_path.iterdir()] == ["pair"]


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_pair(tmp_path / "pair", ["a", "b"])

    def refuse(source: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device", str(source), None, str(target))

    monkeypatch.setattr(shutil, "copyfile", refuse)
    with pytest.raises(InputError, match=r"new: cannot be created from .*a\.png \(No space left"):
        import_dataset(source, tmp_path / "new")
    assert [p.name for p in tmp_path.iterdir()] == ["pair"]


def write_stacks(folder: Path, images: NDArray[Any], labels: NDArray[Any]) -> Path:
    folder.mkdir()
    np.save(folder / "images.npy", images)
    np.save(folder / "labels.npy", labels)
    return folder


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_stacks_become_bscans(tmp_path: Path, dtype: type) -> None:
    images: NDArray[Any] = np.arange(6 * 6 * 8).reshape(6, 6, 8).astype(dtype)
    labels = draw_labels(shape=(6, 6, 8))
    source = write_stacks(tmp_path / "npy", images, labels.astype(np.float64))
    (source / "groups.txt").write_text("A\nA\nB\nB\nC\nC\n")
    (source / "classes.json").write_text(json.dumps(NAMES))
    dataset = import_dataset(source, tmp_path / "new")
    assert [c.name for c in dataset.cases] == ["A_B1", "A_B2", "B_B3", "B_B4", "C_B5", "C_B6"]
    assert dataset.labels.names == ("background", "layer", "fluid")
    assert (dataset.name, len(dataset.groups("val"))) == ("npy", 1)
    for index, case in enumerate(dataset.cases):
        np.testing.assert_array_equal(case.read_scan().pixels, images[index])
        np.testing.assert_array_equal(case.read_labels(dataset.labels), labels[index])


def test_stacks_without_patients_are_of_one(tmp_path: Path) -> None:
    images = np.zeros((5, 6, 8), np.uint8)
    source = write_stacks(tmp_path / "npy", images, draw_labels(shape=(5, 6, 8)))
    dataset = import_dataset(source, tmp_path / "new", kind="npy")
    assert dataset.labels.names == ("background", "class 1", "class 2")
    assert [c.split for c in dataset.cases] == ["train"] * 4 + ["val"]
    assert dataset.annotated_bscans(dataset.cases[3], "train") == []
    assert "groups.txt" in dataset.warnings[0]
    assert "one patient" in dataset.warnings[1]


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ("A B", "names 2 patients for 5"),
        ("A B C D ../E", "is not a valid name"),
        (b"\xff\xfe\xfd", "text"),
    ],
)
def test_wrong_patients_of_stacks_are_named(
    tmp_path: Path, groups: str | bytes, message: str
) -> None:
    labels = draw_labels(shape=(5, 6, 8))
    source = write_stacks(tmp_path / "npy", np.zeros((5, 6, 8), np.uint8), labels)
    raw = groups if isinstance(groups, bytes) else groups.encode()
    (source / "groups.txt").write_bytes(raw)
    with pytest.raises(InputError, match=rf"groups\.txt: .*{message}"):
        import_dataset(source, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_stacks_that_do_not_fit_are_named(tmp_path: Path) -> None:
    labels = draw_labels(shape=(4, 6, 8))
    source = write_stacks(tmp_path / "npy", np.zeros((5, 6, 8), np.uint8), labels)
    with pytest.raises(InputError, match=r"labels\.npy: labels of shape \(4, 6, 8\)"):
        import_dataset(source, tmp_path / "new")
    np.save(source / "images.npy", np.zeros((6, 8), np.uint8))
    with pytest.raises(InputError, match=r"images\.npy: .*\(n, depth, width\) needed"):
        import_dataset(source, tmp_path / "new")
    np.save(source / "images.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"images\.npy"):
        import_dataset(source, tmp_path / "new")


def test_npy_pairs_are_copied(tmp_path: Path) -> None:
    source = tmp_path / "npy"
    for kind in ("images", "labels"):
        (source / kind).mkdir(parents=True)
        for name in ("P1_1", "P1_2", "P2_1", "P2_2"):
            np.save(source / kind / f"{name}.npy", draw_labels())
    dataset = import_dataset(source, tmp_path / "new", kind="npy")
    assert {c.image.name for c in dataset.cases} == {
        f"P{n}_{k}.npy" for n in (1, 2) for k in (1, 2)
    }
    assert {*dataset.groups("train"), *dataset.groups("val")} == {"P1", "P2"}
    write_pair(source, ["x"])
    with pytest.raises(InputError, match=r"x\.png: not an NPY file"):
        import_dataset(source, tmp_path / "other", kind="npy")


def test_a_folder_pair_is_copied_with_its_split(tmp_path: Path) -> None:
    source = write_pair(tmp_path / "pair", ["P1_1", "P1_2", "P2_1", "P2_2"])
    (source / "dataset.json").write_text(json.dumps({"labels": NAMES}))
    dataset = import_dataset(source, tmp_path / "new", kind="folders")
    assert dataset.root == (tmp_path / "new").resolve()
    assert dataset.labels.names == ("background", "layer", "fluid")
    assert (len(dataset.groups("train")), len(dataset.groups("val"))) == (1, 1)
    assert files_below(dataset.root) == files_below(source)
    original = load_dataset(source)
    for copied, case in zip(dataset.cases, original.cases, strict=True):
        assert copied.image.read_bytes() == case.image.read_bytes()
        np.testing.assert_array_equal(copied.read_labels(), case.read_labels())
    assert import_dataset(source, tmp_path / "again").name == "pair"


def test_label_folders_are_copied(tmp_path: Path) -> None:
    source = tmp_path / "pair"
    for index, plane in enumerate(draw_labels(shape=(3, 6, 8))):
        write_png(source / "images" / "v" / f"{index}.png", np.zeros((6, 8), np.uint8))
        write_png(source / "labels" / "v" / f"{index}.png", plane)
    dataset = import_dataset(source, tmp_path / "new")
    np.testing.assert_array_equal(dataset.cases[0].read_labels(), draw_labels(shape=(3, 6, 8)))
    assert dataset.cases[0].heldout_bscans == (2,)


def test_decathlon_is_copied(decathlon: Path, tmp_path: Path) -> None:
    dataset = import_dataset(decathlon, tmp_path / "new")
    assert files_below(tmp_path / "new") == files_below(decathlon)
    assert sorted(str(c.split) for c in dataset.cases) == ["test", "train", "val"]
    assert dataset.about == {"modality": {"0": "OCT"}}
    by_file = import_dataset(decathlon / "dataset.json", tmp_path / "again")
    assert [c.split for c in by_file.cases] == [c.split for c in dataset.cases]


def test_labels_are_checked_before_they_are_taken_over(decathlon: Path, tmp_path: Path) -> None:
    write_png(decathlon / "labelsTr" / "a_2.png", np.full((6, 8), 7, np.uint8))
    with pytest.raises(InputError, match=r"a_2\.png: label values \[7\]"):
        import_dataset(decathlon, tmp_path / "new")
    write_png(decathlon / "labelsTr" / "a_2.png", np.zeros((6, 9), np.uint8))
    with pytest.raises(InputError, match=r"a_2\.png: labels of shape"):
        import_dataset(decathlon, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_decathlon_file_that_leaves_its_folder_is_not_imported(tmp_path: Path) -> None:
    folder = write_pair(tmp_path / "data", ["a"])
    write_png(tmp_path / "secret.png", draw_labels())
    write_description(folder, labels=NAMES, training=["../secret.png"])
    with pytest.raises(InputError, match="outside the dataset folder"):
        import_dataset(folder, tmp_path / "new")


def test_a_target_that_is_taken_is_left_alone(tmp_path: Path) -> None:
    source = write_pair(tmp_path / "pair", ["a", "b"])
    taken = tmp_path / "taken"
    taken.mkdir()
    assert len(import_dataset(source, taken).cases) == 2
    before = files_below(taken)
    with pytest.raises(InputError, match="taken: already exists"):
        import_dataset(source, taken)
    assert files_below(taken) == before
    with pytest.raises(InputError, match="already exists"):
        import_dataset(source, source / "images" / "a.png")


def test_a_target_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    source = write_pair(tmp_path / "pair", ["a", "b"])
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be created"):
        import_dataset(source, tmp_path / "file" / "new")


def empty(source: Path) -> Path:
    (source / "empty").mkdir()
    return source / "empty"


def text(source: Path) -> Path:
    (source / "notes.txt").write_text("x")
    return source / "notes.txt"


@pytest.mark.parametrize("make", [empty, text])
def test_what_cannot_be_imported_is_said(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    source = make(tmp_path)
    with pytest.raises(InputError, match=r"found no Subject_\*\.mat"):
        import_dataset(source, tmp_path / "new")


@pytest.mark.parametrize("kind", ["chiu-mat", "npy", "folders", "decathlon"])
def test_another_kind_is_said(tmp_path: Path, kind: Kind) -> None:
    with pytest.raises(InputError, match=r"contains no|found n"):
        import_dataset(empty(tmp_path), tmp_path / "new", kind=kind)
    assert not (tmp_path / "new").exists()


def test_a_missing_source_or_unknown_kind_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="file or folder not found"):
        import_dataset(tmp_path / "none", tmp_path / "new")
    with pytest.raises(UsageError, match="unknown kind of dataset 'zip'"):
        import_dataset(tmp_path, tmp_path / "new", kind="zip")  # type: ignore[arg-type]
