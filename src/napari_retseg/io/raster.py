"""PNG, JPEG and BMP: one B-scan a file."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile

from napari_retseg.errors import InputError
from napari_retseg.io.grey import Values, colour_note, reduce_rgb, refuse_colour
from napari_retseg.io.opening import check_file, reading
from napari_retseg.io.paged import PagedPixels
from napari_retseg.io.scale import believe_density
from napari_retseg.scan import OctScan

_FORMATS = ("PNG", "JPEG", "BMP")
_GREY_MODES = ("1", "L", "I", "I;16", "I;16B", "I;16L", "I;16N")
_COLOURS = {"LA": "grey with alpha", "P": "palette colour", "PA": "palette colour"}


class RasterPixels(PagedPixels):
    """One image file, decoded when it is read. Shape (depth, width)."""

    def __init__(self, path: Path, values: Values) -> None:
        self._values = values
        check_file(path)
        with _opened(path) as image:
            self.kind = _kind(image)
            self.dpi = image.info.get("dpi")
            if values == "indices" and image.format != "PNG" and image.format != "BMP":
                raise InputError(f"{path}: JPEG changes values; save labels as PNG")
            if values == "indices" and self.kind not in ("grey", "palette colour"):
                raise refuse_colour(path, self.kind)
            width, height = image.size
            dtype = np.dtype(_stored_dtype(image))
        super().__init__(path, (height, width), dtype)

    def _read(self, _leading: tuple[int, ...]) -> NDArray[Any]:
        with _opened(self.source) as image:
            if _has_deep_colour(image):
                return _decode_deep(self.source)
            image.load()
            return _indices(image) if self._values == "indices" else _grey(image)


def open_raster(path: Path, values: Values) -> OctScan:
    """Open a PNG, JPEG or BMP file; its pixels are decoded on demand.

    Returns
    -------
    OctScan
        Axes (depth, width).

    Raises
    ------
    InputError
        Where the file is missing, empty, cut off or something else.
    """
    pixels = RasterPixels(path, values)
    spacing = _spacing(pixels.dpi)
    notes = [] if pixels.kind == "grey" or values == "indices" else [colour_note(pixels.kind)]
    return OctScan(
        pixels=pixels,
        axes=("depth", "width"),
        spacing_um=spacing,
        spacing_source="unknown" if None in spacing else "file",
        source=path,
        notes=tuple(notes),
    )


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open an image, with the decoder's complaints as one clear line."""
    with (
        reading(path, "a PNG, JPEG or BMP image", Image.DecompressionBombError),
        warnings.catch_warnings(),
    ):
        # B-scans of 90 megapixels are odd but no attack; twice that is an error of Pillow's
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        # a broken EXIF or ICC block says nothing about the pixels
        warnings.simplefilter("ignore", UserWarning)
        with Image.open(path, formats=_FORMATS) as image:
            yield image


def _kind(image: Image.Image) -> str:
    if image.mode in _GREY_MODES:
        return "grey"
    return _COLOURS.get(image.mode, f"colour ({image.mode})")


def _stored_dtype(image: Image.Image) -> str:
    if image.mode.startswith("I") or _has_deep_colour(image):
        return "uint16"
    return "uint8"


def _has_deep_colour(image: Image.Image) -> bool:
    """Whether 16-bit colour (or grey with alpha) would be cut to 8 bits by Pillow."""
    if not isinstance(image, ImageFile) or image.format != "PNG" or image.mode in _GREY_MODES:
        return False
    return bool(image.tile) and "16B" in str(image.tile[0].args)


def _decode_deep(path: Path) -> NDArray[Any]:
    samples = np.asarray(imagecodecs.png_decode(path.read_bytes()))
    return samples[..., 0] if samples.shape[-1] < 3 else reduce_rgb(samples)


def _indices(image: Image.Image) -> NDArray[Any]:
    """Class numbers: of a palette image its indices, of a 1-bit image 0 and 1."""
    return np.asarray(image).astype(_stored_dtype(image))


def _grey(image: Image.Image) -> NDArray[Any]:
    if image.mode == "1":
        return np.asarray(image.convert("L"))
    if image.mode == "LA":
        return np.asarray(image)[..., 0]
    if image.mode in _GREY_MODES:
        return np.asarray(image).astype(_stored_dtype(image))
    return reduce_rgb(np.asarray(image.convert("RGB")))


def _spacing(dpi: Any) -> tuple[float | None, float | None]:
    if not isinstance(dpi, tuple) or len(dpi) != 2:
        return None, None
    across, down = (float(n) for n in dpi)
    return believe_density((down, across), "inch")
