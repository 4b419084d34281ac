"""The pages of a TIFF checked against what they hold, and what their tags say about the pixels."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_retseg.errors import InputError
from napari_retseg.io.grey import Values, colour_note, reduce_rgb
from napari_retseg.io.limits import LARGEST_PLANE
from napari_retseg.io.turning import ORIENTATION, check_orientation
from napari_retseg.plural import count_noun

PHOTOMETRIC = tifffile.PHOTOMETRIC
_GREY = (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.PALETTE)
_COLOUR = (PHOTOMETRIC.RGB, PHOTOMETRIC.YCBCR)
_SEPARATE = 2
#: None, CCITT, LZW, Deflate, PackBits, LZMA and Zstandard: they give back what was stored.
_EXACT = (1, 2, 3, 4, 5, 8, 32773, 32946, 34925, 50000)
_JPEG = (6, 7)
_ALPHA = (1, 2)
# a private tag that points into the void is another program's slip; a standard one (up to 349)
# means that the end of the file, with the description or the offsets, is missing
_CUT_OFF = re.compile(
    r"invalid page offset|invalid offset to first|failed to reshape|corrupt"
    r"|TiffTag (2\d\d|3[0-4]\d) .*invalid value offset"
)
#: Tags that would change grey values or their meaning, and are not applied.
_NOT_APPLIED = {
    291: "grey response curve",
    301: "transfer function",
    340: "least sample value",
    341: "largest sample value",
    433: "decoding array",
    34675: "colour profile",
    33550: "map scale (GeoTIFF)",
    42112: "calibration (GDAL)",
    42113: "value for missing data (GDAL)",
    50712: "linearisation table",
    50714: "black level",
    50717: "white level",
}
_SOF = {0xC0 + k for k in range(16)} - {0xC4, 0xC8, 0xCC}
_JPEG_HEAD = 2**16


def check_pages(
    path: Path, size: int, pages: tuple[Any, ...], values: Values, messages: list[str]
) -> tifffile.TiffPage:
    """Compare each page with the first one and with what the file holds; return the first.

    Raises
    ------
    InputError
        Where directories or data lie outside the file, pages differ, or values are not exact.
    """
    if any(_CUT_OFF.search(message) for message in messages):
        raise cut_off(path, next(m for m in messages if _CUT_OFF.search(m)))
    first: tifffile.TiffPage | None = None
    for number, frame in enumerate(pages, 1):
        if frame is None:
            raise cut_off(path, f"page {number} is missing")
        page = as_page(frame)
        if first is None:
            first = page
            _check_kind(path, page, values)
        elif (other := _differs(first, page)) is not None:
            raise InputError(
                f"{path}: page {number} has a different {other} from the first page; save "
                "all pages in the same way"
            )
        _check_data(path, size, page, number)
    if first is None:
        raise cut_off(path, "it has no pages")
    return first


def cut_off(path: Path, why: str) -> InputError:
    """The error for a file whose end, or a part of it, is missing."""
    return InputError(f"{path}: truncated or damaged ({why}); copy or export it again")


def as_page(frame: Any) -> tifffile.TiffPage:
    """A page with its own tags; tifffile gives some pages those of the first."""
    page: tifffile.TiffPage = frame if isinstance(frame, tifffile.TiffPage) else frame.aspage()
    return page


def orientation_of(path: Path, page: tifffile.TiffPage) -> int:
    """The orientation tag of a page, 1 to 8."""
    return check_orientation(path, page.tags.valueof(ORIENTATION, 1))


def kind_of_samples(page: tifffile.TiffPage) -> str:
    """What several samples of a pixel are: colour, grey with alpha, or channels."""
    if page.photometric not in _GREY:
        return "colour"
    extra = page.extrasamples
    return "alpha" if page.samplesperpixel == 2 and extra and extra[0] in _ALPHA else "channel"


def _check_kind(path: Path, page: tifffile.TiffPage, values: Values) -> None:
    """Refuse what cannot be read, or not exactly."""
    if page.dtype is None:
        raise InputError(
            f"{path}: has samples of {page.bitspersample} bits, which are not supported"
        )
    if page.imagedepth > 1:
        raise InputError(f"{path}: has pages of {page.imagedepth} planes; save it as a plain stack")
    name = getattr(page.compression, "name", str(page.compression))
    if values == "indices" and page.compression not in _EXACT:
        raise InputError(f"{path}: {name} compression may change values; save labels with ZIP")
    if page.compression not in (*_EXACT, *_JPEG):
        raise InputError(f"{path}: {name} compression is not supported; save it with ZIP or LZW")
    is_jpeg_ycbcr = page.photometric == PHOTOMETRIC.YCBCR and page.compression in _JPEG
    if page.photometric not in (*_GREY, PHOTOMETRIC.RGB) and not is_jpeg_ycbcr:
        kind = getattr(page.photometric, "name", str(page.photometric))
        raise InputError(
            f"{path}: contains {kind} colours, which are not supported; save it as grey"
        )
    if page.photometric in _COLOUR and page.samplesperpixel < 3:
        raise InputError(
            f"{path}: declares colours, but has {count_noun(page.samplesperpixel, 'sample')} per "
            "pixel"
        )


def _differs(first: tifffile.TiffPage, page: tifffile.TiffPage) -> str | None:
    """What another page says differently about its pixels."""
    for name, what in (
        ("imagelength", "height"),
        ("imagewidth", "width"),
        ("samplesperpixel", "number of samples"),
        ("bitspersample", "number of bits"),
        ("sampleformat", "data type"),
        ("photometric", "meaning of values"),
        ("planarconfig", "order of samples"),
        ("imagedepth", "depth"),
    ):
        if getattr(first, name) != getattr(page, name):
            return what
    if first.tags.valueof(ORIENTATION, 1) != page.tags.valueof(ORIENTATION, 1):
        return "orientation"
    palettes = [None if p.colormap is None else p.colormap.tobytes() for p in (first, page)]
    if palettes[0] != palettes[1]:
        return "palette"
    return None


def _check_data(path: Path, size: int, page: tifffile.TiffPage, number: int) -> None:
    """Make sure that all pixels of a page are there, and that none takes more than it may."""
    if min(page.imagelength, page.imagewidth, page.samplesperpixel) < 1:
        raise cut_off(path, f"page {number} has no pixels")
    rows, columns, per_segment = _segment(page)
    n_segments = math.ceil(page.imagelength / rows) * math.ceil(page.imagewidth / columns)
    if page.planarconfig == _SEPARATE:
        n_segments *= page.samplesperpixel
    item = np.dtype(page.dtype).itemsize if page.dtype is not None else 1
    if rows * columns * per_segment * item > LARGEST_PLANE:
        raise InputError(
            f"{path}: page {number} declares segments of {rows} x {columns} pixels, more than "
            "the limit"
        )
    offsets, counts = page.dataoffsets, page.databytecounts
    if len(offsets) < n_segments or len(counts) < n_segments:
        raise cut_off(path, f"page {number} has {len(offsets)} of {n_segments} segments")
    if min(offsets[:n_segments]) <= 0 or min(counts[:n_segments]) <= 0:
        raise cut_off(path, f"a segment of page {number} is missing")
    if max(o + n for o, n in zip(offsets, counts, strict=False)) > size:
        raise cut_off(path, f"the pixels of page {number} end beyond the end of the file")
    if page.compression == 1 and sum(counts[:n_segments]) < _plain_bytes(page):
        raise cut_off(
            path, f"page {number} contains {sum(counts)} of {_plain_bytes(page)} bytes of pixels"
        )


def _segment(page: tifffile.TiffPage) -> tuple[int, int, int]:
    """Rows, columns and samples of a strip or tile."""
    samples = 1 if page.planarconfig == _SEPARATE else page.samplesperpixel
    if page.is_tiled:
        return max(page.tilelength, 1), max(page.tilewidth, 1), samples
    rows = page.rowsperstrip or page.imagelength
    return max(min(rows, page.imagelength), 1), page.imagewidth, samples


def _plain_bytes(page: tifffile.TiffPage) -> int:
    """Bytes that the pixels of an uncompressed page take at least."""
    bits = page.bitspersample
    per_pixel = sum(bits) if isinstance(bits, tuple) else bits * page.samplesperpixel
    if page.planarconfig == _SEPARATE and not isinstance(bits, tuple):
        return math.ceil(page.imagewidth * bits / 8) * page.imagelength * page.samplesperpixel
    return math.ceil(page.imagewidth * per_pixel / 8) * page.imagelength


def check_jpeg(path: Path, page: tifffile.TiffPage) -> None:
    """Refuse JPEG pieces that claim more pixels than the page gives them.

    Raises
    ------
    InputError
        Naming the page.
    """
    if page.compression not in _JPEG:
        return
    rows, columns, _ = _segment(page)
    stream = page.parent.filehandle
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
        stream.seek(offset)
        height, width = _jpeg_size(stream.read(min(count, _JPEG_HEAD)))
        if height > rows + 16 or width > columns + 16:
            raise InputError(
                f"{path}: a segment of {rows} x {columns} pixels declares {height} x {width}; "
                "export it again"
            )


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Height and width in the frame header of a JPEG; (0, 0) where it is not found."""
    place = 2
    while place + 9 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker in _SOF:
            return (
                int.from_bytes(data[place + 5 : place + 7], "big"),
                int.from_bytes(data[place + 7 : place + 9], "big"),
            )
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return 0, 0


def reduce_page(
    path: Path, stored: NDArray[Any], page: tifffile.TiffPage, *, samples: str, values: Values
) -> NDArray[Any]:
    """One page as grey values, or as the numbers that it holds.

    Raises
    ------
    InputError
        Where three planes are called red, green and blue but are not of one picture.
    """
    if samples == "colour":
        colour = np.moveaxis(stored, page.axes.index("S"), -1)
        if page.planarconfig == _SEPARATE:
            _check_planes(path, colour)
        return reduce_rgb(colour)
    if samples == "alpha":
        stored = np.asarray(np.take(stored, 0, axis=page.axes.index("S")))
    if values == "indices":
        return stored.astype(np.uint8) if stored.dtype == bool else stored
    if page.photometric == PHOTOMETRIC.PALETTE and page.colormap is not None:
        shades = reduce_rgb((np.moveaxis(page.colormap, 0, -1) >> 8).astype(np.uint8))
        return np.asarray(shades[stored])
    if stored.dtype == bool:
        stored = stored.astype(np.uint8) * np.uint8(255)
    return _turn_white(stored, page) if page.photometric == PHOTOMETRIC.MINISWHITE else stored


def _check_planes(path: Path, colour: NDArray[Any]) -> None:
    """Three B-scans in a row are taken for red, green and blue by some programs that write."""
    red, green, blue = (colour[..., k] for k in range(3))
    if not (np.array_equal(red, green) and np.array_equal(red, blue)):
        raise InputError(
            f"{path}: stores three different planes as red, green and blue; if they are B-scans, "
            "save them as grey pages (photometric 'minisblack'), else save it as grey"
        )


def _turn_white(stored: NDArray[Any], page: tifffile.TiffPage) -> NDArray[Any]:
    """Make white the largest value, where the file says that it is the least."""
    if stored.dtype.kind == "u":
        bits = page.bitspersample if isinstance(page.bitspersample, int) else 8
        largest = 255 if bits == 1 else 2**bits - 1
        return np.asarray(largest - stored, stored.dtype)
    return np.asarray(-1 - stored if stored.dtype.kind == "i" else -stored, stored.dtype)


def page_notes(page: tifffile.TiffPage, samples: str, values: Values) -> list[str]:
    """What the user should know about the values of a page."""
    if values == "indices":
        return []
    notes = []
    if samples == "colour":
        notes.append(colour_note(f"colour ({PHOTOMETRIC(page.photometric).name})"))
    elif page.photometric == PHOTOMETRIC.PALETTE:
        notes.append(colour_note("palette colour"))
    if samples in ("colour", "alpha") and any(kind in _ALPHA for kind in page.extrasamples):
        notes.append("transparency is ignored")
    named = [what for code, what in _NOT_APPLIED.items() if code in page.tags]
    if named:
        notes.append(f"in the file, but not applied: {', '.join(named)}")
    return notes
