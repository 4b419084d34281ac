"""DICOM: frames, order, scale, eye, and what is refused."""

from __future__ import annotations

import io
import itertools
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread
from pydicom.uid import JPEGBaseline8Bit, generate_uid

from napari_retseg.errors import InputError
from napari_retseg.io import describe_scan, is_scan_path, read_scan
from napari_retseg.io.dicom import read_identifiers
from napari_retseg.io.lazy import PagedPixels
from napari_retseg.io.suffixes import stem_of
from napari_retseg.io.volumes import SeveralVolumesError
from napari_retseg.scan import FUNDUS_KIND, FUNDUS_UM, OctScan
from tests.io.dicomfiles import (
    OP,
    PERSON,
    SLO_MM,
    SPACING_MM,
    SYNTAXES,
    make_header,
    make_opt,
    make_stack,
    place_lines,
    save,
    save_frames,
    set_pixels,
    wrap,
)

Same = Callable[[OctScan, Any], None]
STACK = make_stack()
SPACING_UM = (120.0, 3.87, 11.5)


@pytest.mark.parametrize("kind", SYNTAXES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_opt_is_read_back(tmp_path: Path, same: Same, kind: str, dtype: type) -> None:
    stack: Any = STACK.astype(dtype) * (200 if dtype == np.uint16 else 1)
    file = save(tmp_path / "eye.dcm", make_opt(stack, kind=kind))
    scan = read_scan(file)
    same(scan, stack)
    assert isinstance(scan.pixels, PagedPixels)
    assert scan.axes == ("bscan", "depth", "width")
    assert (scan.spacing_um, scan.spacing_source) == (SPACING_UM, "file")
    assert (scan.laterality, scan.device) == ("OD", "Acme Retinoscope 9")
    assert scan.acquisition.laterality_from == "header (Frame Laterality)"
    assert scan.bscans_declared == len(stack)
    assert scan.acquisition.contradictions == ()
    again = pickle.loads(pickle.dumps(scan))
    np.testing.assert_array_equal(np.asarray(again.pixels), stack)


@pytest.mark.parametrize(
    ("eye", "from_above", "is_reversed"),
    list(itertools.product("RL", (False, True), (False, True))),
)
def test_every_order_comes_out_as_one(
    tmp_path: Path, same: Same, eye: str, from_above: bool, is_reversed: bool
) -> None:
    lines, stack = place_lines(*STACK.shape[::2]), STACK
    if from_above:
        lines, stack = lines[::-1], stack[::-1]
    if is_reversed:
        lines, stack = lines[:, [2, 3, 0, 1]], stack[..., ::-1]
    file = save(tmp_path / "eye.dcm", make_opt(stack, eye=eye, lines=lines))
    scan = read_scan(file)
    same(scan, STACK)
    assert scan.laterality == {"R": "OD", "L": "OS"}[eye]
    expected = place_lines(*STACK.shape[::2])[:, [1, 0, 3, 2]] * SLO_MM
    np.testing.assert_allclose(scan.acquisition.positions_mm, expected, atol=1e-5)
    names = [n for n, is_so in (("bscan", from_above), ("width", is_reversed)) if is_so]
    assert scan.acquisition.reversed_axes == tuple(names)


def save_with_slo(
    folder: Path, *, maker: str = "", channels: int = 1, **changed: Any
) -> NDArray[np.uint8]:
    """A folder with B-scans and the SLO, or photograph, that they lie on."""
    shape = (1, 60, 70) if channels == 1 else (1, 60, 70, channels)
    slo = np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)
    header = make_header(OP)
    if maker:
        header.Manufacturer = maker
    header.PixelSpacing = [SLO_MM, 2 * SLO_MM]
    set_pixels(header, slo)
    save(folder / "slo.dcm", header)
    lines = place_lines(*STACK.shape[::2])
    reference = header.SOPInstanceUID
    save(folder / "eye.dcm", make_opt(STACK, lines=lines, reference=reference, **changed))
    return np.asarray(slo[0])


def test_the_reference_image_gives_places_and_fundus(tmp_path: Path, same: Same) -> None:
    slo = save_with_slo(tmp_path)
    scan = read_scan(tmp_path)
    same(scan, STACK)
    assert scan.fundus is not None
    np.testing.assert_array_equal(scan.fundus, slo)
    assert scan.metadata[FUNDUS_UM] == (10.0, 20.0)
    expected = place_lines(*STACK.shape[::2])[:, [1, 0, 3, 2]] * np.array([0.02, 0.01] * 2)
    np.testing.assert_allclose(scan.acquisition.positions_mm, expected, atol=1e-5)
    alone = read_scan(tmp_path / "eye.dcm")
    assert alone.acquisition == scan.acquisition
    assert alone.fundus is not None
    np.testing.assert_array_equal(alone.fundus, slo)


@pytest.mark.parametrize(
    ("maker", "channels", "kind"),
    [
        ("Heidelberg Engineering", 1, "SLO"),
        ("Acme", 3, "fundus"),
        ("Acme", 1, "en face"),
    ],
)
def test_the_reference_image_is_called_what_it_is(
    tmp_path: Path, maker: str, channels: int, kind: str
) -> None:
    save_with_slo(tmp_path, maker=maker, channels=channels)
    scan = read_scan(tmp_path)
    assert scan.fundus is not None
    assert scan.metadata[FUNDUS_KIND] == kind


def test_the_distance_of_bscans_comes_from_their_places(tmp_path: Path) -> None:
    lines = place_lines(*STACK.shape[::2])
    spacing = (None, *SPACING_MM[1:])
    scan = read_scan(save(tmp_path / "a.dcm", make_opt(STACK, lines=lines, spacing=spacing)))
    assert scan.spacing_um == SPACING_UM
    where = "from the places of the frames (Ophthalmic Frame Location)"
    scaled = "their scale from the width of the B-scans"
    assert scan.acquisition.derived == {"bscan": where, "positions": scaled}
    # the thickness of a B-scan is that of the beam
    scan = read_scan(save(tmp_path / "b.dcm", make_opt(STACK, spacing=spacing)))
    assert scan.spacing_um == (None, *SPACING_UM[1:])


def test_places_that_do_not_agree_are_said(tmp_path: Path) -> None:
    lines = place_lines(*STACK.shape[::2])
    lines[3:, [0, 2]] -= 12
    scan = read_scan(save(tmp_path / "a.dcm", make_opt(STACK, lines=lines)))
    assert "frames 2 and 3 is not that of the others" in " ".join(scan.acquisition.contradictions)
    wrong = (0.2, *SPACING_MM[1:])
    lines = place_lines(*STACK.shape[::2])
    scan = read_scan(save(tmp_path / "b.dcm", make_opt(STACK, lines=lines, spacing=wrong)))
    (line,) = scan.acquisition.contradictions
    assert line == "the frames are 120 µm apart by their positions, but the header says 200"
    lines[2] = lines[1]
    scan = read_scan(save(tmp_path / "c.dcm", make_opt(STACK, lines=lines)))
    assert scan.acquisition.repeated == (2,)


def test_an_eye_that_differs_is_said(tmp_path: Path) -> None:
    header = make_opt(STACK)
    header.Laterality = "L"
    scan = read_scan(save(tmp_path / "a.dcm", header))
    assert scan.laterality is None
    assert "the eye differs" in scan.acquisition.contradictions[0]


@pytest.mark.parametrize("positions", [True, False])
def test_a_folder_of_frames_is_put_in_order(tmp_path: Path, same: Same, positions: bool) -> None:
    stack = STACK.astype(np.int16) * 100 - 9000
    folder = save_frames(tmp_path / "series", stack, positions=positions)
    assert is_scan_path(folder)
    scan = read_scan(folder)
    same(scan, stack)
    assert scan.axes == ("z", "y", "x")
    between = 1500.0 if positions else 3000.0
    assert scan.spacing_um == (between, 500.0, 250.0)
    how = "Image Position" if positions else "slice thickness"
    assert how in scan.acquisition.derived["z"]
    assert any("instance numbers" in note for note in scan.notes) != positions


def test_several_series_are_several_volumes(tmp_path: Path, same: Same) -> None:
    for number, stack in enumerate((STACK[:2], STACK[2:], STACK[:1])):
        save_frames(tmp_path, stack, series=f"1.2.3.{number + 1}111")
    with pytest.raises(SeveralVolumesError) as error:
        read_scan(tmp_path)
    assert error.value.volumes == (
        "2 slices of 40 x 48, MR, series 3",
        "2 slices of 40 x 48, MR, series 3",
        "1 slice of 40 x 48, MR, series 3",
    )
    same(read_scan(tmp_path.with_name(f"{tmp_path.name}#1")), STACK[2:])


def test_parts_of_a_volume_are_joined(tmp_path: Path, same: Same) -> None:
    joined = generate_uid()
    for number, part in enumerate((STACK[2:], STACK[:2])):
        header = make_opt(part)
        header.ConcatenationUID = joined
        header.InConcatenationNumber = 2 - number
        header.InConcatenationTotalNumber = 2
        save(tmp_path / f"{number}.dcm", header)
    same(read_scan(tmp_path), STACK)
    scan = read_scan(tmp_path / "0.dcm")
    same(scan, STACK[2:])
    assert "part 2 of 2" in scan.notes[0]
    (tmp_path / "1.dcm").unlink()
    with pytest.raises(InputError, match="add what is missing: 1"):
        read_scan(tmp_path)


def test_a_folder_names_what_cannot_be_read(tmp_path: Path, same: Same) -> None:
    save(tmp_path / "a.dcm", make_opt(STACK))
    (tmp_path / "b.dcm").write_bytes(b"no DICOM at all")
    (tmp_path / "notes.txt").write_text("nothing")
    scan = read_scan(tmp_path)
    same(scan, STACK)
    assert "b.dcm: not a DICOM file" in scan.acquisition.left_out[0]


@pytest.mark.parametrize("name", ["IM00001", "1.2.840.10008.77", "eye.DCM", "eye.dicom"])
def test_files_are_known_by_their_mark(tmp_path: Path, same: Same, name: str) -> None:
    file = save(tmp_path / name, make_opt(STACK))
    assert is_scan_path(file)
    same(read_scan(file), STACK)
    assert stem_of(file) == ("eye" if name.startswith("eye") else name)


def test_other_files_without_suffix_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("x" * 200)
    assert not is_scan_path(tmp_path / "README")
    assert not is_scan_path(tmp_path)


@pytest.mark.parametrize("signed", [False, True])
def test_stored_bits_alone_count(tmp_path: Path, same: Same, signed: bool) -> None:
    values = STACK.astype(np.int16 if signed else np.uint16) - (128 if signed else 0)
    # an overlay in the four highest bits
    header = make_opt((values & 0xFFF).astype(np.uint16) | np.uint16(0x5000))
    header.BitsStored, header.HighBit, header.PixelRepresentation = 12, 11, int(signed)
    same(read_scan(save(tmp_path / "a.dcm", header)), values)


def test_rescaling_and_inversion(tmp_path: Path, same: Same) -> None:
    header = make_opt(STACK)
    header.RescaleSlope, header.RescaleIntercept = "2", "-100"
    same(read_scan(save(tmp_path / "a.dcm", header)), STACK.astype(np.float32) * 2 - 100)
    header.PhotometricInterpretation = "MONOCHROME1"
    scan = read_scan(save(tmp_path / "b.dcm", header))
    same(scan, 255 - STACK)
    assert "inverted" in scan.notes[0]


def test_colour_becomes_grey(tmp_path: Path, same: Same) -> None:
    scan = read_scan(save(tmp_path / "a.dcm", make_opt(np.stack([STACK] * 3, axis=-1))))
    same(scan, STACK)
    assert "colour converted to grey" in scan.notes
    header = make_opt(STACK)
    header.PhotometricInterpretation = "PALETTE COLOR"
    with pytest.raises(InputError, match="stores colours as PALETTE COLOR"):
        read_scan(save(tmp_path / "b.dcm", header))


def test_notes_on_the_pixels(tmp_path: Path) -> None:
    header = make_opt(STACK)
    header.BurnedInAnnotation = "YES"
    header.add_new("PixelPaddingValue", "US", 255)
    notes = " ".join(read_scan(save(tmp_path / "a.dcm", header)).notes)
    assert "text is burned into the pixels" in notes
    assert "the value 255 marks pixels outside" in notes


def test_a_single_frame_is_a_bscan(tmp_path: Path, same: Same) -> None:
    scan = read_scan(save(tmp_path / "a.dcm", make_opt(STACK[:1])))
    same(scan, STACK[0])
    assert (scan.axes, scan.spacing_um) == (("depth", "width"), SPACING_UM[1:])


def test_a_frame_in_pieces_is_found_by_the_table(tmp_path: Path, same: Same) -> None:
    header = make_opt(STACK, kind="j2k")
    file = save(tmp_path / "a.dcm", header)
    frames = [np.asarray(read_scan(file).pixels[k]) for k in range(len(STACK))]
    from pydicom.encaps import encapsulate, generate_frames

    coded = list(generate_frames(header.PixelData, number_of_frames=len(STACK)))
    header.PixelData = encapsulate(coded, fragments_per_frame=3)
    same(read_scan(save(tmp_path / "b.dcm", header)), np.stack(frames))


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "RGB", "YBR_FULL_422"])
def test_lossy_jpeg(tmp_path: Path, photometric: str) -> None:
    rows, columns = np.mgrid[:40, :48]
    stack = np.stack([rows * 3 + columns + 20 * k for k in range(3)]).astype(np.uint8)
    frames = []
    for plane in stack:
        image = Image.fromarray(plane)
        stream = io.BytesIO()
        if photometric == "MONOCHROME2":
            image.save(stream, "JPEG", quality=95)
        else:
            keep = photometric == "RGB"
            image.convert("RGB").save(stream, "JPEG", quality=95, keep_rgb=keep)
        frames.append(stream.getvalue())
    header = make_opt(stack)
    header.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    header.PhotometricInterpretation = photometric
    if photometric != "MONOCHROME2":
        header.SamplesPerPixel, header.PlanarConfiguration = 3, 0
    header.PixelData = wrap(frames)
    scan = read_scan(save(tmp_path / "a.dcm", header))
    assert scan.pixels.shape == stack.shape
    np.testing.assert_allclose(np.asarray(scan.pixels).astype(int), stack, atol=3)


def test_patients_have_a_key_and_nothing_else(tmp_path: Path) -> None:
    for kind in ("plain", "j2k"):
        scan = read_scan(save(tmp_path / f"{kind}.dcm", make_opt(STACK, kind=kind)))
        other = make_opt(STACK, PatientID="ID-2")
        assert scan.patient_key != read_scan(save(tmp_path / "b.dcm", other)).patient_key
        told = repr(scan) + repr(describe_scan(scan)) + repr(pickle.dumps(scan))
        for planted in (*PERSON.values(), "private", "Ödipussi", "4711"):
            assert planted not in told
            assert ascii(planted)[1:-1] not in told
            assert repr(planted.encode())[2:-1] not in told
    assert read_identifiers(tmp_path / "plain.dcm") == {
        "patient name": PERSON["PatientName"],
        "patient id": PERSON["PatientID"],
        "birth date": PERSON["PatientBirthDate"],
        "operator": PERSON["OperatorsName"],
        "institution": PERSON["InstitutionName"],
        "examination date": PERSON["StudyDate"],
    }
    assert read_identifiers(tmp_path)["patient id"]


def test_real_enhanced_mr(shared_data: Path, same: Same) -> None:
    file = shared_data / "vendor" / "emri_small.dcm"
    scan = read_scan(file)
    same(scan, dcmread(file).pixel_array)
    assert scan.axes == ("z", "y", "x")
    assert (scan.spacing_um, scan.patient_key) == ((1200.0, None, None), None)


def test_real_enhanced_ct(shared_data: Path, same: Same) -> None:
    file = shared_data / "vendor" / "eCT_Supplemental.dcm"
    scan = read_scan(file)
    stored = dcmread(file).pixel_array
    groups = dcmread(file).SharedFunctionalGroupsSequence[0]
    (values,) = groups.PixelValueTransformationSequence
    slope, intercept = float(values.RescaleSlope), float(values.RescaleIntercept)
    same(scan, (stored * slope + intercept).astype(np.float32))
    assert scan.spacing_um == (10000.0, 388.672, 388.672)
    assert scan.device == "Acme Medical Devices Super Dooper Scanner"
