from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pytest

from napari_retseg.config import Normalisation, PreprocessConfig
from napari_retseg.errors import InputError
from napari_retseg.io.lazy import PagedPixels
from napari_retseg.nets import scaninput
from napari_retseg.nets.greylevels import SAMPLE
from napari_retseg.nets.n4 import correct_bias
from napari_retseg.nets.normalise import normalise
from napari_retseg.nets.nyul import PERCENTILES, learn_landmarks
from napari_retseg.nets.scaninput import (
    LandmarkLearner,
    ScanInput,
    slice_labels,
    unslice_labels,
)
from napari_retseg.scan import Axis, OctScan

OCT: tuple[Axis, ...] = ("bscan", "depth", "width")
VOLUME: tuple[Axis, ...] = ("z", "y", "x")
RAW = PreprocessConfig(normalise="none")
LANDMARKS = tuple(float(x) for x in np.linspace(0, 1, 11))


class CountedPixels(PagedPixels):
    """Planes that note when they are read."""

    def __init__(self, pixels: np.ndarray) -> None:
        self._pixels = pixels
        self.read: list[int] = []
        super().__init__(Path("scan.tif"), pixels.shape, pixels.dtype)

    def _read(self, leading: tuple[int, ...], /) -> np.ndarray:
        self.read.append(leading[-1])
        plane: np.ndarray = self._pixels[leading]
        return plane


@pytest.fixture
def volume(rng: np.random.Generator) -> np.ndarray:
    grey = rng.integers(0, 60, (7, 12, 17))
    return (grey + 20 * np.arange(7)[:, None, None]).astype(np.uint8)


def test_a_bscan_is_read_without_the_others(volume: np.ndarray) -> None:
    pixels = CountedPixels(volume)
    source = ScanInput(OctScan(pixels, OCT), PreprocessConfig())
    found = source.read_slice(4)
    assert pixels.read == [4]
    assert (source.n_slices, source.slice_shape, source.n_planes) == (7, (12, 17), 1)
    assert found.shape == (1, 12, 17)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, normalise(volume[4:5], "percentile"))


def test_a_single_bscan_is_a_volume_of_one(volume: np.ndarray) -> None:
    scan = OctScan(volume[2], ("depth", "width"), (4.0, 11.0))
    source = ScanInput(scan, RAW.model_copy(update={"neighbours": 3, "axis": 2}))
    assert (source.n_slices, source.slice_shape, source.n_planes) == (1, (12, 17), 3)
    assert source.slice_spacing_um == (4.0, 11.0)
    np.testing.assert_array_equal(source.read_slice(0), np.stack([volume[2]] * 3))
    np.testing.assert_array_equal(source.read_volume(), volume[2][None, None])
    with pytest.raises(IndexError, match="slice 1 of 1"):
        source.read_slice(1)


def test_neighbours_are_stacked_in_order_and_the_ends_are_repeated(volume: np.ndarray) -> None:
    pair = np.stack([volume, volume + 100])
    scan = OctScan(pair, ("channel", *OCT))
    source = ScanInput(scan, RAW.model_copy(update={"neighbours": 5}))
    assert source.n_planes == 10
    for index, around in ((3, [1, 2, 3, 4, 5]), (0, [0, 0, 0, 1, 2]), (6, [4, 5, 6, 6, 6])):
        expected = np.concatenate([pair[:, k] for k in around])
        np.testing.assert_array_equal(source.read_slice(index), expected)


def test_bscans_in_a_row_are_read_once_for_all_their_neighbours(volume: np.ndarray) -> None:
    pixels = CountedPixels(volume)
    source = ScanInput(OctScan(pixels, OCT), PreprocessConfig(neighbours=3))
    planes = [source.read_slice(index) for index in range(7)]
    assert pixels.read == list(range(7))
    np.testing.assert_array_equal(planes[3][1], normalise(volume[3:4], "percentile")[0])


def test_what_is_read_belongs_to_the_reader(volume: np.ndarray) -> None:
    pixels = volume.astype(np.float32)
    for neighbours in (1, 3):
        source = ScanInput(OctScan(pixels, OCT), RAW.model_copy(update={"neighbours": neighbours}))
        for read in (lambda s=source: s.read_slice(0), source.read_volume):
            read()[:] = -1
            np.testing.assert_array_equal(pixels, volume)
            assert read().min() >= 0


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("in_file", [False, True])
def test_volumes_that_are_not_oct_are_sliced_along_an_axis(
    volume: np.ndarray, axis: int, in_file: bool
) -> None:
    scan = OctScan(CountedPixels(volume) if in_file else volume, VOLUME, (9.0, 2.0, 3.0))
    source = ScanInput(scan, RAW.model_copy(update={"axis": axis, "neighbours": 3}))
    slices = slice_labels(volume, axis)
    assert (source.n_slices, *source.slice_shape) == slices.shape
    spacing = [9.0, 2.0, 3.0]
    del spacing[axis]
    assert source.slice_spacing_um == tuple(spacing)
    for index in range(1, len(slices) - 1):
        expected = slices[index - 1 : index + 2]
        np.testing.assert_array_equal(source.read_slice(index), expected)
    np.testing.assert_array_equal(unslice_labels(slices, axis), volume)
    np.testing.assert_array_equal(source.read_volume()[0], volume)


def test_oct_is_always_sliced_into_bscans(volume: np.ndarray) -> None:
    source = ScanInput(OctScan(volume, OCT), RAW.model_copy(update={"axis": 2}))
    assert source.axis == 0
    np.testing.assert_array_equal(source.read_slice(5)[0], volume[5])


def test_slices_across_a_file_read_it_once_or_plane_by_plane(
    volume: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = RAW.model_copy(update={"axis": 1})
    pixels = CountedPixels(volume)
    source = ScanInput(OctScan(pixels, VOLUME), config)
    kept = [source.read_slice(index) for index in range(12)]
    assert len(pixels.read) == 7
    monkeypatch.setattr(scaninput, "_MEMORY_BYTES", 10)
    again = ScanInput(OctScan(pixels, VOLUME), config)
    np.testing.assert_array_equal(again.read_slice(5), kept[5])
    assert len(pixels.read) == 14


@pytest.mark.parametrize("kind", [k for k in get_args(Normalisation) if k != "none"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_statistics_of_the_scan_give_what_the_volume_would(
    volume: np.ndarray, kind: Normalisation, dtype: type
) -> None:
    pixels: np.ndarray = volume.astype(dtype)
    scan = OctScan(pixels, OCT)
    config = PreprocessConfig(normalise=kind, normalise_over="scan", landmarks=LANDMARKS)
    source = ScanInput(scan, config)
    slices = np.stack([source.read_slice(index)[0] for index in range(7)])
    whole = normalise(pixels[None], kind, landmarks=LANDMARKS)[0]
    np.testing.assert_allclose(slices, whole, atol=1e-5)
    np.testing.assert_array_equal(source.read_volume()[0], slices)
    if kind != "imagenet":
        of_bscans = ScanInput(scan, config.model_copy(update={"normalise_over": "bscan"}))
        assert abs(of_bscans.read_slice(6) - slices[6]).max() > 0.1


def test_statistics_of_the_scan_are_gathered_in_one_pass(volume: np.ndarray) -> None:
    pixels = CountedPixels(volume)
    config = PreprocessConfig(normalise_over="scan")
    source = ScanInput(OctScan(pixels, OCT), config)
    source.read_slice(2)
    source.read_slice(3)
    assert sorted(pixels.read) == sorted([*range(7), 2, 3])
    pixels.read.clear()
    ScanInput(OctScan(pixels, OCT), config).read_volume()
    assert pixels.read == list(range(7))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("over", ["bscan", "scan"])
def test_values_that_are_not_finite_are_refused(volume: np.ndarray, over: str, bad: float) -> None:
    pixels = volume.astype(np.float32)
    pixels[5, 3, 4] = bad
    config = PreprocessConfig.model_validate({"normalise": "min-max", "normalise_over": over})
    with pytest.raises(InputError, match=r"B-scan 5 .* not finite"):
        ScanInput(OctScan(pixels, OCT), config).read_slice(5)


def test_statistics_of_bscans_hold_in_a_volume_too(volume: np.ndarray) -> None:
    source = ScanInput(OctScan(volume, OCT), PreprocessConfig(normalise="min-max"))
    found = source.read_volume()
    assert found.shape == (1, 7, 12, 17)
    for index in range(7):
        np.testing.assert_array_equal(found[:, index], source.read_slice(index))


@pytest.mark.parametrize("over", ["bscan", "scan"])
def test_n4_comes_before_the_normalisation(rng: np.random.Generator, over: str) -> None:
    pytest.importorskip("SimpleITK")
    shading = np.exp(np.linspace(-0.6, 0.6, 64))
    tissue = np.where(np.arange(64) % 32 < 16, 60, 150)[:, None]
    pixels = rng.gamma(20, 1 / 20, (2, 64, 64)) * tissue * shading
    config = PreprocessConfig.model_validate(
        {"normalise": "z-score", "normalise_over": over, "n4": True}
    )
    source = ScanInput(OctScan(pixels, OCT), config)
    flat = source.read_slice(1)[0].mean(axis=0)
    shaded = normalise(pixels[1:2], "z-score")[0].mean(axis=0)
    assert shaded[-8:].mean() - shaded[:8].mean() > 0.8
    assert abs(flat[-8:].mean() - flat[:8].mean()) < 0.2
    if over == "scan":
        both = np.stack([source.read_slice(index) for index in range(2)])
        assert both.mean() == pytest.approx(0, abs=1e-4)
        volume = normalise(correct_bias(pixels[None]), "z-score")
        np.testing.assert_allclose(source.read_volume(), volume, atol=1e-4)


def learn_scan_landmarks(
    scans: list[OctScan], config: PreprocessConfig, *, as_volumes: bool = False
) -> tuple[float, ...]:
    learner = LandmarkLearner(config, as_volumes=as_volumes)
    for scan in scans:
        learner.add(scan)
    return learner.average()


def test_landmarks_are_learnt_from_what_is_normalised(rng: np.random.Generator) -> None:
    first = rng.gamma(2, 20, (3, 20, 20))
    second = rng.normal(100, 20, (4, 20, 20))
    scans = [OctScan(first, OCT), OctScan(second, OCT)]
    by_slice = learn_scan_landmarks(scans, PreprocessConfig(normalise="nyul"))
    assert by_slice == learn_landmarks([*first, *second])
    whole = PreprocessConfig(normalise="nyul", normalise_over="scan")
    assert learn_scan_landmarks(scans, whole) == learn_landmarks([first, second])
    pairs = OctScan(np.stack([first, first**2]), ("channel", *OCT))
    of_both = learn_scan_landmarks([pairs], whole)
    assert of_both == learn_landmarks([first]) + learn_landmarks([first**2])
    source = ScanInput(pairs, whole.model_copy(update={"landmarks": of_both}))
    assert np.isfinite(source.read_slice(1)).all()


@pytest.mark.parametrize("over", ["bscan", "scan"])
def test_landmarks_of_volumes_are_learnt_from_what_n4_has_corrected_as_a_volume(
    rng: np.random.Generator, over: Literal["bscan", "scan"]
) -> None:
    pytest.importorskip("SimpleITK")
    shading = np.exp(np.linspace(-0.6, 0.6, 20))[:, None, None]
    tissue = np.where(np.arange(32) % 16 < 8, 60, 150)[:, None]
    pixels = rng.gamma(20, 1 / 20, (20, 32, 32)) * tissue * shading
    config = PreprocessConfig(normalise="nyul", normalise_over=over, n4=True)
    found = learn_scan_landmarks([OctScan(pixels, OCT)], config, as_volumes=True)
    (volume,) = correct_bias(pixels[None])
    assert found == learn_landmarks([volume] if over == "scan" else volume)
    assert found != learn_scan_landmarks([OctScan(pixels, OCT)], config)
    # the scan that they were learnt from lies on them
    learnt = config.model_copy(update={"landmarks": found})
    if over == "scan":
        normalised = ScanInput(OctScan(pixels, OCT), learnt).read_volume()
        assert np.median(normalised) == pytest.approx(found[PERCENTILES.index(50)], rel=0.01)


def test_statistics_of_a_large_scan_keep_few_pixels() -> None:
    class Endless:
        """Planes of noise that are made when they are asked for."""

        shape = (40, 256, 256)
        ndim = 3
        dtype = np.dtype(np.float32)

        def __getitem__(self, index: int) -> np.ndarray:
            return np.random.default_rng(index).normal(0, 1, (256, 256)).astype(np.float32)

    config = PreprocessConfig(normalise_over="scan")
    source = ScanInput(OctScan(Endless(), OCT), config)
    (levels,) = source.scan_levels()
    kept = sum(part.size for part in levels._sample)  # type: ignore[attr-defined]
    assert kept <= SAMPLE < 40 * 256 * 256
    share = float((source.read_slice(9) == 1).mean())
    assert share == pytest.approx(0.005, abs=0.002)
