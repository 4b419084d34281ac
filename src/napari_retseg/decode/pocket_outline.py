"""A pocket of fluid from a stroke around it: regions that grow up to what the stroke encloses."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.draw import polygon2mask, polygon_perimeter

from napari_retseg.decode.pocket_regions import (
    PocketProposal,
    count_pixels,
    cut_into_regions,
    find_retina,
    measure_contrast,
    sum_steps,
)

# Of all values below: chosen on strokes around pockets of simulated B-scans and of S01 and S02 of
# Chiu et al. 2015, 2, 3 and 5 pixels outside.

#: Pixels around the stroke that are looked at, too.
_AROUND = 6
#: Gaussian in pixels that takes the speckle away, and one that rounds the regions.
_SIGMA, _ROUND_SIGMA = 1.5, 1.0
#: Pixels between a stroke and the pocket; the share of what is enclosed that is pocket at least.
_MARGIN, _LEAST = 3.0, 0.3
#: What counts against a pixel: how near the stroke it is (logarithm), and that it is as bright as
#: what is around the stroke.
_NEAR_COST, _BRIGHT_COST = 4.0, 1.0
#: The least difference of grey between inside and around that is believed, in units of contrast.
_LEAST_CONTRAST = 0.1
#: A pixel of the class by the probability is so many units darker than its grey.
_PROBABILITY_WEIGHT = 1.1
#: How much it speaks against a region that it is larger or smaller than the margin lets expect.
_SIZE_COST = 0.15
#: Pixels of the smallest region.
_SMALLEST = 6
#: Of a line that encloses something: the gap between its ends and the square root of what it
#: encloses, at most and at least as shares of its length.
_GAP, _ROUND = 0.2, 0.13


def propose_inside(
    bscan: NDArray[Any],
    outline: NDArray[np.float64],
    *,
    labels: NDArray[np.uint8],
    layers: list[int],
    probability: NDArray[np.float32] | None = None,
) -> PocketProposal | None:
    """Find the regions within a stroke that was drawn around a dark pocket.

    Parameters
    ----------
    bscan
        Grey values, ``(depth, width)``.
    outline
        Places of the stroke, ``(n, 2)``: row and column, where whole numbers are the middles of
        pixels. Its end is joined with its start. It may leave the B-scan.
    labels
        Class values of the same B-scan. What lies outside the layers among them comes last.
    layers
        Values of the layers, from the vitreous to the sclera.
    probability
        Of the class, ``(depth, width)``, where a model has said it.

    Returns
    -------
    PocketProposal or None
        As of :func:`~napari_retseg.decode.pocket_click.propose_pocket`; the last region is all
        that is enclosed. None where the stroke encloses no pixel of the B-scan.

    Examples
    --------
    >>> found = propose_inside(grey, stroke, labels=labels, layers=[1, 2, 3])  # doctest: +SKIP
    >>> pocket = found.region(found.best, grey.shape)  # doctest: +SKIP
    >>> encircled = found.region(found.n_regions - 1, grey.shape)  # doctest: +SKIP
    """
    rows, columns = (
        slice(max(0, int(low) - _AROUND), max(0, min(n, int(high) + _AROUND + 2)))
        for low, high, n in zip(outline.min(axis=0), outline.max(axis=0), bscan.shape, strict=True)
    )
    enclosed = _enclose(outline - (rows.start, columns.start), bscan[rows, columns].shape)
    if not enclosed.any():
        return None
    retina = find_retina(labels[:, columns], layers)
    values = np.nan_to_num(bscan[:, columns].astype(np.float32))
    unit = measure_contrast(values[retina] if retina.any() else values)
    values, retina = values[rows] / unit, retina[rows]
    if probability is not None:
        values -= np.float32(_PROBABILITY_WEIGHT) * probability[rows, columns]
    smooth = ndimage.gaussian_filter(values, _SIGMA)
    inside = enclosed & retina if (enclosed & retina).any() else enclosed
    # the border of the picture is no stroke: a pocket may reach it
    depth = ndimage.distance_transform_edt(enclosed)
    cost = np.where(inside, _weigh(smooth, depth, retina), np.inf)
    first, n_regions = cut_into_regions(cost, _SMALLEST)
    best = _choose(first, n_regions, smooth, depth)
    if (enclosed & ~inside).any():
        first[enclosed & ~inside] = n_regions
        first[~enclosed] = n_regions + 1
        n_regions += 1
    return PocketProposal(rows.start, columns.start, first, n_regions, best)


def comes_back(line: NDArray[np.float64]) -> bool:
    """Whether a line leads around something: back to its start, and not the same way.

    Parameters
    ----------
    line
        Its places, ``(n, 2)``.
    """
    steps = np.diff(line, axis=0)
    length, gap = float(np.hypot(*steps.T).sum()), float(np.hypot(*(line[-1] - line[0])))
    away = line - line[0]
    # the shoelace formula
    area = 0.5 * abs(float(np.sum(away[:-1, 0] * away[1:, 1] - away[1:, 0] * away[:-1, 1])))
    return length > 0 and gap <= _GAP * length and np.sqrt(area) >= _ROUND * length


def _enclose(outline: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Find the pixels within a closed line."""
    enclosed: NDArray[np.bool_] = polygon2mask(shape, outline)  # type: ignore[no-untyped-call]
    # a line that goes on past its start winds twice around what is then left out
    line = np.zeros(shape, np.bool_)
    try:
        at = polygon_perimeter(*np.rint(outline).T.astype(np.intp), shape=shape)
    except IndexError:  # scikit-image: of a line without area nothing is left within the border
        return enclosed
    line[at] = True
    return enclosed | (ndimage.binary_fill_holes(line) & ~line)


def _weigh(
    smooth: NDArray[np.float32], depth: NDArray[np.float64], retina: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """What speaks against each pixel."""
    middle = depth >= 0.6 * depth.max()
    around = (depth == 0) & retina
    dark = float(np.median(smooth[middle]))
    bright = float(np.median(smooth[around])) if around.any() else dark
    contrast = max(bright - dark, _LEAST_CONTRAST)
    brightness = np.clip((smooth - (bright + dark) / 2) / contrast, -1, 1.5)
    cost = _BRIGHT_COST * brightness - _NEAR_COST * np.log(np.maximum(depth, 0.3))
    rounded: NDArray[np.float64] = ndimage.gaussian_filter(cost, _ROUND_SIGMA)
    return rounded


def _choose(
    first: NDArray[np.uint8],
    n_regions: int,
    smooth: NDArray[np.float32],
    depth: NDArray[np.float64],
) -> int:
    """Choose the region at whose edge the grey rises most, and which leaves the usual margin."""
    rise, length = sum_steps(first, n_regions, smooth)
    expected = max(int((depth > _MARGIN).sum()), _LEAST * int((depth > 0).sum()))
    unlike = np.log(count_pixels(first, n_regions) / expected) ** 2
    return int((rise / np.maximum(length, 1) - _SIZE_COST * unlike).argmax())
