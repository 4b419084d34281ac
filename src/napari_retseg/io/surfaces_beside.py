"""Surfaces of OCTExplorer that lie beside a scan: its boundaries, where it has none of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from napari_retseg.errors import InputError
from napari_retseg.io.octexplorer_xml import read_surfaces
from napari_retseg.io.suffixes import stem_of
from napari_retseg.plural import list_first
from napari_retseg.scan import BOUNDARIES, OctScan

#: What stands behind the stem of a scan in the names of its surfaces, the best first.
_NAMES = (
    "_Surfaces_Retina-JEI-Final.xml",
    "_Surfaces_Iowa.xml",
    "_Surfaces.xml",
    "_Surfaces_Retina-JEI.xml",
    "_Surfaces_Approx.xml",
)


def find_surfaces(path: Path) -> Path | None:
    """Find the surfaces of a scan beside it: ``STEM_Surfaces_Iowa.xml`` and the like."""
    stem = stem_of(path)
    for ending in _NAMES:
        found = path.with_name(f"{stem}{ending}")
        try:
            if found.is_file():
                return found
        except (OSError, ValueError):
            return None
    return None


def attach_surfaces(scan: OctScan, path: Path) -> OctScan:
    """Give a scan, in the order of its file, the boundaries that lie beside it.

    Those of the device itself come first. Surfaces of another size are a contradiction.
    """
    file = find_surfaces(path) if scan.is_oct else None
    if file is None:
        return scan
    if BOUNDARIES in scan.metadata:
        note = f"{file.name}: left out, since the file has boundaries of its own"
        return replace(scan, notes=(*scan.notes, note))
    try:
        surfaces = read_surfaces(file)
    except InputError as error:
        return replace(scan, notes=(*scan.notes, f"the surfaces beside it are not read: {error}"))
    shape = scan.spatial_shape if scan.is_volume else (1, *scan.spatial_shape)
    if surfaces.shape[::2] != shape[::2] or surfaces.shape[1] not in (0, shape[1]):
        return _contradict(
            scan,
            f"{file.name} is of {_show(surfaces.shape)} voxels, but the scan has {_show(shape)}",
        )
    note = f"boundaries from {file.name}: {list_first(list(surfaces.boundaries), 12)}"
    metadata = {**scan.metadata, BOUNDARIES: dict(surfaces.boundaries)}
    scan = replace(scan, notes=(*scan.notes, note), metadata=metadata)
    eyes = {surfaces.laterality, scan.laterality} - {None}
    if len(eyes) > 1:
        return _contradict(
            scan, f"{file.name} is of {surfaces.laterality}, the scan of {scan.laterality}"
        )
    return scan


def _show(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _contradict(scan: OctScan, line: str) -> OctScan:
    found = (*scan.acquisition.contradictions, line)
    return replace(scan, acquisition=replace(scan.acquisition, contradictions=found))
