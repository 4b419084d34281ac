"""Propagate changes predictions of B-scans that share an error; labels never; one undo."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from napari_retseg.ui.workbench.control.propagating import Offer
from tests.decode.sharederror import Volume, measure_error
from tests.ui.workbench.playedbench import PlayedBench
from tests.ui.workbench.sharing import BOUNDARY, CONFIRMED, SHARING, make_shared_error


@pytest.fixture(scope="module")
def healthy() -> Volume:
    return Volume.draw(4)


@dataclass
class Played:
    bench: PlayedBench
    volume: Volume
    offers: list[Offer]

    def look(self) -> None:
        """Press Propagate, and wait for what is offered."""
        propagating = self.bench.bench.propagating
        propagating.look()
        until = time.monotonic() + 60
        while propagating.is_running and time.monotonic() < until:
            self.bench.take_posts()
        assert not propagating.is_running

    def stored(self) -> np.ndarray:
        self.bench.settle()
        found = self.bench.workspace.read_prediction("eye")
        assert found is not None
        return np.asarray(found.labels)


@pytest.fixture
def played(tmp_path: Path, healthy: Volume, own_models: Path) -> Iterator[Played]:
    """A volume whose prediction has an error on B-scans 2 to 5; B-scan 3 is confirmed."""
    bench = PlayedBench()
    volume = make_shared_error(tmp_path, healthy)
    bench.bench.open(tmp_path / "work")
    bench.settle()
    offers: list[Offer] = []
    bench.bench.propagating.offered.connect(offers.append)
    yield Played(bench, volume, offers)
    bench.close()


def test_what_would_change_is_shown_before_anything_does(played: Played) -> None:
    played.look()
    (offer,) = played.offers
    assert set(offer.proposals) == set(SHARING)
    assert offer.layers[0] == "NFL"
    assert np.array_equal(played.stored(), played.volume.prediction)


def test_predictions_change_on_screen_and_disk_and_labels_do_not(played: Played) -> None:
    played.look()
    played.bench.bench.propagating.apply(played.offers[0], SHARING)
    stored, truth = played.stored(), played.volume.truth
    assert np.array_equal(played.bench.opened.loaded.prediction, stored)
    for bscan in range(len(truth)):
        if bscan in SHARING:
            assert measure_error(stored[bscan], truth[bscan], BOUNDARY) < 0.8
        else:
            assert np.array_equal(stored[bscan], played.volume.prediction[bscan])
    assert played.bench.workspace.states("eye") == {CONFIRMED: "confirmed"}
    assert np.array_equal(played.bench.written(CONFIRMED), truth[CONFIRMED])
    known = played.bench.workspace.predictions("eye")
    assert known[2].propagated == (CONFIRMED,)
    assert (known[2].model, known[2].weights_id, known[2].options) == ("tiny", "a" * 64, "{}")
    assert known[0].propagated == ()


def test_only_chosen_bscans_change(played: Played) -> None:
    played.look()
    played.bench.bench.propagating.apply(played.offers[0], [4])
    changed = (played.stored() != played.volume.prediction).any(axis=(1, 2))
    assert np.flatnonzero(changed).tolist() == [4]


def test_undo_brings_all_former_predictions_back_and_redo_the_new(played: Played) -> None:
    played.look()
    played.bench.bench.propagating.apply(played.offers[0], SHARING)
    after = played.stored().copy()
    played.bench.bench.correcting.undo()
    assert np.array_equal(played.stored(), played.volume.prediction)
    assert not any(p.propagated for p in played.bench.workspace.predictions("eye").values())
    assert played.bench.state.notice.text == "Undone: propagating to 3 B-scans."
    assert not played.bench.opened.loaded.own
    played.bench.bench.correcting.redo()
    assert np.array_equal(played.stored(), after)
    own = played.bench.opened.own_prediction_of(4)
    assert np.array_equal(own, played.volume.prediction[4])
    assert played.bench.workspace.predictions("eye")[4].propagated == (CONFIRMED,)


def test_it_is_read_again_as_propagated(played: Played) -> None:
    played.look()
    played.bench.bench.propagating.apply(played.offers[0], SHARING)
    played.stored()
    played.bench.bench.navigation.close_scan()
    played.bench.bench.navigation.choose_scan(0)
    played.bench.settle()
    opened = played.bench.opened
    assert opened.loaded.propagated == dict.fromkeys(SHARING, (CONFIRMED,))
    for bscan in range(opened.n_bscans):
        np.testing.assert_array_equal(
            opened.own_prediction_of(bscan), played.volume.prediction[bscan]
        )


def test_what_was_painted_meanwhile_is_left_alone(played: Played) -> None:
    played.look()
    opened = played.bench.opened
    played.bench.show(4)
    opened.labels.data_setitem((np.array([4]), np.array([9]), np.array([9])), 2)
    played.bench.settle()
    played.bench.bench.propagating.apply(played.offers[0], SHARING)
    assert np.array_equal(played.stored()[4], played.volume.prediction[4])
    assert played.bench.labels[4, 9, 9] == 2
    played.look()
    assert 4 not in played.offers[-1].proposals if len(played.offers) > 1 else True


def test_a_new_prediction_is_not_taken_back(played: Played) -> None:
    played.look()
    played.bench.bench.propagating.apply(played.offers[0], SHARING)
    opened = played.bench.opened
    opened.loaded.prediction[4] = 1  # segmented anew
    played.bench.bench.correcting.undo()
    assert (opened.loaded.prediction[4] == 1).all()
    assert np.array_equal(opened.loaded.prediction[2], played.volume.prediction[2])


def test_a_prediction_that_has_changed_since_is_left_alone(played: Played) -> None:
    played.look()
    played.bench.opened.loaded.prediction[4] = 1
    played.bench.bench.propagating.apply(played.offers[0], SHARING)
    assert (played.bench.opened.loaded.prediction[4] == 1).all()


def test_without_a_confirmed_bscan_it_says_what_to_do(played: Played) -> None:
    played.bench.show(CONFIRMED)
    played.bench.bench.correcting.clear()
    played.bench.settle()
    played.look()
    assert played.offers == []
    assert "confirm a B-scan with a prediction first" in played.bench.state.notice.text


def test_where_nothing_is_alike_it_says_so(played: Played) -> None:
    played.look()
    played.bench.bench.propagating.apply(played.offers[0], SHARING)
    played.bench.settle()
    played.look()
    assert len(played.offers) == 1
    assert "Nothing to propagate" in played.bench.state.notice.text


def test_once_more_stops_it(played: Played) -> None:
    propagating = played.bench.bench.propagating
    propagating.look()
    propagating.look()
    assert not propagating.is_running
    played.bench.take_posts()
    assert played.offers == []
    assert played.bench.state.notice.text == "Stopped. Nothing was changed."


def test_a_scan_that_was_closed_meanwhile_is_not_offered(played: Played) -> None:
    propagating = played.bench.bench.propagating
    propagating.look()
    played.bench.bench.navigation.close_scan()
    until = time.monotonic() + 60
    while propagating.is_running and time.monotonic() < until:
        played.bench.take_posts()
    assert played.offers == []
