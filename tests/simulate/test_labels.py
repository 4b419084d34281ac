from __future__ import annotations

import time

import numpy as np
import pytest

from napari_retseg.classes import IGNORE, RETINA, RETINA_AND_LESIONS, LabelSet
from napari_retseg.layers import translate_classes
from napari_retseg.simulate import SimulatorConfig, draw_bscan, draw_volume, render
from napari_retseg.simulate.ranges import ArtefactRanges, DiseaseRanges, GazeRanges
from napari_retseg.simulate.scene import Scene
from napari_retseg.simulate.strata import BAND_LABELS, rasterise
from tests.simulate.draws import change, quiet

FLUID = RETINA.names.index("fluid")
LESION_NAMES = ("sub-RPE", "IRF", "SRF")
#: Nothing that hides a part of the retina, and every disease often.
ILL = SimulatorConfig(
    size=(128, 160),
    gaze=GazeRanges(at_disc=0.0),
    disease=DiseaseRanges(ill=1.0, pockets=0.8, cysts=0.8, subretinal=0.5, detachment=0.3),
    artefacts=ArtefactRanges(corners=0, bars=0, mirror=0, clipped=0),
)


@pytest.mark.parametrize("index", range(12))
def test_layers_lie_in_order_in_every_ascan(index: int) -> None:
    _, labels, _ = draw_bscan(ILL, 11, index)
    layers = np.where(labels == FLUID, 0, labels).astype(int)
    deepest_above = np.maximum.accumulate(layers, axis=0)
    assert ((layers == 0) | (layers == deepest_above)).all()
    assert set(range(1, 8)) <= set(np.unique(labels).tolist())


def test_fluid_lies_inside_the_retina() -> None:
    found = 0
    for index in range(12):
        _, labels, _ = draw_bscan(ILL, 11, index)
        fluid = labels == FLUID
        found += int(fluid.any())
        layers = (labels > 0) & ~fluid
        above = np.logical_or.accumulate(layers, axis=0)
        below = np.logical_or.accumulate(layers[::-1], axis=0)[::-1]
        assert (above & below)[fluid].all()
    assert found >= 8


def test_labels_are_what_the_edges_bound() -> None:
    scene = Scene.of(quiet())
    view = scene.view(0)
    _, labels = scene.render(0)
    heights = np.diff(view.edges_px, axis=0)
    assert (heights >= -1e-4).all()
    for value in range(1, 8):
        height = heights[BAND_LABELS[1:-1] == value].sum(axis=0)
        assert np.abs((labels == value).sum(axis=0) - height).max() <= 1


@pytest.mark.parametrize(
    ("line", "upper", "lower"),
    [
        ("gcl_ipl_um", "NFL", "GCL-IPL"),
        ("inl_um", "GCL-IPL", "INL"),
        ("onl_ism_um", "OPL", "ONL-ISM"),
    ],
)
def test_a_line_that_lies_below_its_edge_takes_in_what_looks_like_the_next_layer(
    line: str, upper: str, lower: str
) -> None:
    greys = {"nfl": 0.7, "gcl": 0.45, "ipl": 0.5, "inl": 0.3, "opl": 0.5, "henle": 0.25}
    volumes = {um: render(change(quiet(), greys=greys, lines={line: um})) for um in (0.0, 12.0)}
    (labels,) = volumes[0.0].labels
    np.testing.assert_array_equal(volumes[12.0].labels[0], labels)
    before, after = (volume.pixels[0].astype(int) for volume in volumes.values())
    above, below = (labels == RETINA.names.index(name) for name in (upper, lower))
    last = above.copy()
    last[:-1] &= below[1:]
    contrast = before[below].mean() - before[above].mean()
    assert (after - before)[last].mean() * contrast > 0


def test_a_pixel_belongs_to_the_band_where_its_centre_lies() -> None:
    edges = np.array([[0.4, 1.6], [2.5, 1.6], [3.0, 9.0]], dtype=np.float32)
    expected = [[1, 0], [1, 0], [2, 2], [3, 2], [3, 2]]
    assert rasterise(edges, 5).tolist() == expected


def test_values_are_classes_and_nothing_else() -> None:
    config = SimulatorConfig(size=(96, 128), gaze=GazeRanges(at_disc=0.6))
    for index in range(10):
        pixels, labels, _ = draw_bscan(config, 2, index)
        assert pixels.shape == labels.shape == (96, 128)
        assert pixels.dtype == labels.dtype == np.uint8
        assert labels.max() <= FLUID


def test_the_disc_is_not_annotated_where_that_is_asked_for() -> None:
    at_disc = GazeRanges(at_disc=1.0, ring=0.0, across_um=(0, 0), through_fovea=1.0)
    drawn = draw_volume(SimulatorConfig(size=(96, 128), gaze=at_disc), 5).parameters
    ignored = render(drawn.model_copy(update={"disc_labels": "ignore"})).labels
    plain = render(drawn).labels
    assert (ignored == IGNORE).any()
    assert (plain[ignored == IGNORE] == 0).all()
    assert (plain == np.where(ignored == IGNORE, 0, ignored)).all()


@pytest.mark.parametrize("size", [(64, 64), (97, 131), (160, 64)])
def test_any_size_is_made_as_asked(size: tuple[int, int]) -> None:
    pixels, labels, drawn = draw_bscan(SimulatorConfig(size=size), 1)
    assert pixels.shape == labels.shape == (drawn.depth, drawn.width) == size


@pytest.mark.slow
def test_three_bscans_of_a_spectralis_take_a_second() -> None:
    config = SimulatorConfig(size=(496, 768))
    draw_bscan(config, 0)
    start = time.process_time()
    for index in range(12):
        draw_bscan(config, 0, index)
    assert 12 / (time.process_time() - start) > 3


@pytest.mark.parametrize("index", range(6))
def test_kinds_of_lesions_are_told_in_the_same_scan(index: int) -> None:
    ill = {"pockets": 0.9, "subretinal": 0.9, "detachment": 0.7, "drusen": 0.9}
    config = ILL.with_ranges(disease=ill)
    pixels, labels, _ = draw_bscan(config, 5, index)
    told = config.with_classes(RETINA_AND_LESIONS)
    same, finer, drawn = draw_bscan(told, 5, index)
    np.testing.assert_array_equal(same, pixels)
    np.testing.assert_array_equal(translate_classes(RETINA, RETINA_AND_LESIONS)[finer], labels)
    sub_rpe, irf, srf = (finer == RETINA_AND_LESIONS.names.index(n) for n in LESION_NAMES)
    assert sub_rpe.any() == (drawn.disease.detachment or drawn.disease.drusen)
    # nothing of the retina lies below what has lifted it
    below = np.logical_or.accumulate(sub_rpe, axis=0) & ~sub_rpe
    assert not finer[below].any()
    ends = np.logical_or.accumulate(finer == RETINA.names.index("ISE"), axis=0)
    assert not ends[irf].any()
    starts = np.logical_or.accumulate(finer == RETINA.names.index("OS-RPE"), axis=0)
    assert not starts[srf].any()


def test_a_draw_remembers_its_classes() -> None:
    config = ILL.with_classes(RETINA_AND_LESIONS)
    volume = draw_volume(config, 5, 2)
    again = render(type(volume.parameters).model_validate_json(volume.parameters.model_dump_json()))
    np.testing.assert_array_equal(again.labels, volume.labels)
    assert volume.labels.max() > RETINA.names.index("fluid")


def test_classes_that_are_not_drawn_are_refused() -> None:
    with pytest.raises(ValueError, match="choroid"):
        ILL.with_classes(LabelSet.from_names(["choroid"]))
