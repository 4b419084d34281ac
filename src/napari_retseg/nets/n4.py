"""N4 correction of smooth shading, by SimpleITK.

Tustison et al., N4ITK: improved N3 bias correction, IEEE Transactions on Medical Imaging
29(6):1310, 2010.
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.errors import UsageError
from napari_retseg.nets.greylevels import replace_not_finite, to_float

#: The field is fitted to means of so many pixels along each axis: it is smooth, speckle is not.
SHRINK = 8
#: An axis of an image or of a volume is not shrunk below so many pixels.
_FEWEST = {2: 32, 3: 16}
#: At most so many iterations at each of four resolutions.
_ITERATIONS = (50, 50, 50, 50)
#: Fits are kept of images of so many pixels together, as shrunken; each takes about 10 bytes.
_MOST_PIXELS = 1 << 24


def import_simpleitk() -> Any:
    """Import SimpleITK.

    Raises
    ------
    UsageError
        Where it is not installed, naming the extra that brings it.
    """
    try:
        import SimpleITK
    except ImportError as error:
        raise UsageError(
            "N4 bias field correction needs SimpleITK; install it with "
            "pip install 'napari-retseg[n4]'"
        ) from error
    return SimpleITK


def correct_bias(pixels: NDArray[Any], *, shrink: int = SHRINK) -> NDArray[np.float32]:
    """Divide each channel by its smooth bias field.

    Parameters
    ----------
    pixels
        Grey values ``(channel, depth, width)`` or ``(channel, z, y, x)``. A channel with values
        below 0 is shifted to 0 meanwhile; pixels of 0 say nothing about the field.
    shrink
        The field is fitted to means of so many pixels along each axis.

    Returns
    -------
    ndarray
        float32, of the same shape.

    Raises
    ------
    UsageError
        Where SimpleITK is not installed.
    """
    sitk = import_simpleitk()
    return np.stack([_correct_channel(sitk, to_float(channel), shrink) for channel in pixels])


def _correct_channel(sitk: Any, image: NDArray[np.float32], shrink: int) -> NDArray[np.float32]:
    image = replace_not_finite(image)
    shift = np.float32(min(float(image.min()), 0.0))
    image -= shift
    # a volume of one B-scan has a field in its plane only
    plane = image.squeeze()
    if plane.ndim > 1 and plane.max() > plane.min():
        with _ONE_AT_A_TIME, _one_thread(sitk):
            plane /= np.exp(_find_log_field(sitk, plane, shrink))
    image += shift
    return image


def _find_log_field(sitk: Any, image: NDArray[np.float32], shrink: int) -> NDArray[np.float32]:
    """Logarithm of the field of an image of values that are not negative; fits are kept."""
    factors = [max(1, min(shrink, n // _FEWEST[image.ndim])) for n in image.shape]
    margins = [(0, -n % factor) for n, factor in zip(image.shape, factors, strict=True)]
    padded = np.pad(image, margins, mode="edge")
    key = (hashlib.blake2b(padded.data).digest(), padded.shape, shrink)
    corrector = _FITS.find(key)
    if corrector is None:
        corrector = _fit(sitk, padded, factors)
        _FITS.keep(key, corrector, n_pixels=padded.size // math.prod(factors))
    found = corrector.GetLogBiasFieldAsImage(sitk.GetImageFromArray(padded))
    field: NDArray[np.float32] = sitk.GetArrayFromImage(found)
    return field[tuple(slice(0, n) for n in image.shape)]


def _fit(sitk: Any, image: NDArray[np.float32], factors: list[int]) -> Any:
    full = sitk.GetImageFromArray(image)
    inside = sitk.GetImageFromArray((image > 0).astype(np.float32))
    corrector = sitk.N4BiasFieldCorrectionImageFilter()
    corrector.SetMaximumNumberOfIterations(_ITERATIONS)
    corrector.SetNumberOfWorkUnits(1)
    # SimpleITK counts axes from the last
    corrector.Execute(
        sitk.BinShrink(full, factors[::-1]), sitk.BinShrink(inside, factors[::-1]) > 0.5
    )
    return corrector


class _Fits:
    """The latest fits: held-out scans are predicted over and over, and a fit takes a second."""

    def __init__(self, most_pixels: int) -> None:
        self._most_pixels = most_pixels
        self._kept: OrderedDict[object, tuple[Any, int]] = OrderedDict()

    def find(self, key: object) -> Any | None:
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key][0]

    def keep(self, key: object, corrector: Any, *, n_pixels: int) -> None:
        self._kept[key] = (corrector, n_pixels)
        while sum(size for _, size in self._kept.values()) > self._most_pixels:
            self._kept.popitem(last=False)


_FITS = _Fits(_MOST_PIXELS)
#: A fit belongs to one thread at a time, and so does the number of threads.
_ONE_AT_A_TIME = threading.Lock()


@contextmanager
def _one_thread(sitk: Any) -> Iterator[None]:
    """Let all filters, those inside of others too, add up in the same order on any computer.

    With more threads the field differs in its last digits, and with it what is trained on it.
    """
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
