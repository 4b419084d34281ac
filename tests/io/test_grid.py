"""Labels lie where their scan lies, or are refused."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_retseg.classes import LabelSet
from napari_retseg.dataset.case import Case
from napari_retseg.dataset.loading import load_dataset
from napari_retseg.errors import InputError
from napari_retseg.events import Finished
from napari_retseg.infer.evaluate import evaluate_predictions
from napari_retseg.io import read_labels, read_scan, write_labels
from napari_retseg.io.grid import TOLERANCE

MAKE: Any = nib.Nifti1Image
TURN: Any = nib.orientations
#: Oblique, with three spacings, far from the origin.
OBLIQUE = np.array(
    [[0.9, 0.1, -0.2, 71.5], [0.05, -1.1, 0.3, -33.25], [0.2, 0.15, 2.0, 12.5], [0, 0, 0, 1]]
)
SHAPE = (7, 6, 5)
VALUES = np.random.default_rng(0).integers(0, 4, SHAPE, dtype=np.uint8)
ORIENTATIONS = [
    np.array([[axis, flip] for axis, flip in zip(axes, flips, strict=True)])
    for axes in itertools.permutations(range(3))
    for flips in itertools.product((1, -1), repeat=3)
]


def save(path: Path, values: NDArray[Any], affine: Any, *, unit: str | None = "mm") -> Path:
    image = MAKE(values, None)
    image.header.set_sform(affine, code=1)
    image.header.set_qform(affine, code=1, strip_shears=True)
    if unit:
        image.header.set_xyzt_units(unit)
    nib.save(image, path)
    return path


@pytest.fixture
def scan_file(tmp_path: Path) -> Path:
    return save(tmp_path / "scan.nii.gz", VALUES.astype(np.int16) * 9, OBLIQUE)


@pytest.mark.parametrize("ornt", ORIENTATIONS, ids=str)
def test_labels_with_other_axes_are_turned_to_the_scan(
    tmp_path: Path, scan_file: Path, ornt: NDArray[Any]
) -> None:
    turned = np.ascontiguousarray(TURN.apply_orientation(VALUES, ornt))
    affine = OBLIQUE @ TURN.inv_ornt_aff(ornt, SHAPE)
    file = save(tmp_path / "labels.nii.gz", turned, affine)
    scan = read_scan(scan_file)
    np.testing.assert_array_equal(read_labels(file, scan=scan), VALUES.T)
    case = Case(image=scan_file, label=file, group="a")
    np.testing.assert_array_equal(case.read_labels(), VALUES.T)
    np.testing.assert_array_equal(case.read_labels(shape=scan.spatial_shape), VALUES.T)


SHIFT = OBLIQUE.copy()
SHIFT[:3, 3] += OBLIQUE[:3, 0] * 0.5
SPACING = OBLIQUE @ np.diag([1.1, 1, 1, 1])
ANGLE = OBLIQUE.copy()
ANGLE[:2, :3] = np.array([[0.98, -0.199], [0.199, 0.98]]) @ OBLIQUE[:2, :3]
HALF = OBLIQUE.copy()
HALF[:2, :3] = np.array([[0.7071, -0.7071], [0.7071, 0.7071]]) @ OBLIQUE[:2, :3]


@pytest.mark.parametrize(
    ("affine", "unit"),
    [(SHIFT, "mm"), (SPACING, "mm"), (ANGLE, "mm"), (HALF, "mm"), (OBLIQUE, "micron")],
    ids=["shift", "spacing", "angle", "half-turn", "unit"],
)
def test_labels_elsewhere_are_refused(
    tmp_path: Path, scan_file: Path, affine: Any, unit: str
) -> None:
    file = save(tmp_path / "labels.nii", VALUES, affine, unit=unit)
    with pytest.raises(InputError, match=r"labels\.nii: the grid of these labels .* resample"):
        read_labels(file, scan=read_scan(scan_file))


@settings(max_examples=60, deadline=None)
@given(
    ornt=st.sampled_from(ORIENTATIONS),
    moved=st.lists(st.floats(-2, 2), min_size=3, max_size=3),
)
def test_only_what_fits_is_taken(
    tmp_path_factory: pytest.TempPathFactory, ornt: NDArray[Any], moved: list[float]
) -> None:
    """A shift in voxels along each axis is taken up to the tolerance, whatever the orientation."""
    folder = tmp_path_factory.mktemp("grid")
    scan = read_scan(save(folder / "scan.nii", VALUES, OBLIQUE))
    shift = np.eye(4)
    shift[:3, 3] = moved
    affine = OBLIQUE @ shift @ TURN.inv_ornt_aff(ornt, SHAPE)
    turned = np.ascontiguousarray(TURN.apply_orientation(VALUES, ornt))
    file = save(folder / "labels.nii", turned, affine)
    largest = max(abs(step) for step in moved)
    if largest < TOLERANCE - 0.001:
        np.testing.assert_array_equal(read_labels(file, scan=scan), VALUES.T)
    elif largest > TOLERANCE + 0.001:
        with pytest.raises(InputError, match="grid"):
            read_labels(file, scan=scan)


@pytest.mark.parametrize(("unit", "factor"), [("micron", 1000.0), ("meter", 0.001), (None, 1.0)])
def test_units_are_compared(
    tmp_path: Path, scan_file: Path, unit: str | None, factor: float
) -> None:
    affine = OBLIQUE.copy()
    affine[:3] *= factor
    file = save(tmp_path / "labels.nii", VALUES, affine, unit=unit)
    np.testing.assert_array_equal(read_labels(file, scan=read_scan(scan_file)), VALUES.T)


def test_rounded_headers_are_taken(tmp_path: Path, scan_file: Path) -> None:
    file = save(tmp_path / "labels.nii", VALUES, OBLIQUE.round(3))
    np.testing.assert_array_equal(read_labels(file, scan=read_scan(scan_file)), VALUES.T)


@pytest.mark.parametrize("side", ["scan", "labels"])
@pytest.mark.parametrize("kind", ["codes", "png", "nan", "flat"])
def test_shape_rules_where_one_side_names_no_grid(tmp_path: Path, side: str, kind: str) -> None:
    plane = VALUES[..., 0]
    files = {}
    for name in ("scan", "labels"):
        path = tmp_path / f"{name}.nii"
        if name != side:
            files[name] = save(path, plane, OBLIQUE)
        elif kind == "png":
            files[name] = tmp_path / f"{name}.png"
            write_labels(files[name], np.ascontiguousarray(plane.T))
        else:
            image = MAKE(plane, None)
            grid = {"nan": np.full((4, 4), np.nan), "flat": np.diag([1.0, 0, 1, 1])}
            image.header.set_sform(grid.get(kind, np.eye(4)), code=0 if kind == "codes" else 1)
            image.header.set_qform(None, code=0)
            nib.save(image, path)
            files[name] = path
    scan = read_scan(files["scan"])
    np.testing.assert_array_equal(read_labels(files["labels"], scan=scan), plane.T)
    assert kind not in ("nan", "flat") or side == "labels" or "is not a valid grid" in scan.notes[0]


def test_channels_do_not_count(tmp_path: Path) -> None:
    scan = read_scan(save(tmp_path / "scan.nii", np.stack([VALUES] * 2, -1), OBLIQUE))
    mirrored = save(tmp_path / "a.nii", VALUES[::-1].copy(), OBLIQUE @ _mirror(SHAPE[0]))
    np.testing.assert_array_equal(read_labels(mirrored, scan=scan), VALUES.T)


def test_a_qform_that_differs_is_noted(tmp_path: Path) -> None:
    image = MAKE(VALUES, None)
    image.header.set_sform(OBLIQUE, code=1)
    image.header.set_qform(np.diag([2.0, 2, 2, 1]), code=1)
    nib.save(image, tmp_path / "a.nii")
    assert any("sform and qform" in note for note in read_scan(tmp_path / "a.nii").notes)


def test_two_sets_of_labels_on_mirrored_grids_score_in_full(tmp_path: Path) -> None:
    """A perfect prediction scored 0.000."""
    for folder in ("images", "labels", "predicted"):
        (tmp_path / folder).mkdir()
    cut = (VALUES > 1).astype(np.uint8)
    for name in ("a", "b"):
        save(tmp_path / f"images/{name}.nii.gz", cut.astype(np.int16), OBLIQUE)
        mirror = OBLIQUE @ _mirror(SHAPE[0])
        save(tmp_path / f"labels/{name}.nii.gz", cut[::-1].copy(), mirror)
        deep = OBLIQUE @ np.diag([1.0, 1, -1, 1]) @ _moved(2, 1 - SHAPE[2])
        save(tmp_path / f"predicted/{name}.nii.gz", cut[..., ::-1].copy(), deep)
    cases = [
        {"image": f"images/{n}.nii.gz", "label": f"labels/{n}.nii.gz", "group": n, "split": "val"}
        for n in ("a", "b")
    ]
    about = {"labels": {"0": "background", "1": "class 1"}, "training": cases}
    (tmp_path / "dataset.json").write_text(json.dumps(about))
    *_, last = evaluate_predictions(tmp_path / "predicted", load_dataset(tmp_path))
    assert isinstance(last, Finished)
    assert last.result["mean_foreground_dice"] == 1


def test_states_of_bscans_follow_the_scans_axes(tmp_path: Path, scan_file: Path) -> None:
    labels = np.full(SHAPE, 255, np.uint8)
    labels[..., 1] = 1
    turned = save(tmp_path / "labels.nii", labels[..., ::-1].copy(), _deep())
    case = Case(image=scan_file, label=turned, group="a")
    assert case.annotated_bscans() == [1]
    assert case.read_labels(LabelSet.from_names(["a"])).shape == SHAPE[::-1]


def _mirror(n: int) -> NDArray[np.float64]:
    return _moved(0, n - 1) @ np.diag([-1.0, 1, 1, 1])


def _deep() -> NDArray[np.float64]:
    return OBLIQUE @ _moved(2, SHAPE[2] - 1) @ np.diag([1.0, 1, -1, 1])


def _moved(axis: int, steps: float) -> NDArray[np.float64]:
    matrix = np.eye(4)
    matrix[axis, 3] = steps
    return matrix
