"""Noise as a function of seed and pixel."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_retseg.learn.noise import make_grainy_noise, mix_bits


def make(grain: float, *, seed: int = 1, strength: float = 1.0) -> torch.Tensor:
    seeds = torch.tensor([seed], dtype=torch.int32)
    return make_grainy_noise((1, 300, 400), seeds, torch.tensor([grain]), torch.tensor([strength]))[
        0, 0
    ]


@pytest.mark.parametrize("grain", [1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("strength", [0.1, 2.0])
def test_mean_and_standard_deviation_are_as_asked(grain: float, strength: float) -> None:
    noise = make(grain, strength=strength)
    assert noise.shape == (300, 400)
    assert float(noise.mean()) == pytest.approx(0, abs=0.02 * strength)
    assert float(noise.std()) == pytest.approx(strength, rel=0.02)


def test_noise_is_nearly_gaussian() -> None:
    noise = make(1)
    assert float((noise**3).mean()) == pytest.approx(0, abs=0.03)
    assert float((noise**4).mean()) == pytest.approx(3 - 1.2 / 4, abs=0.1)
    assert float((noise.abs() < 1).float().mean()) == pytest.approx(0.669, abs=0.01)


@pytest.mark.parametrize(
    ("grain", "neighbour", "second"), [(1, 0, 0), (1.5, 0.4, 0), (2, 0.5, 0), (3, 2 / 3, 1 / 3)]
)
def test_grain_correlates_neighbours_along_the_width_only(
    grain: float, neighbour: float, second: float
) -> None:
    noise = make(grain)
    assert float((noise[:, 1:] * noise[:, :-1]).mean()) == pytest.approx(neighbour, abs=0.02)
    assert float((noise[:, 2:] * noise[:, :-2]).mean()) == pytest.approx(second, abs=0.02)
    assert float((noise[1:] * noise[:-1]).mean()) == pytest.approx(0, abs=0.02)


def test_neighbouring_seeds_have_unrelated_noise() -> None:
    first, second = make(1, seed=10), make(1, seed=11)
    assert float((first * second).mean()) == pytest.approx(0, abs=0.02)
    assert torch.equal(first, make(1, seed=10))


def test_noise_does_not_depend_on_the_batch() -> None:
    seeds = torch.tensor([4, 5, 6], dtype=torch.int32)
    grain, strength = torch.tensor([1.0, 2.2, 3.0]), torch.tensor([0.1, 0.2, 0.3])
    batch = make_grainy_noise((2, 9, 7), seeds, grain, strength)
    for i in range(3):
        one = slice(i, i + 1)
        alone = make_grainy_noise((2, 9, 7), seeds[one], grain[one], strength[one])
        assert torch.equal(alone[0], batch[i])


@given(number=st.integers(-(2**31), 2**31 - 1))
def test_mixing_is_the_published_function(number: int) -> None:
    x = number % 2**32
    x ^= x >> 16
    x = x * 0x7FEB352D % 2**32
    x ^= x >> 15
    x = x * 0x846CA68B % 2**32
    x ^= x >> 16
    mixed = int(mix_bits(torch.tensor([number], dtype=torch.int32))[0])
    assert mixed % 2**32 == x
