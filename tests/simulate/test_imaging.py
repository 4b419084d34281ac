"""Each part of the imaging and each artefact does what its name says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_retseg.simulate import ScanParameters, SimulatedVolume, render
from napari_retseg.simulate.imaging import compress, speckle
from napari_retseg.simulate.scene import Scene
from tests.simulate.draws import change, quiet

Bytes = NDArray[np.uint8]


def optics(**values: Any) -> SimulatedVolume:
    return render(change(quiet(), optics=values))


def artefacts(**values: Any) -> SimulatedVolume:
    return render(change(quiet(), artefacts=values))


def grain(volume: SimulatedVolume) -> float:
    """Standard deviation inside a layer over its mean."""
    pixels = volume.pixels[volume.labels == 2].astype(float)
    return float(pixels.std() / pixels.mean())


def neighbours(volume: SimulatedVolume) -> tuple[float, float]:
    """Correlation of noise with the next pixel in depth and width, above the retina."""
    part = volume.pixels[0, :40].astype(float)
    part -= part.mean()
    down, aside = (part[1:] * part[:-1]).mean(), (part[:, 1:] * part[:, :-1]).mean()
    return float(down / part.var()), float(aside / part.var())


def layer_mean(volume: SimulatedVolume, value: int) -> float:
    return float(volume.pixels[volume.labels == value].mean())


def test_more_averaged_frames_are_smoother() -> None:
    one, many = optics(looks=1.0), optics(looks=60.0)
    assert grain(one) > 1.3 * grain(many)
    np.testing.assert_array_equal(one.labels, many.labels)


@pytest.mark.parametrize("axis", [0, 1])
def test_speckle_has_a_size(axis: int) -> None:
    name = ("speckle_depth", "speckle_width")[axis]
    # haze stands for tissue: speckle multiplies it
    settings = {"noise": 0.01, "haze": 0.28, "looks": 2.0, "subtracted": 0.0, "white": 0.8}
    fine, coarse = (neighbours(optics(**settings | {name: size}))[axis] for size in (0.3, 1.7))
    assert coarse > fine + 0.3


def test_noise_has_a_size() -> None:
    fine, coarse = (neighbours(optics(noise=0.3, noise_size=size)) for size in (0.0, 1.0))
    assert min(coarse) > max(fine) + 0.3


def test_noise_fills_the_vitreous_and_subtraction_blackens_it() -> None:
    quiet_one, noisy = (optics(noise=noise, subtracted=0.0) for noise in (0.1, 0.36))
    assert noisy.pixels[0, :30].mean() > quiet_one.pixels[0, :30].mean() + 30
    taken = optics(noise=0.3, subtracted=0.95)
    left = optics(noise=0.3, subtracted=0.0)
    assert (taken.pixels[0, :30] == 0).mean() > 0.2
    assert (left.pixels[0, :30] == 0).mean() < 0.01


@pytest.mark.parametrize(
    "values",
    [{"blur_depth_um": 10.0}, {"defocus": True, "blur_depth_um": 5.0}],
)
def test_blur_softens_edges(values: dict[str, Any]) -> None:
    settings = {"looks": 60.0, "noise": 0.1, "blur_depth_um": 1.5}

    def steepest(volume: SimulatedVolume) -> float:
        mean = volume.pixels[0].astype(float).mean(axis=1)
        return float(np.abs(np.diff(mean)).max() / np.ptp(mean))

    assert steepest(optics(**settings | values)) < 0.95 * steepest(optics(**settings))


def test_blur_along_the_bscan_softens_shadows() -> None:
    base = change(
        quiet(), anatomy={"vessels": 14}, gaze={"along_um": 2500.0}, optics={"looks": 60.0}
    )
    sharp, soft = (
        render(change(base, optics={"blur_width_um": um})).pixels[0].astype(float)
        for um in (4.0, 60.0)
    )
    retina = slice(60, 110)
    assert np.abs(np.diff(soft[retina])).mean() < np.abs(np.diff(sharp[retina])).mean()


def test_haze_brightens_the_vitreous() -> None:
    clear, hazy = optics(haze=0.0), optics(haze=0.28)
    assert hazy.pixels[0, :20].mean() > clear.pixels[0, :20].mean() + 10


@pytest.mark.parametrize("name", ["attenuation_db", "rolloff_db"])
def test_what_lies_deep_is_darker(name: str) -> None:
    clear, lossy = optics(**{name: 0.0}), optics(**{name: 9.0})
    ratios = [layer_mean(lossy, value) / layer_mean(clear, value) for value in (1, 7)]
    share = [layer_mean(volume, 7) / layer_mean(volume, 1) for volume in (clear, lossy)]
    assert share[1] < 0.97 * share[0], ratios


def test_shading_changes_the_signal_along_the_bscan() -> None:
    even, shaded = optics(shading_db=0.0), optics(shading_db=5.0)
    ratio = shaded.pixels[0, 60:110].mean(axis=0) / even.pixels[0, 60:110].mean(axis=0)
    assert np.ptp(np.convolve(ratio, np.ones(9) / 9, mode="valid")) > 0.06


def test_single_ascans_differ() -> None:
    even, streaked = optics(streaks_db=0.0), optics(streaks_db=2.0)
    ratio = streaked.pixels[0, 80:110].mean(axis=0) / even.pixels[0, 80:110].mean(axis=0)
    assert np.abs(np.diff(ratio)).mean() > 0.03


def test_edges_are_ragged_and_labels_are_not() -> None:
    settings = {"looks": 60.0, "blur_depth_um": 1.5, "blur_width_um": 4.0}
    base = change(quiet(), optics=settings, greys={"mottle": 0.0})
    smooth, ragged = (render(change(base, greys={"raggedness_um": um})) for um in (0.0, 12.0))
    np.testing.assert_array_equal(smooth.labels, ragged.labels)
    edge = np.argmax(smooth.labels[0] == 1, axis=0)
    columns = np.arange(len(edge))
    spread = [
        volume.pixels[0][edge + 1, columns].astype(float).std() for volume in (smooth, ragged)
    ]
    assert spread[1] > 1.2 * spread[0]


def test_scales_show_the_same_layers_with_other_contrasts() -> None:
    ratios = {}
    for scale in ("root", "log", "square"):
        volume = optics(scale=scale, range_db=35.0)
        ratios[scale] = layer_mean(volume, 5) / layer_mean(volume, 7)
        assert ratios[scale] < 1
    assert ratios["square"] < 0.8 * ratios["root"]
    wide = optics(scale="log", range_db=55.0)
    assert layer_mean(wide, 5) / layer_mean(wide, 7) > ratios["log"]


def test_gamma_black_and_white_stretch_the_greys() -> None:
    base = optics()
    assert layer_mean(optics(gamma=0.65), 3) > layer_mean(base, 3) + 10
    assert (optics(black=1.3).pixels == 0).mean() > (base.pixels == 0).mean() + 0.1
    assert (optics(white=0.7).pixels == 255).mean() > 0.01
    assert optics(white=2.3).pixels.max() < 200


def test_few_levels_and_jpeg() -> None:
    assert len(np.unique(optics(coarse=True, levels=16).pixels)) <= 16
    assert len(np.unique(optics().pixels)) > 60
    base, fine, poor = (optics(jpeg=jpeg, quality=q) for jpeg, q in ((0, 95), (1, 95), (1, 25)))
    errors = [np.abs(volume.pixels.astype(int) - base.pixels).mean() for volume in (fine, poor)]
    assert 0 < errors[0] < 3 < errors[1] < 15


def test_jpeg_of_the_best_quality_is_nearly_lossless() -> None:
    grey = np.random.default_rng(0).uniform(0, 255, (37, 50)).astype(np.float32)
    assert np.abs(compress(grey, quality=100) - grey).max() < 3


@pytest.mark.parametrize(("grey", "low", "high"), [("black", 0, 0), ("white", 255, 255)])
def test_blank_corners_have_a_grey_and_no_labels(grey: str, low: int, high: int) -> None:
    volume = artefacts(
        corners=True, corner_grey=grey, corner_top=0.12, corner_bottom=0.06, corner_slope=0.05
    )
    pixels, labels = volume.pixels[0], volume.labels[0]
    for edge in (pixels[:4, -8:], pixels[-3:, 90:100]):
        assert edge.min() >= low
        assert edge.max() <= high
    assert not labels[:4].any()


def test_corners_hide_labels() -> None:
    base = change(quiet(), anatomy={"height": 0.0})
    cut = change(base, artefacts={"corners": True, "corner_grey": "grey", "corner_top": 0.2})
    assert (render(cut).labels > 0).sum() < 0.9 * (render(base).labels > 0).sum()


def test_bars_blank_columns() -> None:
    volume = artefacts(bars=True, corner_grey="black")
    blank = (volume.pixels[0] == 0).all(axis=0)
    assert 0 < blank.sum() < 0.12 * blank.size
    assert not volume.labels[0][:, blank].any()


def test_a_mirrored_retina_is_cut_and_leaves_a_ghost() -> None:
    drawn = change(quiet(), artefacts={"mirror": True}, anatomy={"curvature_per_mm": 0.03})
    volume = render(drawn)
    assert volume.labels[0, 0].any()
    assert not render(quiet()).labels[0, 0].any()
    assert volume.pixels.shape == volume.labels.shape == render(quiet()).pixels.shape
    # the ghost is bright where there is no label
    ghost = volume.pixels[0][:12][volume.labels[0][:12] == 0]
    assert np.median(ghost) + 25 < np.percentile(ghost, 95)


def test_a_clipped_retina_leaves_the_image() -> None:
    whole = render(quiet())
    for seed in range(3, 9):
        cut = render(change(quiet(seed), artefacts={"clipped": True}))
        touching = cut.labels[0, 0].any() or cut.labels[0, -1].any()
        assert touching
    assert not whole.labels[0, [0, -1]].any()


def test_jitter_moves_image_and_labels_alike() -> None:
    volume = artefacts(jitter=True, jitter_um=9.0)
    tops = np.argmax(volume.labels[0] == 1, axis=0)
    assert np.abs(np.diff(tops)).mean() > 0.5
    rows = np.arange(volume.labels.shape[1])[:, None]
    above = volume.pixels[0][(rows < tops - 4) & (rows > tops - 8)].mean()
    below = volume.pixels[0][(rows > tops + 1) & (rows < tops + 5)].mean()
    assert below > 1.5 * above


@pytest.mark.parametrize("name", ["glare", "blink", "lines"])
def test_disturbances_touch_a_few_columns_or_rows(name: str) -> None:
    base, volume = render(quiet()), artefacts(**{name: True})
    np.testing.assert_array_equal(base.labels, volume.labels)
    axis = 1 if name == "lines" else 0
    before, after = (v.pixels[0].astype(float).mean(axis=axis) for v in (base, volume))
    changed = np.abs(after - before) > 8
    assert 0 < changed.mean() < 0.5
    if name == "blink":
        assert after[changed].mean() < before[changed].mean()


def test_the_eye_moves_from_bscan_to_bscan() -> None:
    still = quiet().model_copy(update={"n_bscans": 6, "bscan_um": 30.0})
    still = change(still, artefacts={"drift_um": 1.0, "jump_chance": 0.0})
    moving = change(still, artefacts={"drift_um": 8.0, "jump_um": 80.0, "jump_chance": 1.0})

    def depths(drawn: ScanParameters) -> NDArray[np.floating[Any]]:
        scene = Scene.of(drawn)
        return np.array([scene.view(k).edge_px("choroid").mean() for k in range(6)])

    assert np.abs(np.diff(depths(moving))).mean() > 3 * np.abs(np.diff(depths(still))).mean()
    assert len(set(Scene.of(moving).lateral_px.tolist())) > 2
    assert set(Scene.of(still).lateral_px.tolist()) == {0}


def test_neighbouring_bscans_show_the_same_eye() -> None:
    drawn = quiet().model_copy(update={"n_bscans": 4, "bscan_um": 30.0})
    drawn = change(
        drawn,
        artefacts={"drift_um": 1.0, "jump_chance": 0.0},
        disease={"foveal_cyst": True, "foveal_cyst_um": 400.0, "foveal_cyst_height_um": 300.0},
    )
    labels = render(drawn).labels
    fluid = labels == 8
    assert (fluid[1:] & fluid[:-1]).sum() > 0.7 * fluid[1:].sum()
    assert (labels[1:] == labels[:-1]).mean() > 0.9


@pytest.mark.parametrize("name", ["texture", "mottle"])
def test_tissue_has_texture(name: str) -> None:
    plain, rough = (
        grain(render(change(quiet(), greys={"texture": 0.0, "mottle": 0.0} | {name: amount})))
        for amount in (0.0, 0.1)
    )
    assert rough > plain * 1.02


@pytest.mark.parametrize(
    ("name", "value"), [("nfl", 1), ("inl", 3), ("opl", 4), ("onl", 5), ("ez", 6), ("rpe", 7)]
)
def test_each_layer_has_its_own_grey(name: str, value: int) -> None:
    settings = {"looks": 60.0, "white": 1.6}
    dark, bright = (
        layer_mean(render(change(quiet(), greys={name: grey}, optics=settings)), value)
        for grey in (0.3, 0.6)
    )
    assert bright > 1.2 * dark


@pytest.mark.parametrize("looks", [1.0, 4.0, 20.0])
@pytest.mark.parametrize("size_px", [(0.0, 0.0), (1.0, 1.5)])
def test_speckle_has_the_statistics_of_averaged_patterns(
    looks: float, size_px: tuple[float, float]
) -> None:
    field = speckle(np.random.default_rng(0), (300, 400), looks=looks, size_px=size_px)
    assert field.min() >= 0
    assert field.mean() == pytest.approx(1, abs=0.03)
    assert field.std() == pytest.approx(1 / np.sqrt(looks), rel=0.06)


def test_speckle_is_correlated_over_its_size() -> None:
    rng = np.random.default_rng(0)
    fine = speckle(rng, (300, 400), looks=4, size_px=(0, 0)) - 1
    coarse = speckle(rng, (300, 400), looks=4, size_px=(1.5, 1.5)) - 1
    neighbours = [(f[:, 1:] * f[:, :-1]).mean() / f.var() for f in (fine, coarse)]
    assert abs(neighbours[0]) < 0.02
    assert neighbours[1] > 0.7
