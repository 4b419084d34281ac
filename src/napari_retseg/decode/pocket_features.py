"""What is known of each pixel around a click, from which a pocket of fluid is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.graph import MCP_Geometric

from napari_retseg.decode.pocket_regions import (
    count_pixels,
    cut_into_regions,
    measure_contrast,
    sum_steps,
)

#: Half the side of the square whose median is the grey of the pocket.
_CLICK_RADIUS = 2
#: Gaussian in pixels that takes the speckle away: for the paths, for the edge of a region, and for
#: what is around a pixel.
_PATH_SIGMA, _EDGE_SIGMA, _WIDE_SIGMA = 1.5, 2.0, 3.0
#: What a path costs a pixel at the grey of the click; what is brighter costs the square of the
#: contrast more, so that speckle is cheap and a wall is not.
_LENGTH_COST = 0.02
#: A pixel is too bright for the pocket when it is so much brighter than the click.
_TOO_BRIGHT = 0.25
#: What speaks against a region whose pixels are all too bright, in steps of contrast at its edge;
#: so many of them for each pixel of the edge say nothing, since the edge is blurred.
_BRIGHT_COST, _BRIGHT_AT_EDGE = 0.4, 0.3
#: How much more a step of the probability at the edge of a region counts than one of the grey.
_PROBABILITY_WEIGHT = 1.1
#: Pixels of the smallest region, and pixels that are described.
_SMALLEST, _MOST = 12, 40000


@dataclass(frozen=True)
class Surroundings:
    """A part of a B-scan around a click: arrays ``(rows, columns)``.

    Attributes
    ----------
    click
        Its row and column.
    retina
        True between the outermost boundaries.
    labels
        Class values.
    probability
        Of the class; None where no model has said it.
    """

    click: tuple[int, int]
    grey: NDArray[np.float32]
    retina: NDArray[np.bool_]
    labels: NDArray[np.uint8]
    probability: NDArray[np.float32] | None


def describe(around: Surroundings) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Describe the pixels that are reached most cheaply from a click.

    A path from the click costs more, the brighter than the click it runs, and a little for its
    length (geodesic distance). What can be reached at a cost is one region.

    Returns
    -------
    features : ndarray of float32, ``(pixel, feature)``
        The region, its edge and its grey, and where the pixel lies.
    pixels : ndarray of int
        Their flat indices, the cheapest first.
    """
    unit = measure_contrast(around.grey[around.retina])
    smooth = ndimage.gaussian_filter(around.grey, _PATH_SIGMA) / unit
    grey = _look_around(smooth, around.click)
    cost = reach(_LENGTH_COST + np.maximum(smooth - grey, 0) ** 2, around)
    reached = min(int(np.isfinite(cost).sum()), _MOST)
    pixels = np.argsort(cost, axis=None, kind="stable")[:reached]
    told = np.zeros_like(smooth) if around.probability is None else around.probability
    edges = ndimage.gaussian_filter(around.grey, _EDGE_SIGMA) / unit
    wide = ndimage.gaussian_filter(around.grey, _WIDE_SIGMA) / unit
    area = np.log(np.arange(1, len(pixels) + 1))
    features = [
        area,
        np.log(cost.ravel()[pixels] + 0.05),
        smooth.ravel()[pixels] - grey,
        wide.ravel()[pixels] - grey,
        *_describe_regions(cost, pixels, area, edges, told, grey),
        *_describe_places(around, pixels),
        told.ravel()[pixels],
        told[around.click],
        around.probability is not None,
    ]
    shape = pixels.shape
    return np.stack([np.broadcast_to(f, shape) for f in features], 1).astype(np.float32), pixels


def _look_around(smooth: NDArray[np.float32], click: tuple[int, int]) -> float:
    """The grey of the pocket at the click."""
    near = tuple(slice(max(0, k - _CLICK_RADIUS), k + _CLICK_RADIUS + 1) for k in click)
    return float(np.median(smooth[near]))


def reach(weight: NDArray[np.floating[Any]], around: Surroundings) -> NDArray[np.float64]:
    """Cost of the cheapest path from the click to each pixel; inf where none leads."""
    found, _ = MCP_Geometric(np.where(around.retina, weight, -1)).find_costs([around.click])
    cost: NDArray[np.float64] = np.where(around.retina & np.isfinite(found), found, np.inf)
    return cost


def _describe_regions(
    cost: NDArray[np.float64],
    pixels: NDArray[np.intp],
    area: NDArray[np.float64],
    edges: NDArray[np.float32],
    told: NDArray[np.float32],
    grey: float,
) -> list[NDArray[np.float64]]:
    """Of the region that each pixel is at the edge of: how the grey rises there, and how bright.

    Also the largest rise further in and further out, and how much larger the region is than the
    one with the clearest edge that holds little that is bright.
    """
    first, n = cut_into_regions(cost, _SMALLEST)
    rise, length = sum_steps(first, n, edges - np.float32(_PROBABILITY_WEIGHT) * told)
    rise = np.where(length > 0, rise / np.maximum(length, 1), 0)
    areas = count_pixels(first, n)
    is_bright = (edges > grey + _TOO_BRIGHT).ravel()
    bright = np.cumsum(np.bincount(first.ravel(), is_bright, n + 1))[:n]
    excess = np.maximum(bright - _BRIGHT_AT_EDGE * length, 0) / areas
    clearest = int(np.where(length > 0, rise - _BRIGHT_COST * excess, -np.inf).argmax())
    inner = np.maximum.accumulate(rise)
    outer = np.maximum.accumulate(rise[::-1])[::-1]
    region = first.ravel()[pixels]
    found = [feature[region] for feature in (rise, inner, outer, bright / areas)]
    return [*found, area - np.log(areas[clearest])]


def _describe_places(
    around: Surroundings, pixels: NDArray[np.intp]
) -> list[NDArray[np.float64] | float]:
    """Of each pixel: how far from the click it is, and where in the retina both are."""
    row, column = around.click
    rows, columns = np.divmod(pixels, around.grey.shape[1])
    top = around.retina.argmax(axis=0)
    thickness = np.maximum(around.retina.sum(axis=0), 1)
    depth = (row - top[column]) / thickness[column]
    return [
        np.log1p(np.abs(rows - row)),
        np.log1p(np.abs(columns - column)),
        (rows - top[columns]) / thickness[columns] - depth,
        float(depth),
        np.log(thickness[columns]),
        (around.labels.ravel()[pixels] == around.labels[around.click]).astype(np.float64),
    ]
