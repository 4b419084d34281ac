from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from napari_retseg.errors import UsageError
from napari_retseg.nets import n4
from napari_retseg.nets.n4 import correct_bias, import_simpleitk

pytest.importorskip("SimpleITK")


def draw_shaded(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Two tissues with speckle, and a smooth field that multiplies them."""
    places = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    tissue = np.where(np.sin(9 * places[-2]) > 0, 60.0, 150.0) * rng.gamma(20, 1 / 20, shape)
    field = np.exp(0.4 * places[-1] + 0.3 * np.cos(2 * places[0]))
    return tissue, field


def remaining_shading(image: np.ndarray, tissue: np.ndarray) -> float:
    """Deviation of the logarithm of what a correction has left of the field."""
    inside = (image > 0) & (tissue > 0)
    return float(np.log(image[inside] / tissue[inside]).std())


@pytest.mark.parametrize("shape", [(128, 150), (18, 40, 41)])
def test_a_smooth_field_is_removed(rng: np.random.Generator, shape: tuple[int, ...]) -> None:
    tissue, field = draw_shaded(rng, shape)
    shaded = tissue * field
    found = correct_bias(shaded[None])
    assert found.shape == (1, *shape)
    assert found.dtype == np.float32
    assert remaining_shading(shaded, tissue) > 0.2
    assert remaining_shading(found[0], tissue) < 0.08


def test_zero_stays_zero_and_channels_are_corrected_apart(rng: np.random.Generator) -> None:
    tissue, field = draw_shaded(rng, (64, 64))
    shaded = tissue * field
    shaded[:10] = 0
    found = correct_bias(np.stack([shaded, tissue]))
    assert not found[0, :10].any()
    np.testing.assert_array_equal(found[1], correct_bias(tissue[None])[0])


def test_the_same_each_time(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(n4, "_FITS", n4._Fits(0))
    tissue, field = draw_shaded(rng, (64, 80))
    shaded = (tissue * field)[None]
    np.testing.assert_array_equal(correct_bias(shaded), correct_bias(shaded))


def test_the_same_on_a_computer_with_more_cores(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(n4, "_FITS", n4._Fits(0))
    tissue, field = draw_shaded(rng, (20, 40, 32))
    shaded = (tissue * field)[None]
    threads = import_simpleitk().ProcessObject
    before = threads.GetGlobalDefaultNumberOfThreads()
    try:
        found = []
        for number in (1, 4):
            threads.SetGlobalDefaultNumberOfThreads(number)
            found.append(correct_bias(shaded))
            assert threads.GetGlobalDefaultNumberOfThreads() == number
    finally:
        threads.SetGlobalDefaultNumberOfThreads(before)
    np.testing.assert_array_equal(found[0], found[1])


def test_an_image_is_fitted_once(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    fits = n4._Fits(3 * 32 * 40)
    monkeypatch.setattr(n4, "_FITS", fits)
    fit, fitted = n4._fit, []

    def counting(*arguments: Any) -> Any:
        fitted.append(arguments)
        return fit(*arguments)

    monkeypatch.setattr(n4, "_fit", counting)
    tissue, field = draw_shaded(rng, (64, 80))
    shaded = [(tissue * field**power)[None] for power in (1.0, 0.5, 0.7, 0.8)]
    first = correct_bias(shaded[0])
    np.testing.assert_array_equal(correct_bias(shaded[0]), first)
    assert len(fitted) == 1
    for image in shaded[1:]:
        correct_bias(image)
    assert len(fitted) == 4
    correct_bias(shaded[3])
    assert len(fitted) == 4
    # three are kept; the first one is fitted again, to the same field
    np.testing.assert_array_equal(correct_bias(shaded[0]), first)
    assert len(fitted) == 5


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (3, 3), (2, 40), (1, 40, 40), (2, 17, 19)])
def test_small_and_negative_and_bad_values_stay_finite(
    rng: np.random.Generator, shape: tuple[int, ...]
) -> None:
    image = rng.normal(0, 1, (2, *shape))
    image[0].flat[0] = np.nan
    image[1] = 4
    found = correct_bias(image)
    assert found.shape == image.shape
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[1], 4)


def test_without_simpleitk_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    with pytest.raises(UsageError, match=r"pip install 'napari-retseg\[n4\]'"):
        correct_bias(np.ones((1, 8, 8)))
