"""Surfaces beside a scan, as OCTExplorer names them: read with the scan, and written for it.

Those of this program are corrected boundaries of the scan whose mark they have, and come before
the device's own. Those of others are the boundaries of a scan that has none of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.errors import InputError
from napari_retseg.io.file_errors import is_folder
from napari_retseg.io.marks import is_marked
from napari_retseg.io.octexplorer_xml import Surfaces, read_surfaces, write_surfaces
from napari_retseg.io.orientation import put_upright
from napari_retseg.io.suffixes import find_exports, stem_of
from napari_retseg.plural import list_first
from napari_retseg.scan import BOUNDARIES, OctScan
from napari_retseg.volume_path import name_volume, split_volume

#: What stands behind the stem of a scan in the names of its surfaces, the best first.
_NAMES = (
    "_Surfaces_Retina-JEI-Final.xml",
    "_Surfaces_Iowa.xml",
    "_Surfaces.xml",
    "_Surfaces_Retina-JEI.xml",
    "_Surfaces_Approx.xml",
)
#: The name under which they are written.
_WRITTEN = "_Surfaces_Iowa.xml"


def find_surfaces(path: Path) -> Path | None:
    """Find the surfaces of a scan beside it: ``STEM_Surfaces_Iowa.xml`` and the like.

    Those of a HEYEX export have the name of its XML file, or of its folder.
    """
    for place in _list_places(path):
        for ending in _NAMES:
            found = place.with_name(f"{stem_of(place)}{ending}")
            try:
                if found.is_file():
                    return found
            except (OSError, ValueError):
                return None
    return None


def _list_places(path: Path) -> Iterator[Path]:
    """Give the paths by which a scan can be opened: that of an export's XML first."""
    file, volume = split_volume(path)
    try:
        exports = find_exports(file) if is_folder(file) else []
    except InputError:
        exports = []
    if len(exports) == 1:
        yield exports[0] if volume is None else name_volume(exports[0], volume)
    yield path


def attach_surfaces(scan: OctScan, path: Path) -> OctScan:
    """Give a scan, in the order of its file, the boundaries that lie beside it.

    Corrected ones of this program take the place of the device's. Surfaces of another scan or
    size are a contradiction.
    """
    file = find_surfaces(path) if scan.is_oct else None
    if file is None:
        return scan
    name = _shorten(file)
    try:
        surfaces = read_surfaces(file)
        is_ours = surfaces.mark is not None
        is_other = is_ours and not _belongs(surfaces, put_upright(scan))
    except InputError as error:
        why = str(error).removeprefix(f"{file}: ")
        note = f"the surfaces beside it are not read: {name}: {why}"
        return replace(scan, notes=(*scan.notes, note))
    has_own = any(np.isfinite(rows).any() for rows in scan.metadata.get(BOUNDARIES, {}).values())
    if has_own and not is_ours:
        note = f"{name}: left out, since the file has boundaries of its own"
        return replace(scan, notes=(*scan.notes, note))
    shape = scan.spatial_shape if scan.is_volume else (1, *scan.spatial_shape)
    if surfaces.shape[::2] != shape[::2] or surfaces.shape[1] not in (0, shape[1]):
        return _contradict(
            scan, f"{name} is of {_show(surfaces.shape)} voxels, but the scan has {_show(shape)}"
        )
    if is_other:
        line = f"{name} beside it was written for another scan, and is left out; move it away"
        return _contradict(scan, line)
    place = " in place of the device's" if has_own else ""
    note = f"boundaries from {name}{place}: {list_first(list(surfaces.boundaries), 12)}"
    metadata = {**scan.metadata, BOUNDARIES: dict(surfaces.boundaries)}
    scan = replace(scan, notes=(*scan.notes, note), metadata=metadata)
    eyes = {surfaces.laterality, scan.laterality} - {None}
    if len(eyes) > 1:
        return _contradict(
            scan, f"{name} is of {surfaces.laterality}, the scan of {scan.laterality}"
        )
    return scan


def write_beside(boundaries: Mapping[str, NDArray[np.floating[Any]]], scan: OctScan) -> Path:
    """Write corrected boundaries beside a scan, to be read with it from then on.

    The scan's own files stay as they are. What this program wrote for the same scan is replaced.

    Parameters
    ----------
    boundaries
        Rows by name, each (bscan, width), in the order of the scan as it was read.
    scan
        The scan, which has a file.

    Returns
    -------
    Path
        ``STEM_Surfaces_Iowa.xml``, or the surfaces that were there before.

    Raises
    ------
    InputError
        Where surfaces of another scan or program lie there, the boundaries do not fit the scan,
        or the system refuses to write.
    """
    if scan.source is None:
        raise InputError("the scan has no file beside which boundaries can lie; save it first")
    target = find_surfaces(scan.source)
    if target is None:
        place = next(_list_places(scan.source))
        target = place.with_name(f"{stem_of(place)}{_WRITTEN}")
    check_replaceable(target, scan)
    return write_surfaces(target, boundaries, scan)


def check_replaceable(file: Path, scan: OctScan) -> None:
    """Refuse to write surfaces over a file of another program, or of another scan.

    Raises
    ------
    InputError
        Where `file` is there and is not one that this program wrote for the scan.
    """
    if not file.exists():
        return
    try:
        surfaces = read_surfaces(file)
    except InputError:
        surfaces = None
    if surfaces is None or surfaces.mark is None:
        raise InputError(f"{file}: was not written by napari-retseg; rename it or move it away")
    if not _belongs(surfaces, scan):
        raise InputError(f"{file}: was written for another scan; rename it or move it away")


def _belongs(surfaces: Surfaces, scan: OctScan) -> bool:
    return surfaces.mark is not None and is_marked(surfaces.mark, scan)


def _shorten(file: Path) -> str:
    """Name surfaces without the stem of their scan, which can be a person's name."""
    return next(ending[1:] for ending in _NAMES if file.name.endswith(ending))


def _show(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _contradict(scan: OctScan, line: str) -> OctScan:
    found = (*scan.acquisition.contradictions, line)
    return replace(scan, acquisition=replace(scan.acquisition, contradictions=found))
