"""Boundaries are edited with the mouse, and what is drawn goes the way of a stroke."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_retseg.engine import EvidenceJob
from napari_retseg.events import EvidenceFound
from napari_retseg.layers import boundaries_of_labels
from napari_retseg.ui.camera import camera_of
from napari_retseg.ui.workbench.control.curve_editing import CurveEditing
from tests.ui.workbench.playedbench import PlayedBench
from tests.ui.workbench.pointing import Mouse

FLUID = 8
#: First rows of the seven layers, and the row below the last one.
STARTS = (10, 16, 22, 28, 34, 40, 46, 52)
BSCAN = 2


def draw_retina() -> NDArray[np.uint8]:
    labels = np.zeros((64, 96), np.uint8)
    for value, (start, end) in enumerate(pairwise(STARTS), 1):
        labels[start:end] = value
    labels[24:27, 70:80] = FLUID
    labels[:, 90:] = 255
    return labels


@pytest.fixture
def played(tmp_path: Path, volume: Path, own_models: Path) -> Iterator[PlayedBench]:
    made = PlayedBench()
    made.start(tmp_path / "work", volume)
    retina = draw_retina()
    rows, columns = np.nonzero(retina)
    places = (np.full(rows.size, BSCAN), rows, columns)
    made.opened.labels.data_setitem(places, retina[rows, columns])
    made.settle()
    made.bench.curves.toggle()
    made.bench.curves.width = 20
    camera_of(made.viewer).zoom = 1
    made.settle()
    yield made
    made.close()


@pytest.fixture
def mouse(played: PlayedBench) -> Mouse:
    return Mouse(played)


@pytest.fixture
def curves(played: PlayedBench) -> CurveEditing:
    return played.bench.curves


def rows_of(played: PlayedBench) -> NDArray[np.float32]:
    """The boundaries that the labels in the layer have."""
    return boundaries_of_labels(played.labels[BSCAN], range(1, 8)).rows


def test_boundaries_lie_between_the_pixels(curves: CurveEditing) -> None:
    rows = curves.rows
    assert rows is not None
    expected = np.array(STARTS)[:, None] - 0.5 + np.zeros(90)
    np.testing.assert_allclose(rows[:, :90], expected, atol=1e-4)
    assert np.isnan(rows[:, 90:]).all()
    assert len(curves.names) == len(curves.colors) == 8
    assert curves.names[0] == "inner boundary of NFL"


def test_a_drag_is_one_step_and_on_disk(
    played: PlayedBench, mouse: Mouse, curves: CurveEditing
) -> None:
    before = played.labels.copy()
    assert mouse.drag((40, 21.5), (40, 20), (40, 18.5), keys=("Shift",)).handled
    rows = rows_of(played)
    assert rows[2, 40] == 18
    assert (rows[2, :20] == 21).all()
    assert (rows[2, 61:90] == 21).all()
    others = [0, 1, 3, 4, 5, 6, 7]
    assert (rows[others, :90] == np.array(STARTS)[others, None] - 1).all()
    assert np.array_equal(played.written(BSCAN), played.labels[BSCAN])
    assert played.workspace.states("eye") == {BSCAN: "corrected"}
    after = played.labels.copy()
    held = curves.rows
    played.bench.correcting.undo()
    assert "moving GCL-IPL / INL on B-scan 2" in played.state.notice.text
    np.testing.assert_array_equal(played.labels, before)
    assert curves.rows is not None
    assert curves.rows[2, 40] == 21.5
    played.bench.correcting.redo()
    np.testing.assert_array_equal(played.labels, after)
    np.testing.assert_array_equal(curves.rows, held)  # with its parts of a pixel


def test_what_is_not_a_layer_and_not_annotated_stays(played: PlayedBench, mouse: Mouse) -> None:
    mouse.drag((75, 27.5), (75, 20), (75, 20), keys=("Shift",))
    labels = played.labels[BSCAN]
    assert (labels[24:27, 70:80] == FLUID).all()
    assert (labels[:, 90:] == 255).all()
    assert labels[22, 75] == 4


def test_neighbours_are_pushed_and_keep_a_row(played: PlayedBench, mouse: Mouse) -> None:
    mouse.drag((40, 27.5), (40, 8), keys=("Shift",))
    rows = rows_of(played)[:, 40]
    assert rows[3] <= 8
    assert (np.diff(rows) >= 1).all()


def test_a_drag_snaps_to_the_edge_in_the_image(played: PlayedBench, mouse: Mouse) -> None:
    # the scan is brighter from row 40 on
    played.bench.curves.width = 60
    found = []
    for keys in ((), ("Shift",)):
        mouse.drag((40, 33.5), (40, 36.5), (40, 39.5), keys=keys)
        assert played.bench.curves.rows is not None
        found.append(np.abs(played.bench.curves.rows[4] - 39.5))
        played.bench.correcting.undo()
    snapped, smooth = found
    assert snapped[40] == smooth[40] == 0
    assert snapped[15:66].mean() < 0.85 * smooth[15:66].mean()


def test_a_stroke_along_a_boundary(played: PlayedBench, mouse: Mouse) -> None:
    mouse.drag((20, 9.5), (30, 7.5), (50, 7.5), keys=("Control", "Shift"))
    rows = rows_of(played)
    assert (rows[0, 30:51] == 7).all()
    assert rows[0, 20] == 9
    assert (rows[0, 70:90] == 9).all()


def test_the_prediction_in_view_is_begun_with(played: PlayedBench, mouse: Mouse) -> None:
    played.show(0)
    band = np.zeros((64, 96), np.uint8)
    band[20:40] = 1
    played.opened.loaded.prediction[0] = band
    played.opened.loaded.predicted[0] = 0.5
    played.bench.correcting.show_prediction()
    played.bench.session.changed.emit((0,))
    mouse.drag((40, 19.5), (40, 15.5), keys=("Shift",))
    written = played.written(0)
    assert (written[20:40] == 1).all()
    assert written[16, 40] == 1
    assert written[15, 40] == 0
    assert played.workspace.states("eye")[0] == "corrected"
    played.bench.correcting.undo()
    assert 0 not in played.bench.correcting.states
    assert not played.labels[0].any()


def test_a_click_chooses_and_changes_nothing(
    played: PlayedBench, mouse: Mouse, curves: CurveEditing
) -> None:
    before = played.labels.copy()
    mouse.drag((40, 40.2), (40.1, 40.3))
    np.testing.assert_array_equal(played.labels, before)
    assert curves.chosen == 5
    assert not curves.is_held


def test_far_from_boundaries_the_mouse_is_naparis(mouse: Mouse, curves: CurveEditing) -> None:
    assert not mouse.drag((40, 60), (40, 50)).handled
    assert not mouse.turn(40, 60, 1).handled
    assert curves.width == 20
    mouse.move(40, 34)
    assert curves.is_near
    assert mouse.turn(40, 34, 1).handled
    assert curves.width == 25
    mouse.turn(40, 34, -1)
    mouse.turn(40, 34, -1)
    assert curves.width == 16
    mouse.move(40, 60)
    assert not curves.is_near


def test_arrows_lift_and_lower_by_half_pixels(
    played: PlayedBench, mouse: Mouse, curves: CurveEditing
) -> None:
    mouse.move(40, 15.5)
    curves.lift(1)
    assert curves.rows is not None
    np.testing.assert_allclose(curves.rows[1, :90], 15, atol=1e-4)
    assert (rows_of(played)[1, :90] == 15).all()  # the same pixels
    curves.lift(1)
    assert (rows_of(played)[1, :90] == 14).all()
    curves.lift(-1)
    curves.lift(-1)
    assert (rows_of(played)[1, :90] == 15).all()
    curves.choose(-1)
    curves.lift(2)
    assert (rows_of(played)[0, :90] == 8).all()
    curves.choose(-1)
    assert curves.chosen == 0
    curves.choose(99)
    assert curves.chosen == 7


def test_a_layer_goes_and_comes_back(
    played: PlayedBench, mouse: Mouse, curves: CurveEditing
) -> None:
    mouse.move(40, 31)  # in OPL
    curves.remove()
    assert not (played.labels[BSCAN][:, 30:51] == 4).any()
    assert (played.labels[BSCAN][:, :20] == 4).any()
    curves.restore()
    assert (played.labels[BSCAN] == 4).any(axis=0)[:90].all()
    curves.restore()
    assert "No layer is absent" in played.state.notice.text
    for _ in range(2):
        played.bench.correcting.undo()
    np.testing.assert_array_equal(played.labels[BSCAN], draw_retina())


def test_painting_and_editing_mix(played: PlayedBench, mouse: Mouse, curves: CurveEditing) -> None:
    mouse.drag((40, 9.5), (40, 7.5), keys=("Shift",))
    played.opened.labels.mode = "paint"
    assert not curves.is_on
    played.opened.labels.paint((BSCAN, 5, 40), 1)
    played.settle()
    curves.toggle()
    assert played.opened.labels.mode == "pan_zoom"
    assert curves.rows is not None
    assert curves.rows[0, 40] < 5
    # what a plugin paints meanwhile is followed
    played.opened.labels.data_setitem((np.full(9, BSCAN), np.full(9, 52), np.arange(9)), 7)
    played.bench.curves.check()
    assert curves.rows[7, 4] > 52
    curves.toggle()
    assert played.opened.labels.mode == "paint"


def test_labels_are_faint_while_boundaries_are_edited(played: PlayedBench) -> None:
    layers = (played.opened.labels, played.opened.prediction)
    assert all(layer.get_color(1)[3] < 0.5 for layer in layers)
    played.bench.curves.toggle()
    assert all(layer.get_color(1)[3] == 1 for layer in layers)


def test_evidence_counts_once_it_has_come(
    played: PlayedBench, mouse: Mouse, curves: CurveEditing
) -> None:
    job = played.job
    assert isinstance(job.job, EvidenceJob)
    # the model knows NFL and INL: NFL begins in row 6, not in row 10
    probabilities = np.full((4, 64, 96), 0.01, np.float16)
    for k, part in enumerate((slice(0, 6), slice(6, 16), slice(22, 28))):
        probabilities[k, part] = 0.97
    probabilities[0, 28:] = 0.97
    job.on_event(EvidenceFound(0, probabilities, (1.0, 0.0), (1.0, 0.0)))
    job.end()
    curves.width = 60
    found = []
    for _ in range(2):
        mouse.drag((40, 9.5), (40, 7.5), (40, 5.5))
        assert curves.rows is not None
        found.append(np.abs(curves.rows[0, 10:71] - 5.5).mean())
        played.bench.correcting.undo()
        played.settle()
    without, with_it = found
    assert with_it < 0.3
    assert without > 3 * with_it


def test_nothing_is_changed_where_labels_are_only_read(
    played: PlayedBench, mouse: Mouse, curves: CurveEditing
) -> None:
    before = played.labels.copy()
    played.state.is_read_only = True
    assert not mouse.drag((40, 21.5), (40, 15)).handled
    curves.lift(1)
    curves.remove()
    np.testing.assert_array_equal(played.labels, before)


def test_a_scan_without_layers_says_so(played: PlayedBench, curves: CurveEditing) -> None:
    curves.toggle()
    played.show(0)
    curves.toggle()
    assert "has no boundaries yet" in played.state.notice.text
    played.bench.navigation.close_scan()
    assert not curves.is_on
    assert curves.rows is None
    curves.toggle()
    assert not curves.is_on
    assert "Open a scan first" in played.state.notice.text
