"""What is seen of a B-scan is what a confirmation stores, however it was painted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_retseg.workspace import Workspace
from tests.ui.workbench.session import Session

#: The class has another value in the model than in the workspace.
FLUID_OF_MODEL, FLUID = 3, 8
CYST = 5
#: Where the played model sees fluid.
PREDICTED = slice(20, 40)
Edit = Callable[[Session, int], None]


@pytest.fixture
def session(tmp_path: Path, volume: Path, own_models: Path) -> Iterator[Session]:
    made = Session()
    made.start(tmp_path / "work", volume)
    yield made
    made.close()


def seen(session: Session, bscan: int) -> NDArray[np.uint8]:
    """Compose what the two layers show of the B-scan in view."""
    session.show(bscan)
    session.bench.correcting.check()
    shown: NDArray[np.uint8] = session.labels[bscan].copy()
    prediction = session.opened.prediction
    if prediction.visible and not prediction.contour:
        shown = np.where(shown == 0, prediction.data[bscan], shown)
    return shown


def dab(session: Session, bscan: int) -> None:
    session.show(bscan)
    session.opened.labels.paint((bscan, 50, 50), CYST)


def drag(session: Session, bscan: int) -> None:
    session.show(bscan)
    labels = session.opened.labels
    with labels.block_history():
        for column in range(30, 60, 3):
            labels.paint((bscan, 30, column), CYST, refresh=False)
            session.bench.correcting.check()  # the timer comes in between


def erase(session: Session, bscan: int) -> None:
    session.show(bscan)
    session.opened.labels.paint((bscan, 30, 50), 0)


def fill(session: Session, bscan: int) -> None:
    session.show(bscan)
    session.opened.labels.fill((bscan, 30, 50), CYST)


def fill_background(session: Session, bscan: int) -> None:
    session.show(bscan)
    session.opened.labels.fill((bscan, 5, 5), CYST)


def polygon(session: Session, bscan: int) -> None:
    session.show(bscan)
    corners = [(bscan, 25, 10), (bscan, 45, 10), (bscan, 45, 30), (bscan, 25, 30)]
    session.opened.labels.paint_polygon(corners, CYST)


def polygon_that_erases(session: Session, bscan: int) -> None:
    session.show(bscan)
    corners = [(bscan, 25, 10), (bscan, 35, 10), (bscan, 35, 30), (bscan, 25, 30)]
    session.opened.labels.paint_polygon(corners, 0)


def leave_out(session: Session, bscan: int) -> None:
    session.show(bscan)
    session.opened.labels.paint((bscan, 30, 50), 255)


def set_items(session: Session, bscan: int) -> None:
    session.paint(bscan, slice(25, 30), CYST)


def set_items_out_of_view(session: Session, bscan: int) -> None:
    session.show((bscan + 1) % 5)
    rows, columns = np.mgrid[25:30, 0:40].reshape(2, -1)
    session.opened.labels.data_setitem((np.full(len(rows), bscan), rows, columns), CYST)


def write_into_the_array(session: Session, bscan: int) -> None:
    session.show(bscan)
    session.opened.labels.data[bscan, 45:50, 10:20] = CYST
    session.opened.labels.refresh()


def replace_the_array(session: Session, bscan: int) -> None:
    session.show(bscan)
    data = session.opened.labels.data.copy()
    data[bscan, 45:50, 10:20] = CYST
    session.opened.labels.data = data


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
def test_painting_begins_with_the_prediction_that_is_seen(session: Session, edit: Edit) -> None:
    session.predict(FLUID_OF_MODEL)
    session.show(1)
    before = seen(session, 1)
    edit(session, 1)
    expected = seen(session, 1)
    changed = expected != before
    assert changed.any()
    assert changed.sum() < changed.size
    # what was not painted over is still the prediction
    assert np.array_equal(expected[~changed], before[~changed])
    assert (expected == FLUID).any() or edit is fill
    session.bench.correcting.confirm()
    assert np.array_equal(session.written(1), expected)
    assert session.workspace.states("eye") == {1: "confirmed"}


@pytest.mark.parametrize("edit", EDITS)
def test_with_the_prediction_it_is_one_step(session: Session, edit: Edit) -> None:
    session.predict(FLUID_OF_MODEL)
    session.show(1)
    before = seen(session, 1)
    edit(session, 1)
    after = seen(session, 1)
    session.bench.correcting.undo()
    assert np.array_equal(seen(session, 1), before)
    assert not session.labels.any()
    assert not session.written(1).any()
    assert session.workspace.states("eye") == {}
    session.bench.correcting.redo()
    assert np.array_equal(seen(session, 1), after)
    assert np.array_equal(session.written(1), after)
    assert session.workspace.states("eye") == {1: "corrected"}


@pytest.mark.parametrize("edit", [dab, polygon, leave_out, set_items, write_into_the_array])
def test_what_is_hidden_is_not_begun_with(session: Session, edit: Edit) -> None:
    session.predict(FLUID_OF_MODEL)
    session.show(1)
    session.bench.correcting.toggle_prediction()
    edit(session, 1)
    expected = seen(session, 1)
    assert not (expected == FLUID).any()
    session.bench.correcting.confirm()
    assert np.array_equal(session.written(1), expected)


def test_a_prediction_that_comes_while_it_is_painted_stays_below(session: Session) -> None:
    session.show(1)
    session.bench.predicting.segment_volume()
    session.opened.labels.paint((1, 50, 50), CYST)
    session.send(1, FLUID_OF_MODEL)
    session.job.end()
    session.settle()
    expected = seen(session, 1)
    assert not (expected == FLUID).any()
    session.bench.correcting.confirm()
    assert np.array_equal(session.written(1), expected)


def test_accept_fills_what_is_not_painted(session: Session) -> None:
    """Labels that were painted before there was a prediction, an area left out, an erased one."""
    session.opened.labels.paint((2, 30, 20), CYST)
    session.opened.labels.paint((2, 30, 50), 255)
    session.opened.labels.paint((2, 30, 80), CYST)
    session.opened.labels.paint((2, 30, 80), 0)
    by_hand = session.labels[2].copy()
    session.predict(FLUID_OF_MODEL)
    session.show(2)
    assert np.array_equal(seen(session, 2), by_hand)
    session.bench.correcting.accept_bscan()
    written = session.written(2)
    assert np.array_equal(written[by_hand != 0], by_hand[by_hand != 0])
    assert written[30, 80] == 0
    assert written[PREDICTED][by_hand[PREDICTED] == 0].max() == FLUID
    assert (written[22, :] == FLUID).all()
    session.bench.correcting.undo()
    assert np.array_equal(session.labels[2], by_hand)
    session.bench.correcting.accept_volume()
    assert np.array_equal(session.labels[2], written)
    assert all((session.labels[bscan][PREDICTED] == FLUID).all() for bscan in (0, 1, 3, 4))


def test_accept_leaves_what_began_with_a_prediction(session: Session, tmp_path: Path) -> None:
    session.predict(FLUID_OF_MODEL)
    erase(session, 1)
    expected = seen(session, 1)
    session.bench.correcting.accept_bscan()
    session.bench.correcting.accept_volume()
    assert np.array_equal(session.written(1), expected)
    session.bench.open(tmp_path / "work")  # nor after it was opened again
    session.settle()
    session.show(1)
    session.bench.correcting.accept_bscan()
    session.bench.correcting.accept_volume()
    assert np.array_equal(session.written(1), expected)
    session.bench.correcting.clear()
    session.bench.correcting.accept_bscan()
    assert (session.written(1)[PREDICTED] == FLUID).all()


def test_accept_leaves_what_is_confirmed(session: Session) -> None:
    dab(session, 1)
    session.bench.correcting.confirm()
    expected = session.written(1)
    session.predict(FLUID_OF_MODEL)
    session.show(1)
    session.bench.correcting.accept_bscan()
    assert "is confirmed" in session.state.notice.text
    session.bench.correcting.accept_volume()
    assert np.array_equal(session.written(1), expected)
    assert session.workspace.states("eye")[1] == "confirmed"


def test_an_emptied_bscan_is_confirmed_empty(session: Session) -> None:
    session.predict(FLUID_OF_MODEL)
    session.show(1)
    session.opened.labels.fill((1, 30, 50), 0)
    assert not seen(session, 1).any()
    session.bench.correcting.confirm()
    assert not session.written(1).any()
    assert session.workspace.states("eye") == {1: "confirmed"}


def test_the_prediction_is_seen_only_where_nothing_is_labelled(session: Session) -> None:
    session.predict(FLUID_OF_MODEL)
    layer = session.opened.prediction
    erase(session, 1)
    session.bench.correcting.check()
    assert not layer.visible
    session.show(2)
    assert layer.visible
    assert not layer.contour
    session.bench.correcting.accept_bscan()
    assert not layer.visible
    session.bench.correcting.undo()
    assert layer.visible
    session.show(1)
    assert not layer.visible
    session.bench.correcting.toggle_prediction()  # H compares: outlines, below the labels
    assert layer.visible
    assert layer.contour
    session.bench.correcting.toggle_prediction()
    assert not layer.visible


def test_the_eye_of_the_layer_is_a_wish_like_the_key(session: Session) -> None:
    session.predict(FLUID_OF_MODEL)
    session.show(1)
    session.opened.prediction.visible = False
    session.show(2)
    assert not session.opened.prediction.visible
    erase(session, 2)
    session.bench.correcting.check()
    assert not session.labels[2].any()  # nothing was seen that could be erased
    session.opened.prediction.visible = True
    assert session.opened.prediction.visible
    erase(session, 2)
    assert (seen(session, 2) == FLUID).any()


def test_what_is_hidden_is_not_confirmed(session: Session) -> None:
    session.predict(FLUID_OF_MODEL)
    session.show(1)
    session.state.hidden = frozenset({FLUID})
    session.bench.correcting.confirm()
    assert "hidden" in session.state.notice.text
    session.state.hidden = frozenset({CYST})  # none of it is there
    session.bench.correcting.confirm()
    session.written(1)
    assert session.workspace.states("eye") == {1: "confirmed"}
    dab(session, 1)
    session.state.hidden = frozenset()
    session.opened.labels.visible = False
    session.bench.correcting.confirm()
    assert "hidden" in session.state.notice.text
    session.opened.labels.visible = True
    session.viewer.dims.ndisplay = 3
    session.bench.correcting.confirm()
    assert "2D view" in session.state.notice.text
    session.written(1)
    assert session.workspace.states("eye") == {1: "corrected"}


def test_the_status_bar_names_what_is_seen(session: Session) -> None:
    session.predict(FLUID_OF_MODEL)
    session.show(1)

    def name(row: int) -> str:
        place = np.multiply((session.state.bscan, row, 50), session.opened.labels.scale)
        where = {"view_direction": None, "dims_displayed": [1, 2], "world": True}
        status = session.opened.labels.get_status(place, **where)
        assert status["value"] in status["coordinates"]
        return status["value"]

    fluid = session.workspace.classes.names[-1]
    assert name(30) == f"{fluid} (predicted)"
    assert name(5) == "background (predicted)"
    session.bench.correcting.toggle_prediction()
    assert name(30) == "background"
    session.bench.correcting.toggle_prediction()
    session.opened.labels.paint((1, 50, 50), 255)
    session.bench.correcting.check()
    assert name(30) == fluid
    assert name(50) == "not annotated"


def test_labels_on_disk_say_with_which_prediction_they_began(session: Session) -> None:
    session.predict(FLUID_OF_MODEL)
    erase(session, 1)
    erase(session, 1)
    session.show(2)
    session.bench.correcting.toggle_prediction()
    dab(session, 2)
    session.written(2)
    workspace: Workspace = session.workspace
    weights = workspace.predictions("eye")[1].weights_id
    assert weights
    assert workspace.begun_with("eye") == {1: weights}
