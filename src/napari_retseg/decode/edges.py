"""The image's own edges, and how well they fit a boundary: no model, and no constant for a layer.

Where a person puts a boundary, the grey values around it show what it looks like. The same look
is searched nearby: the log-likelihood ratio of a mean profile in noise, which is a correlation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

#: Smoothing in pixels, along the depth and across the A-scans.
_SIGMA = (1.2, 2.0)
#: Cut rows above and below a boundary that make up its profile.
PROFILE = 10
#: Pixels that are smoothed are not independent. This, :data:`PROFILE` and the costs of a step in
#: `snapping` were chosen on S01 and S02 of Chiu et al. 2015.
_INDEPENDENT = 0.1


def find_edges(bscan: NDArray[Any]) -> NDArray[np.float32]:
    """Measure how the grey value steps at each cut row, from above to below.

    Parameters
    ----------
    bscan
        Grey values, ``(depth, width)``, on any scale.

    Returns
    -------
    ndarray of float32
        Shape (depth + 1, width): at cut r the step from pixel r - 1 to pixel r of the smoothed
        B-scan, in units of the standard deviation of all steps. 0 at the first and the last cut,
        and everywhere in a B-scan that is all of one grey.
    """
    smooth = ndimage.gaussian_filter(bscan.astype(np.float32), _SIGMA)
    steps = np.zeros((len(bscan) + 1, bscan.shape[1]), np.float32)
    np.subtract(smooth[1:], smooth[:-1], out=steps[1:-1])
    deviation = float(steps.std())
    if deviation > 0:
        steps /= deviation
    return steps


def match_profile(band: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Say how much better each row looks like the curve than like anything.

    Parameters
    ----------
    band
        Steps at rows counted from a curve, ``(2 * (reach + PROFILE) + 1, n)``.
    weights
        How far the curve can be believed in each A-scan, ``(n,)``, with a sum above 0.

    Returns
    -------
    ndarray of float32
        Gain at each row in reach, ``(2 * reach + 1, n)``, in units of log-odds.
    """
    middle, share = len(band) // 2, weights / weights.sum()
    near = band[middle - PROFILE : middle + PROFILE + 1]
    profile = near @ share
    variance = float((((near - profile[:, np.newaxis]) ** 2) @ share).mean())
    if variance <= 0:
        return np.zeros((len(band) - 2 * PROFILE, band.shape[1]), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(band, 2 * PROFILE + 1, axis=0)
    gain: NDArray[np.float32] = windows @ (profile * np.float32(_INDEPENDENT / variance))
    return gain
