from __future__ import annotations

import numpy as np

from napari_retseg.ui.prediction import Prediction


def plane(value: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.full((4, 6), value, dtype=np.uint8)


def test_written_bscans_are_there_and_told_once() -> None:
    prediction = Prediction((3, 4, 6))
    assert prediction.write(1, plane(2))
    assert prediction.labels[1].tolist() == plane(2).tolist()
    assert not prediction.labels[[0, 2]].any()
    assert prediction.take_changed() == {1}
    assert prediction.take_changed() == set()
    assert not prediction.is_edited()


def test_bscan_may_be_written_again() -> None:
    prediction = Prediction((3, 4, 6))
    assert prediction.write(1, plane(2))
    assert prediction.write(1, plane(3))
    assert prediction.labels[1].max() == 3


def test_edited_bscan_is_never_written() -> None:
    prediction = Prediction((3, 4, 6))
    prediction.write(0, plane(2))
    prediction.labels[0, 1, 1] = 5
    prediction.labels[2, 0, 0] = 1
    assert prediction.is_edited()
    assert prediction.is_edited([0])
    assert not prediction.is_edited([1])
    for index in (0, 2):
        before = prediction.labels[index].copy()
        assert not prediction.write(index, plane(9))
        np.testing.assert_array_equal(prediction.labels[index], before)
    assert prediction.take_changed() == {0}


def test_edit_that_was_undone_is_no_edit() -> None:
    prediction = Prediction((3, 4, 6))
    prediction.write(0, plane(2))
    prediction.labels[0, 1, 1] = 5
    prediction.labels[0, 1, 1] = 2
    assert not prediction.is_edited()
    assert prediction.write(0, plane(3))


def test_single_bscan() -> None:
    prediction = Prediction((4, 6))
    assert prediction.n_bscans == 1
    assert prediction.write(0, plane(7))
    assert prediction.labels.min() == 7
    prediction.labels[0, 0] = 0
    assert not prediction.write(0, plane(8))
