"""Whether a file or folder may be an OCT scan, from a cheap look at its content.

napari asks this of a reader that was chosen for a kind of file: photographs and folders of other
things are then left to other readers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_retseg.errors import InputError
from napari_retseg.io import is_scan_path
from napari_retseg.io.suffixes import (
    BSCAN_SUFFIXES,
    holds_dicom,
    holds_export,
    list_bscans,
    suffix_of,
)

#: Folders that are one image in the format of others.
_FOREIGN_FOLDERS = (".zarr", ".n5", ".app")
#: Taken by their suffix: few others read them, and it is said why where they are something else.
_OURS = (".xml", ".img")
_TIFF = (".tif", ".tiff")
#: A B-scan may be drawn on: lines, numbers, an arrow. More coloured pixels make a photograph.
_MOST_COLOUR = 0.2
_LEAST_SATURATION = 40
_SAMPLE = 64
#: What is larger is not decoded for a look at it.
_MOST_PIXELS = 64_000_000


def may_be_oct(path: Path) -> bool:
    """Whether a path may be a scan; what cannot be read may be, so that its reader says why."""
    if suffix_of(path) in _OURS:
        return True
    if not is_scan_path(path):
        return False
    try:
        if path.is_dir():
            return holds_export(path) or holds_dicom(path) or _is_folder_of_bscans(path)
        return suffix_of(path) not in BSCAN_SUFFIXES or not _is_colourful(path)
    except Exception:  # noqa: BLE001 - libraries raise anything on broken files
        return True


def _is_folder_of_bscans(folder: Path) -> bool:
    """Whether most of a folder are pictures of one size, and in grey."""
    if suffix_of(folder) in _FOREIGN_FOLDERS:
        return False
    try:
        files = list_bscans(folder)
        shown = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    except InputError:
        return True
    if 2 * len(files) < len(shown):
        return False
    looked_at = [files[k] for k in sorted({0, len(files) // 2, len(files) - 1})]
    sizes = {_read_size(file) for file in looked_at}
    return len(sizes) == 1 and not _is_colourful(looked_at[0])


def _read_size(file: Path) -> tuple[int, int]:
    with Image.open(file) as image:
        return image.size


def _is_colourful(path: Path) -> bool:
    sample = _sample_tiff(path) if suffix_of(path) in _TIFF else _sample_raster(path)
    if sample is None:
        return False
    saturation = sample.max(axis=-1).astype(int) - sample.min(axis=-1)
    return float(np.mean(saturation > _LEAST_SATURATION)) > _MOST_COLOUR


def _sample_raster(path: Path) -> NDArray[np.uint8] | None:
    """Return some pixels in red, green and blue; None of a grey picture."""
    with Image.open(path) as image:
        if image.mode in ("1", "L", "LA") or image.mode.startswith(("I", "F")):
            return None
        if image.width * image.height > _MOST_PIXELS:
            return None
        image.draft("RGB", (_SAMPLE, _SAMPLE))
        step = max(1, min(image.size) // _SAMPLE)
        return np.asarray(image.convert("RGB"))[::step, ::step]


def _sample_tiff(path: Path) -> NDArray[np.uint8] | None:
    import tifffile

    with tifffile.TiffFile(path) as file:
        page: Any = file.pages[0]
        is_rgb = page.photometric == tifffile.PHOTOMETRIC.RGB and page.dtype == np.uint8
        if not is_rgb or page.size > 3 * _MOST_PIXELS:
            return None
        pixels = page.asarray()
    if pixels.ndim != 3:
        return None
    if pixels.shape[0] in (3, 4) and pixels.shape[-1] not in (3, 4):
        pixels = np.moveaxis(pixels, 0, -1)
    step = max(1, min(pixels.shape[:2]) // _SAMPLE)
    return np.asarray(pixels[::step, ::step, :3])
