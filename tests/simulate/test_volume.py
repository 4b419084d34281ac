from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from napari_retseg.classes import RETINA
from napari_retseg.scan import check_spacing
from napari_retseg.simulate import (
    DiseaseConfig,
    MotionConfig,
    SimulatedVolume,
    SimulatorConfig,
    simulate_volume,
)
from napari_retseg.simulate.config import SimulatedDevice

FLUID = 8
DEVICE_NAMES: tuple[SimulatedDevice, ...] = ("A", "B")
ILL = DiseaseConfig(intraretinal=1.0, subretinal=1.0, swelling=1.0, clusters=(2, 3))
HEALTHY = DiseaseConfig(intraretinal=0.0, subretinal=0.0, swelling=0.0)
STILL = MotionConfig(drift_um=0, jump=0)


def small(device: SimulatedDevice = "A", *, seed: int = 1, **fields: object) -> SimulatedVolume:
    sizes: dict[str, object] = {"n_bscans": 4, "depth": 160, "width": 192}
    return simulate_volume(SimulatorConfig(device=device, **(sizes | fields)), seed)


def mean_grey(volume: SimulatedVolume, value: int) -> float:
    return float(volume.scan.pixels[volume.labels == value].mean())


@pytest.mark.parametrize("device", DEVICE_NAMES)
def test_the_same_seed_gives_the_same_bytes(device: SimulatedDevice) -> None:
    first, again = small(device, seed=5, disease=ILL), small(device, seed=5, disease=ILL)
    assert first.scan.pixels.tobytes() == again.scan.pixels.tobytes()
    assert first.labels.tobytes() == again.labels.tobytes()
    other = small(device, seed=6, disease=ILL)
    assert (first.labels != other.labels).any()
    assert (first.scan.pixels != other.scan.pixels).any()


@pytest.mark.parametrize(("depth", "width"), [(64, 64), (97, 131), (160, 64)])
def test_any_size_is_made_as_asked(depth: int, width: int) -> None:
    volume = small(n_bscans=2, depth=depth, width=width)
    assert volume.scan.pixels.shape == volume.labels.shape == (2, depth, width)
    assert volume.scan.pixels.dtype == volume.labels.dtype == np.uint8
    assert RETINA.unknown_values(volume.labels) == []


def test_a_single_bscan_is_a_volume_of_one() -> None:
    volume = small(n_bscans=1, disease=ILL)
    assert volume.labels.shape[0] == 1
    assert set(range(1, 8)) <= set(np.unique(volume.labels).tolist())


@pytest.mark.parametrize("device", DEVICE_NAMES)
def test_the_scan_says_what_it_is(device: SimulatedDevice) -> None:
    config = SimulatorConfig(device=device, n_bscans=1, depth=496, width=768)
    scan = simulate_volume(config, 0).scan
    assert scan.axes == ("bscan", "depth", "width")
    assert scan.spacing_um == config.spacing_um
    assert scan.spacing_source == "file"
    assert check_spacing(scan) == ()
    assert scan.device == f"simulated {device}"
    assert scan.laterality in ("OD", "OS")
    assert scan.metadata["simulated"] is True


@pytest.mark.parametrize("size", [{"depth": 63}, {"width": 63}, {"n_bscans": 0}, {"device": "C"}])
def test_what_cannot_be_simulated_is_refused(size: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(size))):
        SimulatorConfig(**size)


def test_a_range_in_the_wrong_order_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"\(low, high\)"):
        DiseaseConfig(swelling_amount=(0.6, 0.1))


@pytest.mark.parametrize("seed", range(6))
def test_layers_lie_in_order_in_every_ascan(seed: int) -> None:
    labels = small(DEVICE_NAMES[seed % 2], seed=seed, disease=ILL).labels
    layers = np.where(labels == FLUID, 0, labels).astype(int)
    deepest_above = np.maximum.accumulate(layers, axis=1)
    assert ((layers == 0) | (layers == deepest_above)).all()


@pytest.mark.parametrize("seed", range(6))
def test_fluid_lies_inside_the_retina(seed: int) -> None:
    labels = small(seed=seed, disease=ILL).labels
    fluid = labels == FLUID
    assert fluid.any()
    layers = (labels > 0) & ~fluid
    layer_above = np.logical_or.accumulate(layers, axis=1)
    layer_below = np.logical_or.accumulate(layers[:, ::-1], axis=1)[:, ::-1]
    assert (layer_above & layer_below)[fluid].all()


@pytest.mark.parametrize("seed", range(4))
def test_labels_are_what_the_surfaces_bound(seed: int) -> None:
    volume = small(seed=seed, disease=HEALTHY)
    surfaces = volume.surfaces_px
    assert surfaces.shape == (4, 9, 192)
    assert (np.diff(surfaces, axis=1) >= 0).all()
    thickness = np.diff(surfaces, axis=1)[:, [0, 1, 2, 3, 4, 5, 7]]
    counted = np.stack([(volume.labels == value).sum(axis=1) for value in range(1, 8)], axis=1)
    assert np.abs(counted - thickness).max() <= 1
    assert not (volume.labels == FLUID).any()


def test_fluid_displaces_the_layers() -> None:
    dome = DiseaseConfig(intraretinal=0, subretinal=1, swelling=0, subretinal_height_um=(120, 120))
    volume = small(disease=dome, motion=STILL)
    fluid = (volume.labels == FLUID).sum(axis=1)
    layers = np.stack([(volume.labels == value).sum(axis=1) for value in range(1, 8)])
    retina = volume.surfaces_px[:, 8] - volume.surfaces_px[:, 0]
    assert fluid.max() * volume.scan.spacing_um[1] == pytest.approx(120, abs=25)
    assert np.abs(layers.sum(axis=0) + fluid - retina).max() <= 1


def test_cysts_span_bscans_and_swell_the_retina() -> None:
    cysts = DiseaseConfig(
        intraretinal=1, subretinal=0, swelling=0, cyst_radius_um=(100, 110), clusters=(1, 1)
    )
    ill = small(seed=3, disease=cysts, bscan_um=60, motion=STILL)
    healthy = small(seed=3, disease=HEALTHY, bscan_um=60, motion=STILL)
    fluid = ill.labels == FLUID
    shared = (fluid[:-1] & fluid[1:]).sum(axis=(1, 2))
    assert (shared > 0.4 * fluid[:-1].sum(axis=(1, 2))).all()
    assert _retina(ill).max() > _retina(healthy).max() * 1.1


@pytest.mark.parametrize("device", DEVICE_NAMES)
def test_neighbouring_bscans_show_the_same_eye(device: SimulatedDevice) -> None:
    volume = small(device, n_bscans=8, bscan_um=60, motion=STILL, disease=ILL)
    steps_um = np.abs(np.diff(volume.surfaces_px, axis=0)) * volume.scan.spacing_um[1]
    assert steps_um.mean() < 8
    assert steps_um.max() < 60
    assert steps_um.max() > 0


def test_motion_moves_image_and_labels_alike() -> None:
    moving = MotionConfig(drift_um=0, jump=1, jump_axial_um=40, jump_lateral_um=100)
    volume = small(n_bscans=8, bscan_um=20, motion=moving, disease=HEALTHY)
    tops = volume.surfaces_px[:, 0]
    assert np.abs(np.diff(tops.mean(axis=1))).max() > 2
    # the vitreous is dark right above the surface of every B-scan, wherever it went
    rows = np.arange(160)[:, None] + 0.5
    for pixels, top in zip(volume.scan.pixels, tops, strict=True):
        above = pixels[(rows > top - 8) & (rows < top - 4)].mean()
        below = pixels[(rows > top + 1) & (rows < top + 5)].mean()
        assert below > 3 * above


def test_lateral_motion_shifts_the_fovea() -> None:
    moving = MotionConfig(drift_um=0, jump=1, jump_axial_um=0, jump_lateral_um=200)
    volume = small(n_bscans=8, bscan_um=1, motion=moving, disease=HEALTHY, width=256)
    pits = _retina(volume).argmin(axis=1)
    assert np.ptp(pits) > 3


@pytest.mark.parametrize("device", DEVICE_NAMES)
def test_layers_have_the_contrasts_of_oct(device: SimulatedDevice) -> None:
    volumes = [small(device, seed=seed, disease=ILL) for seed in range(4)]
    grey = {value: np.mean([mean_grey(v, value) for v in volumes]) for value in range(9)}
    nfl, gcl_ipl, inl, opl, onl, ise, os_rpe, fluid = (grey[value] for value in range(1, 9))
    assert nfl > gcl_ipl > inl > onl > fluid
    assert opl > inl
    assert min(ise, os_rpe) > opl


def test_the_devices_look_different() -> None:
    smooth, noisy = small("A", seed=2), small("B", seed=2)
    assert mean_grey(noisy, 0) > 1.5 * mean_grey(smooth, 0)
    assert _contrast_to_noise(smooth) > 1.5 * _contrast_to_noise(noisy)
    assert mean_grey(smooth, 1) / mean_grey(smooth, 0) > 1.5 * mean_grey(noisy, 1) / mean_grey(
        noisy, 0
    )
    sampling = [SimulatorConfig(device=name).spacing_um[1] for name in ("A", "B")]
    assert sampling[0] > 1.2 * sampling[1]


def test_vessels_cast_shadows_on_the_pigment_epithelium() -> None:
    without = small(seed=4, vessels=(0, 0), disease=HEALTHY)
    shadowed = small(seed=4, vessels=(8, 8), disease=HEALTHY)
    assert _darkest_column(shadowed) < 0.75 * _darkest_column(without)


def _retina(volume: SimulatedVolume) -> NDArray[np.float32]:
    thickness: NDArray[np.float32] = volume.surfaces_px[:, 8] - volume.surfaces_px[:, 0]
    return thickness


def _contrast_to_noise(volume: SimulatedVolume) -> float:
    """Difference of two neighbouring layers over the grain inside them."""
    bright, dark = (volume.scan.pixels[volume.labels == value].astype(float) for value in (2, 3))
    return float((bright.mean() - dark.mean()) / np.hypot(bright.std(), dark.std()))


def _darkest_column(volume: SimulatedVolume) -> float:
    epithelium = np.where(volume.labels == 7, volume.scan.pixels, np.nan)
    return float(np.nanmin(np.nanmean(epithelium, axis=1)))
