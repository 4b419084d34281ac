from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_retseg.config import PreprocessConfig
from napari_retseg.nets.preprocess import (
    input_size,
    normalise,
    pad_images,
    plan_input,
    resize_images,
    resize_labels,
    restore_logits,
)


@pytest.fixture
def bscan(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (1, 40, 50), dtype=np.uint8)


def test_percentile_of_bytes_equals_that_of_floats(bscan: np.ndarray) -> None:
    from_bytes = normalise(bscan, "percentile")
    from_floats = normalise(bscan.astype(np.float32), "percentile")
    np.testing.assert_allclose(from_bytes, from_floats, atol=0.01)
    assert from_bytes.min() == 0
    assert from_bytes.max() == 1


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


def test_min_max_spans_zero_to_one(bscan: np.ndarray) -> None:
    found = normalise(bscan, "min-max")
    assert (found.min(), found.max()) == (0, 1)


def test_none_keeps_values(bscan: np.ndarray) -> None:
    np.testing.assert_array_equal(normalise(bscan, "none"), bscan)


@pytest.mark.parametrize("kind", ["min-max", "percentile", "z-score"])
def test_a_plane_without_contrast_becomes_zero(kind: str) -> None:
    found = normalise(np.full((1, 8, 8), 7, np.uint8), kind)  # type: ignore[arg-type]
    assert not found.any()


def test_values_that_are_not_finite_count_as_darkest() -> None:
    plane = np.linspace(0, 1, 64, dtype=np.float32).reshape(1, 8, 8)
    plane[0, 0, 3] = np.nan
    plane[0, 4, 4] = np.inf
    found = normalise(plane, "min-max")
    assert np.isfinite(found).all()
    assert found[0, 0, 3] == found[0, 4, 4] == 0


def test_auto_halves_the_width_until_it_is_512() -> None:
    def factor(width: int) -> float:
        return plan_input("auto", normalise="percentile", widest=width).scale[1]

    assert [factor(w) for w in (300, 512, 768, 1024, 1536)] == [1, 1, 0.5, 0.5, 0.25]


def test_fixed_size_takes_precedence() -> None:
    config = plan_input("256x192", normalise="percentile", widest=1000)
    assert input_size((496, 768), config) == (256, 192)
    assert input_size((496, 768), PreprocessConfig(scale=(1, 0.5))) == (496, 384)


def test_resized_labels_keep_their_values() -> None:
    labels = torch.tensor([[[0, 0, 255, 255], [3, 3, 1, 1]]], dtype=torch.uint8)
    assert resize_labels(labels, (2, 2)).tolist() == [[[0, 255], [3, 1]]]


def test_logits_return_to_the_grid_of_the_scan() -> None:
    """A boundary drawn in the image is found in the same place after the way there and back."""
    shape, size = (50, 77), (50, 39)
    image = torch.zeros(1, 1, *shape)
    image[..., 20:, :] = 1
    image[..., :, 40:] += 2
    padded = pad_images(resize_images(image, size))
    assert padded.shape[-2:] == (64, 64)
    back = restore_logits(padded, size=size, shape=shape)
    assert back.shape == image.shape
    inner = (slice(None), slice(None), slice(3, -3), slice(3, 37))
    torch.testing.assert_close(back[inner].round(), image[inner], atol=0.51, rtol=0)
    assert (back - image).abs().mean() < 0.05
