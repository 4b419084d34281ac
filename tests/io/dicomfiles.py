"""DICOM files as devices write them, made with pydicom by the published structure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

OPT = "1.2.840.10008.5.1.4.1.1.77.1.5.4"
OP = "1.2.840.10008.5.1.4.1.1.77.1.5.1"
SYNTAXES = {
    "plain": ExplicitVRLittleEndian,
    "j2k": JPEG2000Lossless,
    "rle": RLELossless,
    "jpegls": JPEGLSLossless,
}
#: Pixel sizes in mm: between B-scans, down, across.
SPACING_MM = (0.12, 0.00387, 0.0115)
#: Pixel size of the reference image in mm.
SLO_MM = 0.01
#: Planted identifiers, none of which may be found in anything that is written.
PERSON = {
    "PatientName": "Jörgensen^Ödipussi",
    "PatientID": "ID-4711-GEHEIM",
    "PatientBirthDate": "19010203",
    "OperatorsName": "Operatrix^Olga",
    "InstitutionName": "Clinic Zauberberg",
    "ReferringPhysicianName": "Behrens^Hofrat",
    "StudyDate": "19991231",
}


def make_stack(n_bscans: int = 4, depth: int = 40, width: int = 48) -> NDArray[np.uint8]:
    """B-scans from inferior to superior, A-scans from left to right."""
    rng = np.random.default_rng(7)
    return rng.integers(0, 256, (n_bscans, depth, width), dtype=np.uint8)


def make_header(sop_class: str, **person: str) -> Any:
    """A file without pixels, with who was examined."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header: Any = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    header.SpecificCharacterSet = "ISO_IR 192"
    header.SOPClassUID = sop_class
    header.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    header.StudyInstanceUID = generate_uid(entropy_srcs=["study"])
    header.SeriesInstanceUID = generate_uid()
    header.SeriesNumber = 3
    header.InstanceNumber = 1
    header.Modality = "OPT" if sop_class == OPT else "OP"
    header.Manufacturer = "Acme"
    header.ManufacturerModelName = "Retinoscope 9"
    for keyword, value in {**PERSON, **person}.items():
        setattr(header, keyword, value)
    private = header.private_block(0x0041, "ACME", create=True)
    private.add_new(1, "LO", "Jörgensen private")
    return header


def set_pixels(header: Any, stack: NDArray[Any], kind: str = "plain", **changed: Any) -> None:
    """Put the frames in, compressed or not."""
    header.NumberOfFrames = len(stack)
    header.Rows, header.Columns = stack.shape[1:3]
    header.SamplesPerPixel = stack.shape[3] if stack.ndim == 4 else 1
    header.PhotometricInterpretation = "RGB" if stack.ndim == 4 else "MONOCHROME2"
    if stack.ndim == 4:
        header.PlanarConfiguration = 0
    header.BitsAllocated = header.BitsStored = 8 * stack.dtype.itemsize
    header.HighBit = header.BitsStored - 1
    header.PixelRepresentation = int(stack.dtype.kind == "i")
    data = stack.tobytes()
    header.PixelData = data + b"\0" * (len(data) % 2)
    header["PixelData"].VR = "OB" if stack.dtype.itemsize == 1 else "OW"
    if kind != "plain":
        header.compress(SYNTAXES[kind], generate_instance_uid=False)
    for keyword, value in changed.items():
        setattr(header, keyword, value)


def make_item(**values: Any) -> Dataset:
    """One item of a sequence."""
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def place_lines(n_bscans: int, width: int) -> NDArray[np.float64]:
    """Where each B-scan lies on the SLO: (row, column) of start and end, from below to above."""
    between, across = SPACING_MM[0] / SLO_MM, SPACING_MM[2] / SLO_MM
    rows = 300 - between * np.arange(n_bscans)
    start, end = np.full(n_bscans, 100.0), np.full(n_bscans, 100 + across * width)
    return np.stack([rows, start, rows, end], axis=1)


def make_opt(
    stack: NDArray[Any],
    *,
    kind: str = "plain",
    eye: str = "R",
    lines: NDArray[np.float64] | None = None,
    reference: str = "",
    spacing: Sequence[float | None] = SPACING_MM,
    **person: str,
) -> Any:
    """Ophthalmic Tomography with functional groups."""
    header = make_header(OPT, **person)
    header.FrameOfReferenceUID = generate_uid(entropy_srcs=["reference"])
    header.ImageLaterality = header.Laterality = eye
    header.BurnedInAnnotation = "NO"
    measures = make_item()
    if spacing[1] and spacing[2]:
        measures.PixelSpacing = [spacing[1], spacing[2]]
    if spacing[0]:
        measures.SpacingBetweenSlices = spacing[0]
    measures.SliceThickness = 0.001
    header.SharedFunctionalGroupsSequence = [make_item(PixelMeasuresSequence=[measures])]
    groups = []
    for k in range(len(stack)):
        anatomy = make_item(FrameLaterality=eye)
        group = make_item(FrameAnatomySequence=[anatomy])
        if lines is not None:
            place = make_item(
                ReferencedSOPClassUID=OP,
                ReferencedSOPInstanceUID=reference or generate_uid(),
                ReferenceCoordinates=[float(value) for value in lines[k]],
                OphthalmicImageOrientation="LINEAR",
            )
            group.OphthalmicFrameLocationSequence = [place]
        groups.append(group)
    header.PerFrameFunctionalGroupsSequence = groups
    set_pixels(header, stack, kind)
    return header


def save(path: Path, header: Any) -> Path:
    """Write a file."""
    header.save_as(path, enforce_file_format=True)
    return path


def save_frames(
    folder: Path, stack: NDArray[Any], *, seed: int = 1, positions: bool = True, series: str = ""
) -> Path:
    """A folder of single MR frames whose names say nothing about their order."""
    folder.mkdir(exist_ok=True)
    series = series or generate_uid()
    order = np.random.default_rng(seed).permutation(len(stack))
    for name, k in enumerate(order):
        header = make_header("1.2.840.10008.5.1.4.1.1.4")
        header.Modality = "MR"
        header.SeriesInstanceUID = series
        header.InstanceNumber = int(k) + 1
        header.PixelSpacing = [0.5, 0.25]
        header.SliceThickness = 3
        if positions:
            header.InstanceNumber = 100 - int(k)
            header.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
            header.ImagePositionPatient = [0, 0, 1.5 * int(k)]
        set_pixels(header, stack[k : k + 1])
        del header.NumberOfFrames
        save(folder / f"{series[-4:]}-{name:03d}", header)
    return folder


def wrap(frames: Sequence[bytes]) -> bytes:
    """Compressed frames as DICOM holds them."""
    return encapsulate(list(frames))
