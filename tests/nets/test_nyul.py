from __future__ import annotations

import numpy as np
import pytest

from napari_retseg.errors import InputError
from napari_retseg.nets.greylevels import ImageLevels
from napari_retseg.nets.nyul import PERCENTILES, learn_landmarks, match_landmarks


def test_landmarks_are_the_mean_of_the_scaled_percentiles() -> None:
    straight = np.linspace(0, 100, 10001)
    bent = straight**2
    first = (np.array(PERCENTILES) - 1) / 98
    second = (np.array(PERCENTILES, float) ** 2 - 1) / (99**2 - 1)
    found = learn_landmarks([straight, bent * 7 + 3])
    np.testing.assert_allclose(found, (first + second) / 2, atol=1e-4)
    assert (found[0], found[-1]) == (0, 1)


def test_images_without_contrast_do_not_count() -> None:
    ramp = np.linspace(0, 1, 1000).reshape(20, 50)
    assert learn_landmarks([np.zeros((3, 3)), ramp]) == learn_landmarks([ramp])
    with pytest.raises(InputError, match="no training image has enough contrast"):
        learn_landmarks([np.zeros((3, 3), np.uint8)])


def test_own_landmarks_meet_the_standard_and_the_ends_go_on() -> None:
    image = np.linspace(0, 100, 10001)
    standard = tuple(float(x) ** 2 for x in np.linspace(0, 1, 11))
    found = match_landmarks(ImageLevels(image), standard)
    own = np.array(PERCENTILES, np.float32)
    np.testing.assert_allclose(found.apply(own), standard, atol=1e-5)
    middle = found.apply(np.array([15.0], np.float32))
    assert middle[0] == pytest.approx((standard[1] + standard[2]) / 2, abs=1e-5)
    # one percent beyond the ends, with the slopes of the outermost pieces
    beyond = found.apply(np.array([0.0, 100.0], np.float32))
    assert beyond[0] == pytest.approx(-standard[1] / 9, abs=1e-5)
    assert beyond[1] == pytest.approx(1 + (1 - standard[-2]) / 9, abs=1e-5)


def test_a_black_margin_takes_the_mean_of_its_landmarks() -> None:
    image = np.concatenate([np.zeros(350), np.linspace(10, 20, 650)]).astype(np.uint8)
    standard = tuple(float(x) for x in np.linspace(0, 1, 11))
    found = match_landmarks(ImageLevels(image), standard)
    mapped = found.apply(np.arange(0, 21, dtype=np.float32))
    assert mapped[0] == pytest.approx(0.15)  # of 1, 10, 20 and 30 %
    assert (np.diff(mapped) > 0).all()
