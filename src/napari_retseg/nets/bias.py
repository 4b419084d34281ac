"""N4 correction of smooth shading, by SimpleITK.

Tustison et al., N4ITK: improved N3 bias correction, IEEE Transactions on Medical Imaging
29(6):1310, 2010.
"""

from __future__ import annotations

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
        plane /= np.exp(_fit_log_field(sitk, plane, shrink))
    image += shift
    return image


def _fit_log_field(sitk: Any, image: NDArray[np.float32], shrink: int) -> NDArray[np.float32]:
    """Fit the logarithm of the field to an image of values that are not negative."""
    factors = [max(1, min(shrink, n // _FEWEST[image.ndim])) for n in image.shape]
    margins = [(0, -n % factor) for n, factor in zip(image.shape, factors, strict=True)]
    padded = np.pad(image, margins, mode="edge")
    full = sitk.GetImageFromArray(padded)
    inside = sitk.GetImageFromArray((padded > 0).astype(np.float32))
    corrector = sitk.N4BiasFieldCorrectionImageFilter()
    corrector.SetMaximumNumberOfIterations(_ITERATIONS)
    with _one_thread(sitk):
        corrector.SetNumberOfWorkUnits(1)
        # SimpleITK counts axes from the last
        corrector.Execute(
            sitk.BinShrink(full, factors[::-1]), sitk.BinShrink(inside, factors[::-1]) > 0.5
        )
        field: NDArray[np.float32] = sitk.GetArrayFromImage(corrector.GetLogBiasFieldAsImage(full))
    return field[tuple(slice(0, n) for n in image.shape)]


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
