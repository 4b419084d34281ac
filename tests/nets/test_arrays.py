"""numpy does what torch does: one code brings scans to the grid and decides, with either."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_retseg.config import PreprocessConfig
from napari_retseg.nets import ndarrays, tensors
from napari_retseg.nets.grid import plan_grid

SIDE = st.integers(1, 40)


def draw(*shape: int, seed: int = 0) -> NDArray[Any]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def check(found: NDArray[Any], expected: torch.Tensor) -> None:
    np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=2e-5)


@given(old=st.tuples(SIDE, SIDE), new=st.tuples(SIDE, SIDE), corners=st.booleans())
@settings(deadline=None, max_examples=60)
def test_resampling(old: tuple[int, int], new: tuple[int, int], corners: bool) -> None:
    images = draw(2, 3, *old)
    check(ndarrays.resize(images, new), tensors.resize(torch.from_numpy(images), new))
    found = ndarrays.interpolate(images, new, corners=corners)
    check(found, tensors.interpolate(torch.from_numpy(images), new, corners=corners))


def test_resampling_of_volumes() -> None:
    images = draw(1, 2, 9, 12, 10)
    for size in ((5, 20, 10), (9, 6, 7), (14, 12, 3)):
        check(ndarrays.resize(images, size), tensors.resize(torch.from_numpy(images), size))


@pytest.mark.parametrize(
    "config",
    [
        PreprocessConfig(every=3),
        PreprocessConfig(every=2, fit=(12, 40)),
        PreprocessConfig(fit=(16, 30)),
        PreprocessConfig(size=(20, 24), fit=(24, 16)),
        PreprocessConfig(scale=(0.7, 0.5), multiple=8),
    ],
    ids=str,
)
def test_the_grid_and_the_way_back(config: PreprocessConfig) -> None:
    grid = plan_grid((31, 45), config).widen((33, 20), stride=4)
    images = draw(2, 1, 31, 45)
    check(grid.to_input(images), grid.to_input(torch.from_numpy(images)))
    logits = draw(2, 3, *grid.input_shape, seed=1)
    check(grid.restore(logits), grid.restore(torch.from_numpy(logits)))


def test_probabilities_and_winners() -> None:
    one, other = draw(2, 4, 5, 6), draw(2, 4, 5, 6, seed=1)
    pair = torch.from_numpy(one), torch.from_numpy(other)
    check(ndarrays.softmax(one), tensors.softmax(pair[0]))
    check(ndarrays.log_softmax(one), tensors.log_softmax(pair[0]))
    check(ndarrays.join(one, other), tensors.join(*pair))
    check(ndarrays.mirror(one), tensors.mirror(pair[0]))
    check(ndarrays.largest(one), tensors.largest(pair[0]))
    ties = one.round()
    assert (ndarrays.win(ties) == tensors.win(torch.from_numpy(ties)).numpy()).all()
    assert (ndarrays.win(ties) == ties.argmax(axis=1)).all()
