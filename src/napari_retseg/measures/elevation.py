"""How far the RPE is raised above Bruch's membrane: drusen and detachments.

Bruch's membrane is the device's own where its file has one. Elsewhere it is estimated from the
lower boundary of labels that end at the RPE, or at what they show below it (`measures.bruch`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from napari_retseg.device_layers import find_device_curve
from napari_retseg.measures.bruch import RAISED_UM, estimate_bruch
from napari_retseg.measures.spans import RETINA, TO_BRUCH, ends_at_rpe, find_rpe_end, is_raised
from napari_retseg.measures.thickness import Map, Surfaces
from napari_retseg.scan import OctScan

#: Labels that end so near to the device's Bruch's membrane end there, in rows.
_SAME_PX = 1.5
#: In this part of the A-scans the RPE is at most as far from Bruch's membrane as where it is flat.
_FLAT = 0.25


def find_bruch(
    surfaces: Surfaces, scan: OctScan, bscans: Sequence[int] | None = None
) -> Map | None:
    """Find the rows of Bruch's membrane below labels that end at the RPE or with drusen and PED.

    What is labelled below the RPE may be less than all: small drusen are easily missed.

    Parameters
    ----------
    bscans
        Of which the surfaces are; None: all.

    Returns
    -------
    ndarray of float32 or None
        ``(bscan, width)``: the end of the labels where they are not raised; NaN where it is
        unknown. None where the labels end elsewhere, or the scale is unknown.
    """
    axial_um, lateral_um = scan.spacing_um[-2:]
    if axial_um is None or lateral_um is None:
        return None
    last = surfaces.names[-1]
    if not (ends_at_rpe(surfaces.names) or is_raised(last)) or scan.scan_pattern == "circle":
        return None
    outer = surfaces.rows[-1]
    own = _find_curve(scan, "BM", bscans)
    if own is None:
        return estimate_bruch(outer, axial_um=axial_um, lateral_um=lateral_um)
    # labels say whole rows: a boundary between two of them is the upper one
    own = np.where(outer == np.floor(outer), np.floor(own), own)
    rows = np.where(own - outer >= RAISED_UM / axial_um, own, outer)
    if np.isfinite(own).all():
        return rows
    estimated = estimate_bruch(outer, axial_um=axial_um, lateral_um=lateral_um)
    return np.where(np.isfinite(own), rows, estimated)


def find_elevation(
    surfaces: Surfaces,
    maps: Mapping[str, Map],
    scan: OctScan,
    bscans: Sequence[int] | None = None,
) -> Map | None:
    """Find how far the RPE is raised, in rows.

    Labels that end at the device's own Bruch's membrane do not say where the RPE is; then it is
    the device's own.

    Parameters
    ----------
    maps
        Of the surfaces, from `measures.maps.make_maps`.
    bscans
        Of which the surfaces are; None: all.

    Returns
    -------
    ndarray of float32 or None
        ``(bscan, width)``, 0 where it is not raised by 12 um or more, or that is unknown. None
        where neither the labels nor the device say it.
    """
    axial_um = scan.spacing_um[-2]
    if axial_um is None or scan.scan_pattern == "circle" or RETINA not in maps:
        return None
    raised = None
    if TO_BRUCH in maps:
        bruch = surfaces.rows[0] + maps[TO_BRUCH] / np.float32(axial_um)
        above = np.nan_to_num(bruch - surfaces.rows[find_rpe_end(surfaces.names)])
        raised = np.where(above >= RAISED_UM / axial_um, above, np.float32(0))
    whole_bruch, whole_rpe = (find_device_curve(scan, name) for name in ("BM", "RPE"))
    if whole_bruch is None or whole_rpe is None:
        return raised
    chosen = slice(None) if bscans is None else list(bscans)
    between = whole_bruch - whole_rpe
    known = between[np.isfinite(between)]
    if not known.size:
        return raised
    own = np.nan_to_num(between[chosen] - np.float32(np.quantile(known, _FLAT)))
    own = np.where(own >= RAISED_UM / axial_um, own, np.float32(0))
    end = surfaces.rows[surfaces.spans[RETINA][1]]
    is_same = np.abs(end - whole_bruch[chosen]) <= _SAME_PX
    if raised is None and not is_same.any():
        return None
    return np.where(is_same, own, np.float32(0) if raised is None else raised)


def name_bruch(scan: OctScan) -> str:
    """Say which Bruch's membrane is meant."""
    is_own = find_device_curve(scan, "BM") is not None
    return "the device's Bruch's membrane" if is_own else "an estimated Bruch's membrane"


def _find_curve(scan: OctScan, name: str, bscans: Sequence[int] | None) -> Map | None:
    rows = find_device_curve(scan, name)
    return rows if rows is None or bscans is None else rows[list(bscans)]
