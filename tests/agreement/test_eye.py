"""Two sets of labels of one scan, against SimpleITK, scipy and what is known of the drawing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import SimpleITK
from scipy.ndimage import distance_transform_edt

from napari_retseg.agreement import Cohort, compare_labels
from napari_retseg.classes import LabelSet
from napari_retseg.errors import InputError
from tests.conftest import check_line
from tests.measures.eyes import make_scan

CLASSES = LabelSet.from_names(["NFL", "RPE", "fluid"])
SPACING = (120.0, 4.0, 26.0)
SHAPE = (61, 96, 256)


def draw(top: int = 20, middle: int = 60, bottom: int = 80) -> np.ndarray:
    values = np.zeros(SHAPE, np.uint8)
    values[:, top:middle] = 1
    values[:, middle:bottom] = 2
    values[28:33, 40:50, 100:140] = 3
    return values


def find_row(rows: list[Any], **wanted: str) -> Any:
    (row,) = (row for row in rows if all(row[key] == value for key, value in wanted.items()))
    return row


def test_numbers_of_a_known_drawing() -> None:
    scan = make_scan(SHAPE, SPACING)
    cohort = Cohort(CLASSES)
    cohort.add(compare_labels(draw(), draw(22, 61), CLASSES, scan, name="eye", centre=(30, 128)))
    edges = [row for row in cohort.list_boundaries() if row["scan"] == "eye"]
    assert [(row["mean"], row["bias"], row["unit"]) for row in edges[:3]] == [
        (8, 8, "um"), (4, 4, "um"), (0, 0, "um"),
    ]  # fmt: skip
    assert edges[0]["eye"] == "OD"
    nfl = find_row(cohort.measures, **{"measure": "mean thickness", "class": "NFL", "sector": "N1"})
    assert nfl["a"] == pytest.approx(160, abs=1e-3)
    assert nfl["difference"] == pytest.approx(-4, abs=1e-3)
    cst = find_row(cohort.measures, measure="CST", **{"class": "retina"})
    assert (cst["difference"], cst["unit"]) == (pytest.approx(-8, abs=1e-3), "um")
    fluid = find_row(cohort.measures, **{"measure": "volume", "class": "fluid", "sector": "scan"})
    assert fluid["a"] == fluid["b"] == pytest.approx(5 * 10 * 40 * 0.12 * 0.026 * 4)


def test_overlap_is_that_of_simpleitk() -> None:
    generator = np.random.default_rng(5)
    first = generator.integers(0, 4, (3, 40, 50)).astype(np.uint8)
    second = np.where(generator.random(first.shape) < 0.6, first, generator.integers(0, 4))
    second = second.astype(np.uint8)
    cohort = Cohort(CLASSES)
    scan = make_scan(first.shape, (None, None, None))
    cohort.add(compare_labels(first, second, CLASSES, scan, name="eye"))
    measures = SimpleITK.LabelOverlapMeasuresImageFilter()
    measures.Execute(*(SimpleITK.GetImageFromArray(one) for one in (first, second)))
    for own in CLASSES.foreground:
        row = find_row(cohort.list_overlap(), scan="all", **{"class": own.name})
        assert row["dice"] == pytest.approx(measures.GetDiceCoefficient(own.value), abs=1e-12)
        assert row["iou"] == pytest.approx(measures.GetJaccardCoefficient(own.value), abs=1e-12)


def test_boundary_error_is_the_distance_that_scipy_finds() -> None:
    generator = np.random.default_rng(8)
    shifts = generator.integers(-6, 7, (1, 1, 60))
    rows = np.arange(64)[np.newaxis, :, np.newaxis]
    classes = LabelSet.from_names(["NFL", "RPE"])
    edges = (np.full_like(shifts, 30), 30 + shifts)
    first, second = ((rows >= edge).astype(np.uint8) + (rows >= 50) for edge in edges)
    first, second = first.astype(np.uint8), second.astype(np.uint8)
    # rows from an edge of the second to that of the first, above it or below it
    away = []
    for x in range(60):
        is_inside = first[0, :, x] > 0
        row = int((second[0, :, x] > 0).argmax())
        inner, outer = distance_transform_edt(is_inside), distance_transform_edt(~is_inside)
        away.append(inner[row] - 1 if is_inside[row] else outer[row])
    cohort = Cohort(classes)
    scan = make_scan(first.shape, (None, None, None))
    cohort.add(compare_labels(first, second, classes, scan, name="eye"))
    found = cohort.list_boundaries()[0]
    assert found["unit"] == "px"
    assert found["mean"] == pytest.approx(np.mean(away))
    assert found["bias"] == pytest.approx(shifts.mean())


def test_without_a_scale_nothing_is_in_um() -> None:
    known, unknown = make_scan(SHAPE, SPACING), make_scan(SHAPE, (None, None, None))
    cohort = Cohort(CLASSES)
    cohort.add(compare_labels(draw(), draw(22), CLASSES, unknown, name="one"))
    assert {row["unit"] for row in cohort.measures} == {"px"}
    assert {row["unit"] for row in cohort.list_boundaries()} == {"px"}
    cohort.add(compare_labels(draw(), draw(22), CLASSES, known, name="two"))
    pooled = [row for row in cohort.list_boundaries() if row["scan"] == "all"]
    assert {row["unit"] for row in pooled} == {"px"}
    # pixels and um are never in one row
    found = [one.key for one in cohort.list_agreements() if one.limits.n == 2]
    assert not [key for key in found if key[3] == "um"]


def test_pixels_that_either_left_out_do_not_count() -> None:
    scan = make_scan(SHAPE, SPACING)
    first, second = draw(), draw()
    first[:, :, :20] = 255
    second[:, :, 30:50] = 255
    second[:, 20:60, 5:10] = 2
    cohort = Cohort(CLASSES)
    cohort.add(compare_labels(first, second, CLASSES, scan, name="eye", centre=(30, 128)))
    assert [row["dice"] for row in cohort.list_overlap()] == [1] * 8
    assert [row["missing"] for row in cohort.list_boundaries()] == [0] * 8
    assert {row["difference"] for row in cohort.measures} == {0}


def test_sectors_lie_at_the_same_place() -> None:
    scan = make_scan(SHAPE, SPACING)
    rows = np.arange(SHAPE[1])[np.newaxis, :, np.newaxis]
    eyes = []
    for middle in (100, 150):
        b, x = np.mgrid[: SHAPE[0], : SHAPE[2]]
        away = np.hypot((b - 30) * 0.12, (x - middle) * 0.026)
        top = (20 + 20 * np.exp(-((away / 0.4) ** 2)))[:, np.newaxis]
        values = np.where(rows >= top, 1, 0) + np.where(rows >= 60, 1, 0)
        eyes.append(np.where(rows >= 80, 0, values).astype(np.uint8))
    classes = LabelSet.from_names(["NFL-OPL", "ONL-RPE"])
    cohort = Cohort(classes)
    cohort.add(compare_labels(eyes[0], eyes[1], classes, scan, name="eye"))
    found = {one.key[0]: one.limits.bias for one in cohort.list_agreements()}
    # the pit of B lies elsewhere: at the place of A's it is thicker
    assert found["CST"] > 20


@pytest.mark.parametrize("wrong", ["shape", "value"])
def test_what_is_refused(wrong: str) -> None:
    other = draw()[:, :-1] if wrong == "shape" else np.where(draw() == 3, 9, draw())
    with pytest.raises(InputError, match=r"do not fit|have no class") as caught:
        compare_labels(
            draw(), other.astype(np.uint8), CLASSES, make_scan(SHAPE, SPACING), name="eye"
        )
    check_line(caught.value, "eye: ")


def test_labels_without_layers_have_overlap_only() -> None:
    scan = make_scan(SHAPE, SPACING)
    classes = LabelSet.from_names(["one", "two", "three"])
    eye = compare_labels(draw(), draw(22), classes, scan, name="eye")
    assert eye.numbers == ()
    assert "only overlap" in eye.notes[0]
