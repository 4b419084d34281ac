"""Labels drawn over a B-scan, as a picture."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.exposure import rescale_intensity

from napari_retseg.classes import LabelSet

_PERCENTILES = (0.5, 99.8)


def draw_overlay(
    bscan: NDArray[Any], labels: NDArray[np.uint8], classes: LabelSet, *, opacity: float = 0.45
) -> NDArray[np.uint8]:
    """Draw the classes of a B-scan in their colours over its grey values.

    Parameters
    ----------
    bscan
        Grey values, ``(depth, width)``, or ``(channel, depth, width)`` of which the first
        channel is shown; stretched to the display's range.
    labels
        Class values, ``(depth, width)``. Background and pixels that are not annotated stay grey.

    Returns
    -------
    ndarray
        Red, green and blue, ``(depth, width, 3)``, uint8.
    """
    grey = stretch_grey(bscan[0] if bscan.ndim == 3 else bscan)
    colors = np.zeros((256, 3), dtype=np.float32)
    alpha = np.zeros(256, dtype=np.float32)
    for one in classes.foreground:
        colors[one.value] = one.rgb
        alpha[one.value] = opacity
    weight = alpha[labels][..., np.newaxis]
    blended = (1 - weight) * grey[..., np.newaxis] + weight * colors[labels]
    picture: NDArray[np.uint8] = blended.round().astype(np.uint8)
    return picture


def stretch_grey(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Spread grey values over 0 to 255; the darkest and brightest few are clipped."""
    values = pixels.astype(np.float32)
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return np.zeros(values.shape, dtype=np.float32)
    low, high = (float(value) for value in np.percentile(finite, _PERCENTILES))
    if low == high:
        return np.zeros(values.shape, dtype=np.float32)
    known = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
    stretched: NDArray[np.float32] = rescale_intensity(  # type: ignore[no-untyped-call]
        known, in_range=(low, high), out_range=(0.0, 255.0)
    ).astype(np.float32)
    return stretched


def encode_png(picture: NDArray[np.uint8]) -> bytes:
    """Return a picture as the content of a PNG file."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, format="PNG")
    return stream.getvalue()
