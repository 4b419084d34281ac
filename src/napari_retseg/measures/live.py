"""Thickness and lesions of a scan that is being corrected: measured B-scan by B-scan."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import LabelSet
from napari_retseg.measures.elevation import find_elevation
from napari_retseg.measures.enface import lay_out
from napari_retseg.measures.fluid import Fluid, measure_fluid
from napari_retseg.measures.fovea import Fovea
from napari_retseg.measures.maps import ELEVATION, list_lesions, locate_fovea, make_maps
from napari_retseg.measures.notes import note_centre, note_scan
from napari_retseg.measures.quantities import SCAN, Measurement, list_scan, list_sectors
from napari_retseg.measures.sectors import Place, Sectors, make_etdrs
from napari_retseg.measures.thickness import Map, find_surfaces
from napari_retseg.scan import OctScan


class LiveMeasures:
    """The maps of a scan, and the numbers in them that are looked at while it is corrected.

    A B-scan that has changed is measured alone. Used on one thread at a time.

    Parameters
    ----------
    scan
        An OCT scan.
    classes
        Of its labels.

    Attributes
    ----------
    maps
        Thickness by span of layers, ``(bscan, width)``, in `unit`; NaN where it is unknown.
    unit
        "um", or "px" where the axial pixel size is unknown.
    grid
        Where the A-scans lie; None where that is unknown.
    fovea
        None where it was not found yet, or cannot be.
    sectors
        The ETDRS grid; None until :meth:`place_grid`, and without a known scale.
    """

    def __init__(self, scan: OctScan, classes: LabelSet) -> None:
        self.scan = scan
        self.maps: dict[str, Map] = {}
        self.grid = lay_out(scan)
        self.fovea: Fovea | None = None
        self.sectors: Sectors | None = None
        self._classes = classes
        self._axial_um = scan.spacing_um[-2]
        self.unit = "px" if self._axial_um is None else "um"
        self._shape = scan.n_bscans, scan.spatial_shape[-1]
        self._lesions = list_lesions(classes)
        self._raised_px: Map | None = None
        self._heights_px: dict[str, NDArray[np.int32]] = {
            name: np.zeros(self._shape, np.int32) for name in self._lesions
        }

    def update(
        self, bscan: int, labels: NDArray[np.uint8], is_doubtful: NDArray[np.bool_] | None = None
    ) -> None:
        """Measure a B-scan that has changed.

        Parameters
        ----------
        labels
            Its class values, ``(depth, width)``.
        is_doubtful
            A-scans whose layers are left out, ``(width,)``.
        """
        doubtful = None if is_doubtful is None else is_doubtful[np.newaxis]
        surfaces = find_surfaces(labels, self._classes, is_doubtful=doubtful)
        maps = {} if surfaces is None else make_maps(surfaces, self.scan, [bscan])
        raised = None
        if surfaces is not None:
            raised = find_elevation(surfaces, maps, self.scan, [bscan])
        if raised is not None and self._raised_px is None:
            self._raised_px = np.zeros(self._shape, np.float32)
        if self._raised_px is not None:
            self._raised_px[bscan] = 0 if raised is None else raised[0]
        for name, found in maps.items():
            if name not in self.maps:
                self.maps[name] = np.full(self._shape, np.nan, np.float32)
            self.maps[name][bscan] = found[0]
        for name, values in self._lesions.items():
            is_lesion = np.isin(labels, np.asarray(values, np.uint8))
            self._heights_px[name][bscan] = is_lesion.sum(axis=0)

    def place_grid(self, centre_mm: Place | None = None) -> bool:
        """Lay the ETDRS grid where it belongs by now.

        Parameters
        ----------
        centre_mm
            Set by hand; None: on the fovea.

        Returns
        -------
        bool
            Whether it lies elsewhere than before.
        """
        if self.grid is None:
            return False
        self.fovea = locate_fovea(self.maps, self.grid)
        place = centre_mm
        if place is None and self.fovea is not None:
            place = self.fovea.place_mm
        before = None if self.sectors is None else self.sectors.centre_mm
        if place == before:
            return False
        self.sectors = None
        if place is not None:
            self.sectors = make_etdrs(self.grid, place, self.scan.laterality)
        return True

    def list_thickness(self, *names: str) -> Iterator[Measurement]:
        """List the numbers of some maps, by default of all: in each sector, and in the scan."""
        for name in names or self.maps:
            if name not in self.maps:
                continue
            if self.sectors is not None:
                yield from list_sectors(name, self.maps[name], self.sectors, self.unit)
            yield from list_scan(name, self.maps[name], self.unit)

    def list_lesions(self) -> Iterator[Measurement]:
        """List how large each lesion is in the whole scan.

        A volume in nl; an area where there is one B-scan, pixels where the scale is unknown.
        """
        heights: dict[str, NDArray[np.generic]] = dict(self._heights_px)
        if self._raised_px is not None and self.grid is not None:
            heights[ELEVATION] = self._raised_px
        lateral_um = self.scan.spacing_um[-1]
        for name, rows in heights.items():
            if self.grid is not None and self._axial_um is not None:
                found = measure_fluid(Fluid(rows, ()), self.grid, self._axial_um)[SCAN]
                yield Measurement("volume", name, SCAN, found.volume_nl, "nl")
                continue
            count = float(np.asarray(rows, np.float64).sum())
            if len(rows) == 1 and self._axial_um is not None and lateral_um is not None:
                area = count * self._axial_um * lateral_um / 1e6
                yield Measurement("area in the B-scan", name, SCAN, area, "mm2")
            else:
                yield Measurement("pixels", name, SCAN, count, "px")

    def list_notes(self, *, is_by_hand: bool) -> list[str]:
        """Say what the user should know; of the fovea unless the centre was set by hand."""
        fovea = None if is_by_hand else self.fovea
        # what can be mended comes first
        notes = [] if self.grid is None else list(note_centre(self.scan, fovea, self.sectors))
        return [*notes, *note_scan(self.scan, self.grid)]
