"""Frames of DICOM files: one is read and decoded when it is asked for."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from napari_retseg.errors import InputError
from napari_retseg.io.dicom_header import KIND, Instance, import_pydicom, reading_dicom
from napari_retseg.io.file_errors import reading
from napari_retseg.io.grey import reduce_rgb
from napari_retseg.io.lazy import PagedPixels, apply_scale, scaled_dtype
from napari_retseg.io.limits import LARGEST_PLANE, MOST_PLANES, check_shape
from napari_retseg.plaintext import make_visible
from napari_retseg.regular import open_regular

_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
#: Transfer syntaxes whose pixels are not compressed; empty: the file names none.
_NATIVE = ("", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
#: JPEG and JPEG-LS: markers of the frame's header.
_SOF = {0xF7, *(0xC0 + k for k in range(16))} - {0xC4, 0xC8, 0xCC}
_ITEM = b"\xfe\xff\x00\xe0"
_END = b"\xfe\xff\xdd\xe0"
#: Fragments of one frame, on average.
_MOST_FRAGMENTS = 16

Span = tuple[int, int]


@dataclass(frozen=True)
class Layout:
    """How the pixels of a frame are stored; frames of one volume have the same."""

    shape: tuple[int, int]
    samples: int
    photometric: str
    planar: int
    allocated: int
    stored: int
    high_bit: int
    signed: int
    syntax: str
    order: str

    @property
    def is_native(self) -> bool:
        """Whether the pixels are not compressed."""
        return self.syntax in _NATIVE

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the stored values, in the file's byte order."""
        return np.dtype(f"{self.order}{'i' if self.signed else 'u'}{self.allocated // 8}")

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame that is not compressed."""
        return math.prod(self.shape) * self.samples * self.allocated // 8


@dataclass(frozen=True)
class Frame:
    """Where a frame lies, and the slope and intercept of its values."""

    file: Path
    spans: tuple[Span, ...]
    scale: tuple[float, float] | None = None


class DicomPixels(PagedPixels):
    """Frames of DICOM files as grey values. Shape (bscan, depth, width), or that of one frame."""

    def __init__(self, source: Path, layout: Layout, frames: Sequence[Frame]) -> None:
        self._layout = layout
        self._frames = tuple(frames)
        stored = layout.dtype.newbyteorder("=")
        is_scaled = any(frame.scale is not None for frame in frames)
        lead = (len(frames),) if len(frames) > 1 else ()
        held = sum(length for frame in frames for _, length in frame.spans)
        check_shape(
            source, (*lead, *layout.shape), stored.itemsize * layout.samples, held=max(held, 1)
        )
        super().__init__(
            source, (*lead, *layout.shape), scaled_dtype(stored) if is_scaled else stored
        )

    def _read(self, leading: tuple[int, ...]) -> NDArray[Any]:
        frame = self._frames[leading[0] if leading else 0]
        layout = self._layout
        with _reading_frame(frame.file, layout):
            data = _read_spans(frame)
            values = (
                _read_native(layout, data) if layout.is_native else _decode(frame, layout, data)
            )
            values = _keep_stored_bits(values, layout)
            if layout.samples > 1:
                values = reduce_rgb(values)
            if layout.photometric == "MONOCHROME1":
                values = _invert(values, layout)
            scale = frame.scale if self.dtype.kind != "f" else frame.scale or (1.0, 0.0)
            return apply_scale(values, scale)


def read_layout(instance: Instance) -> Layout:
    """Read how the pixels of a file are stored.

    Raises
    ------
    InputError
        Where a number is missing or impossible, or the colours are of a kind that is not read.
    """
    path, header = instance.path, instance.header
    with reading_dicom(path):
        allocated = int(header.BitsAllocated)
        stored = int(header.get("BitsStored") or allocated)
        layout = Layout(
            shape=(int(header.Rows), int(header.Columns)),
            samples=int(header.get("SamplesPerPixel") or 1),
            photometric=instance.text("PhotometricInterpretation") or "MONOCHROME2",
            planar=int(header.get("PlanarConfiguration") or 0),
            allocated=allocated,
            stored=stored,
            high_bit=int(header.get("HighBit", stored - 1)),
            signed=int(header.get("PixelRepresentation") or 0),
            syntax=instance.syntax,
            order=instance.order,
        )
    _check_layout(path, layout)
    if layout.is_native == (instance.length is None):
        raise InputError(f"{path}: the pixels are not stored as the header says; export it again")
    return layout


def _check_layout(path: Path, layout: Layout) -> None:
    if layout.photometric not in (*_GREY, *_COLOUR):
        raise InputError(
            f"{path}: stores colours as {layout.photometric}; save it as grey (MONOCHROME2) or RGB"
        )
    is_grey = layout.photometric in _GREY
    if layout.samples != (1 if is_grey else 3) or layout.planar not in (0, 1):
        raise InputError(
            f"{path}: declares {layout.samples} values for a {layout.photometric} pixel; the file "
            "is probably damaged"
        )
    if layout.is_native and not is_grey and layout.photometric != "RGB":
        raise InputError(f"{path}: stores colours as {layout.photometric}; save it as grey or RGB")
    if layout.allocated not in ((8, 16, 32) if is_grey else (8, 16)):
        raise InputError(f"{path}: stores {layout.allocated} bits a pixel; 8, 16 or 32 are read")
    fits = 0 < layout.stored <= layout.high_bit + 1 <= layout.allocated
    if not fits or layout.signed not in (0, 1):
        raise InputError(
            f"{path}: declares {layout.stored} of {layout.allocated} bits up to bit "
            f"{layout.high_bit}; the file is probably damaged"
        )
    check_shape(path, layout.shape, layout.samples * layout.allocated / 8, held=LARGEST_PLANE)


def find_frames(instance: Instance, layout: Layout) -> tuple[list[tuple[Span, ...]], str]:
    """Find where the frames of a file lie.

    Returns
    -------
    tuple
        The pieces of each frame (start, length), and what does not agree with the header.

    Raises
    ------
    InputError
        Where frames are missing.
    """
    if layout.is_native:
        return _find_native(instance, layout)
    with reading_dicom(instance.path), open_regular(instance.path) as stream:
        offsets, spans = _list_fragments(instance, stream)
        return _group_fragments(instance, offsets, spans)


def _find_native(instance: Instance, layout: Layout) -> tuple[list[tuple[Span, ...]], str]:
    size, length = layout.frame_bytes, instance.length or 0
    if length < size * instance.n_frames:
        raise InputError(
            f"{instance.path}: truncated ({length} of {size * instance.n_frames} bytes of pixels); "
            "copy or export it again"
        )
    there = length // size
    why = "" if there == instance.n_frames else _say_more(instance, f"{there}")
    starts = range(instance.start, instance.start + size * instance.n_frames, size)
    return [((start, size),) for start in starts], why


def _say_more(instance: Instance, there: str) -> str:
    return f"the header declares {instance.n_frames} frames, but the file contains {there}"


def _list_fragments(instance: Instance, stream: BinaryIO) -> tuple[list[int], list[Span]]:
    """The table of offsets in front, and start and length of each fragment."""
    stream.seek(instance.start)
    table = _read_item(instance, stream)
    offsets: list[int] = []
    if table is not None and table[1]:
        data = stream.read(min(table[1], 4 * MOST_PLANES))
        offsets = list(struct.unpack(f"<{len(data) // 4}I", data[: len(data) // 4 * 4]))
        stream.seek(sum(table))
    spans: list[Span] = []
    most = instance.n_frames * _MOST_FRAGMENTS + 1024
    while table is not None and (span := _read_item(instance, stream)) is not None:
        spans.append(span)
        if len(spans) > most:
            raise InputError(
                f"{instance.path}: has more than {most} pieces of pixels; export it again"
            )
        stream.seek(sum(span))
    return offsets, spans


def _read_item(instance: Instance, stream: BinaryIO) -> Span | None:
    """Start and length of the next item; None behind the last."""
    head = stream.read(8)
    if head[:4] == _END:
        return None
    start, length = stream.tell(), int.from_bytes(head[4:], "little")
    if len(head) < 8 or head[:4] != _ITEM or start + length > instance.size:
        raise InputError(f"{instance.path}: truncated in its pixels; copy or export it again")
    return start, length


def _group_fragments(
    instance: Instance, offsets: list[int], spans: list[Span]
) -> tuple[list[tuple[Span, ...]], str]:
    """Frames from fragments: one each, or as the table of offsets says."""
    declared = instance.n_frames
    if declared == 1 and spans:
        return [tuple(spans)], ""
    if len(spans) == declared or (len(spans) > declared and len(offsets) != declared):
        why = "" if len(spans) == declared else _say_more(instance, f"{len(spans)}")
        return [(span,) for span in spans[:declared]], why
    if len(spans) < declared:
        raise InputError(
            f"{instance.path}: contains {len(spans)} of {declared} frames; copy or export it again"
        )
    # offsets count from the head of the first fragment
    starts = [start - spans[0][0] for start, _ in spans]
    owners = np.searchsorted(offsets, starts, side="right") - 1
    grouped = [
        tuple(s for s, k in zip(spans, owners, strict=True) if k == n) for n in range(declared)
    ]
    if not all(grouped) or offsets != sorted(offsets):
        raise InputError(f"{instance.path}: its table of frames is damaged; export it again")
    return grouped, ""


@contextmanager
def _reading_frame(path: Path, layout: Layout) -> Iterator[None]:
    """Without pydicom where nothing is decoded: frames are read by several threads at once."""
    if layout.is_native:
        with reading(path, KIND):
            yield
    else:
        with reading_dicom(path, what="damaged pixels"):
            yield


def _read_spans(frame: Frame) -> bytes:
    parts = []
    with open_regular(frame.file) as stream:
        for start, length in frame.spans:
            if length > LARGEST_PLANE:
                raise InputError(f"{frame.file}: a frame takes {length} bytes; export it again")
            stream.seek(start)
            parts.append(stream.read(length))
            if len(parts[-1]) < length:
                raise InputError(f"{frame.file}: truncated; was it changed after it was opened?")
    return b"".join(parts)


def _read_native(layout: Layout, data: bytes) -> NDArray[Any]:
    values = np.frombuffer(data, layout.dtype)
    rows, columns = layout.shape
    if layout.samples == 1:
        values = values.reshape(rows, columns)
    elif layout.planar:
        values = np.moveaxis(values.reshape(layout.samples, rows, columns), 0, -1)
    else:
        values = values.reshape(rows, columns, layout.samples)
    return values.astype(layout.dtype.newbyteorder("="))


def _decode(frame: Frame, layout: Layout, data: bytes) -> NDArray[Any]:
    """Decode a compressed frame through the plugins of pydicom."""
    decoder = find_decoder(frame.file, layout.syntax)
    _check_codestream(frame.file, layout, data)
    from pydicom.encaps import encapsulate

    values, _ = decoder.as_array(
        encapsulate([data + b"\0" * (len(data) % 2)]),
        index=0,
        rows=layout.shape[0],
        columns=layout.shape[1],
        number_of_frames=1,
        samples_per_pixel=layout.samples,
        photometric_interpretation=layout.photometric,
        planar_configuration=layout.planar,
        bits_allocated=layout.allocated,
        bits_stored=layout.stored,
        pixel_representation=layout.signed,
        pixel_keyword="PixelData",
    )
    return np.asarray(values)


def find_decoder(path: Path, syntax: str) -> Any:
    """Find what decodes a transfer syntax.

    Raises
    ------
    InputError
        Where nothing does, with what to install.
    """
    pydicom = import_pydicom(path)
    name = make_visible(pydicom.uid.UID(syntax).name)
    try:
        decoder = pydicom.pixels.get_decoder(syntax)
    except NotImplementedError as error:
        raise InputError(
            f"{path}: pixels compressed as {name} cannot be read; save it with another transfer "
            "syntax, such as Explicit VR Little Endian"
        ) from error
    if not decoder.is_available:
        raise InputError(
            f"{path}: pixels compressed as {name} need another package for pydicom "
            f"({'; '.join(decoder.missing_dependencies)}); install one with pip"
        )
    return decoder


def _check_codestream(path: Path, layout: Layout, data: bytes) -> None:
    """Refuse a frame whose own header claims another size: decoders take memory for it."""
    found = _codestream_size(data)
    if found is not None and found != layout.shape:
        raise InputError(
            f"{path}: a compressed frame is {found[0]} x {found[1]} pixels, but the header says "
            f"{layout.shape[0]} x {layout.shape[1]}; export it again"
        )


def _codestream_size(data: bytes) -> tuple[int, int] | None:
    """Rows and columns of a JPEG 2000, JPEG or JPEG-LS frame; None for others."""
    start = data.find(b"\xff\x4f\xff\x51", 0, 4096)
    if start >= 0 and len(data) >= start + 24:
        width, height, left, top = struct.unpack_from(">4I", data, start + 8)
        return height - top, width - left
    if not data.startswith(b"\xff\xd8"):
        return None
    place = 2
    while place + 9 <= len(data) and data[place] == 0xFF:
        marker, length = struct.unpack_from(">BH", data, place + 1)
        if marker == 0xFF:  # filling
            place += 1
        elif marker in _SOF:
            height, width = struct.unpack_from(">HH", data, place + 5)
            return height, width
        else:
            place += 2 + length
    return 0, 0


def _keep_stored_bits(values: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """Values of the stored bits alone; others may hold overlays of old devices."""
    target = layout.dtype.newbyteorder("=")
    values = values.astype(target, copy=False)
    if layout.stored == layout.allocated:
        return values
    # compressed values have no other bits
    low = layout.high_bit + 1 - layout.stored if layout.is_native else 0
    spare = layout.allocated - layout.stored - low
    # a shift to the right keeps the sign of signed values
    return np.asarray((values << spare) >> (spare + low))


def _invert(values: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """MONOCHROME1 shows the least value as white."""
    top = 2 ** (layout.stored - 1) - 1 if layout.signed else 2**layout.stored - 1
    bottom = -(2 ** (layout.stored - 1)) if layout.signed else 0
    inverted = values.dtype.type(top) - (values - values.dtype.type(bottom))
    return np.asarray(inverted.astype(values.dtype))
