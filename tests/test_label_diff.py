from __future__ import annotations

import numpy as np
import pytest

from napari_retseg.label_diff import PlaneWatch


def test_it_tells_what_changed_since_the_last_look(rng: np.random.Generator) -> None:
    plane = rng.integers(0, 9, (31, 47)).astype(np.uint8)
    watch = PlaneWatch(plane)
    assert watch.changes(plane) is None
    old = plane.copy()
    plane[3:6, 40:] = 7
    plane[30, 46] ^= 1
    found = watch.changes(plane)
    assert found is not None
    where = np.flatnonzero(old.ravel() != plane.ravel())
    np.testing.assert_array_equal(found.flat, where)
    np.testing.assert_array_equal(found.before, old.ravel()[where])
    np.testing.assert_array_equal(found.after, plane.ravel()[where])
    assert len(found) == len(where)
    assert watch.changes(plane) is None


def test_changes_replayed_give_the_plane(rng: np.random.Generator) -> None:
    plane = rng.integers(0, 4, (20, 30)).astype(np.uint8)
    watch, replayed = PlaneWatch(plane), plane.copy()
    for _ in range(20):
        top, left = rng.integers(0, 20), rng.integers(0, 30)
        plane[top : top + 5, left : left + 5] = rng.integers(0, 4)
        found = watch.changes(plane)
        if found is not None:
            np.testing.assert_array_equal(replayed.ravel()[found.flat], found.before)
            replayed.ravel()[found.flat] = found.after
        np.testing.assert_array_equal(replayed, plane)
        np.testing.assert_array_equal(watch.plane, plane)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
def test_a_view_with_gaps_is_followed(
    axis: int, dtype: type[np.generic], rng: np.random.Generator
) -> None:
    volume = rng.integers(0, 9, (12, 13, 14)).astype(dtype)
    plane = np.moveaxis(volume, axis, 0)[4]
    watch, old = PlaneWatch(plane), plane.copy()
    plane[2, 3] += 1
    plane[5, 1] += 1
    found = watch.changes(plane)
    assert found is not None
    assert found.flat.tolist() == [2 * plane.shape[1] + 3, 5 * plane.shape[1] + 1]
    assert found.before.tolist() == [old[2, 3], old[5, 1]]
    assert found.after.tolist() == [plane[2, 3], plane[5, 1]]
    # what it said does not change with the next stroke
    plane[2, 3] += 1
    assert found.after[0] == plane[2, 3] - 1


def test_a_plane_that_is_not_the_watched_one_is_refused() -> None:
    watch = PlaneWatch(np.zeros((4, 5), np.uint8))
    with pytest.raises(ValueError, match=r"\(5, 4\) of uint8 is not the one that is watched"):
        watch.changes(np.zeros((5, 4), np.uint8))
    with pytest.raises(ValueError, match="of int64"):
        watch.changes(np.zeros((4, 5), np.int64))


def test_the_kept_copy_cannot_be_written() -> None:
    plane = np.zeros((4, 5), np.uint8)
    watch = PlaneWatch(plane)
    with pytest.raises(ValueError, match="read-only"):
        watch.plane[0, 0] = 1
    assert watch.changes(plane) is None
