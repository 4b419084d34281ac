"""Maps of layers and spans from labels and boundaries."""

from __future__ import annotations

import numpy as np
import pytest

from napari_retseg.classes import IGNORE, RETINA, LabelSet
from napari_retseg.layers import labels_of_boundaries
from napari_retseg.measures import Surfaces, find_spans, find_surfaces
from tests.measures.eyes import simulate_rows

LAYERS = list(range(1, 8))


def draw_labels(tilt: float = 0.0) -> np.ndarray:
    """Two B-scans with seven layers of ten rows."""
    begins = np.array([20, 30, 40, 50, 60, 70, 80, 90], np.float32)
    slope = np.round(tilt * np.arange(40)).astype(np.float32)
    rows = np.broadcast_to(begins[:, None] + slope - 1, (2, 8, 40))
    return labels_of_boundaries(rows, LAYERS, depth=160)


def find(labels: np.ndarray, classes: LabelSet = RETINA) -> Surfaces:
    found = find_surfaces(labels, classes)
    assert found is not None
    return found


def test_spans_of_the_layers() -> None:
    spans = find_spans(RETINA.names[1:8])
    assert spans["OPL"] == (3, 4)
    assert spans["GCC"] == (0, 2)
    assert spans["inner retina"] == (0, 4)
    assert spans["outer retina"] == (4, 7)
    assert spans["retina"] == (0, 7)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("NFL", "GCL", "IPL"), {"GCC": (0, 3)}),
        (("ONL", "RPE", "drusen"), {"outer retina": (0, 3)}),
        (("retina",), {}),
        (("choroid",), {}),
        (("INL", "OPL", "ONL"), {}),
    ],
)
def test_spans_only_where_layers_begin_and_end(
    names: tuple[str, ...], expected: dict[str, tuple[int, int]]
) -> None:
    single = {name: (k, k + 1) for k, name in enumerate(names)}
    assert find_spans(names) == {**single, **expected}


def test_a_tilted_retina_has_its_thickness_along_the_ascan() -> None:
    for tilt in (0.0, 1.5):
        surfaces = find(draw_labels(tilt))
        for name, (upper, lower) in surfaces.spans.items():
            expected = 10 * (lower - upper)
            np.testing.assert_array_equal(surfaces.thickness_px((upper, lower)), expected, name)


def test_what_is_not_annotated_or_doubtful_has_no_thickness() -> None:
    labels = draw_labels()
    labels[0, :, :5] = IGNORE
    labels[1, 65:, 7] = IGNORE
    doubtful = np.zeros((2, 40), bool)
    doubtful[1, 10:12] = True
    surfaces = find_surfaces(labels, RETINA, is_doubtful=doubtful)
    assert surfaces is not None
    known = np.isfinite(surfaces.thickness_px(surfaces.spans["retina"]))
    assert not known[0, :5].any()
    assert known[0, 5:].all()
    assert np.flatnonzero(~known[1]).tolist() == [7, 10, 11]
    assert surfaces.is_unannotated.sum() == 6
    inner = surfaces.thickness_px(surfaces.spans["inner retina"])
    assert inner[1, 7] == 40


def test_fluid_hides_boundaries_inside_but_not_the_whole_retina() -> None:
    labels = draw_labels()
    labels[0, 45:65, 20] = 8
    surfaces = find(labels)
    assert np.isnan(surfaces.thickness_px(surfaces.spans["INL"])[0, 20])
    assert surfaces.thickness_px(surfaces.spans["retina"])[0, 20] == 70


def test_layers_out_of_order_are_left_out() -> None:
    labels = draw_labels()
    labels[1, 25, 3] = 7
    surfaces = find(labels)
    assert np.argwhere(surfaces.is_unordered).tolist() == [[1, 3]]
    assert np.isnan(surfaces.rows[:, 1, 3]).all()


def test_what_is_left_of_the_retina_is_no_layer_of_its_own() -> None:
    """A device tells the NFL, and where the retina ends: 10 and 70 rows of 80."""
    names = LabelSet.from_names(["NFL", "INL", "OS-RPE", "fluid", "retina"])
    labels = np.zeros((2, 120, 6), np.uint8)
    labels[:, 20:100] = 5
    labels[:, 20:30] = 1
    found = find_surfaces(labels, names)
    assert found is not None
    assert found.names == ("NFL", "retina")
    assert found.spans == {"NFL": (0, 1), "retina": (0, 2)}
    assert (found.thickness_px(found.spans["retina"]) == 80).all()
    assert (found.thickness_px(found.spans["NFL"]) == 10).all()
    labels[:, 90:100] = 3
    found = find_surfaces(labels, names)
    assert found is not None
    assert found.names == ("NFL", "retina", "OS-RPE")
    assert (found.thickness_px(found.spans["retina"]) == 80).all()
    # without any of it, the layers are those of the classes
    labels[labels == 5] = 2
    found = find_surfaces(labels, names)
    assert found is not None
    assert found.names == ("NFL", "INL", "OS-RPE")


def test_labels_without_layers() -> None:
    labels = np.zeros((2, 30, 10), np.uint8)
    assert find_surfaces(labels, LabelSet.from_names(["fluid", "IRF"])) is None
    labels[:, 10:20] = 1
    surfaces = find(labels, LabelSet.from_names(["retina"]))
    np.testing.assert_array_equal(surfaces.thickness_px(surfaces.spans["retina"]), 10)


@pytest.mark.parametrize("seed", range(3))
def test_exact_boundaries_give_exact_thickness(seed: int) -> None:
    """Within 0.1 um where rows are given, within a pixel from labels alone, tilted or not."""
    scan, rows, _ = simulate_rows(seed, n_bscans=5, between_um=240.0)
    axial = scan.spacing_um[1] or 0
    planes = rows.swapaxes(0, 1)
    # a pixel belongs to the layer in which its centre lies
    labels = labels_of_boundaries(np.ceil(planes - 0.5) - 1, LAYERS, depth=496)
    surfaces = find(labels)
    truth = (rows[-1] - rows[0]) * axial
    retina = surfaces.spans["retina"]
    coarse = surfaces.thickness_px(retina) * axial
    assert np.abs(coarse - truth).max() <= axial * 1.001
    exact = surfaces.replace_rows(rows)
    assert np.abs(exact.thickness_px(retina) * axial - truth).max() < 0.1
    part = surfaces.replace_rows(rows[:, 2:3], bscans=[2]).thickness_px(retina) * axial
    assert np.abs(part[2] - truth[2]).max() < 0.1
    np.testing.assert_array_equal(part[:2], coarse[:2])


def test_rows_do_not_bring_back_what_is_left_out() -> None:
    labels = draw_labels()
    labels[0, :, :5] = IGNORE
    surfaces = find(labels).replace_rows(np.full((8, 2, 40), 30.0))
    assert np.isnan(surfaces.rows[:, 0, :5]).all()
