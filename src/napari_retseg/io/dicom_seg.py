"""Labels as DICOM Segmentation, through highdicom: a viewer lays them over their source.

One binary segment for each class, on the frames of the source and in their order. Patient and
study are those of the source; names, numbers and dates are written only where the source is
anonymised already, or the user asks for it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg import __version__
from napari_retseg.classes import LabelClass, LabelSet
from napari_retseg.errors import InputError
from napari_retseg.io.atomic import replace_atomically
from napari_retseg.io.dicom import open_volume
from napari_retseg.io.dicom_header import (
    Instance,
    import_pydicom,
    read_elements,
    reading_dicom,
)
from napari_retseg.io.dicom_volumes import Volume
from napari_retseg.io.file_errors import needing
from napari_retseg.io.orientation import to_file_order
from napari_retseg.plaintext import make_visible
from napari_retseg.scan import OctScan
from napari_retseg.volume_path import split_volume

#: Coding scheme of classes that have no code in SNOMED CT; private, as PS3.16 section 8 allows.
SCHEME = "99RETSEG"
#: What identifies patient and study; of these the first four are required, but may be empty.
# fmt: off
_IDENTIFYING = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
    "StudyID", "AccessionNumber", "ReferringPhysicianName",
)
# fmt: on
_SNOMED = {"retina": ("5665001", "Retina"), "choroid": ("68703001", "Choroid of eye")}
_STRUCTURE = ("123037004", "SCT", "Anatomical Structure")
_ABNORMAL = ("49755003", "SCT", "Morphologically Abnormal Structure")


def write_segmentation(
    path: Path,
    labels: NDArray[np.uint8],
    scan: OctScan,
    *,
    classes: LabelSet,
    layers: Sequence[int] = (),
    keep_identifiers: bool = False,
) -> bool:
    """Write labels as DICOM Segmentation, atomically.

    Parameters
    ----------
    path
        The file.
    labels
        Class values, in the order of the scan as it was read.
    scan
        A scan that was read from DICOM.
    classes
        Their names; classes that no pixel has are segments without frames.
    layers
        Values of the classes that are anatomical layers; others are abnormal structures.
    keep_identifiers
        Copy patient and study from the source even where it is not anonymised.

    Returns
    -------
    bool
        Whether patient and study were copied from the source.

    Raises
    ------
    InputError
        Where the scan is not DICOM, labels and scan do not fit, highdicom is not installed, or the
        system refuses to write.
    """
    highdicom = import_highdicom(path)
    if labels.shape != scan.spatial_shape:
        raise InputError(
            f"{path}: labels of shape {labels.shape} do not fit a scan of {scan.spatial_shape}"
        )
    volume = _open_source(path, scan)
    unknown = classes.unknown_values(labels)
    if unknown:
        raise InputError(f"{path}: label values {unknown} have no class; name all classes")
    masks = to_file_order(labels, scan) if scan.is_volume else labels[np.newaxis]
    masks = np.stack([masks == c.value for c in classes.foreground], axis=-1)
    if not masks.any():
        raise InputError(f"{path}: the labels have no class, so there is nothing to write")
    with reading_dicom(volume.instances[0].path):
        is_anonymous = volume.instances[0].text("PatientIdentityRemoved") == "YES"
        keep = keep_identifiers or is_anonymous
        sources = [_make_source(instance, keep=keep) for instance in volume.instances]
        _place(path, sources, scan)
        segmentation = highdicom.seg.Segmentation(
            source_images=sources,
            pixel_array=masks,
            segmentation_type="BINARY",
            segment_descriptions=[
                _describe(highdicom, number, one, is_layer=one.value in layers)
                for number, one in enumerate(classes.foreground, start=1)
            ],
            series_instance_uid=highdicom.UID(),
            series_number=1000,
            sop_instance_uid=highdicom.UID(),
            instance_number=1,
            manufacturer="napari-retseg",
            manufacturer_model_name="napari-retseg",
            software_versions=__version__,
            device_serial_number="none",
            content_label="SEGMENTATION",
            omit_empty_frames=True,
        )
        _complete(segmentation, is_anonymous=is_anonymous)
    with replace_atomically(path) as temporary:
        segmentation.save_as(temporary)
    return keep


def check_replaceable(path: Path) -> None:
    """Refuse to write over a DICOM image, which may be the scan itself.

    Raises
    ------
    InputError
        Where a file is there that is not a Segmentation.
    """
    if not path.exists():
        return
    with suppress(InputError):
        if read_elements(path, ("Modality",)).get("Modality") == "SEG":
            return
    raise InputError(f"{path}: is no DICOM Segmentation; choose another name")


def import_highdicom(path: Path) -> Any:
    """Import highdicom, or say which extra brings it.

    Raises
    ------
    InputError
        Where it is not installed.
    """
    with needing("highdicom", "dicom-seg", path=path, kind="DICOM Segmentations"):
        import highdicom
        import highdicom.seg
    return highdicom


def _open_source(path: Path, scan: OctScan) -> Volume:
    """The headers of the scan's own files."""
    if scan.source is None:
        raise InputError(f"{path}: the scan has no file")
    file, number = split_volume(scan.source)
    try:
        volume = open_volume(file, number)
    except InputError as error:
        raise InputError(
            f"{path}: a DICOM Segmentation belongs to a DICOM scan ({error}); use .csv or .xml"
        ) from error
    if len(volume.instances) > 1 and volume.planes[0].instance.n_frames > 1:
        raise InputError(
            f"{path}: a volume in several parts cannot be referred to; use .csv or .xml"
        )
    if (len(volume.planes), *volume.layout.shape) != (scan.n_bscans, *scan.spatial_shape[-2:]):
        raise InputError(f"{path}: {scan.source} was changed after it was read")
    return volume


def _make_source(instance: Instance, *, keep: bool) -> Any:
    """What highdicom copies or refers to, and nothing else of the source."""
    from pydicom.dataset import Dataset

    source: Any = Dataset()
    source.update(instance.header)
    source.file_meta = instance.header.file_meta
    texts = read_elements(instance.path, _IDENTIFYING) if keep else {}
    for keyword in _IDENTIFYING:
        setattr(source, keyword, texts.get(keyword, ""))
    return source


def _place(path: Path, sources: list[Any], scan: OctScan) -> None:
    """Give frames nominal places where their source has none: a viewer goes by the frame numbers.

    Ophthalmic tomography is placed on its reference image alone; a Segmentation needs places in
    space. They begin at 0 and have the pixel size of the scan.
    """
    pydicom = import_pydicom(path)
    first = sources[0]
    frames = list(first.get("PerFrameFunctionalGroupsSequence") or sources)
    (shared,) = first.get("SharedFunctionalGroupsSequence") or [_item()]
    keys = ("PlanePositionSequence", "ImagePositionPatient")
    if all(any(key in item for key in keys) for item in frames) and "FrameOfReferenceUID" in first:
        return
    spacing = scan.spacing_um if scan.is_volume else (1000.0, *scan.spacing_um)
    if None in spacing:
        raise InputError(
            f"{path}: a DICOM Segmentation needs the pixel size of the scan, which its file does "
            "not have; use .csv or .xml"
        )
    between, down, across = (um / 1000 for um in spacing if um is not None)
    reference = first.get("FrameOfReferenceUID") or pydicom.uid.generate_uid()
    for source in sources:
        source.FrameOfReferenceUID = reference
    measures = _item(PixelSpacing=[down, across], SliceThickness=between)
    measures.SpacingBetweenSlices = between
    orientation = _item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    is_multiframe = "PerFrameFunctionalGroupsSequence" in first
    if is_multiframe:
        shared.PixelMeasuresSequence = [measures]
        shared.PlaneOrientationSequence = [orientation]
        first.SharedFunctionalGroupsSequence = [shared]
    for number, item in enumerate(frames):
        place = _item(ImagePositionPatient=[0, 0, float(f"{number * between:.9g}")])
        if is_multiframe:
            item.PlanePositionSequence = [place]
        else:
            for values in (measures, orientation, place):
                item.update(values)


def _item(**values: Any) -> Any:
    from pydicom.dataset import Dataset

    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def _describe(highdicom: Any, number: int, one: LabelClass, *, is_layer: bool) -> Any:
    from highdicom.sr import CodedConcept

    name = make_visible(one.name)[:64]
    code = re.sub(r"[^A-Z0-9_-]", "", one.name.upper())[:16] or f"CLASS-{one.value}"
    known = _SNOMED.get(one.name.lower())
    kind = CodedConcept(known[0], "SCT", known[1]) if known else CodedConcept(code, SCHEME, name)
    category = _STRUCTURE if is_layer or known else _ABNORMAL
    return highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=name,
        segmented_property_category=CodedConcept(*category),
        segmented_property_type=kind,
        algorithm_type="SEMIAUTOMATIC",
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name="napari-retseg",
            version=__version__,
            family=CodedConcept("123110", "DCM", "Artificial Intelligence"),
        ),
        anatomic_regions=[CodedConcept("5665001", "SCT", "Retina")],
        display_color=highdicom.color.CIELabColor.from_rgb(*one.rgb),
    )


def _complete(segmentation: Any, *, is_anonymous: bool) -> None:
    """What the standard asks for besides: texts in UTF-8, the private scheme, anonymity."""
    segmentation.SpecificCharacterSet = "ISO_IR 192"
    segmentation.CodingSchemeIdentificationSequence = [
        _item(
            CodingSchemeDesignator=SCHEME,
            CodingSchemeName="Classes of napari-retseg",
            CodingSchemeResponsibleOrganization="napari-retseg",
        )
    ]
    if is_anonymous:
        segmentation.PatientIdentityRemoved = "YES"
        segmentation.DeidentificationMethod = "As in the source image"
