"""PNG, JPEG and BMP: one B-scan a file."""

from __future__ import annotations

import struct
import threading
import warnings
import zlib
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
from napari_retseg.io.file_errors import check_file, reading
from napari_retseg.io.grey import Values, colour_note, reduce_rgb, refuse_colour
from napari_retseg.io.lazy import PagedPixels
from napari_retseg.io.limits import check_shape
from napari_retseg.io.marks import MARK, PNG_KEY
from napari_retseg.io.pngchunks import PngFacts, read_chunks
from napari_retseg.io.scale import believe_density, believe_sizes
from napari_retseg.io.turning import (
    ORIENTATION,
    UPRIGHT,
    check_orientation,
    turn,
    turn_note,
    turn_pair,
)
from napari_retseg.scan import OctScan

_FORMATS = ("PNG", "JPEG", "BMP")
_GREY_MODES = ("1", "L", "I", "I;16", "I;16B", "I;16L", "I;16N")
_BAD_EXIF = (LookupError, OSError, RuntimeError, SyntaxError, TypeError, ValueError, struct.error)
#: Chunks in which a PNG may have an orientation.
_TEXTS = {"eXIf", "iTXt", "zTXt", "tEXt"}
#: Which warnings are shown is a matter of the whole process.
_WARNINGS = threading.RLock()
_COLOURS = {"LA": "grey with alpha", "P": "palette colour", "PA": "palette colour"}


class RasterPixels(PagedPixels):
    """One image file, decoded when it is read. Shape (depth, width).

    Parameters
    ----------
    path
        The file.
    values
        What is wanted of it.

    Attributes
    ----------
    kind
        "grey", or the kind of colour.
    spacing_um
        (axial, lateral), where the file's resolution is believed.
    mark
        Which scan its labels belong to, if it says.
    notes
        What the user should know.
    """

    def __init__(self, path: Path, values: Values) -> None:
        self._values = values
        held = check_file(path)
        with _opened(path) as image:
            self._facts = read_chunks(path)
            _check_frames(path, image, self._facts)
            self.kind = _kind(image)
            if values == "indices":
                _check_labels(path, image, self.kind)
            width, height = image.size
            # Pillow decodes to as many bands as a pixel has, imagecodecs to 16 bits
            item_bytes = 6 if image.mode in ("P", "PA") else 2 * len(image.getbands())
            check_shape(path, (height, width), item_bytes, held=held, expected=(height, width))
            found = _read_orientation(image, self._facts)
            self._orientation = check_orientation(path, found)
            dtype = np.dtype(_stored_dtype(image))
            self.spacing_um = turn_pair(_spacing(image, self._facts), self._orientation)
            self.mark = "" if self._facts is None else self._facts.find_text(PNG_KEY)
            self.notes = [] if values == "indices" else self._collect(image)
            if found is None:
                self.notes.append("the EXIF block is damaged; the picture is not rotated")
        super().__init__(path, turn_pair((height, width), self._orientation), dtype)

    def _collect(self, image: Image.Image) -> list[str]:
        notes = [] if self.kind == "grey" else [colour_note(self.kind)]
        notes += turn_note(self._orientation)
        if self._facts is not None:
            notes += self._facts.notes()
        elif "icc_profile" in image.info:
            notes.append("the colour profile in the file is not applied")
        if (n := getattr(image, "n_frames", 1)) > 1:
            notes.append(f"only the first of {n} pictures in the file is read")
        return notes

    def _read(self, _leading: tuple[int, ...]) -> NDArray[Any]:
        with _opened(self.source) as image:
            if _has_deep_colour(image):
                plane = _decode_deep(self.source)
            else:
                image.load()
                plane = self._indices(image) if self._values == "indices" else _grey(image)
            return turn(plane, self._orientation)

    def _indices(self, image: Image.Image) -> NDArray[Any]:
        """Class numbers: of a palette image its indices, of a 1-bit image 0 and 1."""
        stored = np.asarray(image).astype(_stored_dtype(image))
        if self._facts is not None and self._facts.is_grey and image.mode == "L":
            # Pillow spreads samples of 2 and 4 bits over 0 to 255
            return stored // np.uint8(255 // (2 ** min(self._facts.bit_depth, 8) - 1))
        return stored


def open_raster(path: Path, values: Values) -> OctScan:
    """Open a PNG, JPEG or BMP file; its pixels are decoded on demand.

    Returns
    -------
    OctScan
        Axes (depth, width), turned as the file says (EXIF).

    Raises
    ------
    InputError
        Where the file is missing, empty, cut off, animated or something else.
    """
    pixels = RasterPixels(path, values)
    return OctScan(
        pixels=pixels,
        axes=("depth", "width"),
        spacing_um=pixels.spacing_um,
        spacing_source="unknown" if None in pixels.spacing_um else "file",
        source=path,
        notes=tuple(pixels.notes),
        metadata={MARK: pixels.mark} if pixels.mark else {},
    )


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open an image, with the decoder's complaints as one clear line."""
    with (
        reading(path, "a PNG, JPEG or BMP image", Image.DecompressionBombError, zlib.error),
        _WARNINGS,
        warnings.catch_warnings(),
    ):
        # what a plane may hold is checked by `limits`
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        # a broken EXIF or ICC block says nothing about the pixels
        warnings.simplefilter("ignore", UserWarning)
        with Image.open(path, formats=_FORMATS) as image:
            yield image


def _check_frames(path: Path, image: Image.Image, facts: PngFacts | None) -> None:
    """Refuse an animation: its B-scans would be lost without a word."""
    n_frames = facts.n_frames if facts else 1
    if n_frames > 1 or (image.format == "PNG" and getattr(image, "n_frames", 1) > 1):
        raise InputError(
            f"{path}: this is an animation of {n_frames} pictures; save them as a TIFF stack"
        )


def _check_labels(path: Path, image: Image.Image, kind: str) -> None:
    """Refuse what does not hold class numbers exactly."""
    if image.format not in ("PNG", "BMP"):
        raise InputError(f"{path}: JPEG changes values; save labels as PNG")
    if kind not in ("grey", "palette colour"):
        raise refuse_colour(path, kind)


def _read_orientation(image: Image.Image, facts: PngFacts | None) -> Any:
    if image.format == "BMP" or (facts is not None and not _TEXTS & facts.chunks.keys()):
        return UPRIGHT
    try:
        return image.getexif().get(ORIENTATION, UPRIGHT)
    except _BAD_EXIF:
        return None


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


def _grey(image: Image.Image) -> NDArray[Any]:
    if image.mode == "1":
        return np.asarray(image.convert("L"))
    if image.mode == "LA":
        return np.asarray(image)[..., 0]
    if image.mode in _GREY_MODES:
        return np.asarray(image).astype(_stored_dtype(image))
    return reduce_rgb(np.asarray(image.convert("RGB")))


def _spacing(image: Image.Image, facts: PngFacts | None) -> tuple[float | None, float | None]:
    """(axial, lateral) in um as the rows and columns are stored."""
    if facts is not None and (scale := facts.scale_um()) is not None:
        return believe_sizes(*scale)
    dpi = image.info.get("dpi")
    if not isinstance(dpi, tuple) or len(dpi) != 2:
        return None, None
    across, down = (float(n) for n in dpi)
    return believe_density((down, across), "inch")
