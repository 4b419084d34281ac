"""Where the A-scans of a scan hit the retina: rasters on macula or disc, and circles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_retseg.simulate.field import Grid, Map
from napari_retseg.simulate.parameters import ScanParameters


@dataclass(frozen=True)
class Sight:
    """The A-scans on the retina, all shapes ``grid.shape``.

    Parameters
    ----------
    grid
        Lengths along and across the B-scans, on which random fields are drawn.
    nasal_um, up_um
        Position from the fovea, towards the nose and upwards.
    fovea_um
        Distance from the fovea.
    disc_um
        Distance from the centre of the optic disc.
    disc_angle
        Around the disc: 0 towards the fovea, positive above, in radians.
    centre_um
        Where on the grid (across, along) the fovea lies, or the middle of a circle.
    """

    grid: Grid
    nasal_um: Map
    up_um: Map
    fovea_um: Map
    disc_um: Map
    disc_angle: Map
    centre_um: tuple[float, float]

    @property
    def lateral_um(self) -> float:
        """Distance of neighbouring A-scans."""
        return float(self.grid.x_um[1] - self.grid.x_um[0])


def lay_out_scan(drawn: ScanParameters) -> Sight:
    """Lay the scan on the retina."""
    gaze = drawn.gaze
    grid = _build_grid(drawn)
    side = 1.0 if gaze.right else -1.0
    disc = (gaze.disc_um, gaze.disc_up_um)
    if gaze.ring:
        around = grid.x_um / gaze.ring_radius_um
        radius = gaze.ring_radius_um + grid.y_um
        nasal, up = disc[0] + radius * np.cos(around), disc[1] + radius * np.sin(around)
        centre = (0.0, 0.0)
    else:
        across = gaze.across_um
        if gaze.through_fovea:
            across *= 120 / 3200  # at most 120 um beside it
        centre = (-across, gaze.along_um)
        nasal = side * (grid.x_um - centre[1]) + 0 * grid.y_um
        up = grid.y_um - centre[0] + 0 * grid.x_um
        if gaze.at_disc:
            nasal, up = nasal + disc[0], up + disc[1]
            centre = (centre[0] - disc[1], centre[1] - side * disc[0])
    to_fovea = np.arctan2(up - disc[1], disc[0] - nasal)
    return Sight(
        grid=grid,
        nasal_um=nasal.astype(np.float32),
        up_um=up.astype(np.float32),
        fovea_um=np.hypot(nasal, up).astype(np.float32),
        disc_um=np.hypot(nasal - disc[0], up - disc[1]).astype(np.float32),
        disc_angle=to_fovea.astype(np.float32),
        centre_um=centre,
    )


def _build_grid(drawn: ScanParameters) -> Grid:
    """Lengths along the retina; a volume gets a margin for saccades to the side."""
    lateral = drawn.lateral_um
    if drawn.gaze.ring:
        lateral = 2 * np.pi * drawn.gaze.ring_radius_um / drawn.width
    margin = 0
    if drawn.n_bscans > 1:
        margin = int(np.ceil(3 * drawn.artefacts.jump_um / lateral))
    return Grid.build(
        (drawn.bscan_um, drawn.axial_um, lateral),
        n_bscans=drawn.n_bscans,
        depth=drawn.depth,
        width=drawn.width,
        margin=margin,
    )
