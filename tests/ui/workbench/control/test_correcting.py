"""What is painted, accepted and confirmed reaches the disk, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.ui.workbench.session import Session

BAND, OTHER = slice(10, 20), slice(30, 35)
#: The class has another value in the model than in the workspace.
FLUID_OF_MODEL, FLUID = 3, 8


@pytest.fixture
def session(tmp_path: Path, volume: Path, own_models: Path) -> Iterator[Session]:
    made = Session()
    made.start(tmp_path / "work", volume)
    yield made
    made.close()


def test_a_scan_opens_with_labels_on_top_and_a_locked_prediction(session: Session) -> None:
    names = [layer.name for layer in session.viewer.layers]
    assert names == ["eye", "prediction", "labels"]
    assert session.viewer.layers.selection.active is session.opened.labels
    assert not session.opened.prediction.editable
    assert session.state.bscan == 2
    assert session.state.n_bscans == 5
    assert [cell.status for cell in session.state.strip] == ["untouched"] * 5


def test_a_stroke_is_on_disk_and_is_a_correction(session: Session) -> None:
    session.paint(1, BAND, 3)
    written = session.written(1)
    assert (written[BAND] == 3).all()
    assert not written[OTHER].any()
    assert session.workspace.states("eye") == {1: "corrected"}
    assert session.state.strip[1].status == "corrected"


def test_an_undo_of_the_viewer_is_on_disk_too(session: Session) -> None:
    session.paint(1, BAND, 3)
    session.paint(1, OTHER, 2)
    session.opened.labels.undo()
    written = session.written(1)
    assert (written[BAND] == 3).all()
    assert not written[OTHER].any()


def test_a_prediction_is_accepted_where_nothing_is_by_hand(session: Session) -> None:
    session.predict(FLUID_OF_MODEL)
    session.show(0)
    session.bench.correcting.accept_bscan()
    assert (session.written(0)[20:40] == FLUID).all()
    assert session.workspace.states("eye") == {0: "corrected"}


def test_a_prediction_never_replaces_labels_by_hand(session: Session) -> None:
    session.predict(FLUID_OF_MODEL)
    session.paint(0, BAND, 3)
    session.bench.correcting.accept_bscan()
    assert "does not replace" in session.state.notice.text
    session.bench.correcting.accept_volume()
    written = session.written(0)
    assert (written[BAND] == 3).all()
    assert all((session.written(bscan)[20:40] == FLUID).all() for bscan in (1, 2, 3, 4))


def test_accepting_without_a_prediction_says_what_to_do(session: Session) -> None:
    session.bench.correcting.accept_bscan()
    assert "press Segment first" in session.state.notice.text
    session.bench.correcting.accept_volume()
    assert "Nothing to accept" in session.state.notice.text
    session.bench.correcting.confirm()
    assert "segment it or paint first" in session.state.notice.text
    assert session.workspace.states("eye") == {}


def test_one_class_is_accepted_around_what_is_by_hand(session: Session) -> None:
    session.predict(FLUID_OF_MODEL)
    session.paint(2, slice(20, 30), 3)
    session.bench.correcting.accept_class(FLUID)
    written = session.written(2)
    assert (written[20:30] == 3).all()
    assert (written[30:40] == FLUID).all()
    session.bench.correcting.accept_class(FLUID)
    assert "no pixels of this class" in session.state.notice.text


def test_confirming_takes_the_prediction_along(session: Session) -> None:
    session.predict(FLUID_OF_MODEL)
    session.show(3)
    session.bench.correcting.confirm()
    assert (session.written(3)[20:40] == FLUID).all()
    assert session.workspace.states("eye") == {3: "confirmed"}
    assert session.state.strip[3].status == "confirmed"


def test_a_prediction_that_is_hidden_is_not_confirmed(session: Session) -> None:
    session.predict(FLUID_OF_MODEL)
    session.show(1)
    session.opened.prediction.visible = False
    session.bench.correcting.confirm()
    session.settle()
    assert session.workspace.states("eye") == {}
    assert "is hidden. Show it (H)" in session.state.notice.text
    assert not session.labels[1].any()
    # what was painted is seen, and confirmed
    session.paint(1, BAND, 3)
    session.bench.correcting.confirm()
    session.settle()
    assert set(np.unique(session.written(1))) == {0, 3}
    assert session.workspace.states("eye") == {1: "confirmed"}
    session.show(2)
    session.opened.prediction.visible = True
    session.bench.correcting.confirm()
    session.settle()
    assert (session.written(2)[20:40] == FLUID).all()


def test_a_stroke_on_a_confirmed_bscan_takes_the_confirmation_back(session: Session) -> None:
    session.paint(1, BAND, 3)
    session.bench.correcting.confirm()
    session.written(1)
    assert session.workspace.states("eye") == {1: "confirmed"}
    session.paint(1, OTHER, 2)
    session.written(1)
    assert session.workspace.states("eye") == {1: "corrected"}


def test_undo_goes_back_on_a_bscan_that_was_left(session: Session) -> None:
    session.paint(1, BAND, 3)
    session.show(4)
    session.paint(4, OTHER, 2)
    session.written(4)
    session.bench.correcting.undo()
    session.settle()
    assert not session.labels[4].any()
    assert (session.labels[1][BAND] == 3).all()
    session.bench.correcting.undo()
    session.settle()
    assert not session.labels.any()
    assert session.workspace.states("eye") == {}
    session.bench.correcting.redo()
    session.settle()
    assert (session.labels[1][BAND] == 3).all()
    assert session.workspace.states("eye") == {1: "corrected"}


def test_undo_of_an_accepted_volume_brings_all_bscans_back(session: Session) -> None:
    session.predict(FLUID_OF_MODEL)
    session.bench.correcting.accept_volume()
    session.settle()
    assert len(session.bench.correcting.states) == 5
    session.bench.correcting.undo()
    session.settle()
    assert not session.labels.any()
    assert session.bench.correcting.states == {}
    assert [cell.status for cell in session.state.strip] == ["predicted"] * 5


def test_clearing_can_be_undone(session: Session) -> None:
    session.paint(2, BAND, 5)
    session.bench.correcting.confirm()
    session.bench.correcting.clear()
    session.settle()
    assert session.workspace.states("eye") == {}
    assert not session.labels[2].any()
    session.bench.correcting.undo()
    session.settle()
    assert (session.labels[2][BAND] == 5).all()
    assert session.workspace.states("eye") == {2: "confirmed"}


def test_what_is_not_annotated_is_painted_with_255(session: Session) -> None:
    session.bench.correcting.paint_not_annotated()
    assert session.opened.labels.selected_label == 255
    assert session.opened.labels.mode == "paint"
    session.bench.correcting.pick_class(2)
    assert session.opened.labels.selected_label == 3
    session.bench.correcting.pick_class(99)
    assert session.opened.labels.selected_label == 3


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("paint", "paint"),
        ("fill", "fill"),
        ("polygon", "polygon"),
        ("erase", "paint"),
        ("pick", "paint"),
        ("pan_zoom", "paint"),
    ],
)
def test_a_class_is_picked_for_the_tool_in_hand(before: str, after: str, session: Session) -> None:
    session.opened.labels.mode = before
    session.bench.correcting.pick_class(2)
    assert session.opened.labels.selected_label == 3
    assert session.opened.labels.mode == after


def test_the_prediction_is_hidden_and_shown(session: Session) -> None:
    session.bench.correcting.toggle_prediction()
    assert not session.opened.prediction.visible
    session.bench.correcting.toggle_prediction()
    assert session.opened.prediction.visible


def test_all_is_there_again_after_opening(
    session: Session, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    session.predict(FLUID_OF_MODEL)
    session.paint(1, BAND, 3)
    session.bench.correcting.confirm()
    session.written(1)
    session.close()
    again = Session()
    again.bench.open(tmp_path / "work")
    again.settle()
    request.addfinalizer(again.close)
    assert (again.labels[1][BAND] == 3).all()
    assert (again.opened.loaded.prediction[0][20:40] == FLUID).all()
    statuses = [cell.status for cell in again.state.strip]
    assert statuses == ["predicted", "confirmed", "predicted", "predicted", "predicted"]
    assert np.isclose(again.state.strip[2].uncertainty or 0, 0.52)


def test_a_second_viewer_reads_only_and_says_so(session: Session, tmp_path: Path) -> None:
    session.paint(1, BAND, 3)
    session.written(1)
    second = Session()
    second.bench.open(tmp_path / "work")
    second.settle()
    assert second.state.is_read_only
    assert second.state.notice.level == "warning"
    assert not second.opened.labels.editable
    second.bench.correcting.confirm()
    second.paint(0, OTHER, 2)
    second.settle()
    second.close()
    assert session.workspace.states("eye") == {1: "corrected"}
    assert not session.written(0).any()


def test_labels_that_a_plugin_sets_are_kept(session: Session) -> None:
    given = np.zeros((5, 64, 96), np.int32)
    given[3, 5:9] = 6
    session.opened.labels.data = given
    written = session.written(3)
    assert (written[5:9] == 6).all()
    assert session.workspace.states("eye") == {3: "corrected"}
    assert session.opened.labels.data is session.labels


def test_labels_of_another_shape_are_not_taken(session: Session) -> None:
    session.paint(1, BAND, 3)
    session.opened.labels.data = np.zeros((2, 64, 96), np.uint8)
    assert session.opened.labels.data is session.labels
    assert (session.written(1)[BAND] == 3).all()


def test_a_stroke_over_all_bscans_is_kept_in_each(session: Session) -> None:
    session.opened.labels.n_edit_dimensions = 3
    places = np.indices((5, 2, 3)).reshape(3, -1)
    session.opened.labels.data_setitem(tuple(places), 4)
    for bscan in range(5):
        assert (session.written(bscan)[:2, :3] == 4).all()
    assert len(session.workspace.states("eye")) == 5


def test_a_stroke_just_before_labels_come_back_stays(session: Session) -> None:
    session.paint(1, BAND, 3)
    session.paint(2, BAND, 4)
    session.written(2)
    session.bench.correcting.undo()
    session.bench.desk.wait_for_files()
    session.paint(2, OTHER, 5)
    session.take_posts()  # the old labels come, and no timer has looked at the stroke yet
    assert (session.labels[2][OTHER] == 5).all()
    assert (session.written(2)[OTHER] == 5).all()


def test_what_is_painted_while_labels_go_back_stays(session: Session) -> None:
    session.paint(1, BAND, 3)
    session.paint(2, BAND, 4)
    session.written(2)
    session.bench.correcting.undo()
    session.paint(2, OTHER, 5)
    written = session.written(2)
    assert np.array_equal(written, session.labels[2])
    assert (written[OTHER] == 5).all()
    assert (session.written(1)[BAND] == 3).all()
    assert session.bench.correcting.states == session.workspace.states("eye")
