"""napari's readers: all that :mod:`napari_retseg.io` reads, with its scale and provenance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari_retseg.io import is_scan_path, read_scan
from napari_retseg.io.suffixes import stem_of
from napari_retseg.scan import OctScan
from napari_retseg.ui.layers import FUNDUS, PROVENANCE, describe_provenance, make_name, place_scan

LayerData = tuple[Any, dict[str, Any], str]
Reader = Callable[[str | list[str]], list[LayerData]]


def get_reader(path: str | list[str]) -> Reader | None:
    """Return :func:`read_layers` where every path looks like a scan, else None."""
    paths = [path] if isinstance(path, str) else path
    return read_layers if paths and all(is_scan_path(Path(p)) for p in paths) else None


def read_layers(path: str | list[str]) -> list[LayerData]:
    """Read scans as image layers; an en-face image comes as a hidden layer below its scan.

    Raises
    ------
    InputError
        Where a scan cannot be read.
    """
    paths = [path] if isinstance(path, str) else path
    return [layer for p in paths for layer in layers_of_scan(read_scan(Path(p)))]


def layers_of_scan(scan: OctScan) -> list[LayerData]:
    """Return the layers of one scan, the scan itself last (on top)."""
    name = "scan" if scan.source is None else make_name(stem_of(scan.source))
    layers: list[LayerData] = []
    if scan.fundus is not None:
        layers.append((scan.fundus, _place_fundus(scan, name), "image"))
    arguments = {
        "name": name,
        "metadata": {PROVENANCE: describe_provenance(scan)},
        **place_scan(scan),
    }
    layers.append((scan.pixels, arguments, "image"))
    return layers


def _place_fundus(scan: OctScan, name: str) -> dict[str, Any]:
    spacing = scan.metadata.get("fundus_spacing_um")
    placed = {} if spacing is None else {"scale": list(spacing), "units": ["um", "um"]}
    return {"name": f"{name} SLO", "visible": False, "metadata": {FUNDUS: name}, **placed}
