from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from napari_retseg.classes import IGNORE, LabelSet
from napari_retseg.config import PreprocessConfig
from napari_retseg.dataset import Dataset, load_dataset
from napari_retseg.errors import InputError, ModelError
from napari_retseg.learn import samples
from napari_retseg.learn.samples import SampleStore, translate_labels


def load(
    dataset: Dataset, preprocess: PreprocessConfig | None = None, dims: int = 2
) -> SampleStore:
    store = SampleStore(dataset, preprocess or PreprocessConfig(), dims=dims)
    list(store.load())
    return store


@pytest.fixture
def volumes(tmp_path: Path, rng: np.random.Generator) -> Dataset:
    """Two small volumes that are not OCT; of the second, one slice is not annotated."""
    folder = tmp_path / "volumes"
    folder.mkdir()
    cases = []
    for number in range(2):
        labels = rng.integers(0, 3, (6, 8, 10)).astype(np.uint8)
        if number:
            labels[:, :, 4] = IGNORE
        for kind, array in (("image", labels.astype(np.float32) * 10), ("label", labels)):
            path = folder / f"{kind}{number}.nii.gz"
            nib.save(nib.Nifti1Image(array, np.eye(4)), path)  # type: ignore[no-untyped-call]
        cases.append(
            {
                "image": f"image{number}.nii.gz",
                "label": f"label{number}.nii.gz",
                "group": f"P{number}",
                "split": "train",
            }
        )
    content = {"name": "v", "labels": {"0": "background", "1": "a", "2": "b"}, "training": cases}
    (folder / "dataset.json").write_text(json.dumps(content))
    return load_dataset(folder)


def test_only_training_bscans_are_stored(tiny_dataset: Path) -> None:
    store = SampleStore(load_dataset(tiny_dataset), PreprocessConfig())
    progress = list(store.load())
    assert (progress[-1].done, progress[-1].total) == (8, 8)
    assert len(store) == 8
    assert store.largest == (64, 64)
    assert store.class_pixels.shape == (8, 4)
    assert store.missing_classes == ()


def test_what_does_not_fit_into_memory_is_read_again(
    tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = load(load_dataset(tiny_dataset))
    monkeypatch.setattr(samples, "MEMORY_BYTES", 0)
    again = load(load_dataset(tiny_dataset))
    for number in range(8):
        assert np.array_equal(kept.read(number).image, again.read(number).image)
        assert np.array_equal(kept.read(number).labels, again.read(number).labels)


def test_a_data_set_without_annotation_is_named(tiny_dataset: Path) -> None:
    for path in (tiny_dataset / "labels").iterdir():
        Image.fromarray(np.full((64, 64), IGNORE, np.uint8)).save(path)
    with pytest.raises(InputError, match="no annotated B-scan"):
        load(load_dataset(tiny_dataset))


def test_a_class_that_nobody_labelled_is_named(tiny_dataset: Path) -> None:
    for path in (tiny_dataset / "labels").iterdir():
        labels = np.array(Image.open(path))
        labels[labels == 3] = 0
        Image.fromarray(labels).save(path)
    assert load(load_dataset(tiny_dataset)).missing_classes == ("fluid",)


@pytest.mark.parametrize(("axis", "expected"), [(0, 20 - 1), (1, 16), (2, 12)])
def test_slices_along_any_axis(volumes: Dataset, axis: int, expected: int) -> None:
    """The reader turns NIfTI to (z, y, x): 10 slices of 8 x 6 along the first axis."""
    preprocess = PreprocessConfig(normalise="none", axis=axis)
    store = load(volumes, preprocess)
    assert len(store) == expected
    for number in range(len(store)):
        sample = store.read(number)
        known = sample.labels != IGNORE
        assert np.array_equal(sample.image[0][known], sample.labels[known] * 10.0)
    if axis:
        assert any((store.read(n).labels == IGNORE).any() for n in range(len(store)))


def test_volumes_are_samples_in_3d(volumes: Dataset) -> None:
    preprocess = PreprocessConfig(normalise="none", scale=(1.0, 1.0, 1.0))
    store = load(volumes, preprocess, dims=3)
    assert len(store) == 2
    assert store.largest == (10, 8, 6)
    assert store.read(0).image.shape == (1, 10, 8, 6)
    assert (store.read(1).labels[4] == IGNORE).all()


def test_neighbours_are_channels(volumes: Dataset) -> None:
    store = load(volumes, PreprocessConfig(normalise="none", neighbours=3))
    first = store.read(0).image
    assert first.shape == (3, 8, 6)
    assert np.array_equal(first[0], first[1])  # the edge is repeated
    assert np.array_equal(store.read(1).image[0], first[1])
    assert np.array_equal(store.read(1).image[1], first[2])


def test_labels_are_taken_over_by_name(tiny_dataset: Path) -> None:
    dataset = load_dataset(tiny_dataset)  # upper, lower, fluid
    same, none = translate_labels(dataset, dataset.labels)
    assert same[:4].tolist() == [0, 1, 2, 3]
    assert (same[255], none) == (IGNORE, ())
    more = LabelSet.from_names(["fluid", "drusen", "upper", "lower"])
    table, partial = translate_labels(dataset, more)
    assert table[:4].tolist() == [5, 3, 4, 1]
    assert partial == ((0, 2),)  # what is background there may be drusen
    with pytest.raises(ModelError, match="lower"):
        translate_labels(dataset, LabelSet.from_names(["upper", "fluid"]))


def test_a_class_that_is_several_of_the_models_is_a_partial_label(tiny_dataset: Path) -> None:
    dataset = load_dataset(tiny_dataset)
    finer = LabelSet.from_names(["upper", "lower", "IRF", "SRF"])
    table, partial = translate_labels(dataset, finer)
    assert table[:4].tolist() == [0, 1, 2, 5]
    assert partial == ((3, 4),)
    store = SampleStore(dataset, PreprocessConfig(), classes=finer)
    list(store.load())
    assert store.class_pixels.shape[1] == 5
    assert store.class_pixels[:, 3:].sum() == 0
    plain = load(dataset)
    fluid = [(plain.read(k).labels == 3).sum() for k in range(len(plain))]
    assert [(store.read(k).labels == 5).sum() for k in range(len(store))] == fluid
    assert max(fluid) > 0


def test_bscans_without_a_label_are_left_out(tiny_dataset: Path) -> None:
    for path in sorted((tiny_dataset / "labels").glob("P1*"))[:3]:
        Image.fromarray(np.full((64, 64), IGNORE, np.uint8)).save(path)
    assert len(load(load_dataset(tiny_dataset))) == 5
