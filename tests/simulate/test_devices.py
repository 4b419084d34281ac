from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import numpy as np
import pytest
from pydantic import ValidationError

from napari_retseg.classes import RETINA
from napari_retseg.scan import check_spacing
from napari_retseg.simulate import (
    SimulatedDevice,
    SimulatedVolume,
    SimulatorConfig,
    draw_parameters,
    draw_volume,
    make_device_config,
)
from napari_retseg.simulate.devices import SPACING_UM

FLUID = RETINA.names.index("fluid")
DEVICES: tuple[SimulatedDevice, ...] = get_args(SimulatedDevice)
EDEMA = {"ill": 1.0, "cysts": 1.0, "pockets": 1.0, "subretinal": 1.0}
GROUPS = ("gaze", "anatomy", "disease", "greys", "lines", "optics", "artefacts")


def small(
    device: SimulatedDevice = "A",
    *,
    seed: int = 1,
    disease: Mapping[str, object] = EDEMA,
    **options: Any,
) -> SimulatedVolume:
    defaults: dict[str, Any] = {"size": (160, 192), "n_bscans": 4}
    config = make_device_config(device, **(defaults | options))
    return draw_volume(config.with_ranges(disease=disease), seed)


def mean_grey(volume: SimulatedVolume, value: int) -> float:
    return float(volume.pixels[volume.labels == value].mean())


@pytest.mark.parametrize("device", DEVICES)
def test_the_same_seed_gives_the_same_bytes(device: SimulatedDevice) -> None:
    first, again, other = (small(device, seed=seed) for seed in (5, 5, 6))
    assert first.pixels.tobytes() == again.pixels.tobytes()
    assert first.labels.tobytes() == again.labels.tobytes()
    assert (first.labels != other.labels).any()
    assert (first.pixels != other.pixels).any()


@pytest.mark.parametrize("device", DEVICES)
def test_a_device_draws_nothing_that_the_simulator_would_not(device: SimulatedDevice) -> None:
    config, wide = make_device_config(device), SimulatorConfig()
    for group in GROUPS:
        for name, limits in dict(getattr(config, group)).items():
            widest = getattr(getattr(wide, group), name)
            if isinstance(widest, tuple) and isinstance(widest[0], str):
                assert set(limits) <= set(widest)
            elif isinstance(widest, tuple):
                assert widest[0] <= limits[0] <= limits[1] <= widest[1], f"{group}.{name}"


@pytest.mark.parametrize("device", DEVICES)
def test_the_scan_says_what_it_is(device: SimulatedDevice) -> None:
    axial_um, lateral_um, between_um = SPACING_UM[device]
    scan = draw_volume(make_device_config(device, n_bscans=1), 0).scan
    assert scan.axes == ("bscan", "depth", "width")
    assert scan.spatial_shape == (1, 496, 768)
    assert scan.spacing_um == pytest.approx((between_um, axial_um, lateral_um))
    assert scan.spacing_source == "file"
    assert check_spacing(scan) == ()
    assert scan.device == f"simulated {device}"
    assert scan.laterality in ("OD", "OS")
    assert scan.metadata["simulated"] is True


@pytest.mark.parametrize("size", [(64, 64), (97, 131), (160, 64)])
def test_any_size_shows_a_whole_macula(size: tuple[int, int]) -> None:
    volume = small(size=size, n_bscans=2, bscan_um=60.0)
    assert volume.pixels.shape == volume.labels.shape == (2, *size)
    assert volume.pixels.dtype == volume.labels.dtype == np.uint8
    between_um, axial_um, lateral_um = volume.scan.spacing_um
    assert between_um == pytest.approx(60)
    assert axial_um is not None
    assert axial_um * size[0] >= 899
    assert lateral_um is not None
    assert lateral_um * size[1] >= 3999


@pytest.mark.parametrize("options", [{"size": (63, 64)}, {"size": (64, 63)}, {"n_bscans": 0}])
def test_what_cannot_be_simulated_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make_device_config("A", **options)


@pytest.mark.parametrize(
    "groups",
    [
        {"disease": {"swelling_amount": (0.6, 0.1)}},
        {"disease": {"cough": 1.0}},
        {"weather": {"rain": 1.0}},
    ],
)
def test_ranges_that_make_no_sense_are_refused(groups: dict[str, dict[str, object]]) -> None:
    with pytest.raises(ValidationError, match=r"\(low, high\)|cough|weather"):
        make_device_config("A").with_ranges(**groups)


@pytest.mark.parametrize("seed", range(6))
def test_every_bscan_has_all_layers_in_order(seed: int) -> None:
    labels = small(DEVICES[seed % 2], seed=seed).labels
    for bscan in labels:
        assert set(range(1, 8)) <= set(np.unique(bscan).tolist()) <= set(range(9))
    layers = np.where(labels == FLUID, 0, labels).astype(int)
    deepest_above = np.maximum.accumulate(layers, axis=1)
    assert ((layers == 0) | (layers == deepest_above)).all()


@pytest.mark.parametrize("seed", range(6))
def test_fluid_lies_inside_the_retina(seed: int) -> None:
    labels = small(DEVICES[seed % 2], seed=seed).labels
    fluid = labels == FLUID
    assert fluid.any()
    layers = (labels > 0) & ~fluid
    above = np.logical_or.accumulate(layers, axis=1)
    below = np.logical_or.accumulate(layers[:, ::-1], axis=1)[:, ::-1]
    assert (above & below)[fluid].all()


def test_a_healthy_eye_has_no_fluid() -> None:
    assert not (small(disease={"ill": 0.0}).labels == FLUID).any()


@pytest.mark.parametrize("device", DEVICES)
def test_scans_lie_on_the_macula_without_artefacts(device: SimulatedDevice) -> None:
    for index in range(20):
        drawn = draw_parameters(make_device_config(device), 0, index)
        assert drawn.gaze.through_fovea
        assert not drawn.gaze.at_disc
        assert not drawn.gaze.ring
        assert not any(value is True for value in dict(drawn.artefacts).values())


@pytest.mark.parametrize("device", DEVICES)
def test_layers_have_the_contrasts_of_oct(device: SimulatedDevice) -> None:
    volumes = [small(device, seed=seed) for seed in range(4)]
    grey = [np.mean([mean_grey(v, value) for v in volumes]) for value in range(9)]
    _, nfl, gcl_ipl, inl, opl, onl, ise, os_rpe, fluid = grey
    assert nfl > gcl_ipl > inl > onl > fluid
    assert opl > inl
    assert min(ise, os_rpe) > opl


def test_the_devices_look_different() -> None:
    smooth, noisy = small("A", seed=2), small("B", seed=2)
    assert mean_grey(noisy, 0) > 1.5 * mean_grey(smooth, 0)
    assert _contrast_to_noise(smooth) > 1.5 * _contrast_to_noise(noisy)
    contrasts = [mean_grey(volume, 1) / mean_grey(volume, 0) for volume in (smooth, noisy)]
    assert contrasts[0] > 1.5 * contrasts[1]
    assert SPACING_UM["A"][0] > 1.2 * SPACING_UM["B"][0]


def _contrast_to_noise(volume: SimulatedVolume) -> float:
    """Difference of two neighbouring layers over the grain inside them."""
    bright, dark = (volume.pixels[volume.labels == value].astype(float) for value in (2, 3))
    return float((bright.mean() - dark.mean()) / np.hypot(bright.std(), dark.std()))
