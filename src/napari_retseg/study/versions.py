"""What a study was run with."""

from __future__ import annotations

import platform
from importlib import metadata

from napari_retseg import __version__

_PACKAGES = ("torch", "segmentation-models-pytorch", "timm", "monai", "numpy", "scipy")


def list_versions() -> dict[str, str]:
    """Return the versions of this program, of Python and of what computes."""
    found = {"napari-retseg": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return {**found, "system": f"{platform.system()} {platform.machine()}"}
