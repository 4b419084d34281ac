"""Where the built-in samples and the starter model lie."""

from __future__ import annotations

from pathlib import Path

from napari_retseg.errors import InputError


def sample_folder() -> Path:
    """The folder of the built-in samples: in the installed package, or of a checkout.

    Raises
    ------
    InputError
        Where the installation lacks them.
    """
    package = Path(__file__).parent
    for folder in (package / "sample_data", package.parents[1] / "sample_data"):
        if folder.is_dir():
            return folder
    raise InputError(f"{package}: the built-in samples are missing; reinstall napari-retseg")
