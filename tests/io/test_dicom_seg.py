"""Labels as DICOM Segmentation: the same voxels on the same frames, and nobody's name."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread

from napari_retseg.classes import IGNORE, LabelSet
from napari_retseg.errors import InputError
from napari_retseg.io import read_scan
from napari_retseg.io.dicom_seg import SCHEME, write_segmentation
from tests.conftest import check_line
from tests.io.dicomfiles import PERSON, make_opt, make_stack, place_lines, save, save_frames

CLASSES = LabelSet.from_names(["NFL", "GCL", "fluid"])
LAYERS = (1, 2)


def make_labels(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Labels that are different in every corner; one B-scan has none."""
    labels = np.zeros(shape, np.uint8)
    labels[:, 5:9] = 1
    labels[:, 9:14, : shape[-1] // 2] = 2
    labels[-1, 10:12, 4:9] = 3
    labels[0, -1] = IGNORE
    labels[1] = 0
    return labels


def decode_by_itk(file: Path) -> NDArray[np.uint8]:
    """Frames of a Segmentation, by SimpleITK, which knows nothing of pydicom and highdicom."""
    sitk = pytest.importorskip("SimpleITK")
    frames: NDArray[np.uint8] = sitk.GetArrayFromImage(sitk.ReadImage(str(file)))
    return frames


def read_back(
    file: Path, source: Any, decode: Callable[[Path], NDArray[np.uint8]] | None = None
) -> NDArray[np.uint8]:
    """Class values in the order of the source's frames, by pydicom alone, or another decoder."""
    found = dcmread(file)
    planes = found.pixel_array if decode is None else decode(file)
    assert len(planes) == int(found.NumberOfFrames)
    number = {one.SOPInstanceUID: k for k, one in enumerate(source)}
    first = source[0]
    n_frames = int(first.get("NumberOfFrames", 1)) if len(source) == 1 else len(source)
    labels = np.zeros((n_frames, *planes.shape[1:]), np.uint8)
    for plane, group in zip(planes, found.PerFrameFunctionalGroupsSequence, strict=True):
        (image,) = group.DerivationImageSequence[0].SourceImageSequence
        frame = number[image.ReferencedSOPInstanceUID]
        if len(source) == 1:
            frame = int(image.ReferencedFrameNumber) - 1
        segment = group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        assert not labels[frame][plane > 0].any()
        labels[frame][plane > 0] = segment
    return labels


@pytest.mark.parametrize(
    ("from_above", "is_reversed"), list(itertools.product((False, True), (False, True)))
)
def test_labels_lie_on_the_frames_of_their_source(
    tmp_path: Path, from_above: bool, is_reversed: bool
) -> None:
    stack = make_stack()
    lines = place_lines(*stack.shape[::2])
    lines = lines[::-1] if from_above else lines
    lines = lines[:, [2, 3, 0, 1]] if is_reversed else lines
    source = save(tmp_path / "eye.dcm", make_opt(stack, kind="j2k", lines=lines))
    scan = read_scan(source)
    labels = make_labels(stack.shape)
    assert not write_segmentation(
        tmp_path / "seg.dcm", labels, scan, classes=CLASSES, layers=LAYERS
    )
    expected = np.where(labels == IGNORE, 0, labels)
    expected = expected[::-1] if from_above else expected
    expected = expected[..., ::-1] if is_reversed else expected
    header = dcmread(source)
    np.testing.assert_array_equal(read_back(tmp_path / "seg.dcm", [header]), expected)
    by_itk = read_back(tmp_path / "seg.dcm", [header], decode_by_itk)
    np.testing.assert_array_equal(by_itk, expected)
    found = highdicom.seg.segread(tmp_path / "seg.dcm")
    assert found.get_source_image_uids()[0][2] == header.SOPInstanceUID
    assert found.FrameOfReferenceUID == header.FrameOfReferenceUID
    assert found.StudyInstanceUID == header.StudyInstanceUID
    (measures,) = found.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
    assert [float(mm) for mm in measures.PixelSpacing] == [0.00387, 0.0115]
    assert float(measures.SpacingBetweenSlices) == 0.12


def test_segments_are_the_classes(tmp_path: Path) -> None:
    stack = make_stack()
    scan = read_scan(save(tmp_path / "eye.dcm", make_opt(stack)))
    classes = LabelSet.from_names({1: "NFL", 2: "choroid", 3: "fluid", 7: "drusen"})
    labels = make_labels(stack.shape)
    write_segmentation(tmp_path / "seg.dcm", labels, scan, classes=classes, layers=LAYERS)
    found = highdicom.seg.segread(tmp_path / "seg.dcm")
    told = [found.get_segment_description(k) for k in found.segment_numbers]
    assert [one.segment_label for one in told] == ["NFL", "choroid", "fluid", "drusen"]
    types = [one.segmented_property_type for one in told]
    assert [(one.value, one.scheme_designator) for one in types] == [
        ("NFL", SCHEME),
        ("68703001", "SCT"),
        ("FLUID", SCHEME),
        ("DRUSEN", SCHEME),
    ]
    kinds = [one.segmented_property_category.meaning for one in told]
    assert kinds == 2 * ["Anatomical Structure"] + 2 * ["Morphologically Abnormal Structure"]


def test_names_beyond_ascii_are_declared_and_read_back(tmp_path: Path) -> None:
    stack = make_stack()
    scan = read_scan(save(tmp_path / "eye.dcm", make_opt(stack)))
    classes = LabelSet.from_names({1: "Netzhaut außen", 2: "choroid", 3: "fluid", 7: "drusen"})
    file = tmp_path / "seg.dcm"
    write_segmentation(file, make_labels(stack.shape), scan, classes=classes, keep_identifiers=True)
    found = dcmread(file)
    assert found.SpecificCharacterSet == "ISO_IR 192"
    assert str(found.PatientName) == PERSON["PatientName"]
    assert found.SegmentSequence[0].SegmentLabel == "Netzhaut außen"
    assert PERSON["PatientName"].encode() in file.read_bytes()


@pytest.mark.parametrize("positions", [True, False])
def test_a_series_of_frames(tmp_path: Path, positions: bool) -> None:
    folder = save_frames(tmp_path / "series", make_stack(), positions=positions)
    scan = read_scan(folder)
    labels = make_labels(scan.spatial_shape)
    write_segmentation(tmp_path / "seg.dcm", labels, scan, classes=CLASSES)
    headers = [dcmread(file) for file in folder.iterdir()]
    sign = -1 if positions else 1
    headers.sort(key=lambda header: sign * header.InstanceNumber)
    expected = np.where(labels == IGNORE, 0, labels)
    for decode in (None, decode_by_itk):
        found = read_back(tmp_path / "seg.dcm", headers, decode)
        np.testing.assert_array_equal(found, expected)


def test_one_bscan(tmp_path: Path) -> None:
    stack = make_stack()[:1]
    source = save(tmp_path / "eye.dcm", make_opt(stack))
    labels = make_labels((2, *stack.shape[1:]))[0]
    write_segmentation(tmp_path / "seg.dcm", labels, read_scan(source), classes=CLASSES)
    expected = np.where(labels == IGNORE, 0, labels)[np.newaxis]
    np.testing.assert_array_equal(read_back(tmp_path / "seg.dcm", [dcmread(source)]), expected)


@pytest.mark.parametrize("how", ["empty", "asked", "anonymous"])
def test_identifiers_are_copied_on_request_only(tmp_path: Path, how: str) -> None:
    stack = make_stack()
    header = make_opt(stack)
    if how == "anonymous":
        header.PatientIdentityRemoved = "YES"
        header.DeidentificationMethod = "by hand"
    scan = read_scan(save(tmp_path / "eye.dcm", header))
    file = tmp_path / "seg.dcm"
    is_copied = write_segmentation(
        file, make_labels(stack.shape), scan, classes=CLASSES, keep_identifiers=how == "asked"
    )
    assert is_copied == (how != "empty")
    found = dcmread(file)
    kept = ("PatientName", "PatientID", "PatientBirthDate", "StudyDate", "ReferringPhysicianName")
    for keyword in kept:
        assert str(found[keyword].value) == (PERSON[keyword] if is_copied else "")
    data = file.read_bytes()
    never = {*PERSON} - {*kept} if is_copied else {*PERSON}
    for planted in (*(PERSON[keyword] for keyword in never), "private"):
        assert planted.encode() not in data
        assert planted.encode("latin-1") not in data


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed")
@pytest.mark.parametrize("kind", ["opt", "series", "bscan", "anonymous"])
def test_dciodvfy_finds_no_error(tmp_path: Path, kind: str) -> None:
    stack = make_stack()
    if kind == "series":
        source = save_frames(tmp_path / "series", stack)
    else:
        header = make_opt(stack[:1] if kind == "bscan" else stack)
        if kind == "anonymous":
            header.PatientIdentityRemoved = "YES"
        source = save(tmp_path / "eye.dcm", header)
    scan = read_scan(source)
    labels = make_labels((4, *scan.spatial_shape[-2:]))
    labels = labels if scan.is_volume else labels[0]
    write_segmentation(tmp_path / "seg.dcm", labels, scan, classes=CLASSES, layers=LAYERS)
    command = ["dciodvfy", str(tmp_path / "seg.dcm")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    told = done.stdout + done.stderr
    assert "Segmentation" in told
    assert [line for line in told.splitlines() if line.startswith("Error")] == []


def test_what_is_refused(tmp_path: Path) -> None:
    stack = make_stack()
    labels = make_labels(stack.shape)
    file = save(tmp_path / "eye.dcm", make_opt(stack, spacing=(None, None, None)))
    target = tmp_path / "seg.dcm"
    np.save(tmp_path / "other.npy", stack)
    for source, given, message in (
        (file, labels, "needs the pixel size of the scan"),
        (file, labels[:2], "do not fit"),
        (file, np.where(labels == 1, 9, labels), r"label values \[9\] have no class"),
        (file, labels * 0, "nothing to write"),
        (tmp_path / "other.npy", labels, "belongs to a DICOM scan"),
    ):
        with pytest.raises(InputError, match=message) as error:
            write_segmentation(target, given, read_scan(source), classes=CLASSES)
        check_line(error.value, str(target))
    assert not target.exists()
