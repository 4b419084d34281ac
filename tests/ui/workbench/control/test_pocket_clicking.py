"""Pockets by clicks: proposed, taken, removed and cut, and written as strokes are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from napari_retseg.classes import LabelSet
from napari_retseg.ui.camera import camera_of
from napari_retseg.ui.workbench.control.pocket_clicking import PocketClasses
from tests.ui.workbench.playedbench import PlayedBench
from tests.ui.workbench.pressing import (
    CENTRE,
    FLUID,
    Presser,
    circle,
    draw_layers,
    draw_pocket,
    write_eye,
)


@pytest.fixture
def played(tmp_path: Path, own_models: Path) -> Iterator[PlayedBench]:
    made = PlayedBench()
    made.start(tmp_path / "work", write_eye(tmp_path))
    made.show(1)
    yield made
    made.close()


@pytest.fixture
def mouse(played: PlayedBench) -> Presser:
    """A mouse that clicks pockets, on a B-scan whose layers are labelled."""
    label(played, draw_layers())
    played.bench.pockets.toggle()
    return Presser(played)


def label(played: PlayedBench, labels: NDArray[np.uint8]) -> None:
    rows, columns = np.nonzero(labels)
    where = (np.full(len(rows), 1), rows, columns)
    played.opened.labels.data_setitem(where, labels[rows, columns])
    played.bench.correcting.flush_then(lambda: None)
    played.settle()


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return 2 * float((one & other).sum()) / float(one.sum() + other.sum())


def test_a_click_proposes_and_a_second_click_takes(played: PlayedBench, mouse: Presser) -> None:
    before = played.labels[1].copy()
    mouse.click(*CENTRE)
    proposal = played.bench.pockets.proposal
    assert proposal is not None
    assert dice(proposal.region, draw_pocket()) > 0.85
    assert np.array_equal(played.labels[1], before)
    assert "Enter" in played.state.notice.text
    mouse.click(CENTRE[0] + 2, CENTRE[1] - 3)
    assert played.bench.pockets.proposal is None
    written = played.written(1)
    assert np.array_equal(written == FLUID, proposal.region)
    assert np.array_equal(written[~proposal.region], before[~proposal.region])
    assert played.workspace.states(played.opened.name) == {1: "corrected"}


def test_one_step_takes_it_back(played: PlayedBench, mouse: Presser) -> None:
    before = played.labels[1].copy()
    mouse.double_click(*CENTRE)
    assert (played.labels[1] == FLUID).any()
    played.bench.correcting.undo()
    assert np.array_equal(played.written(1), before)
    assert played.state.notice.text == "Undone: adding a pocket (fluid) on B-scan 1."
    played.bench.correcting.redo()
    assert (played.written(1) == FLUID).any()


def test_wheel_and_keys_grow_and_shrink(played: PlayedBench, mouse: Presser) -> None:
    mouse.click(*CENTRE)
    sizes = []

    def measure() -> None:
        proposal = played.bench.pockets.proposal
        assert proposal is not None
        sizes.append(int(proposal.region.sum()))

    measure()
    assert mouse.roll(1.0).handled
    measure()
    mouse.press_key("Up")
    measure()
    for _ in range(3):
        mouse.roll(-0.5)
        measure()
    mouse.press_key("Down")
    measure()
    assert sizes[0] < sizes[1] < sizes[2]
    assert sizes[2] > sizes[3] > sizes[4] > sizes[5] > sizes[6]
    assert sizes[4] == sizes[0]
    for _ in range(100):
        mouse.roll(1)
    measure()
    assert sizes[-1] == np.count_nonzero(draw_layers())  # the retina, and no more
    mouse.press_key("Enter")
    assert np.count_nonzero(played.written(1) == FLUID) == sizes[-1]


def test_the_wheel_zooms_as_ever_where_nothing_is_proposed(mouse: Presser) -> None:
    assert not mouse.roll(1).handled


def test_escape_drops_and_then_goes_back_to_painting(played: PlayedBench, mouse: Presser) -> None:
    mouse.click(*CENTRE)
    mouse.press_key("Escape")
    assert played.bench.pockets.proposal is None
    assert played.state.takes_pockets
    mouse.press_key("Escape")
    assert not played.state.takes_pockets
    assert played.opened.labels.mode == "pan_zoom"  # as it was before
    assert "Enter" not in {str(key) for key in played.opened.labels.keymap}
    mouse.click(*CENTRE)
    assert played.bench.pockets.proposal is None


def test_a_labelled_pocket_is_removed_and_layers_come_back(
    played: PlayedBench, mouse: Presser
) -> None:
    whole = played.labels[1].copy()
    mouse.double_click(*CENTRE)
    assert (played.labels[1] == FLUID).sum() > 300
    mouse.click(*CENTRE)
    assert np.array_equal(played.written(1), whole)
    played.bench.correcting.undo()
    assert (played.written(1) == FLUID).any()


def test_a_line_cuts_a_pocket_in_two(played: PlayedBench, mouse: Presser) -> None:
    mouse.double_click(*CENTRE)
    before = played.labels[1].copy()
    event = mouse.draw((18, 48), (30, 48), (48, 49))
    assert event.handled
    written = played.written(1)
    assert ndimage.label(written == FLUID, np.ones((3, 3)))[1] == 2
    changed = written != before
    assert (written[changed] == draw_layers()[changed]).mean() > 0.9
    played.bench.correcting.undo()
    assert np.array_equal(played.written(1), before)
    mouse.draw((32, 38), (32, 46))
    assert np.array_equal(played.written(1), before)
    assert "from edge to edge" in played.state.notice.text
    mouse.draw((18, 48), (48, 48), (18, 49))  # there and back: nothing is encircled
    assert ndimage.label(played.written(1) == FLUID, np.ones((3, 3)))[1] == 2


def test_a_line_around_a_pocket_proposes_it(played: PlayedBench, mouse: Presser) -> None:
    before = played.labels[1].copy()
    assert mouse.draw(*circle(13, 19)).handled
    proposal = played.bench.pockets.proposal
    assert proposal is not None
    assert dice(proposal.region, draw_pocket()) > 0.9
    assert np.array_equal(played.labels[1], before)
    for _ in range(60):
        mouse.roll(1)
    assert played.bench.pockets.proposal is not None
    largest = played.bench.pockets.proposal.region
    assert abs(largest.sum() - np.pi * 13 * 19) < 30
    for _ in range(60):
        mouse.roll(-1)
    mouse.press_key("Enter")
    assert 0 < (played.written(1) == FLUID).sum() < 40
    mouse.draw(*circle(14, 20))  # around a labelled pocket: more of it
    mouse.press_key("Enter")
    assert dice(played.written(1) == FLUID, draw_pocket()) > 0.9
    for _ in range(2):
        played.bench.correcting.undo()
    assert np.array_equal(played.written(1), before)


def test_with_shift_exactly_what_is_encircled_is_proposed(
    played: PlayedBench, mouse: Presser
) -> None:
    mouse.draw(*circle(22, 26), keys=("Shift",))
    proposal = played.bench.pockets.proposal
    assert proposal is not None
    rows, columns = np.ogrid[: proposal.region.shape[0], : proposal.region.shape[1]]
    enclosed = ((rows - CENTRE[0]) / 22) ** 2 + ((columns - CENTRE[1]) / 26) ** 2 <= 1
    assert dice(proposal.region, enclosed) > 0.99
    mouse.press_key("Enter")
    assert np.array_equal(played.written(1) == FLUID, proposal.region)


def test_a_line_that_begins_in_a_labelled_pocket_cuts(played: PlayedBench, mouse: Presser) -> None:
    mouse.double_click(*CENTRE)
    pocket = played.written(1) == FLUID
    mouse.draw(*circle(4, 4))
    assert played.bench.pockets.proposal is None
    assert ndimage.label(played.written(1) == FLUID)[1] == 2
    assert (pocket & (played.written(1) != FLUID)).any()


def test_the_picture_is_moved_with_ctrl_and_from_outside(
    played: PlayedBench, mouse: Presser
) -> None:
    before, camera = played.labels[1].copy(), camera_of(played.viewer)
    assert not mouse.draw((30, -10), (50, 25)).handled  # napari moves it
    centre, scale = np.array(camera.center[-2:]), played.opened.labels.scale[-2:]
    assert mouse.draw((30, 10), (20, 18), keys=("Control",)).handled
    assert np.allclose(camera.center[-2:] - centre, (10, -8) * scale)
    assert np.array_equal(played.written(1), before)
    assert played.bench.pockets.proposal is None


def test_a_pocket_on_a_prediction_begins_with_it(played: PlayedBench) -> None:
    played.predict(1, bscans=3, uncertainty=None)  # layer NFL of the model, in a band
    played.bench.pockets.toggle()
    mouse = Presser(played)
    mouse.click(30, 48)
    proposal = played.bench.pockets.proposal
    assert proposal is not None
    band = played.opened.prediction_of(1) > 0
    assert band.any()
    assert not proposal.region[~band].any()
    mouse.press_key("Enter")
    written = played.written(1)
    assert np.array_equal(written == FLUID, proposal.region)
    assert np.array_equal(written > 0, band)


def test_without_labels_and_model_the_grey_decides(played: PlayedBench) -> None:
    played.bench.pockets.toggle()
    mouse = Presser(played)
    mouse.double_click(*CENTRE)
    assert dice(played.written(1) == FLUID, draw_pocket()) > 0.85


def test_only_the_last_click_is_answered(played: PlayedBench, mouse: Presser) -> None:
    pockets = played.bench.pockets
    pockets.click(10, 10)
    pockets.click(*CENTRE)
    played.settle()
    assert pockets.proposal is not None
    assert pockets.proposal.region[CENTRE]
    pockets.drop()
    pockets.click(*CENTRE)
    played.show(2)
    played.settle()
    assert pockets.proposal is None
    assert played.state.takes_pockets


def test_a_click_outside_of_the_layers_is_told(played: PlayedBench, mouse: Presser) -> None:
    mouse.click(1, 48)
    assert played.bench.pockets.proposal is None
    assert played.state.notice.text.startswith("This place is outside the layers")
    mouse.click(-20, 48)


def test_pockets_of_another_class_stay(played: PlayedBench, mouse: Presser) -> None:
    names = [c.name for c in played.opened.loaded.classes.foreground]
    played.bench.scan_import.set_classes([*names, "SRF"])
    played.settle()
    played.bench.correcting.paint_class(2)
    played.bench.pockets.toggle()
    mouse.click(*CENTRE)
    assert played.bench.pockets.proposal is None
    assert played.state.notice.text == "Choose the class of the pocket first: fluid, SRF."
    played.bench.correcting.paint_class(FLUID + 1)
    mouse.click(*CENTRE)
    for _ in range(12):
        mouse.press_key("Down")
    mouse.press_key("Enter")
    small = played.written(1) == FLUID + 1
    assert 0 < small.sum() < 200
    played.bench.correcting.paint_class(FLUID)
    mouse.click(CENTRE[0] + 8, CENTRE[1])
    for _ in range(5):
        mouse.press_key("Up")
    mouse.press_key("Enter")
    assert np.array_equal(played.written(1) == FLUID + 1, small)
    assert (played.labels[1] == FLUID).any()


def test_the_clicks_end_with_another_tool_and_with_the_scan(
    played: PlayedBench, mouse: Presser
) -> None:
    mouse.click(*CENTRE)
    played.bench.correcting.paint_class(2)
    assert not played.state.takes_pockets
    assert played.bench.pockets.proposal is None
    assert played.opened.labels.mode == "paint"
    played.bench.pockets.toggle()
    played.bench.correcting.paint_class(FLUID)
    assert played.state.takes_pockets
    played.bench.curves.toggle()
    assert (played.state.takes_pockets, played.state.shows_curves) == (False, True)
    played.bench.pockets.toggle()
    assert (played.state.takes_pockets, played.state.shows_curves) == (True, False)
    assert played.opened.labels.mode == "pan_zoom"
    mouse.click(*CENTRE)
    assert played.bench.pockets.proposal is not None
    played.bench.navigation.close_scan()
    assert not played.state.takes_pockets
    assert not played.viewer.mouse_drag_callbacks[1:]


def test_what_is_read_only_is_not_changed(played: PlayedBench, mouse: Presser) -> None:
    mouse.click(*CENTRE)
    played.state.is_read_only = True
    before = played.labels[1].copy()
    mouse.press_key("Enter")
    assert np.array_equal(played.labels[1], before)
    played.state.is_read_only = False


@pytest.mark.parametrize(
    ("names", "picked", "chosen"),
    [
        (["NFL", "INL", "fluid"], 1, 3),
        (["NFL", "IRF", "SRF"], 3, 3),
        (["NFL", "IRF", "SRF"], 1, None),
        (["NFL", "vessel", "fluid"], 1, 3),
        (["NFL", "vessel", "fluid"], 2, 2),
        (["NFL", "INL"], 1, None),
    ],
)
def test_the_class_of_a_pocket(names: list[str], picked: int, chosen: int | None) -> None:
    assert PocketClasses.of(LabelSet.from_names(names)).choose(picked) == chosen
