"""Maps of all spans of layers, and what is read off them: the fovea, and how the RPE is raised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from napari_retseg.classes import LabelSet
from napari_retseg.layers.anatomy import is_lesion
from napari_retseg.measures.elevation import find_bruch
from napari_retseg.measures.enface import EnfaceGrid
from napari_retseg.measures.fovea import Fovea, find_fovea
from napari_retseg.measures.spans import INNER, RETINA, TO_BRUCH, is_raised
from napari_retseg.measures.thickness import Map, Surfaces
from napari_retseg.scan import OctScan

#: How far the RPE lies above Bruch's membrane.
ELEVATION = "RPE elevation"


def make_maps(
    surfaces: Surfaces, scan: OctScan, bscans: Sequence[int] | None = None
) -> dict[str, Map]:
    """Make the thickness maps of some or all B-scans of a scan.

    Each B-scan is measured by itself, so that one that has changed can be measured alone.

    Parameters
    ----------
    bscans
        Of which the surfaces are; None: all.

    Returns
    -------
    dict
        By span of layers, ``(bscan, width)`` in um, in pixels where the axial pixel size is
        unknown; NaN where it is unknown.
    """
    axial_um = scan.spacing_um[-2]
    scale = np.float32(axial_um or 1.0)
    maps = {name: surfaces.thickness_px(span) * scale for name, span in surfaces.spans.items()}
    bruch = find_bruch(surfaces, scan, bscans) if RETINA in maps else None
    if bruch is not None:
        maps[TO_BRUCH] = (bruch - surfaces.rows[0]) * scale
    return maps


def locate_fovea(maps: Mapping[str, Map], grid: EnfaceGrid) -> Fovea | None:
    """Find the fovea on the inner retina, which disease changes less than the whole.

    Returns
    -------
    Fovea or None
        None without a map of the inner or the whole retina.
    """
    if INNER in maps:
        return find_fovea(maps[INNER], grid, gcc=maps.get("GCC"), retina=maps.get(RETINA))
    if RETINA not in maps:
        return None
    found = find_fovea(maps[RETINA], grid)
    doubt = "only the whole retina is labelled, and disease can change its shape"
    return Fovea(found.place_mm, (*found.doubts, doubt))


def list_lesions(classes: LabelSet) -> dict[str, list[int]]:
    """List the classes that are lesions, with their values: fluid, drusen, PED."""
    return {c.name: [c.value] for c in classes.foreground if is_lesion(c.name) or is_raised(c.name)}
