"""What the user should know of the numbers of a scan, one line each."""

from __future__ import annotations

from collections.abc import Iterator

from napari_retseg.acquisition import NOT_RASTERS
from napari_retseg.measures.enface import SPARSE_UM, EnfaceGrid
from napari_retseg.measures.fovea import Fovea
from napari_retseg.measures.profile import ASSUMED
from napari_retseg.measures.sectors import Sectors
from napari_retseg.measures.thickness import Surfaces
from napari_retseg.plural import count_noun
from napari_retseg.scan import OctScan


def note_scan(scan: OctScan, grid: EnfaceGrid | None) -> Iterator[str]:
    """Say what the scan's pattern, positions and pixel size do not allow."""
    if scan.scan_pattern in NOT_RASTERS:
        yield f"a {scan.scan_pattern} scan has profiles, not maps"
        if scan.scan_pattern == "circle":
            yield ASSUMED
    elif grid is None and scan.n_bscans > 1:
        yield (
            "the B-scans are not parallel or their pixel size is unknown: there are no sectors, "
            "areas and volumes"
        )
    if scan.spacing_um[-2] is None:
        yield "the axial pixel size is unknown: thickness is in pixels"
    if grid is not None:
        yield from grid.notes
        if grid.between_um > SPARSE_UM:
            yield (
                f"B-scans are {grid.between_um:.0f} µm apart: what a picture of a map shows "
                "between them is interpolated"
            )


def note_centre(scan: OctScan, fovea: Fovea | None, sectors: Sectors | None) -> Iterator[str]:
    """Say what is not sure about the grid.

    Parameters
    ----------
    fovea
        Where the grid lies on it.
    sectors
        None where the grid could not be laid on a scan that allows it.
    """
    if sectors is None:
        yield (
            "without layers the fovea cannot be found; set the centre of the grid to get its "
            "sectors"
        )
        return
    if fovea is not None and fovea.is_doubtful:
        yield (f"the fovea is doubtful ({'; '.join(fovea.doubts)}); check the centre of the grid")
    if scan.laterality is None:
        yield "the eye is unknown: sectors are L (left) and R (right)"


def note_left_out(surfaces: Surfaces) -> Iterator[str]:
    """Say how many A-scans are doubtful."""
    if surfaces.is_doubtful.any():
        count = count_noun(int(surfaces.is_doubtful.sum()), "doubtful A-scan")
        yield f"{count} left out of the layers"
