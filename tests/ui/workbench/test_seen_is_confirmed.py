"""What is seen of a B-scan is what a confirmation stores, however it was painted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_retseg.workspace import Workspace
from tests.ui.workbench.playedbench import PlayedBench

#: The class has another value in the model than in the workspace.
FLUID_OF_MODEL, FLUID = 3, 8
CYST = 5
#: Where the played model sees fluid.
PREDICTED = slice(20, 40)
Edit = Callable[[PlayedBench, int], None]


@pytest.fixture
def played(tmp_path: Path, volume: Path, own_models: Path) -> Iterator[PlayedBench]:
    made = PlayedBench()
    made.start(tmp_path / "work", volume)
    yield made
    made.close()


def seen(played: PlayedBench, bscan: int) -> NDArray[np.uint8]:
    """Compose what the two layers show of the B-scan in view."""
    played.show(bscan)
    played.bench.correcting.check()
    shown: NDArray[np.uint8] = played.labels[bscan].copy()
    prediction = played.opened.prediction
    if prediction.visible and not prediction.contour:
        shown = np.where(shown == 0, prediction.data[bscan], shown)
    return shown


def dab(played: PlayedBench, bscan: int) -> None:
    played.show(bscan)
    played.opened.labels.paint((bscan, 50, 50), CYST)


def drag(played: PlayedBench, bscan: int) -> None:
    played.show(bscan)
    labels = played.opened.labels
    with labels.block_history():
        for column in range(30, 60, 3):
            labels.paint((bscan, 30, column), CYST, refresh=False)
            played.bench.correcting.check()  # the timer comes in between


def erase(played: PlayedBench, bscan: int) -> None:
    played.show(bscan)
    played.opened.labels.paint((bscan, 30, 50), 0)


def fill(played: PlayedBench, bscan: int) -> None:
    played.show(bscan)
    played.opened.labels.fill((bscan, 30, 50), CYST)


def fill_background(played: PlayedBench, bscan: int) -> None:
    played.show(bscan)
    played.opened.labels.fill((bscan, 5, 5), CYST)


def polygon(played: PlayedBench, bscan: int) -> None:
    played.show(bscan)
    corners = [(bscan, 25, 10), (bscan, 45, 10), (bscan, 45, 30), (bscan, 25, 30)]
    played.opened.labels.paint_polygon(corners, CYST)


def polygon_that_erases(played: PlayedBench, bscan: int) -> None:
    played.show(bscan)
    corners = [(bscan, 25, 10), (bscan, 35, 10), (bscan, 35, 30), (bscan, 25, 30)]
    played.opened.labels.paint_polygon(corners, 0)


def leave_out(played: PlayedBench, bscan: int) -> None:
    played.show(bscan)
    played.opened.labels.paint((bscan, 30, 50), 255)


def set_items(played: PlayedBench, bscan: int) -> None:
    played.paint(bscan, slice(25, 30), CYST)


def set_items_out_of_view(played: PlayedBench, bscan: int) -> None:
    played.show((bscan + 1) % 5)
    rows, columns = np.mgrid[25:30, 0:40].reshape(2, -1)
    played.opened.labels.data_setitem((np.full(len(rows), bscan), rows, columns), CYST)


def write_into_the_array(played: PlayedBench, bscan: int) -> None:
    played.show(bscan)
    played.opened.labels.data[bscan, 45:50, 10:20] = CYST
    played.opened.labels.refresh()


def replace_the_array(played: PlayedBench, bscan: int) -> None:
    played.show(bscan)
    data = played.opened.labels.data.copy()
    data[bscan, 45:50, 10:20] = CYST
    played.opened.labels.data = data


EDITS = [
    dab,
    drag,
    erase,
    fill,
    fill_background,
    polygon,
    polygon_that_erases,
    leave_out,
    set_items,
    set_items_out_of_view,
    write_into_the_array,
    replace_the_array,
]


@pytest.mark.parametrize("edit", EDITS)
def test_painting_begins_with_the_prediction_that_is_seen(played: PlayedBench, edit: Edit) -> None:
    played.predict(FLUID_OF_MODEL)
    played.show(1)
    before = seen(played, 1)
    edit(played, 1)
    expected = seen(played, 1)
    changed = expected != before
    assert changed.any()
    assert changed.sum() < changed.size
    # what was not painted over is still the prediction
    assert np.array_equal(expected[~changed], before[~changed])
    assert (expected == FLUID).any() or edit is fill
    played.bench.correcting.confirm()
    assert np.array_equal(played.written(1), expected)
    assert played.workspace.states("eye") == {1: "confirmed"}


@pytest.mark.parametrize("edit", EDITS)
def test_with_the_prediction_it_is_one_step(played: PlayedBench, edit: Edit) -> None:
    played.predict(FLUID_OF_MODEL)
    played.show(1)
    before = seen(played, 1)
    edit(played, 1)
    after = seen(played, 1)
    played.bench.correcting.undo()
    assert np.array_equal(seen(played, 1), before)
    assert not played.labels.any()
    assert not played.written(1).any()
    assert played.workspace.states("eye") == {}
    played.bench.correcting.redo()
    assert np.array_equal(seen(played, 1), after)
    assert np.array_equal(played.written(1), after)
    assert played.workspace.states("eye") == {1: "corrected"}


@pytest.mark.parametrize("edit", [dab, polygon, leave_out, set_items, write_into_the_array])
def test_what_is_hidden_is_not_begun_with(played: PlayedBench, edit: Edit) -> None:
    played.predict(FLUID_OF_MODEL)
    played.show(1)
    played.bench.correcting.toggle_prediction()
    edit(played, 1)
    expected = seen(played, 1)
    assert not (expected == FLUID).any()
    played.bench.correcting.confirm()
    assert np.array_equal(played.written(1), expected)


def test_a_prediction_that_comes_while_it_is_painted_stays_below(played: PlayedBench) -> None:
    played.show(1)
    played.bench.predicting.segment_volume()
    played.opened.labels.paint((1, 50, 50), CYST)
    played.send(1, FLUID_OF_MODEL)
    played.job.end()
    played.settle()
    expected = seen(played, 1)
    assert not (expected == FLUID).any()
    played.bench.correcting.confirm()
    assert np.array_equal(played.written(1), expected)


def test_accept_fills_what_is_not_painted(played: PlayedBench) -> None:
    """Labels that were painted before there was a prediction, an area left out, an erased one."""
    played.opened.labels.paint((2, 30, 20), CYST)
    played.opened.labels.paint((2, 30, 50), 255)
    played.opened.labels.paint((2, 30, 80), CYST)
    played.opened.labels.paint((2, 30, 80), 0)
    by_hand = played.labels[2].copy()
    played.predict(FLUID_OF_MODEL)
    played.show(2)
    assert np.array_equal(seen(played, 2), by_hand)
    played.bench.correcting.accept_bscan()
    written = played.written(2)
    assert np.array_equal(written[by_hand != 0], by_hand[by_hand != 0])
    assert written[30, 80] == 0
    assert written[PREDICTED][by_hand[PREDICTED] == 0].max() == FLUID
    assert (written[22, :] == FLUID).all()
    played.bench.correcting.undo()
    assert np.array_equal(played.labels[2], by_hand)
    played.bench.correcting.accept_volume()
    assert np.array_equal(played.labels[2], written)
    assert all((played.labels[bscan][PREDICTED] == FLUID).all() for bscan in (0, 1, 3, 4))


def test_accept_leaves_what_began_with_a_prediction(played: PlayedBench, tmp_path: Path) -> None:
    played.predict(FLUID_OF_MODEL)
    erase(played, 1)
    expected = seen(played, 1)
    played.bench.correcting.accept_bscan()
    played.bench.correcting.accept_volume()
    assert np.array_equal(played.written(1), expected)
    played.bench.open(tmp_path / "work")  # nor after it was opened again
    played.settle()
    played.show(1)
    played.bench.correcting.accept_bscan()
    played.bench.correcting.accept_volume()
    assert np.array_equal(played.written(1), expected)
    played.bench.correcting.clear()
    played.bench.correcting.accept_bscan()
    assert (played.written(1)[PREDICTED] == FLUID).all()


def test_accept_leaves_what_is_confirmed(played: PlayedBench) -> None:
    dab(played, 1)
    played.bench.correcting.confirm()
    expected = played.written(1)
    played.predict(FLUID_OF_MODEL)
    played.show(1)
    played.bench.correcting.accept_bscan()
    assert "is confirmed" in played.state.notice.text
    played.bench.correcting.accept_volume()
    assert np.array_equal(played.written(1), expected)
    assert played.workspace.states("eye")[1] == "confirmed"


def test_an_emptied_bscan_is_confirmed_empty(played: PlayedBench) -> None:
    played.predict(FLUID_OF_MODEL)
    played.show(1)
    played.opened.labels.fill((1, 30, 50), 0)
    assert not seen(played, 1).any()
    played.bench.correcting.confirm()
    assert not played.written(1).any()
    assert played.workspace.states("eye") == {1: "confirmed"}


def test_the_prediction_is_seen_only_where_nothing_is_labelled(played: PlayedBench) -> None:
    played.predict(FLUID_OF_MODEL)
    layer = played.opened.prediction
    erase(played, 1)
    played.bench.correcting.check()
    assert not layer.visible
    played.show(2)
    assert layer.visible
    assert not layer.contour
    played.bench.correcting.accept_bscan()
    assert not layer.visible
    played.bench.correcting.undo()
    assert layer.visible
    played.show(1)
    assert not layer.visible
    played.bench.correcting.toggle_prediction()  # H compares: outlines, below the labels
    assert layer.visible
    assert layer.contour
    played.bench.correcting.toggle_prediction()
    assert not layer.visible


def test_the_eye_of_the_layer_is_a_wish_like_the_key(played: PlayedBench) -> None:
    played.predict(FLUID_OF_MODEL)
    played.show(1)
    played.opened.prediction.visible = False
    played.show(2)
    assert not played.opened.prediction.visible
    erase(played, 2)
    played.bench.correcting.check()
    assert not played.labels[2].any()  # nothing was seen that could be erased
    played.opened.prediction.visible = True
    assert played.opened.prediction.visible
    erase(played, 2)
    assert (seen(played, 2) == FLUID).any()


def test_what_is_hidden_is_not_confirmed(played: PlayedBench) -> None:
    played.predict(FLUID_OF_MODEL)
    played.show(1)
    played.state.hidden = frozenset({FLUID})
    played.bench.correcting.confirm()
    assert "hidden" in played.state.notice.text
    played.state.hidden = frozenset({CYST})  # none of it is there
    played.bench.correcting.confirm()
    played.written(1)
    assert played.workspace.states("eye") == {1: "confirmed"}
    dab(played, 1)
    played.state.hidden = frozenset()
    played.opened.labels.visible = False
    played.bench.correcting.confirm()
    assert "hidden" in played.state.notice.text
    played.opened.labels.visible = True
    played.viewer.dims.ndisplay = 3
    played.bench.correcting.confirm()
    assert "2D view" in played.state.notice.text
    played.written(1)
    assert played.workspace.states("eye") == {1: "corrected"}


def test_the_status_bar_names_what_is_seen(played: PlayedBench) -> None:
    played.predict(FLUID_OF_MODEL)
    played.show(1)

    def name(row: int) -> str:
        place = np.multiply((played.state.bscan, row, 50), played.opened.labels.scale)
        where = {"view_direction": None, "dims_displayed": [1, 2], "world": True}
        status = played.opened.labels.get_status(place, **where)
        assert status["value"] in status["coordinates"]
        return status["value"]

    fluid = played.workspace.classes.names[-1]
    assert name(30) == f"{fluid} (predicted)"
    assert name(5) == "background (predicted)"
    played.bench.correcting.toggle_prediction()
    assert name(30) == "background"
    played.bench.correcting.toggle_prediction()
    played.opened.labels.paint((1, 50, 50), 255)
    played.bench.correcting.check()
    assert name(30) == fluid
    assert name(50) == "not annotated"


def test_labels_on_disk_say_with_which_prediction_they_began(played: PlayedBench) -> None:
    played.predict(FLUID_OF_MODEL)
    erase(played, 1)
    erase(played, 1)
    played.show(2)
    played.bench.correcting.toggle_prediction()
    dab(played, 2)
    played.written(2)
    workspace: Workspace = played.workspace
    weights = workspace.predictions("eye")[1].weights_id
    assert weights
    assert workspace.begun_with("eye") == {1: weights}
