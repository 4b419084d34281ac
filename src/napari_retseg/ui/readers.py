"""Scans as layers: all that :mod:`napari_retseg.io` reads, with its scale and provenance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_retseg.device_layers import choose_device_classes, label_device_layers
from napari_retseg.errors import InputError
from napari_retseg.io import read_scan
from napari_retseg.io.suffixes import stem_of
from napari_retseg.io.volumes import SeveralVolumesError
from napari_retseg.plaintext import make_visible
from napari_retseg.plural import count_noun
from napari_retseg.scan import FUNDUS_KIND, FUNDUS_UM, OctScan
from napari_retseg.ui.layers import (
    FUNDUS,
    FUNDUS_IMAGE,
    FUNDUS_PLACE,
    describe_features,
    describe_labels,
    make_colormap,
    make_name,
    place_scan,
)
from napari_retseg.ui.placing import place_fundus
from napari_retseg.ui.provenance import describe_origin
from napari_retseg.volume_path import name_volume

LayerData = tuple[Any, dict[str, Any], str]


class NothingChosenError(InputError):
    """A file has several volumes, and the user has chosen none."""


def read_layers(path: str | list[str]) -> list[LayerData]:
    """Read a scan as layers: an en-face image, hidden; the scan; the layers of the device.

    Several paths are B-scans that napari was asked to open as a stack: they become one volume, in
    the order given, which belongs to none of the files.

    Raises
    ------
    NothingChosenError
        Where the user cancels the choice of a volume.
    InputError
        Where a scan cannot be read, or several do not make a stack.
    """
    if isinstance(path, str):
        return _show_scan(_read_chosen(Path(path)))
    scans = [_read_chosen(Path(p)) for p in path]
    return _show_scan(scans[0] if len(scans) == 1 else stack_bscans(scans))


def _read_chosen(path: Path) -> OctScan:
    """Read a scan; of several volumes in its file the user chooses one."""
    try:
        return read_scan(path)
    except SeveralVolumesError as several:
        return read_scan(name_volume(path, ask_for_volume(several)))


def ask_for_volume(several: SeveralVolumesError) -> int:
    """Let the user choose a volume of a file.

    Raises
    ------
    NothingChosenError
        Where the user cancels.
    SeveralVolumesError
        Where nobody can be asked.
    """
    from qtpy.QtWidgets import QApplication, QInputDialog

    if not isinstance(QApplication.instance(), QApplication):
        raise several
    lines = [make_visible(f"{number}: {text}") for number, text in enumerate(several.volumes)]
    question = f"{make_visible(several.path.name)} contains {count_noun(len(lines), 'volume')}."
    line, is_chosen = QInputDialog.getItem(
        QApplication.activeWindow(), "Choose a volume", question, lines, 0, False
    )
    if not is_chosen:
        raise NothingChosenError(str(several)) from several
    return lines.index(line)


def _show_scan(scan: OctScan) -> list[LayerData]:
    layers = layers_of_scan(scan)
    classes = choose_device_classes(scan)
    if classes is None:
        return layers
    found = [label_device_layers(scan, bscan, classes) for bscan in range(scan.n_bscans)]
    name, place = layers[-1][1]["name"], place_scan(scan)
    last = slice(-len(scan.spatial_axes), None)
    arguments = {
        "name": f"{name} device layers",
        "opacity": 0.5,
        "colormap": make_colormap(classes),
        "features": describe_features(classes),
        "metadata": describe_labels(scan, classes),
        **{key: values[last] for key, values in place.items()},
    }
    labels = np.stack(found) if scan.is_volume else found[0]
    return [*layers, (labels, arguments, "labels")]


def stack_bscans(scans: Sequence[OctScan]) -> OctScan:
    """Make a volume of single B-scans.

    Raises
    ------
    InputError
        Where they differ in size, type or kind.
    """
    first = scans[0]
    for scan in scans:
        if scan.is_volume or scan.n_channels > 1:
            raise InputError(
                f"{scan.source}: this file is not a single B-scan and cannot be part of a stack; "
                "open it alone"
            )
        if scan.pixels.shape != first.pixels.shape or scan.pixels.dtype != first.pixels.dtype:
            raise InputError(
                f"{scan.source}: size or type differs from {first.source}; open the files "
                "one by one"
            )
    spacings = {scan.spacing_um for scan in scans}
    plane = first.spacing_um if len(spacings) == 1 else (None, None)
    return OctScan(
        pixels=np.stack([np.asarray(scan.pixels) for scan in scans]),
        axes=("bscan", "depth", "width"),
        spacing_um=(None, *plane),
        spacing_source=first.spacing_source if any(plane) else "unknown",
    )


def layers_of_scan(scan: OctScan) -> list[LayerData]:
    """Return the layers of one scan, the scan itself last (on top)."""
    name = "scan" if scan.source is None else make_name(stem_of(scan.source))
    layers: list[LayerData] = []
    if scan.fundus is not None:
        layers.append((scan.fundus, _describe_fundus(scan, name), "image"))
    arguments = {
        "name": name,
        "metadata": {**describe_origin(scan), FUNDUS_IMAGE: scan.fundus},
        **place_scan(scan),
    }
    layers.append((scan.pixels, arguments, "image"))
    return layers


def _describe_fundus(scan: OctScan, name: str) -> dict[str, Any]:
    assert scan.fundus is not None
    place: dict[str, Any] = {
        "shape": scan.fundus.shape,
        "spacing_um": scan.metadata.get(FUNDUS_UM),
        "plane": scan.spatial_shape[-2:],
        "plane_um": scan.spacing_um[-2:],
    }
    return {
        "name": f"{name} {scan.metadata.get(FUNDUS_KIND, 'en face')}",
        "visible": False,
        "metadata": {FUNDUS: name, FUNDUS_PLACE: place},
        **place_fundus(**place),
    }
