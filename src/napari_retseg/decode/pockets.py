"""Classes that are no layers (fluid), drawn into the retina between the surfaces."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Pixels between the outer boundary and a pocket that still hangs on it.
_REACH = 2


def enclose_pockets(pockets: NDArray[np.bool_], rows: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Keep the pockets that lie in the retina, and those that hang on its outer boundary.

    Nothing is kept above the inner boundary or where there is no retina. A pocket below the outer
    boundary that touches it, such as one under a detached pigment epithelium, keeps its shape: the
    outer boundary is moved below it, as Bruch's membrane is there.

    Parameters
    ----------
    pockets
        Where such a class wins, ``(depth, width)``.
    rows
        Boundaries ``(boundary, width)``, see :class:`napari_retseg.decode.surfaces.Surfaces`; the
        last is changed in place.

    Returns
    -------
    ndarray of bool
        Shape (depth, width).
    """
    depth = len(pockets)
    at = np.arange(depth)[:, None]
    with np.errstate(invalid="ignore"):
        below_inner = pockets & (at > rows[0])
        inside = below_inner & (at <= rows[-1])
        hanging = below_inner & ~inside
    if not hanging.any():
        return np.asarray(inside, bool)
    from scipy import ndimage  # takes as long to import as ten B-scans: only where it is needed

    parts, n = ndimage.label(below_inner, np.ones((3, 3)))
    with np.errstate(invalid="ignore"):
        touching = below_inner & (at <= rows[-1] + _REACH)
    kept = np.zeros(n + 1, bool)
    kept[np.unique(parts[touching])] = True
    kept[0] = False
    found: NDArray[np.bool_] = kept[parts]
    lowest = np.where(found.any(axis=0), depth - 1 - found[::-1].argmax(axis=0), -1)
    # one pixel of the last layer closes the pocket
    deeper = (lowest >= 0) & (lowest + 1 > rows[-1])
    rows[-1, deeper] = np.minimum(lowest[deeper] + 1, depth - 0.5)
    return found
