"""What is known of pixels around a click."""

from __future__ import annotations

import numpy as np

from napari_retseg.decode.pocket_click import tell
from napari_retseg.decode.pocket_features import Surroundings, describe
from tests.decode.test_pocket_click import draw_eye


def look(place: tuple[int, int], *, scale: float = 1, fold: bool = False) -> Surroundings:
    drawn, labels, _ = draw_eye()
    grey = drawn.astype(np.float32) * np.float32(scale)
    if fold:
        grey, labels = grey[:, ::-1].copy(), labels[:, ::-1].copy()
        place = (place[0], labels.shape[1] - 1 - place[1])
    return Surroundings(place, grey, labels > 0, labels, None)


def test_pixels_of_the_retina_are_described_from_the_click_on() -> None:
    around = look((60, 80))
    features, pixels = describe(around)
    assert pixels[0] == np.ravel_multi_index((60, 80), around.grey.shape)
    assert np.array_equal(np.sort(pixels), np.flatnonzero(around.retina))
    assert len(features) == len(pixels)
    assert np.isfinite(features).all()


def test_the_unit_of_grey_does_not_matter() -> None:
    (one, pixels), (other, same) = (describe(look((60, 80), scale=k)) for k in (1, 300))
    assert (pixels == same).mean() > 0.99
    assert np.abs(tell(one) - tell(other)).mean() < 0.05


def test_left_and_right_do_not_matter() -> None:
    odds = []
    for fold in (False, True):
        features, pixels = describe(look((60, 80), fold=fold))
        found = np.zeros((120, 160))
        found.flat[pixels] = tell(features)
        odds.append(found[:, ::-1] if fold else found)
    assert np.abs(odds[0] - odds[1]).mean() < 0.05


def test_what_is_in_the_pocket_is_more_likely() -> None:
    _, _, pocket = draw_eye()
    features, pixels = describe(look((60, 80)))
    is_pocket = pocket.flat[pixels]
    odds = tell(features)
    assert odds[is_pocket].mean() > odds[~is_pocket].mean() + 2
