"""OCTExplorer's surfaces: read, written, and as boundaries of the scan beside them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_retseg.acquisition import Acquisition
from napari_retseg.errors import InputError
from napari_retseg.io.octexplorer_xml import read_surfaces, write_surfaces
from napari_retseg.scan import OctScan
from tests.conftest import check_line

#: Read by hand from the text of the file: name, B-scan, A-scan and row (lines 47, 70, 10329,
#: 22259, 34236, 44013, 55370, 77696, 93526 and 107506).
BY_HAND = (
    ("ILM", 0, 0, 173),
    ("ILM", 0, 23, 172),
    ("RNFL-GCL", 0, 511, 163),
    ("GCL-IPL", 5, 100, 175),
    ("IPL-INL", 9, 250, 175),
    ("INL-OPL", 9, 256, 179),
    ("OPL-HFL", 12, 300, 195),
    ("IS/OSJ", 18, 0, 219),
    ("IB_RPE", 10, 400, 235),
    ("OB_RPE", 18, 497, 241),
)


@pytest.fixture
def iowa(shared_data: Path) -> Path:
    """Surfaces of a Spectralis volume, as OCTExplorer wrote them."""
    return shared_data / "vendor" / "TEST_T_566581_Surfaces_Iowa.xml"


@pytest.fixture
def scan() -> OctScan:
    """Three B-scans of 9 x 5."""
    pixels = np.zeros((3, 9, 5), np.uint8)
    axes: Any = ("bscan", "depth", "width")
    return OctScan(pixels, axes, (120.0, 3.87, 11.5), "file", laterality="OS", device="A & B")


def make_boundaries() -> dict[str, Any]:
    """Two boundaries of three B-scans, with an A-scan where there are none."""
    rows = np.arange(30, dtype=np.float32).reshape(2, 3, 5) / 4
    rows[:, 1, 2] = np.nan
    return {"ILM": rows[0], "<RPE>": rows[1]}


def test_a_real_file_agrees_with_a_reading_by_hand(iowa: Path) -> None:
    found = read_surfaces(iowa)
    assert found.shape == (19, 496, 512)
    assert found.spacing_um == (249.175, 3.872, 11.68)
    assert (found.laterality, found.center) == ("OD", "macula")
    assert found.scanner == "Heidelberg Engineering"
    assert len(found.boundaries) == 11
    for name, bscan, ascan, row in BY_HAND:
        assert found.boundaries[name][bscan, ascan] == row
    # its undefined region: 14 A-scans at the right end of six B-scans
    undefined = np.argwhere(np.isnan(found.boundaries["ILM"]))
    assert len(undefined) == 84
    assert {*undefined[:, 0].tolist()} >= {1, 9, 11, 18}
    assert undefined[:, 1].min() == 498


def test_what_is_written_is_read_back(tmp_path: Path, scan: OctScan) -> None:
    boundaries = make_boundaries()
    found = read_surfaces(write_surfaces(tmp_path / "a.xml", boundaries, scan))
    assert (found.shape, found.spacing_um) == ((3, 9, 5), scan.spacing_um)
    assert (found.laterality, found.scanner) == ("OS", "A & B")
    assert list(found.boundaries) == list(boundaries)
    for name, rows in boundaries.items():
        np.testing.assert_array_equal(found.boundaries[name], rows)


def test_a_boundary_that_is_missing_makes_an_ascan_undefined(tmp_path: Path, scan: OctScan) -> None:
    boundaries = make_boundaries()
    boundaries["ILM"][0, 0] = np.nan
    boundaries["<RPE>"][0, 0] = -0.0001
    file = write_surfaces(tmp_path / "a.xml", boundaries, scan)
    # this program reads the other boundary all the same, and a row of 0 is one
    found = read_surfaces(file).boundaries
    assert np.isnan(found["ILM"][0, 0])
    assert found["<RPE>"][0, 0] == 0
    # for other programs, and without its mark, neither is there
    file.write_text(re.sub(r"<\?napari-retseg.*\?>", "", file.read_text()))
    found = read_surfaces(file).boundaries
    assert np.isnan(found["<RPE>"][0, 0])
    assert found["<RPE>"][0, 1] == boundaries["<RPE>"][0, 1]


def test_elements_are_those_of_octexplorer(tmp_path: Path, scan: OctScan, iowa: Path) -> None:
    text = write_surfaces(tmp_path / "a.xml", make_boundaries(), scan).read_text()
    known = set(re.findall(r"<(\w+)>", iowa.read_text()))
    assert set(re.findall(r"<(\w+)>", text)) <= known


def test_the_order_of_the_file_is_written(tmp_path: Path, scan: OctScan) -> None:
    turned = replace(scan, acquisition=Acquisition(reversed_axes=("bscan",)))
    boundaries = make_boundaries()
    found = read_surfaces(write_surfaces(tmp_path / "a.xml", boundaries, turned)).boundaries
    np.testing.assert_array_equal(found["ILM"], boundaries["ILM"][::-1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t[: len(t) // 2], "cannot be read as an OCTExplorer XML file"),
        (lambda t: t.replace("surfaces>", "others>"), "not an OCTExplorer XML file"),
        (lambda t: "<!DOCTYPE a [<!ENTITY b 'c'>]>" + t[39:], "declares a document type"),
        (lambda t: t.replace("            <y>0</y>\n", "", 1), "has 4 of 5 rows in B-scan 0"),
        (lambda t: t.replace("<z>3</z>", "<z>4</z>"), "has 3 of 4 B-scans"),
        (lambda t: t.replace("<x>5</x>", "<x>1e9</x>"), "cannot be read"),
        (lambda t: t.replace("<y>0</y>", "<y>nan</y>"), "rows that are not finite"),
        (lambda t: t.replace("<x>2</x>", "<x>7</x>"), "undefined region lies outside"),
        (lambda t: t.replace("<x>2</x>", ""), "undefined region lies outside"),
        (lambda t: t.replace("<y>0</y>", "<y>1 2</y>"), "'1 2' in bscan is not a number"),
        (lambda t: t.replace("surface_size", "size"), "says nothing of the size"),
        (lambda t: t.replace("<unit>voxel</unit>\n    <s", "<unit>mm</unit>\n    <s"), "in 'mm'"),
        (lambda t: t.replace("<bscan>", "<bscan>" + "<a>" * 20, 1), "not an OCTExplorer"),
        (lambda t: t.replace("<y>0</y>", f"<y>{'0' * 5000}</y>"), "a text of more than"),
    ],
)
def test_broken_files(
    tmp_path: Path, scan: OctScan, change: Callable[[str], str], message: str
) -> None:
    file = write_surfaces(tmp_path / "a.xml", make_boundaries(), scan)
    file.write_text(change(file.read_text()))
    with pytest.raises(InputError, match=message) as error:
        read_surfaces(file)
    check_line(error.value, str(file))


def test_a_document_that_unfolds_is_refused(tmp_path: Path) -> None:
    names = "abcdefgh"
    entities = "".join(f"<!ENTITY {b} '{f'&{a};' * 10}'>" for a, b in itertools.pairwise(names))
    text = f"<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'>{entities}]><surfaces>&h;</surfaces>"
    file = tmp_path / "a.xml"
    for encoding in ("utf-8", "utf-16"):
        file.write_text(text, encoding=encoding)
        with pytest.raises(InputError, match="document type"):
            read_surfaces(file)
