from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_retseg.classes import RETINA
from napari_retseg.dataset import load_dataset
from napari_retseg.errors import InputError, UsageError
from napari_retseg.simulate import (
    SimulatorConfig,
    draw_volume,
    make_device_config,
    simulate_dataset,
)
from napari_retseg.simulate.dataset import FileFormat

TINY = make_device_config("A", size=(80, 64), n_bscans=2)


@pytest.mark.parametrize("file_format", ["png", "tiff", "nifti"])
def test_a_written_dataset_loads_equal_and_exact(tmp_path: Path, file_format: FileFormat) -> None:
    folder = tmp_path / "made"
    written = simulate_dataset(folder, count=3, seed=4, config=TINY, file_format=file_format)
    dataset = load_dataset(folder)
    assert dataset == written
    assert dataset.simulated
    assert dataset.labels.names == RETINA.names
    assert dataset.groups("train") == ("A01", "A02")
    assert dataset.groups("val") == ("A03",)
    first = draw_volume(TINY, 4, 0)
    cases = [case for case in dataset.cases if case.group == "A01"]
    pixels = np.concatenate(
        [np.atleast_3d(np.asarray(c.read_scan().pixels)).reshape(-1, 80, 64) for c in cases]
    )
    labels = np.concatenate([c.read_labels().reshape(-1, 80, 64) for c in cases])
    np.testing.assert_array_equal(pixels, first.scan.pixels)
    np.testing.assert_array_equal(labels, first.labels)


@pytest.mark.parametrize("file_format", ["tiff", "nifti"])
def test_volumes_keep_their_spacing(tmp_path: Path, file_format: FileFormat) -> None:
    folder = tmp_path / "made"
    dataset = simulate_dataset(folder, count=1, seed=4, config=TINY, file_format=file_format)
    scan = dataset.cases[0].read_scan()
    assert scan.spacing_um == pytest.approx(draw_volume(TINY, 4).scan.spacing_um, rel=1e-5)
    assert scan.axes == ("bscan", "depth", "width")


@pytest.mark.parametrize("file_format", ["png", "nifti"])
def test_datasets_of_any_device_hold_what_their_indices_draw(
    tmp_path: Path, file_format: FileFormat
) -> None:
    config = SimulatorConfig(size=(80, 64), n_bscans=2)
    dataset = simulate_dataset(
        tmp_path / "made", count=3, seed=9, config=config, file_format=file_format
    )
    assert load_dataset(tmp_path / "made") == dataset
    assert dataset.simulated
    assert dataset.groups("train") == ("wide01", "wide02")
    cases = [case for case in dataset.cases if case.group == "wide02"]
    expected = draw_volume(config, 9, 1)
    labels = np.concatenate([c.read_labels().reshape(-1, 80, 64) for c in cases])
    np.testing.assert_array_equal(labels, expected.labels)
    if file_format == "nifti":
        assert cases[0].read_scan().spacing_um == pytest.approx(expected.scan.spacing_um, rel=1e-5)


def test_a_patient_alone_has_no_split(tmp_path: Path) -> None:
    dataset = simulate_dataset(tmp_path / "made", count=1, config=TINY)
    assert {case.split for case in dataset.cases} == {None}


def test_patients_of_one_dataset_differ(tmp_path: Path) -> None:
    dataset = simulate_dataset(tmp_path / "made", count=2, config=TINY, file_format="tiff")
    first, second = (case.read_labels() for case in dataset.cases)
    assert (first != second).any()


@pytest.mark.parametrize(("count", "n_val"), [(0, None), (2, 3), (2, -1)])
def test_impossible_counts_are_refused(tmp_path: Path, count: int, n_val: int | None) -> None:
    with pytest.raises(UsageError, match="patients cannot be"):
        simulate_dataset(tmp_path / "made", count=count, n_val=n_val, config=TINY)
    assert not (tmp_path / "made").exists()


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="this folder is not empty"):
        simulate_dataset(tmp_path, count=1, config=TINY)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
