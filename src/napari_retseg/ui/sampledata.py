"""The built-in samples, in napari's menu *File > Open Sample*. All are simulated."""

from __future__ import annotations

from napari_retseg.samples import sample_folder
from napari_retseg.ui.readers import LayerData, read_layers


def open_volume_a() -> list[LayerData]:
    """Open a volume of the device that the starter model knows."""
    return read_layers(str(sample_folder() / "volumes" / "device-a.tif"))


def open_volume_b() -> list[LayerData]:
    """Open a volume of a device that the starter model has never seen."""
    return read_layers(str(sample_folder() / "volumes" / "device-b.nii.gz"))


def open_bscan_a() -> list[LayerData]:
    """Open one B-scan of the device that the starter model knows."""
    return read_layers(str(sample_folder() / "bscans" / "images" / "device-a-1.png"))


def open_bscan_b() -> list[LayerData]:
    """Open one B-scan of a device that the starter model has never seen."""
    return read_layers(str(sample_folder() / "bscans" / "images" / "device-b-1.png"))
