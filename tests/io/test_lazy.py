from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import basic_indices
from numpy.typing import NDArray

from napari_retseg.errors import InputError
from napari_retseg.io.lazy import PagedPixels, RawPixels, Rearranged

SHAPE = (2, 3, 4, 5)
ARRAY = np.arange(120, dtype=np.int16).reshape(SHAPE)


class Planes(PagedPixels):
    """An array in memory that counts what is read of it."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array
        self.reads: list[tuple[int, ...]] = []
        super().__init__(Path("memory"), array.shape, array.dtype)

    def _read(self, leading: tuple[int, ...], /) -> NDArray[Any]:
        self.reads.append(leading)
        plane: NDArray[Any] = self.array[leading]
        return plane


@settings(deadline=None)
@given(index=basic_indices(SHAPE, allow_newaxis=False))
def test_indexing_is_that_of_numpy(index: Any) -> None:
    found, expected = Planes(ARRAY)[index], ARRAY[index]
    assert np.shape(found) == expected.shape
    np.testing.assert_array_equal(found, expected)


@settings(deadline=None)
@given(
    axis=st.integers(0, 3),
    numbers=st.lists(st.integers(-2, 1), min_size=1, max_size=4),
)
def test_index_arrays_pick_along_one_axis(axis: int, numbers: list[int]) -> None:
    index: Any = (*(slice(None) for _ in range(axis)), np.array(numbers))
    np.testing.assert_array_equal(Planes(ARRAY)[index], ARRAY[index])


def test_one_bscan_is_one_read() -> None:
    pixels = Planes(ARRAY)
    np.testing.assert_array_equal(pixels[1, 2], ARRAY[1, 2])
    assert pixels.reads == [(1, 2)]


def test_it_looks_like_an_array() -> None:
    pixels = Planes(ARRAY)
    assert (pixels.ndim, pixels.size, pixels.nbytes, len(pixels)) == (4, 120, 240, 2)
    np.testing.assert_array_equal(np.asarray(pixels), ARRAY)
    assert np.asarray(pixels, np.float32).dtype == np.float32
    with pytest.raises(ValueError, match="copy"):
        np.array(pixels, copy=False)


@pytest.mark.parametrize("index", [(0, 0, 0, 0, 0), (..., ...), None, 5, np.zeros((2, 2), int)])
def test_an_index_that_does_not_fit_is_refused(index: Any) -> None:
    with pytest.raises(IndexError):
        Planes(ARRAY)[index]


def test_no_pixels_are_refused() -> None:
    with pytest.raises(InputError, match="no pixels"):
        Planes(np.empty((0, 4, 5)))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("stored", ["<i2", ">i2"])
def test_raw_values_are_read_at_their_offset(tmp_path: Path, order: Any, stored: str) -> None:
    file = tmp_path / "raw"
    file.write_bytes(b"header!" + ARRAY.astype(stored).tobytes(order))
    pixels = RawPixels(file, SHAPE, stored=stored, offset=7, order=order)
    assert pixels.dtype == np.dtype(np.int16)
    assert pixels.dtype.isnative
    np.testing.assert_array_equal(np.asarray(pixels), ARRAY)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(pixels))[1, 2], ARRAY[1, 2])


def test_raw_values_are_scaled(tmp_path: Path) -> None:
    file = tmp_path / "raw"
    file.write_bytes(ARRAY.tobytes())
    pixels = RawPixels(file, SHAPE, stored=np.int16, scale=(0.5, 10.0))
    assert pixels.dtype == np.float32
    np.testing.assert_array_equal(np.asarray(pixels), ARRAY * 0.5 + 10)


def test_a_raw_file_that_is_cut_or_shrinks_is_an_input_error(tmp_path: Path) -> None:
    file = tmp_path / "raw"
    file.write_bytes(ARRAY.tobytes()[:-1])
    with pytest.raises(InputError, match="truncated"):
        RawPixels(file, SHAPE, stored=np.int16)
    file.write_bytes(ARRAY.tobytes())
    pixels = RawPixels(file, SHAPE, stored=np.int16)
    file.write_bytes(b"short")
    with pytest.raises(InputError, match=r"raw: cannot be read"):
        pixels[0, 0]


def test_leading_axes_are_reordered() -> None:
    pixels = Rearranged(Planes(ARRAY), (1, 0))
    assert pixels.shape == (3, 2, 4, 5)
    np.testing.assert_array_equal(np.asarray(pixels), ARRAY.transpose(1, 0, 2, 3))
