"""DICOM headers through pydicom: only what is needed is read, and never who was examined."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from napari_retseg.errors import InputError
from napari_retseg.io.file_errors import check_file, collecting, needing, reading
from napari_retseg.io.limits import LARGEST_HEADER, MOST_PLANES
from napari_retseg.plaintext import make_visible
from napari_retseg.regular import open_regular

KIND = "a DICOM file"
#: Reads of a header, and items of a sequence: an item takes about a kilobyte as it is parsed.
_MOST_READS = 500_000
_MOST_ITEMS = 100_000
_ITEM = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")
_PIXEL_DATA = {b"\xe0\x7f\x10\x00": "<", b"\x7f\xe0\x00\x10": ">"}
_LONGEST_TEXT = 64
_UNDEFINED = 0xFFFFFFFF
_DEFLATED = "1.2.840.10008.1.2.1.99"
OPT = "1.2.840.10008.5.1.4.1.1.77.1.5.4"

#: What is read of each file; all else is skipped where it lies.
# fmt: off
_TAGS = (
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber",
    "InstanceNumber", "Modality", "Manufacturer", "ManufacturerModelName", "FrameOfReferenceUID",
    "Laterality", "ImageLaterality", "PatientIdentityRemoved", "BurnedInAnnotation",
    "ConcatenationUID", "InConcatenationNumber", "InConcatenationTotalNumber",
    "ConcatenationFrameOffsetNumber", "SOPInstanceUIDOfConcatenationSource",
    "NumberOfFrames", "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation",
    "PlanarConfiguration", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "PixelPaddingValue", "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence",
    "PixelSpacing", "SliceThickness", "SpacingBetweenSlices", "ImagePositionPatient",
    "ImageOrientationPatient", "OphthalmicFrameLocationSequence", "FrameAnatomySequence",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
)
#: Keyword and name of what tells who was examined and by whom.
_IDENTIFIERS = {
    "PatientName": "patient name", "PatientID": "patient id", "PatientBirthDate": "birth date",
    "PatientSex": "sex", "OperatorsName": "operator", "StudyDate": "examination date",
    "InstitutionName": "institution",
}
# fmt: on


@dataclass(frozen=True)
class Instance:
    """One DICOM file.

    Attributes
    ----------
    path
        The file.
    header
        Its elements, without names, dates and the pixels.
    syntax
        UID of the transfer syntax.
    order
        Byte order of the values, ``"<"`` or ``">"``.
    start
        Bytes before the pixels.
    length
        Bytes of the pixels; None where they are compressed.
    size
        Bytes of the file.
    """

    path: Path
    header: Any
    syntax: str
    order: str
    start: int
    length: int | None
    size: int

    @property
    def n_frames(self) -> int:
        """How many frames the file declares."""
        return int(self.header.get("NumberOfFrames") or 1)

    @property
    def is_oct(self) -> bool:
        """Whether the frames are B-scans."""
        return self.text("SOPClassUID") == OPT or self.text("Modality") == "OPT"

    def text(self, keyword: str) -> str:
        """The value of an element as text that can be shown; empty where there is none."""
        return make_visible(str(self.header.get(keyword) or "").strip())[:_LONGEST_TEXT]


class _Bounded:
    """A stream that gives up where a header takes more than one can have."""

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        self._stream = stream
        self._path = path
        self._bytes = self._reads = 0

    def read(self, size: int = -1) -> bytes:
        """Read, and count what was read."""
        data = self._stream.read(min(size, LARGEST_HEADER + 1) if size >= 0 else LARGEST_HEADER + 1)
        self._bytes += len(data)
        self._reads += 1
        if self._bytes > LARGEST_HEADER or self._reads > _MOST_READS:
            raise InputError(
                f"{self._path}: its header is larger than {LARGEST_HEADER / 2**20:.0f} MB; the "
                "file is probably damaged"
            )
        return data

    def seek(self, place: int, whence: int = io.SEEK_SET) -> int:
        """Move."""
        return self._stream.seek(place, whence)

    def tell(self) -> int:
        """The place."""
        return self._stream.tell()


def import_pydicom(path: Path) -> Any:
    """Import pydicom, or say which extra brings it.

    Raises
    ------
    InputError
        Where it is not installed.
    """
    with needing("pydicom", "oct", path=path, kind="DICOM files"):
        import pydicom
    return pydicom


@contextmanager
def reading_dicom(path: Path, *, what: str = "damaged header") -> Iterator[None]:
    """Turn what pydicom raises into one line, and keep it quiet.

    Parameters
    ----------
    path
        The file, or folder.
    what
        What an exception means.

    Raises
    ------
    InputError
        In place of what was raised.
    """
    import_pydicom(path)
    with reading(path, KIND), collecting("pydicom"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except (InputError, MemoryError, OSError):
            raise
        except Exception as error:
            # what it says repeats bytes of the header, which may be a name that is out of place
            raise InputError(
                f"{path}: cannot be read as {KIND} ({what}, {type(error).__name__}); it may be "
                "truncated or of another type"
            ) from error


def read_instance(path: Path) -> Instance:
    """Read the header of a file, and find where its pixels lie.

    Raises
    ------
    InputError
        Where it is no DICOM file, has no pixels, is cut off, or is deflated.
    """
    size = check_file(path)
    with reading_dicom(path), open_regular(path) as stream:
        header = _read_header(path, stream, _TAGS)
        syntax = str(header.file_meta.get("TransferSyntaxUID") or "")
        order, start, length = _find_pixels(path, stream, header)
        if length is not None and start + length > size:
            raise InputError(
                f"{path}: truncated ({size - start} of {length} bytes of pixels); copy or export "
                "it again"
            )
        instance = Instance(path, header, syntax, order, start, length, size)
        if not 1 <= instance.n_frames <= MOST_PLANES:
            raise InputError(
                f"{path}: declares {instance.n_frames} frames, not 1 to {MOST_PLANES:,}; the file "
                "is probably damaged"
            )
        return instance


def read_elements(path: Path, keywords: Sequence[str]) -> Mapping[str, str]:
    """Read some elements of a file as texts, and nothing else.

    Returns
    -------
    mapping
        Text by keyword, of those that the file has.

    Raises
    ------
    InputError
        Where it is no DICOM file.
    """
    check_file(path)
    with reading_dicom(path), open_regular(path) as stream:
        header = _read_header(path, stream, keywords)
        found = {keyword: str(header.get(keyword) or "").strip() for keyword in keywords}
    return {keyword: text for keyword, text in found.items() if text}


def read_identifiers_of(path: Path) -> Mapping[str, str]:
    """Read who was examined and by whom."""
    found = read_elements(path, tuple(_IDENTIFIERS))
    return {_IDENTIFIERS[keyword]: text for keyword, text in found.items()}


def _read_header(path: Path, stream: BinaryIO, keywords: Sequence[str]) -> Any:
    pydicom = import_pydicom(path)
    _refuse_deflated(path, stream)
    bounded: Any = _Bounded(stream, path)
    header = pydicom.dcmread(bounded, stop_before_pixels=True, specific_tags=list(keywords))
    for keyword in keywords:
        raw = header.get_item(keyword) if keyword in header else None
        # a sequence is bytes until it is asked for
        value = getattr(raw, "value", None)
        if isinstance(value, bytes) and max(value.count(item) for item in _ITEM) > _MOST_ITEMS:
            raise InputError(f"{path}: its header has too many items; export it again")
    return header


def _refuse_deflated(path: Path, stream: BinaryIO) -> None:
    """Pydicom would unpack the whole file at once, whatever it unfolds into."""
    head = stream.read(4096)
    stream.seek(0)
    if head[128:132] != b"DICM":
        raise InputError(f"{path}: not a DICOM file (no DICM mark); export it again as DICOM")
    if _DEFLATED.encode() in head:
        raise InputError(
            f"{path}: the whole file is deflated; save it with another transfer syntax, such as "
            "Explicit VR Little Endian"
        )


def _find_pixels(path: Path, stream: BinaryIO, header: Any) -> tuple[str, int, int | None]:
    """Byte order, start and length of the pixels, behind the header that was read."""
    tag = stream.read(4)
    if tag not in _PIXEL_DATA:
        raise InputError(
            f"{path}: contains no pixels, or its header is damaged; choose the file of the scan"
        )
    is_implicit, is_little = header.original_encoding
    order = "<" if is_little else ">"
    # explicit: VR and two empty bytes stand before the length
    rest = stream.read(4 if is_implicit else 8)
    if len(rest) not in (4, 8):
        raise InputError(f"{path}: truncated before its pixels; copy or export it again")
    length = int.from_bytes(rest[-4:], "little" if is_little else "big")
    return order, stream.tell(), None if length == _UNDEFINED else length
