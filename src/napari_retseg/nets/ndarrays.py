"""Operations of :mod:`napari_retseg.nets.arrays` on numpy's arrays, as torch defines them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def no_gradients() -> AbstractContextManager[object]:
    """Context that changes nothing: numpy keeps none."""
    return nullcontext()


def to_float(array: NDArray[Any]) -> Floats:
    """In float32; no copy where it is so already."""
    return array.astype(np.float32, copy=False)


def to_numpy(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array itself."""
    return array


def like(values: NDArray[Any], array: NDArray[Any]) -> NDArray[Any]:  # noqa: ARG001 - see arrays
    """Return the values themselves."""
    return values


def zeros(shape: Sequence[int], array: NDArray[Any]) -> Floats:  # noqa: ARG001 - see arrays
    """Zeros in float32."""
    return np.zeros(tuple(shape), np.float32)


def is_finite(array: NDArray[Any]) -> bool:
    """Whether no value is NaN or infinite."""
    return bool(np.isfinite(array).all())


def contiguous(array: NDArray[Any]) -> NDArray[Any]:
    """Without gaps in memory."""
    return np.ascontiguousarray(array)


def concatenate(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Joined along the channels."""
    return np.concatenate(list(arrays), axis=1)


def pad(images: NDArray[Any], amounts: Sequence[tuple[int, int]]) -> NDArray[Any]:
    """Repeat the edge, before and after each spatial axis."""
    if not any(map(any, amounts)):
        return images
    return np.pad(images, [(0, 0), (0, 0), *amounts], mode="edge")


def resize(images: NDArray[Any], size: tuple[int, ...]) -> Floats:
    """Interpolate linearly; where an axis shrinks, each pixel is a mean over its share."""
    images = to_float(images)
    for axis, (n, m) in enumerate(zip(images.shape[2:], size, strict=True), start=2):
        if n != m:
            images = _apply(images, _shares(n, m), axis)
    return images


def interpolate(images: NDArray[Any], size: Sequence[int], *, corners: bool) -> Floats:
    """Interpolate linearly, without averaging."""
    images = to_float(images)
    for axis, (n, m) in enumerate(zip(images.shape[2:], size, strict=True), start=2):
        if n != m:
            images = _apply(images, _neighbours(n, m, corners), axis)
    return images


def mirror(images: NDArray[Any]) -> NDArray[Any]:
    """Turn round along the width."""
    return np.ascontiguousarray(images[..., ::-1])


def exp(array: NDArray[Any]) -> NDArray[Any]:
    """Exponential."""
    found: NDArray[Any] = np.exp(array)
    return found


def softmax(logits: NDArray[Any]) -> NDArray[Any]:
    """Probabilities of the classes."""
    found: NDArray[Any] = np.exp(logits - largest(logits))
    found /= found.sum(axis=1, keepdims=True)
    return found


def log_softmax(logits: NDArray[Any]) -> NDArray[Any]:
    """Logarithms of the probabilities."""
    found: NDArray[Any] = logits - largest(logits)
    found -= np.log(np.exp(found).sum(axis=1, keepdims=True))
    return found


def join(one: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    """Logarithm of the mean of two probabilities that are given by their logarithms."""
    found: NDArray[Any] = np.logaddexp(one, other) - np.float32(math.log(2))
    return found


def largest(planes: NDArray[Any]) -> NDArray[Any]:
    """Largest of the channels, which stay as one channel."""
    found: NDArray[Any] = planes.max(axis=1, keepdims=True)
    return found


def win(planes: NDArray[Any]) -> NDArray[np.uint8]:
    """Index of the largest of the planes ``(n, plane, ...)``; the first of equals."""
    highest = planes[:, 0].copy()
    winner = np.zeros(highest.shape, np.uint8)
    for k in range(1, planes.shape[1]):
        winner[planes[:, k] > highest] = k
        np.maximum(highest, planes[:, k], out=highest)
    return winner


#: Of each new pixel: old pixels, and how much each of them counts, ``(tap, new pixel)``.
_Taps = tuple[NDArray[np.intp], Floats]


def _apply(images: Floats, taps: _Taps, axis: int) -> Floats:
    """Sum old pixels along one axis, tap by tap."""
    shape = [1] * images.ndim
    shape[axis] = -1
    total: Floats | None = None
    for place, weight in zip(*taps, strict=True):
        part = images.take(place, axis=axis)
        part *= weight.reshape(shape)
        total = part if total is None else np.add(total, part, out=total)
    assert total is not None
    return total


@lru_cache(maxsize=16)
def _neighbours(n: int, m: int, corners: bool) -> _Taps:
    """Taps of linear interpolation from n pixels to m."""
    if corners:
        places = np.arange(m) * ((n - 1) / max(1, m - 1))
    else:
        places = ((np.arange(m) + 0.5) * (n / m) - 0.5).clip(min=0)
    first = np.minimum(places.astype(np.intp), n - 1)
    share = (places - first).astype(np.float32)
    return np.stack([first, np.minimum(first + 1, n - 1)]), np.stack([1 - share, share])


@lru_cache(maxsize=16)
def _shares(n: int, m: int) -> _Taps:
    """Taps of a triangle as wide as a new pixel (torch's ``antialias``) from n pixels to m."""
    scale = n / m
    reach = max(scale, 1.0)
    middle = (np.arange(m) + 0.5) * scale
    first = np.maximum((middle - reach + 0.5).astype(np.intp), 0)
    behind = np.minimum((middle + reach + 0.5).astype(np.intp), n)
    places = first + np.arange((behind - first).max())[:, None]
    weights = np.maximum(0, 1 - np.abs((places - middle + 0.5) / reach))
    weights[places >= behind] = 0
    weights /= weights.sum(axis=0)
    return np.minimum(places, n - 1), weights.astype(np.float32)
