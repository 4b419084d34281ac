"""JPEG 2000 images within files of devices: what an image claims is compared before decoding."""

from __future__ import annotations

import io
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from napari_retseg.errors import InputError
from napari_retseg.io.file_errors import reading
from napari_retseg.io.lazy import PagedPixels
from napari_retseg.io.limits import check_shape

_KIND = "a JPEG 2000 image"
#: Start of a codestream, and its first segment, which has the sizes (ISO/IEC 15444-1, A.5.1).
_START = b"\xff\x4f\xff\x51"
_SIZES = struct.Struct(">2H8IH")
_COMPONENT = struct.Struct(">BBB")
#: Segments of a header: coding style of all components, and of one (A.6.1, A.6.2).
_ONE_COMPONENT = 0xFF53
_STYLES = {0xFF52: 4, _ONE_COMPONENT: 0}
_FIRST_TILE = 0xFF90
#: The decoder keeps a record for each tile and precinct, whatever the image's size.
_MOST_TILES = 1024
_MOST_PRECINCTS = 20_000
_MOST_LEVELS = 32


def is_jpeg2000(data: bytes) -> bool:
    """Whether a JPEG 2000 codestream begins in the first bytes, alone or in a JP2 file."""
    return _START in data[:512]


class Jpeg2000Pixels(PagedPixels):
    """8-bit B-scans, each a JPEG 2000 image in the file. Shape (bscan, depth, width).

    Parameters
    ----------
    path
        The file.
    plane
        Depth and width.
    places
        Offset and length of each image.
    """

    def __init__(
        self, path: Path, plane: tuple[int, int], places: tuple[tuple[int, int], ...]
    ) -> None:
        self._places = places
        held = sum(length for _, length in places)
        # the decoder holds 32 bits for a value
        check_shape(path, plane, 4, held=held, expected=plane)
        check_shape(path, (len(places), *plane), 1, held=held)
        super().__init__(path, (len(places), *plane), np.uint8)

    def _read(self, leading: tuple[int, ...]) -> NDArray[Any]:
        at, length = self._places[leading[0]]
        with reading(self.source, _KIND), self.source.open("rb") as stream:
            stream.seek(at)
            data = stream.read(length)
        return decode(self.source, f"B-scan {leading[0]}", data, self.shape[-2:])


def decode(path: Path, name: str, data: bytes, plane: tuple[int, ...]) -> NDArray[np.uint8]:
    """Decode an image of 8 bits.

    Parameters
    ----------
    path, name
        The file and what the image is, for messages.
    data
        A codestream, alone or in a JP2 file.
    plane
        Rows and columns that it must have.

    Returns
    -------
    ndarray
        Shape `plane` of a grey image, with a third axis of 3 of a colour image.

    Raises
    ------
    InputError
        Where it is damaged, of another size, or Pillow has no JPEG 2000 decoder.
    """
    if not features.check("jpg_2000"):
        raise InputError(
            f"{path}: {name} is a JPEG 2000 image, and this Pillow was built without OpenJPEG; "
            "install Pillow from a wheel (pip install --force-reinstall pillow)"
        )
    start = data.find(_START)
    if start < 0:
        raise InputError(f"{path}: {name} is not a JPEG 2000 image; export it again")
    stream = data[start:]
    with reading(path, _KIND, Image.DecompressionBombError):
        _check_stream(path, name, stream, plane)
        with Image.open(io.BytesIO(stream), formats=["JPEG2000"]) as image:
            pixels = np.asarray(image)
    if pixels.shape[:2] != plane or pixels.shape[2:] not in ((), (3,)) or pixels.dtype != np.uint8:
        raise InputError(
            f"{path}: {name} has values of shape {pixels.shape} and type {pixels.dtype} instead "
            "of grey or colour of 8 bits; export it again"
        )
    return pixels


def _check_stream(path: Path, name: str, stream: bytes, plane: tuple[int, ...]) -> None:
    """Compare the header of a codestream with what is expected and can be decoded."""
    length, _, *sizes, n_components = _SIZES.unpack_from(stream, 4)
    right, bottom, left, top, tile_width, tile_height = sizes[:6]
    if (bottom - top, right - left) != plane or (left, top) != (0, 0):
        raise InputError(
            f"{path}: {name} is an image of {bottom - top} x {right - left} pixels instead of "
            f"{plane[0]} x {plane[1]}; the file is damaged"
        )
    check_shape(path, plane, 4 * n_components, held=len(stream), expected=plane)
    parts = [_COMPONENT.unpack_from(stream, 4 + _SIZES.size + 3 * k) for k in range(n_components)]
    tiles = math.ceil(right / max(tile_width, 1)) * math.ceil(bottom / max(tile_height, 1))
    is_odd = any((depth & 0x7F) > 7 or (dx, dy) != (1, 1) for depth, dx, dy in parts)
    if n_components not in (1, 3) or is_odd or tiles > _MOST_TILES or min(sizes[4:6]) < 1:
        raise _unusual(path, name)
    _check_styles(path, name, stream, 4 + length)


def _check_styles(path: Path, name: str, stream: bytes, at: int) -> None:
    """Refuse very many precincts in the segments before the first tile."""
    width, height = struct.unpack_from(">2I", stream, 8)
    while True:
        marker, length = struct.unpack_from(">HH", stream, at)
        if marker == _FIRST_TILE:
            return
        if marker < 0xFF00 or length < 2:
            raise _unusual(path, name)
        if marker in _STYLES:
            # of one component: its number comes first
            body = stream[at + 4 + (marker == _ONE_COMPONENT) : at + 2 + length]
            levels, precincts = body[1 + _STYLES[marker]], body[6 + _STYLES[marker] :]
            if levels > _MOST_LEVELS or (body[0] & 1 and len(precincts) != levels + 1):
                raise _unusual(path, name)
            if body[0] & 1 and _count_precincts(precincts, width, height) > _MOST_PRECINCTS:
                raise _unusual(path, name)
        at += 2 + length


def _count_precincts(exponents: bytes, width: int, height: int) -> int:
    """Number of precincts of an image, by the exponents of their sizes at each resolution."""
    count = 0
    for level, one in enumerate(reversed(exponents)):
        columns, rows = math.ceil(width / 2**level), math.ceil(height / 2**level)
        count += math.ceil(columns / 2 ** (one & 15)) * math.ceil(rows / 2 ** (one >> 4))
    return count


def _unusual(path: Path, name: str) -> InputError:
    return InputError(
        f"{path}: {name} is a JPEG 2000 image of an unusual kind, or damaged; export it again"
    )
