from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_retseg.events import BscanPredicted, BscanUncertainty, decode, encode
from napari_retseg.infer.uncertainty import STRETCHES, measure_uncertainty


def measure(probabilities: torch.Tensor) -> BscanUncertainty:
    """Of one B-scan, ``(class, depth, width)``."""
    return measure_uncertainty(probabilities.clamp(min=1e-30).log()[None])[0]


def spread(foreground: torch.Tensor) -> torch.Tensor:
    """Probabilities of background and one class."""
    return torch.stack([1 - foreground, foreground])


def test_entropy_is_that_of_shannon_over_its_highest() -> None:
    found = measure(spread(torch.tensor([[0.0, 0.25], [0.5, 1.0]])))
    quarter = -(0.25 * np.log(0.25) + 0.75 * np.log(0.75)) / np.log(2)
    assert found.entropy.tolist() == [[0, round(255 * quarter)], [255, 0]]
    assert found.entropy.dtype == np.uint8
    # three pixels may be foreground
    assert found.score == pytest.approx((quarter + 1) / 3, abs=1e-6)
    even = measure(torch.full((5, 3, 4), 0.2))
    assert (even.entropy == 255).all()
    assert even.score == pytest.approx(1)


def test_empty_and_nearly_empty_bscans_do_not_come_first() -> None:
    empty = torch.full((40, 40), 0.01)
    specks = empty.clone()
    specks[3, :5] = 0.5
    retina = empty.clone()
    retina[10:20] = 1
    retina[20:22] = 0.4
    scores = [measure(spread(x)).score for x in (empty, specks, retina)]
    assert scores[0] == 0
    # five pixels of a full bit each, over 5 % of 1,600
    assert scores[1] == pytest.approx(5 / 80, abs=1e-5)
    assert scores[2] > 2 * scores[1]


def test_much_sure_background_does_not_hide_an_unsure_retina() -> None:
    small = torch.zeros(10, 32)
    small[4:8] = 0.3
    large = torch.zeros(40, 32)
    large[4:8] = 0.3
    assert measure(spread(large)).score == pytest.approx(measure(spread(small)).score)


def test_a_descriptor_knows_where_across_but_not_how_high() -> None:
    fluid = torch.zeros(40, 64)
    fluid[5:9, 16:24] = 0.9
    higher = fluid.roll(20, dims=0)
    beside = fluid.roll(24, dims=1)
    own, moved_up, moved_across = (
        np.array(measure(spread(x)).descriptor) for x in (fluid, higher, beside)
    )
    assert own.shape == ((2 + 1) * STRETCHES,)
    np.testing.assert_allclose(own, moved_up, atol=1e-6)
    assert np.linalg.norm(own - moved_across) > 0.3
    share = own.reshape(3, STRETCHES)[1]
    # columns 16 to 23 are the third of eight stretches: 4 of 40 rows of 0.9
    np.testing.assert_allclose(share, np.eye(STRETCHES)[2] * np.sqrt(0.09), atol=1e-6)


@pytest.mark.parametrize("width", [1, 5, 8, 70, 201])
def test_descriptors_of_all_widths_have_one_length(width: int) -> None:
    descriptor = measure(torch.full((4, 6, width), 0.25)).descriptor
    np.testing.assert_allclose(descriptor, [0.5] * 4 * STRETCHES + [1.0] * STRETCHES, atol=1e-6)


def test_uncertainty_travels_between_processes(rng: np.random.Generator) -> None:
    labels, entropy = rng.integers(0, 255, (2, 5, 7), dtype=np.uint8)
    event = BscanPredicted(3, labels, BscanUncertainty(0.25, entropy, (0.5, 1.0)))
    back = decode(encode(event))
    assert isinstance(back, BscanPredicted)
    assert back == event
    assert back.uncertainty is not None
    assert np.array_equal(back.labels, labels)
    assert np.array_equal(back.uncertainty.entropy, entropy)
    plain = decode(encode(BscanPredicted(0, labels)))
    assert isinstance(plain, BscanPredicted)
    assert plain.uncertainty is None
