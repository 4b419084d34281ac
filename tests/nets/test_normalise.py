from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from napari_retseg.config import Normalisation
from napari_retseg.errors import ModelError
from napari_retseg.nets.greylevels import SAMPLE, ImageLevels, Sketch, count_levels
from napari_retseg.nets.normalise import IMAGENET_GREY, IMAGENET_RGB, normalise
from napari_retseg.nets.nyul import learn_landmarks

WITH_CONTRAST = [kind for kind in get_args(Normalisation) if kind != "none"]
LANDMARKS = tuple(float(x) for x in np.linspace(0, 1, 11))


@pytest.fixture
def bscan(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (1, 40, 50), dtype=np.uint8)


def test_percentile_of_bytes_is_that_of_the_histogram(bscan: np.ndarray) -> None:
    ranked = np.sort(bscan.ravel())
    low, high = np.float32(ranked[9]), np.float32(ranked[1989])  # 10th and 1990th of 2000
    expected = np.clip((bscan.astype(np.float32) - low) / (high - low), 0, 1)
    np.testing.assert_array_equal(normalise(bscan, "percentile"), expected)
    assert (expected == 0).sum() >= 10


def test_percentile_of_bytes_equals_that_of_other_numbers(bscan: np.ndarray) -> None:
    from_bytes = normalise(bscan, "percentile")
    for other in (bscan.astype(np.float32), bscan.astype(np.int16) - 300):
        np.testing.assert_allclose(from_bytes, normalise(other, "percentile"), atol=0.01)
    assert (from_bytes.min(), from_bytes.max()) == (0, 1)


def test_percentile_is_blind_to_gain_and_offset(bscan: np.ndarray) -> None:
    other_device = bscan.astype(np.float64) * 37.0 - 1000.0
    np.testing.assert_allclose(
        normalise(bscan.astype(np.float64), "percentile"),
        normalise(other_device, "percentile"),
        atol=1e-4,
    )


def test_z_score_has_mean_zero_and_deviation_one(bscan: np.ndarray) -> None:
    found = normalise(bscan, "z-score")
    assert abs(found.mean()) < 1e-5
    assert found.std() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("kind", ["min-max", "z-score-0-1"])
def test_a_range_of_zero_to_one(bscan: np.ndarray, kind: Normalisation) -> None:
    found = normalise(bscan // 2 + 3, kind)
    assert (found.min(), found.max()) == (0, 1)


def test_z_scores_brought_to_zero_to_one(bscan: np.ndarray) -> None:
    z_scores = normalise(bscan, "z-score")
    np.testing.assert_allclose(
        normalise(bscan, "z-score-0-1"), normalise(z_scores, "min-max"), atol=1e-6
    )


def test_none_keeps_values_and_does_not_share_them(bscan: np.ndarray) -> None:
    pixels = bscan.astype(np.float32)
    found = normalise(pixels, "none")
    np.testing.assert_array_equal(found, bscan)
    assert not np.shares_memory(found, pixels)


@pytest.mark.parametrize(("dtype", "full"), [(np.uint8, 255), (np.uint16, 65535)])
def test_imagenet_scales_by_the_range_of_the_type(dtype: type, full: int) -> None:
    pixels: np.ndarray = np.array([[[full // 5, full // 3]]], dtype)
    mean, std = IMAGENET_GREY
    expected = (pixels / full - mean) / std
    np.testing.assert_allclose(normalise(pixels, "imagenet"), expected, atol=1e-6)


def test_imagenet_takes_floats_by_min_max_and_colours_by_channel() -> None:
    pixels = np.stack([np.linspace(-7, 5, 9).reshape(3, 3)] * 3)
    found = normalise(pixels, "imagenet")
    for channel, (mean, std) in zip(found, IMAGENET_RGB, strict=True):
        assert channel.min() == pytest.approx(-mean / std, abs=1e-5)
        assert channel.max() == pytest.approx((1 - mean) / std, abs=1e-5)


@pytest.mark.parametrize("kind", WITH_CONTRAST)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
def test_an_image_without_contrast_becomes_zero(kind: Normalisation, dtype: type) -> None:
    found = normalise(np.full((1, 8, 8), 7, dtype), kind, landmarks=LANDMARKS)
    assert found.dtype == np.float32
    assert not found.any()


@pytest.mark.parametrize("kind", get_args(Normalisation))
def test_values_that_are_not_finite_count_as_darkest(kind: Normalisation) -> None:
    plane = np.linspace(5, 6, 64, dtype=np.float32).reshape(1, 8, 8)
    plane[0, 0, 3] = np.nan
    plane[0, 4, 4] = np.inf
    clean = np.where(np.isfinite(plane), plane, 5)
    np.testing.assert_array_equal(
        normalise(plane, kind, landmarks=LANDMARKS), normalise(clean, kind, landmarks=LANDMARKS)
    )


def test_an_image_without_a_finite_value_is_zero() -> None:
    assert not normalise(np.full((1, 4, 4), np.nan), "percentile").any()


@pytest.mark.parametrize("kind", WITH_CONTRAST)
def test_each_channel_is_normalised_for_itself(bscan: np.ndarray, kind: Normalisation) -> None:
    pair = np.concatenate([bscan, bscan // 3 + 100])
    found = normalise(pair, kind, landmarks=LANDMARKS)
    for k in range(2):
        np.testing.assert_array_equal(
            found[k], normalise(pair[k : k + 1], kind, landmarks=LANDMARKS)[0]
        )


def test_a_volume_is_normalised_as_one(rng: np.random.Generator) -> None:
    volume = rng.normal(3, 2, (1, 4, 9, 8))
    volume[:, 2] += 10
    found = normalise(volume, "z-score")
    assert found.std() == pytest.approx(1, abs=1e-5)
    assert found[0, 2].mean() > 1


def test_nyul_brings_two_devices_together(rng: np.random.Generator) -> None:
    tissue = rng.gamma(2, 20, (1, 60, 60))
    landmarks = learn_landmarks([tissue])
    bytes_of_other = np.clip(255 * (tissue / tissue.max()) ** 0.6, 0, 255).astype(np.uint8)
    one = normalise(tissue, "nyul", landmarks=landmarks)
    other = normalise(bytes_of_other, "nyul", landmarks=landmarks)
    apart = abs(normalise(tissue, "percentile") - normalise(bytes_of_other, "percentile")).mean()
    assert abs(one - other).mean() < 0.02
    assert apart > 0.1


def test_nyul_of_bytes_equals_that_of_floats(bscan: np.ndarray) -> None:
    landmarks = learn_landmarks([bscan])
    np.testing.assert_allclose(
        normalise(bscan, "nyul", landmarks=landmarks),
        normalise(bscan.astype(np.float32), "nyul", landmarks=landmarks),
        atol=0.02,
    )


def test_nyul_has_landmarks_for_each_channel(bscan: np.ndarray) -> None:
    pair = np.concatenate([bscan, bscan])
    squared = tuple(x * x for x in LANDMARKS)
    found = normalise(pair, "nyul", landmarks=LANDMARKS + squared)
    assert abs(found[0] - found[1]).max() > 0.1
    with pytest.raises(ModelError, match=r"2 channel.*11 landmarks"):
        normalise(pair, "nyul")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int8, np.int16, bool, ">u2"])
def test_a_histogram_counts_exactly(rng: np.random.Generator, dtype: str) -> None:
    planes = rng.integers(-2000, 2000, (5, 30, 31)).astype(dtype)
    counter = count_levels(planes.dtype, plane_size=30 * 31, n_planes=5)
    for plane in planes:
        counter.add(plane)
    values = planes.astype(np.float64)
    assert (counter.low, counter.high) == (values.min(), values.max())
    assert counter.mean == pytest.approx(values.mean())
    assert counter.std == pytest.approx(values.std())
    shares = (0.005, 0.3, 0.995)
    expected = np.quantile(values, shares, method="inverted_cdf")
    np.testing.assert_array_equal(counter.quantiles(shares), expected)


def test_moments_of_a_sketch_are_exact_and_count_bad_values_as_darkest(
    rng: np.random.Generator,
) -> None:
    planes = (rng.normal(500, 3, (4, 20, 20)) + np.arange(4)[:, None, None]).astype(np.float32)
    planes[1, :5] = np.nan
    planes[3] = np.inf
    counter = count_levels(planes.dtype, plane_size=400, n_planes=4)
    for plane in planes:
        counter.add(plane)
    whole = ImageLevels(planes)
    assert (counter.low, counter.high) == (whole.low, whole.high)
    assert counter.mean == pytest.approx(whole.mean, rel=1e-6)
    assert counter.std == pytest.approx(whole.std, rel=1e-4)
    np.testing.assert_array_equal(counter.quantiles((0.1, 0.9)), whole.quantiles((0.1, 0.9)))


def test_a_sketch_keeps_no_more_than_it_may_and_is_the_same_each_time(
    rng: np.random.Generator,
) -> None:
    planes = rng.normal(0, 1, (40, 100, 100)).astype(np.float32)

    def quantiles() -> np.ndarray:
        sketch = Sketch(keep=1000)
        for plane in planes:
            sketch.add(plane)
        assert sum(kept.size for kept in sketch._sample) == 40 * 1000
        return sketch.quantiles((0.005, 0.5, 0.995))

    np.testing.assert_array_equal(quantiles(), quantiles())
    np.testing.assert_allclose(quantiles(), np.quantile(planes, (0.005, 0.5, 0.995)), atol=0.06)


def test_the_sample_of_a_large_scan_is_bounded() -> None:
    counter = count_levels(np.dtype(np.float32), plane_size=496 * 768, n_planes=1000)
    assert isinstance(counter, Sketch)
    assert counter._keep * 1000 <= SAMPLE
