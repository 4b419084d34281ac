"""How far B-scans of a scan lie from each other, as seen by a correction that is carried over."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_retseg.scan import OctScan

#: Farther away nothing is carried: so far errors of a model stay alike in simulated volumes.
REACH_UM = 600.0
#: The same where the file says nothing of distances.
REACH_BSCANS = 5


def measure_distances(scan: OctScan) -> NDArray[np.float64]:
    """Measure how far the B-scans of a scan lie from each other, 1 being the reach of propagation.

    From their places on the fundus, the mean over both ends, so that the B-scans of a radial scan
    are near those beside them; or else from the spacing. Where neither is known, B-scans are
    counted.

    Returns
    -------
    ndarray of float64
        Shape (bscan, bscan), in units of :data:`REACH_UM` or :data:`REACH_BSCANS`.
    """
    places = np.asarray(scan.acquisition.positions_mm, float)
    if places.shape == (scan.n_bscans, 4) and np.isfinite(places).all():
        ends = places.reshape(-1, 1, 2, 2) - places.reshape(1, -1, 2, 2)
        away: NDArray[np.float64] = np.hypot(ends[..., 0], ends[..., 1]).mean(axis=-1)
        return away * 1000 / REACH_UM
    numbers = np.arange(scan.n_bscans, dtype=np.float64)
    apart = np.abs(numbers[:, np.newaxis] - numbers)
    between_um = scan.spacing_um[0] if scan.is_volume and scan.is_oct else None
    return apart / REACH_BSCANS if between_um is None else apart * between_um / REACH_UM
