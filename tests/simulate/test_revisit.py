"""A simulated eye is scanned again: the same retina at another place, with other noise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from napari_retseg.simulate import SimulatedVolume, draw_parameters, make_device_config
from napari_retseg.simulate.revisit import Eye, Pose

BETWEEN_UM = 120.0


@pytest.fixture(scope="module")
def eye() -> Eye:
    config = make_device_config("A", size=(160, 96), n_bscans=13, bscan_um=BETWEEN_UM).with_ranges(
        disease={"ill": 0.0}, artefacts={"jitter": 0.0, "jump_chance": (0.0, 0.0)}
    )
    return Eye(draw_parameters(config, 3))


def measure_um(volume: SimulatedVolume) -> np.ndarray:
    """Thickness of the whole retina."""
    found: np.ndarray = (volume.labels > 0).sum(axis=1) * volume.parameters.axial_um
    return found


def test_only_the_noise_differs_at_the_same_place(eye: Eye) -> None:
    first, again, second = (eye.scan(Pose(), visit) for visit in (1, 1, 2))
    assert np.array_equal(first.pixels, again.pixels)
    assert not np.array_equal(first.pixels, second.pixels)
    assert np.abs(measure_um(first) - measure_um(second)).mean() < 3


def test_a_turned_scan_shows_the_eye_elsewhere(eye: Eye) -> None:
    pose = Pose(8.0, (90.0, -200.0), 1.02)
    straight, turned = measure_um(eye.scan(Pose(), 1)), measure_um(eye.scan(pose, 2))
    drawn = eye.drawn
    rows, columns = (np.arange(size) - (size - 1) / 2 for size in straight.shape)
    y, x = pose.find(rows[:, np.newaxis] * BETWEEN_UM, columns * drawn.lateral_um)
    places = [y / BETWEEN_UM - rows[0], x / drawn.lateral_um - columns[0]]
    expected = map_coordinates(straight, places, order=1, mode="constant", cval=np.nan)
    known = np.isfinite(expected)
    assert known.mean() > 0.5
    away = np.abs(turned - expected)[known].mean()
    assert away < 3
    assert away < 0.5 * np.abs(turned - straight).mean()


def test_places_of_the_eye_are_seen_where_they_are_found() -> None:
    pose = Pose(-5.0, (30.0, 70.0), 0.98)
    y, x = pose.find(np.array([100.0]), np.array([-400.0]))
    assert pose.see(float(y[0]), float(x[0])) == pytest.approx((100.0, -400.0))
