"""The report of a scan: what it says, and that it is printed on one page."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_retseg.classes import LabelSet
from napari_retseg.measures import Measures, measure_labels
from napari_retseg.measures.panels import choose_maps, find_central_bscan
from napari_retseg.measures.quantities import Measurement
from napari_retseg.measures.sheet import Origin, format_value, make_sheet
from napari_retseg.measures.tsnit import choose_profile
from napari_retseg.scan import FUNDUS_KIND, FUNDUS_UM, OctScan
from tests.measures.eyes import make_scan, place_bscans

CLASSES = LabelSet.from_names(["NFL", "OPL", "ONL", "RPE", "fluid"])
SHAPE = (25, 120, 96)
ORIGIN = Origin("eye <1>", "predicted", "c8f77ef2ed7c", "0.1")


def draw_scan(**changes: Any) -> OctScan:
    pixels = np.random.default_rng(0).integers(0, 255, SHAPE, dtype=np.uint8)
    return make_scan(SHAPE, (250.0, 4.0, 64.0), pixels=pixels, **changes)


def draw_labels() -> np.ndarray:
    labels = np.zeros(SHAPE, np.uint8)
    for value, (top, bottom) in enumerate(((20, 30), (30, 50), (50, 70), (70, 80)), start=1):
        labels[:, top:bottom] = value
    labels[10:14, 55:60, 40:50] = 5
    return labels


def write_sheet(scan: OctScan, labels: np.ndarray, origin: Origin = ORIGIN, **changes: Any) -> str:
    measures = measure_labels(labels, CLASSES, scan, centre=changes.pop("centre", (12, 48)))
    return make_sheet(replace(measures, **changes), labels, CLASSES, scan, origin)


def read_text(page: str) -> str:
    body = re.sub(r"<(style|script).*?</\1>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body))


def test_a_report_has_the_numbers_and_what_they_rest_on() -> None:
    page = write_sheet(draw_scan(), draw_labels())
    text = read_text(page)
    assert "eye &lt;1&gt;" in text
    assert "240 µm CST" in text
    assert "B-scan 13 of 25, through the centre of the grid" in text
    assert re.search(r"mean thickness \(µm\) C0 S1 N1 I1 T1 S2 N2 I2 T2 grid volume \(mm³\)", text)
    assert re.search(r"NFL( 40){5}", text)
    assert "labels predicted model c8f77ef2ed7c" in text
    assert "axial pixel size 4 µm (file)" in text
    assert "the order of B-scans and A-scans is unknown" in text
    volume = 4 * 5 * 10 * 0.25 * 4 * 0.064  # of the pocket, in nl
    assert f"{volume:.1f} nl fluid volume" in text
    assert page.count("data:image/png;base64,") == 2
    assert not re.search(r"(src|href)=\"(?!data:)", page)


def test_a_number_is_written_with_its_interval() -> None:
    one = Measurement("CST", "retina", "C0", 312.4, "um", low=306.1, high=318.6)
    assert format_value(one) == "312 µm (306 to 319)"
    assert format_value(replace(one, low=None)) == "312 µm"
    assert format_value(replace(one, value=None)) == "-"
    assert format_value(Measurement("volume", "fluid", "scan", 2.26, "nl")) == "2.3 nl"


def test_sectors_of_which_little_is_measured_are_marked() -> None:
    labels = draw_labels()
    labels[:8] = 255
    text = read_text(write_sheet(draw_scan(), labels))
    assert "* less than 80% of the sector is measured" in text
    assert re.search(r"NFL 40 40 40 40\*? 40 40\*? ", text)
    assert "not annotated" in text


def test_a_fundus_image_with_its_pixel_size_takes_the_place_of_the_projection() -> None:
    places = place_bscans(n_bscans=25, between_mm=0.25, length_mm=6.1, middle=(4, 4))
    scan = draw_scan(places=places)
    dark = np.zeros((80, 80), np.uint8)
    placed = {FUNDUS_UM: (100.0, 100.0), FUNDUS_KIND: "SLO"}
    with_image = replace(scan, fundus=dark, metadata=placed)
    pages = [write_sheet(one, draw_labels()) for one in (scan, with_image)]
    assert pages[0] != pages[1]
    # an image of unknown scale has no place for the grid
    unplaced = replace(scan, fundus=dark, metadata={})
    assert write_sheet(unplaced, draw_labels()) == pages[0]


def test_what_has_no_map_has_its_b_scan_and_its_numbers() -> None:
    single = OctScan(
        pixels=np.zeros(SHAPE[1:], np.uint8), axes=("depth", "width"), spacing_um=(None, None)
    )
    labels = draw_labels()[12]
    measures = measure_labels(labels, CLASSES, single)
    assert choose_maps(measures) == []
    assert find_central_bscan(measures, single) == 0
    page = make_sheet(measures, labels, CLASSES, single, ORIGIN)
    text = read_text(page)
    assert "thickness (px) mean minimum maximum SD retina 60 60 60 0 inner retina 30" in text
    assert "B-scan 1 of 1." in text
    assert "50 px fluid pixels" in text
    assert page.count("data:image/png;base64,") == 1


def test_a_circle_has_its_curve() -> None:
    """80 um above and below the disc, 40 um at its sides, nothing known in between."""
    measures, labels, circle = measure_circle_scan()
    assert choose_profile(measures) == "NFL"
    text = read_text(make_sheet(measures, labels, CLASSES, circle, ORIGIN))
    assert "Thickness around the optic disc" in text
    assert "(µm) G T S N I TS NS NI TI scan retina" in text
    assert re.search(r"NFL \d+ 40 80 40 80 80 80 80\* 80", text)
    assert choose_profile(measure_labels(draw_labels(), CLASSES, draw_scan())) is None


def measure_circle_scan() -> tuple[Measures, np.ndarray, OctScan]:
    angles = (np.arange(720) + 0.5) / 2
    is_thick = ((angles >= 45) & (angles < 135)) | ((angles >= 225) & (angles < 315))
    rows = np.arange(100)[:, None]
    labels = np.zeros((1, 100, 720), np.uint8)
    labels[0, 30:70] = 4
    labels[0][(rows >= 30) & (rows < 30 + np.where(is_thick, 20, 10))] = 1
    labels[0, :, 500:520] = 255
    scan = make_scan(labels.shape, (None, 4.0, 15.0), pixels=labels * 40)
    circle = replace(scan, scan_pattern="circle")
    return measure_labels(labels, CLASSES, circle), labels, circle


def test_too_much_for_a_page_is_counted() -> None:
    labels = draw_labels()
    notes = tuple(f"note {k} " + "x" * 300 for k in range(9))
    text = read_text(write_sheet(draw_scan(), labels, notes=notes))
    assert "and 6 more: see about.json" in text
    assert "x…" in text
    assert "note 5" not in text


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["volume", "full", "circle", "B-scan"])
def test_chromium_prints_one_page(tmp_path: Path, kind: str) -> None:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("chromium is not installed")
    if kind == "circle":
        measures, labels, circle = measure_circle_scan()
        page = make_sheet(measures, labels, CLASSES, circle, ORIGIN)
    elif kind == "B-scan":
        single = OctScan(
            pixels=draw_scan().pixels[12], axes=("depth", "width"), spacing_um=(4.0, 64.0)
        )
        labels = draw_labels()[12]
        measures = measure_labels(labels, CLASSES, single)
        notes = tuple(f"note {k} " + "x" * 300 for k in range(9))
        page = make_sheet(replace(measures, notes=notes), labels, CLASSES, single, ORIGIN)
    else:
        page = write_fullest() if kind == "full" else write_sheet(draw_scan(), draw_labels())
    (tmp_path / "report.html").write_text(page)
    printed = tmp_path / "report.pdf"
    command = [program, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", f"--print-to-pdf={printed}"]
    command += [(tmp_path / "report.html").as_uri()]
    subprocess.run(command, capture_output=True, timeout=120, check=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed.read_bytes())) == 1


def write_fullest() -> str:
    """As many layers, lesions, notes, warnings and intervals as a report can have."""
    layers = ["NFL", "GCL", "IPL", "INL", "OPL", "ONL", "IS", "OS", "RPE"]
    lesions = ["fluid", "PED", "drusen", "SRF", "IRF", "hyperreflective foci", "IRC"]
    classes = LabelSet.from_names([*layers, *lesions])
    scan = draw_scan(eye=None, device="a device with a long name " * 9)
    warnings = tuple(f"{k}: what is wrong with the positions " * 9 for k in range(9))
    scan = replace(scan, acquisition=replace(scan.acquisition, contradictions=warnings))
    labels = np.zeros(SHAPE, np.uint8)
    for k in range(len(layers)):
        labels[:, 10 + 10 * k : 20 + 10 * k] = k + 1
    for k in range(len(lesions)):
        labels[:, 30, 10 * k : 10 * k + 8] = len(layers) + k + 1
    measures = measure_labels(labels, classes, scan, centre=(12, 48))
    known = [one for one in measures.numbers if one.value is not None]
    wide = tuple(replace(m, low=0.5 * (m.value or 0), high=9 * (m.value or 0)) for m in known)
    measures = replace(measures, numbers=wide)
    state = "confirmed 12, corrected 3, predicted 34 of 49 B-scans"
    origin = Origin("a long name " * 20, state, "c8f77ef2ed7c", "0.1")
    return make_sheet(measures, labels, classes, scan, origin)
