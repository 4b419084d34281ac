"""Layers as boundaries: the rows between which each layer of a label map lies."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import IGNORE, LabelSet


def boundaries_of_labels(labels: NDArray[np.uint8], layers: Sequence[int]) -> NDArray[np.float32]:
    """Find the boundaries of ordered layers.

    A pixel belongs to the layer below boundary j where its row is greater than ``b[j]``: with
    ``b[j] = 159`` the layer begins in row 160. What is no layer (fluid) between two layers counts
    to the upper one.

    Parameters
    ----------
    labels
        Class values, shape (..., depth, width).
    layers
        Values of the K layers, from the vitreous to the sclera.

    Returns
    -------
    ndarray of float32
        Shape (K + 1, ..., width). ``b[j] <= b[j + 1]``, equal where layer j is absent from an
        A-scan. NaN in an A-scan without any layer, and where a boundary touches pixels that are not
        annotated.
    """
    depth = labels.shape[-2]
    shape = (*labels.shape[:-2], labels.shape[-1])
    first = np.full((len(layers) + 1, *shape), depth, np.int64)
    last = np.full(shape, -1, np.int64)
    for k, value in enumerate(layers):
        is_layer = labels == value
        there = is_layer.any(axis=-2)
        first[k] = np.where(there, is_layer.argmax(axis=-2), depth)
        below = depth - 1 - is_layer[..., ::-1, :].argmax(axis=-2)
        last = np.where(there, np.maximum(last, below), last)
    first[-1] = last + 1
    # an absent layer begins where the next one does; one out of order never lifts those above
    begins = np.minimum.accumulate(first[::-1], axis=0)[::-1]
    rows = begins.astype(np.float32) - 1
    rows[:, last < 0] = np.nan
    is_unknown = labels == IGNORE
    for offset in (-1, 0):
        beside = np.clip(begins + offset, 0, depth - 1)
        for k in range(len(rows)):
            touched = np.take_along_axis(is_unknown, beside[k][..., None, :], axis=-2)
            rows[k][touched[..., 0, :]] = np.nan
    return rows


def name_boundaries(classes: LabelSet, layers: Sequence[int]) -> list[str]:
    """Name the boundaries of ordered layers, one more than there are layers."""
    names = {c.value: c.name for c in classes.classes}
    between = [f"{names[a]} / {names[b]}" for a, b in itertools.pairwise(layers)]
    top, bottom = names[layers[0]], names[layers[-1]]
    return [f"inner boundary of {top}", *between, f"outer boundary of {bottom}"]
