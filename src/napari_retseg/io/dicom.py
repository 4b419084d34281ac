"""DICOM through pydicom: ophthalmic tomography and other grey images, one frame at a time.

Names, dates, numbers of patients and private elements are not read, but for the patient's key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.acquisition import Acquisition
from napari_retseg.errors import InputError
from napari_retseg.io.dicom_geometry import Plane, measure
from napari_retseg.io.dicom_header import (
    Instance,
    read_elements,
    read_identifiers_of,
    reading_dicom,
)
from napari_retseg.io.dicom_pixels import (
    DicomPixels,
    Frame,
    Layout,
    find_decoder,
    find_frames,
    read_layout,
)
from napari_retseg.io.dicom_volumes import Volume, find_volumes
from napari_retseg.io.file_errors import is_folder
from napari_retseg.io.grey import colour_note
from napari_retseg.io.patient import make_patient_key
from napari_retseg.io.suffixes import list_dicom
from napari_retseg.io.volumes import choose_volume
from napari_retseg.scan import FUNDUS_KIND, FUNDUS_UM, Axis, Laterality, OctScan

_EYES: dict[str, Laterality] = {"R": "OD", "L": "OS"}
_AXES: dict[tuple[bool, bool], tuple[Axis, ...]] = {
    (True, True): ("bscan", "depth", "width"),
    (True, False): ("depth", "width"),
    (False, True): ("z", "y", "x"),
    (False, False): ("y", "x"),
}


@dataclass(frozen=True)
class _Fundus:
    """The reference image, and what the scan's `metadata` say of it."""

    pixels: NDArray[Any] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


def read(path: Path, volume: int | None = None) -> OctScan:
    """Read a DICOM file, or one volume of a folder of them.

    Returns
    -------
    OctScan
        Axes (bscan, depth, width) for ophthalmic tomography, (z, y, x) for other images, without
        the first for a single frame. The reference image of a folder is its `fundus`.

    Raises
    ------
    SeveralVolumesError
        Where a folder holds several volumes, and none was named.
    InputError
        Where it cannot be read, or a package is missing.
    """
    chosen = open_volume(path, volume)
    with reading_dicom(path):
        return _make_scan(path, chosen)


def open_volume(path: Path, volume: int | None = None) -> Volume:
    """Open the headers of one volume; its frames are in the order in which `read` gives them.

    Raises
    ------
    SeveralVolumesError, InputError
        See :func:`read`.
    """
    with reading_dicom(path):
        volumes = find_volumes(path)
        return volumes[choose_volume(path, [one.describe() for one in volumes], volume)]


def read_identifiers(path: Path) -> Mapping[str, str]:
    """Read who was examined and by whom; of a folder, from its first file that can be read.

    Raises
    ------
    InputError
        Where no file can be read.
    """
    if not is_folder(path):
        return read_identifiers_of(path)
    failed: InputError | None = None
    for file in list_dicom(path):
        try:
            return read_identifiers_of(file)
        except InputError as error:
            failed = failed or error
    raise failed or InputError(f"{path}: no DICOM files in this folder")


def _make_scan(path: Path, volume: Volume) -> OctScan:
    first = volume.planes[0].instance
    if not volume.layout.is_native:
        find_decoder(first.path, volume.layout.syntax)
    pixels, contradictions = _open_pixels(path, volume)
    fundus = _open_fundus(volume.fundus)
    geometry = measure(volume.planes, fundus.metadata.get(FUNDUS_UM, ()))
    laterality, laterality_from, differing = _find_laterality(volume.planes)
    is_volume = len(volume.planes) > 1
    spacing = geometry.spacing_um if is_volume else geometry.spacing_um[1:]
    key, key_notes = _patient_key(first)
    return OctScan(
        pixels=pixels,
        axes=_AXES[first.is_oct, is_volume],
        spacing_um=spacing,
        spacing_source="file" if any(spacing) else "unknown",
        source=path,
        laterality=laterality,
        device=_find_device(first),
        patient_key=key,
        fundus=fundus.pixels,
        bscans_declared=len(volume.planes) if is_volume else None,
        notes=(*volume.notes, *_list_notes(volume), *geometry.notes, *key_notes),
        acquisition=Acquisition(
            positions_mm=geometry.positions_mm,
            repeated=geometry.repeated,
            laterality_from=laterality_from,
            derived=geometry.derived,
            left_out=tuple(volume.left_out),
            contradictions=(
                *volume.contradictions, *contradictions, *geometry.contradictions, *differing,
            ),
        ),
        metadata=fundus.metadata,
    )  # fmt: skip


def _open_pixels(path: Path, volume: Volume) -> tuple[DicomPixels, list[str]]:
    """The pixels of a volume, and what does not agree with the headers."""
    frames: dict[Path, Any] = {}
    contradictions = []
    for instance in volume.instances:
        frames[instance.path], why = find_frames(instance, volume.layout)
        contradictions += [why] if why else []
    is_inverted = volume.layout.photometric == "MONOCHROME1"
    scales = [None if is_inverted else _find_scale(plane) for plane in volume.planes]
    found = [
        Frame(plane.instance.path, frames[plane.instance.path][plane.frame], scale)
        for plane, scale in zip(volume.planes, scales, strict=True)
    ]
    return DicomPixels(path, volume.layout, found), contradictions


def _find_scale(plane: Plane) -> tuple[float, float] | None:
    """Rescale slope and intercept of a frame; None where they change nothing."""
    key = "PixelValueTransformationSequence"
    slope = plane.numbers(key, "RescaleSlope", 1) or (1.0,)
    intercept = plane.numbers(key, "RescaleIntercept", 1) or (0.0,)
    scale = slope[0], intercept[0]
    return None if scale == (1.0, 0.0) or slope[0] == 0 else scale


def _open_fundus(instance: Instance | None) -> _Fundus:
    """The reference image; empty where there is none that is read."""
    if instance is None:
        return _Fundus()
    try:
        layout = read_layout(instance)
        frames, _ = find_frames(instance, layout)
        pixels = np.asarray(DicomPixels(instance.path, layout, [Frame(instance.path, frames[0])]))
    except InputError:
        return _Fundus()
    spacing = measure([Plane(instance, 0)]).spacing_um[1:]
    scale = {FUNDUS_UM: spacing} if all(spacing) else {}
    return _Fundus(pixels, {FUNDUS_KIND: _name_fundus(instance, layout), **scale})


def _name_fundus(instance: Instance, layout: Layout) -> str:
    """What the reference image is, as far as it is sure."""
    if instance.text("Manufacturer").startswith("Heidelberg"):
        return "SLO"
    return "fundus" if layout.samples > 1 else "en face"


def _find_device(instance: Instance) -> str | None:
    names = [instance.text("Manufacturer"), instance.text("ManufacturerModelName")]
    # many models repeat their maker
    if names[1].startswith(names[0]):
        names = names[1:]
    return " ".join(name for name in names if name) or None


def _find_laterality(planes: Sequence[Plane]) -> tuple[Laterality | None, str, list[str]]:
    """The eye, where in the file it comes from, and what differs; other organs have sides, too."""
    if not planes[0].instance.text("Modality").startswith("OP"):
        return None, "", []
    found: dict[str, set[str]] = {
        "Frame Laterality": {
            str(p.find("FrameAnatomySequence", "FrameLaterality")) for p in planes
        },
        "Image Laterality": {plane.instance.text("ImageLaterality") for plane in planes},
        "Laterality": {plane.instance.text("Laterality") for plane in planes},
    }
    known = {name: eyes & set(_EYES) for name, eyes in found.items()}
    known = {name: eyes for name, eyes in known.items() if eyes}
    if not known:
        return None, "", []
    if len(set().union(*known.values())) > 1:
        return None, "", [f"the eye differs within the file ({', '.join(known)})"]
    where, eyes = next(iter(known.items()))
    return _EYES[eyes.pop()], f"header ({where})", []


def _list_notes(volume: Volume) -> list[str]:
    """What the pixels are that nobody sees."""
    header, layout = volume.planes[0].instance.header, volume.layout
    notes = []
    if layout.samples > 1:
        notes.append(colour_note("colour"))
    if layout.photometric == "MONOCHROME1":
        notes.append("grey values inverted (MONOCHROME1); they are not rescaled")
    if volume.planes[0].instance.text("BurnedInAnnotation") == "YES":
        notes.append("text is burned into the pixels; it may name the patient")
    if isinstance(padding := header.get("PixelPaddingValue"), int):
        notes.append(f"the value {padding} marks pixels outside the image")
    if header.get("ModalityLUTSequence"):
        notes.append("the file's table of grey values (Modality LUT) is not applied")
    stacks = {str(p.find("FrameContentSequence", "StackID")) for p in volume.planes}
    if len(stacks) > 1:
        notes.append(f"the frames of {len(stacks)} stacks follow each other")
    return notes


def _patient_key(instance: Instance) -> tuple[str | None, tuple[str, ...]]:
    """The patient's key, and a note where it cannot be made."""
    try:
        found = read_elements(instance.path, ("PatientID", "PatientName", "PatientBirthDate"))
    except InputError:
        return None, ("no patient key: the patient's number cannot be read",)
    identity = found.get("PatientID") or (
        "|".join(found.values()) if "PatientName" in found else ""
    )
    if not identity:
        return None, ()
    try:
        return make_patient_key(identity), ()
    except InputError as error:
        return None, (f"no patient key: {error}",)
