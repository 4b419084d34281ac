"""How unsure a model is of each pixel and of each B-scan."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from napari_retseg.events import BscanUncertainty
from napari_retseg.nets.arrays import Array, ops_of

#: A pixel counts for a B-scan's score where all foreground together is at least so probable.
FOREGROUND = 0.1
#: A B-scan's score is over at least this share of its pixels.
LEAST_SHARE = 0.05
#: Stretches of the width that a descriptor is made of.
STRETCHES = 8


def measure_uncertainty(log_probabilities: Array) -> list[BscanUncertainty]:
    """Measure the uncertainty of some B-scans.

    The entropy of a pixel is H = -sum(p ln p) / ln(k) for k classes (Shannon, Bell Syst. Tech. J.
    27:379, 1948): 0 where the model is sure, 1 where all classes are equally likely.

    The score of a B-scan is the mean of H over the pixels whose foreground probability is
    at least 0.1, that is within structures and around them: elsewhere H is near 0 and would
    only say how much background there is. The sum is divided by no less than 5 % of all
    pixels, so that a B-scan with a few doubtful pixels and nothing else does not come first.

    The descriptor holds, for each of 8 stretches of the width, the square root of each
    class's mean probability (so that distances are those of Hellinger, in which rare classes
    count) and the mean H. It does not change when the retina lies higher or lower.

    Parameters
    ----------
    log_probabilities
        ``(n, class, depth, width)``, normalised, float32.

    Returns
    -------
    list of BscanUncertainty
        One for each B-scan.
    """
    ops = ops_of(log_probabilities)
    probabilities = ops.exp(log_probabilities)
    n_classes, width = log_probabilities.shape[1], log_probabilities.shape[-1]
    entropy = -(probabilities * log_probabilities).sum(1) / math.log(n_classes)
    entropy = entropy.clip(0, 1)
    near = probabilities[:, 0] <= 1 - FOREGROUND
    pixels = ops.to_numpy(near.sum((1, 2))).clip(LEAST_SHARE * math.prod(entropy.shape[1:]))
    scores = ops.to_numpy((entropy * near).sum((1, 2))) / pixels
    columns = [ops.to_numpy(probabilities.mean(2)) ** 0.5, ops.to_numpy(entropy.mean(1))]
    stretches = np.concatenate([columns[0], columns[1][:, None]], axis=1)[..., _spread(width)]
    descriptors = stretches.mean(axis=-1)
    maps = ops.to_numpy((entropy * 255).round()).astype(np.uint8)
    return [
        BscanUncertainty(float(score), plane, tuple(descriptor.flatten().tolist()))
        for score, plane, descriptor in zip(scores, maps, descriptors, strict=True)
    ]


def _spread(width: int) -> NDArray[np.intp]:
    """Columns of each stretch, ``(stretch, column)``; some twice where the width is no multiple."""
    each = math.ceil(width / STRETCHES)
    places = np.arange(STRETCHES * each) * width // (STRETCHES * each)
    return places.reshape(STRETCHES, each)
