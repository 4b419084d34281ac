"""What is painted, accepted and confirmed reaches the disk, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.ui.workbench.playedbench import PlayedBench

BAND, OTHER = slice(10, 20), slice(30, 35)
#: The class has another value in the model than in the workspace.
FLUID_OF_MODEL, FLUID = 3, 8


@pytest.fixture
def played(tmp_path: Path, volume: Path, own_models: Path) -> Iterator[PlayedBench]:
    made = PlayedBench()
    made.start(tmp_path / "work", volume)
    yield made
    made.close()


def test_a_scan_opens_with_labels_on_top_and_a_locked_prediction(played: PlayedBench) -> None:
    names = [layer.name for layer in played.viewer.layers]
    assert names == ["eye", "prediction", "labels"]
    assert played.viewer.layers.selection.active is played.opened.labels
    assert not played.opened.prediction.editable
    assert played.state.bscan == 2
    assert played.state.n_bscans == 5
    assert [cell.status for cell in played.state.strip] == ["untouched"] * 5


def test_a_stroke_is_on_disk_and_is_a_correction(played: PlayedBench) -> None:
    played.paint(1, BAND, 3)
    written = played.written(1)
    assert (written[BAND] == 3).all()
    assert not written[OTHER].any()
    assert played.workspace.states("eye") == {1: "corrected"}
    assert played.state.strip[1].status == "corrected"


def test_an_undo_of_the_viewer_is_on_disk_too(played: PlayedBench) -> None:
    played.paint(1, BAND, 3)
    played.paint(1, OTHER, 2)
    played.opened.labels.undo()
    written = played.written(1)
    assert (written[BAND] == 3).all()
    assert not written[OTHER].any()


def test_a_prediction_is_accepted_where_nothing_is_by_hand(played: PlayedBench) -> None:
    played.predict(FLUID_OF_MODEL)
    played.show(0)
    played.bench.correcting.accept_bscan()
    assert (played.written(0)[20:40] == FLUID).all()
    assert played.workspace.states("eye") == {0: "corrected"}


def test_a_prediction_never_replaces_labels_by_hand(played: PlayedBench) -> None:
    played.predict(FLUID_OF_MODEL)
    played.paint(0, BAND, 3)
    played.bench.correcting.accept_bscan()
    assert "does not replace" in played.state.notice.text
    played.bench.correcting.accept_volume()
    written = played.written(0)
    assert (written[BAND] == 3).all()
    assert all((played.written(bscan)[20:40] == FLUID).all() for bscan in (1, 2, 3, 4))


def test_accepting_without_a_prediction_says_what_to_do(played: PlayedBench) -> None:
    played.bench.correcting.accept_bscan()
    assert "press Segment first" in played.state.notice.text
    played.bench.correcting.accept_volume()
    assert "Nothing to accept" in played.state.notice.text
    played.bench.correcting.confirm()
    assert "segment it or paint first" in played.state.notice.text
    assert played.workspace.states("eye") == {}


def test_one_class_is_accepted_around_what_is_by_hand(played: PlayedBench) -> None:
    played.predict(FLUID_OF_MODEL)
    played.paint(2, slice(20, 30), 3)
    played.bench.correcting.accept_class(FLUID)
    written = played.written(2)
    assert (written[20:30] == 3).all()
    assert (written[30:40] == FLUID).all()
    played.bench.correcting.accept_class(FLUID)
    assert "no pixels of this class" in played.state.notice.text


def test_confirming_takes_the_prediction_along(played: PlayedBench) -> None:
    played.predict(FLUID_OF_MODEL)
    played.show(3)
    played.bench.correcting.confirm()
    assert (played.written(3)[20:40] == FLUID).all()
    assert played.workspace.states("eye") == {3: "confirmed"}
    assert played.state.strip[3].status == "confirmed"


def test_a_prediction_that_is_hidden_is_not_confirmed(played: PlayedBench) -> None:
    played.predict(FLUID_OF_MODEL)
    played.show(1)
    played.opened.prediction.visible = False
    played.bench.correcting.confirm()
    played.settle()
    assert played.workspace.states("eye") == {}
    assert "is hidden. Show it (H)" in played.state.notice.text
    assert not played.labels[1].any()
    # what was painted is seen, and confirmed
    played.paint(1, BAND, 3)
    played.bench.correcting.confirm()
    played.settle()
    assert set(np.unique(played.written(1))) == {0, 3}
    assert played.workspace.states("eye") == {1: "confirmed"}
    played.show(2)
    played.opened.prediction.visible = True
    played.bench.correcting.confirm()
    played.settle()
    assert (played.written(2)[20:40] == FLUID).all()


def test_a_stroke_on_a_confirmed_bscan_takes_the_confirmation_back(played: PlayedBench) -> None:
    played.paint(1, BAND, 3)
    played.bench.correcting.confirm()
    played.written(1)
    assert played.workspace.states("eye") == {1: "confirmed"}
    played.paint(1, OTHER, 2)
    played.written(1)
    assert played.workspace.states("eye") == {1: "corrected"}


def test_undo_goes_back_on_a_bscan_that_was_left(played: PlayedBench) -> None:
    played.paint(1, BAND, 3)
    played.show(4)
    played.paint(4, OTHER, 2)
    played.written(4)
    played.bench.correcting.undo()
    played.settle()
    assert not played.labels[4].any()
    assert (played.labels[1][BAND] == 3).all()
    played.bench.correcting.undo()
    played.settle()
    assert not played.labels.any()
    assert played.workspace.states("eye") == {}
    played.bench.correcting.redo()
    played.settle()
    assert (played.labels[1][BAND] == 3).all()
    assert played.workspace.states("eye") == {1: "corrected"}


def test_undo_of_an_accepted_volume_brings_all_bscans_back(played: PlayedBench) -> None:
    played.predict(FLUID_OF_MODEL)
    played.bench.correcting.accept_volume()
    played.settle()
    assert len(played.bench.correcting.states) == 5
    played.bench.correcting.undo()
    played.settle()
    assert not played.labels.any()
    assert played.bench.correcting.states == {}
    assert [cell.status for cell in played.state.strip] == ["predicted"] * 5


def test_clearing_can_be_undone(played: PlayedBench) -> None:
    played.paint(2, BAND, 5)
    played.bench.correcting.confirm()
    played.bench.correcting.clear()
    played.settle()
    assert played.workspace.states("eye") == {}
    assert not played.labels[2].any()
    played.bench.correcting.undo()
    played.settle()
    assert (played.labels[2][BAND] == 5).all()
    assert played.workspace.states("eye") == {2: "confirmed"}


def test_what_is_not_annotated_is_painted_with_255(played: PlayedBench) -> None:
    played.bench.correcting.paint_not_annotated()
    assert played.opened.labels.selected_label == 255
    assert played.opened.labels.mode == "paint"
    played.bench.correcting.pick_class(2)
    assert played.opened.labels.selected_label == 3
    played.bench.correcting.pick_class(99)
    assert played.opened.labels.selected_label == 3


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
def test_a_class_is_picked_for_the_tool_in_hand(
    before: str, after: str, played: PlayedBench
) -> None:
    played.opened.labels.mode = before
    played.bench.correcting.pick_class(2)
    assert played.opened.labels.selected_label == 3
    assert played.opened.labels.mode == after


def test_the_prediction_is_hidden_and_shown(played: PlayedBench) -> None:
    played.bench.correcting.toggle_prediction()
    assert not played.opened.prediction.visible
    played.bench.correcting.toggle_prediction()
    assert played.opened.prediction.visible


def test_all_is_there_again_after_opening(
    played: PlayedBench, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    played.predict(FLUID_OF_MODEL)
    played.paint(1, BAND, 3)
    played.bench.correcting.confirm()
    played.written(1)
    played.close()
    again = PlayedBench()
    again.bench.open(tmp_path / "work")
    again.settle()
    request.addfinalizer(again.close)
    assert (again.labels[1][BAND] == 3).all()
    assert (again.opened.loaded.prediction[0][20:40] == FLUID).all()
    statuses = [cell.status for cell in again.state.strip]
    assert statuses == ["predicted", "confirmed", "predicted", "predicted", "predicted"]
    assert np.isclose(again.state.strip[2].uncertainty or 0, 0.52)


def test_a_second_viewer_reads_only_and_says_so(played: PlayedBench, tmp_path: Path) -> None:
    played.paint(1, BAND, 3)
    played.written(1)
    second = PlayedBench()
    second.bench.open(tmp_path / "work")
    second.settle()
    assert second.state.is_read_only
    assert second.state.notice.level == "warning"
    assert not second.opened.labels.editable
    second.bench.correcting.confirm()
    second.paint(0, OTHER, 2)
    second.settle()
    second.close()
    assert played.workspace.states("eye") == {1: "corrected"}
    assert not played.written(0).any()


def test_labels_that_a_plugin_sets_are_kept(played: PlayedBench) -> None:
    given = np.zeros((5, 64, 96), np.int32)
    given[3, 5:9] = 6
    played.opened.labels.data = given
    written = played.written(3)
    assert (written[5:9] == 6).all()
    assert played.workspace.states("eye") == {3: "corrected"}
    assert played.opened.labels.data is played.labels


def test_labels_of_another_shape_are_not_taken(played: PlayedBench) -> None:
    played.paint(1, BAND, 3)
    played.opened.labels.data = np.zeros((2, 64, 96), np.uint8)
    assert played.opened.labels.data is played.labels
    assert (played.written(1)[BAND] == 3).all()


def test_a_stroke_over_all_bscans_is_kept_in_each(played: PlayedBench) -> None:
    played.opened.labels.n_edit_dimensions = 3
    places = np.indices((5, 2, 3)).reshape(3, -1)
    played.opened.labels.data_setitem(tuple(places), 4)
    for bscan in range(5):
        assert (played.written(bscan)[:2, :3] == 4).all()
    assert len(played.workspace.states("eye")) == 5


def test_a_stroke_just_before_labels_come_back_stays(played: PlayedBench) -> None:
    played.paint(1, BAND, 3)
    played.paint(2, BAND, 4)
    played.written(2)
    played.bench.correcting.undo()
    played.bench.session.wait_for_files()
    played.paint(2, OTHER, 5)
    played.take_posts()  # the old labels come, and no timer has looked at the stroke yet
    assert (played.labels[2][OTHER] == 5).all()
    assert (played.written(2)[OTHER] == 5).all()


def test_what_is_painted_while_labels_go_back_stays(played: PlayedBench) -> None:
    played.paint(1, BAND, 3)
    played.paint(2, BAND, 4)
    played.written(2)
    played.bench.correcting.undo()
    played.paint(2, OTHER, 5)
    written = played.written(2)
    assert np.array_equal(written, played.labels[2])
    assert (written[OTHER] == 5).all()
    assert (played.written(1)[BAND] == 3).all()
    assert played.bench.correcting.states == played.workspace.states("eye")
