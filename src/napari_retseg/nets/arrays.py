"""What torch's tensors and numpy's arrays both can do, so that one code serves both.

Scans are brought to a network's grid and labels are decided in the same code with and without
torch. Only what the two libraries write differently is here; :func:`ops_of` chooses by the
array, and torch is imported only where a tensor exists already.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

#: A tensor of torch, or an array of numpy: ``(n, channel, *spatial)``.
Array = TypeVar("Array", "torch.Tensor", "NDArray[Any]")


class Ops(Protocol[Array]):
    """Operations on arrays of one library."""

    def no_gradients(self) -> AbstractContextManager[object]:
        """Context in which nothing is kept for a backward pass."""

    def to_float(self, array: Array) -> Array:
        """In float32; no copy where it is so already."""

    def to_numpy(self, array: Array) -> NDArray[Any]:
        """As numpy's array."""

    def like(self, values: NDArray[Any], array: Array) -> Array:
        """Numpy's `values` as an array of this library, where `array` lies."""

    def zeros(self, shape: Sequence[int], array: Array) -> Array:
        """Zeros in float32, where `array` lies."""

    def is_finite(self, array: Array) -> bool:
        """Whether no value is NaN or infinite."""

    def contiguous(self, array: Array) -> Array:
        """Without gaps in memory."""

    def concatenate(self, arrays: Sequence[Array]) -> Array:
        """Joined along the channels."""

    def pad(self, images: Array, amounts: Sequence[tuple[int, int]]) -> Array:
        """Repeat the edge, before and after each spatial axis."""

    def resize(self, images: Array, size: tuple[int, ...]) -> Array:
        """Interpolate linearly; where an axis shrinks, each pixel is a mean over its share."""

    def interpolate(self, images: Array, size: Sequence[int], *, corners: bool) -> Array:
        """Interpolate linearly, without averaging.

        With `corners` the first and last pixels' centres keep their places, else the edges do.
        """

    def mirror(self, images: Array) -> Array:
        """Turn round along the width."""

    def exp(self, array: Array) -> Array:
        """Exponential."""

    def softmax(self, logits: Array) -> Array:
        """Probabilities of the classes."""

    def log_softmax(self, logits: Array) -> Array:
        """Their logarithms."""

    def join(self, one: Array, other: Array) -> Array:
        """Logarithm of the mean of two probabilities that are given by their logarithms."""

    def largest(self, planes: Array) -> Array:
        """Largest of the channels, which stay as one channel."""

    def win(self, planes: Array) -> Array:
        """Index of the largest of the planes ``(n, plane, ...)``, uint8; the first of equals."""


def ops_of(array: Array) -> Ops[Array]:
    """Choose the operations of an array's library."""
    if isinstance(array, np.ndarray):
        from napari_retseg.nets import ndarrays

        return cast("Ops[Array]", ndarrays)
    from napari_retseg.nets import tensors

    return cast("Ops[Array]", tensors)
