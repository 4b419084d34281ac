"""Two sets of labels compared in Python."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

import napari_retseg as rs
from napari_retseg.errors import InputError, UsageError
from napari_retseg.io import write_labels
from tests.conftest import check_line

SHAPE = (31, 64, 60)
SPACING = (200.0, 4.0, 100.0)


def draw(top: int) -> np.ndarray:
    values = np.zeros(SHAPE, np.uint8)
    values[:, top:40] = 1
    values[:, 40:50] = 2
    return values


def find_thickness(found: rs.Comparison, name: str) -> Any:
    table = found.agreement
    wanted = (table["measure"] == "mean thickness") & (table["sector"] == "scan")
    return table[wanted & (table["class"] == name)].iloc[0]


def test_two_arrays() -> None:
    found = rs.compare(
        draw(20), draw(21), classes=["NFL", "RPE"], spacing_um=SPACING, centre=(15, 30)
    )
    overlap = found.overlap.set_index(["scan", "class"])
    assert overlap.loc[("all", "NFL"), "dice"] == pytest.approx(2 * 19 / 39)
    assert overlap.loc[("labels", "RPE"), "iou"] == 1
    assert found.boundaries["bias"].iloc[0] == 4
    cst = found.measures[found.measures["measure"] == "CST"].iloc[0]
    assert (cst["difference"], cst["unit"]) == (pytest.approx(-4, abs=1e-3), "um")
    row = find_thickness(found, "retina")
    assert row["n"] == 1
    assert np.isnan(row["lower"])
    assert np.isnan(row["icc"])
    unknown = rs.compare(draw(20), draw(21), classes=["NFL", "RPE"])
    assert set(unknown.measures["unit"]) == set(unknown.boundaries["unit"]) == {"px"}


def test_two_folders_of_files(tmp_path: Path) -> None:
    for grader, shift in (("a", 0), ("b", 2)):
        (tmp_path / grader).mkdir()
        for number in range(4):
            path = tmp_path / grader / f"eye{number}.tif"
            write_labels(path, draw(18 + number + shift * (number % 2)))
    # a dataset names its classes above the folder of labels
    (tmp_path / "classes.json").write_text(json.dumps({"NFL": 1, "RPE": 2}))
    scan = rs.read_scan(np.zeros(SHAPE, np.uint8), spacing_um=SPACING)
    found = rs.compare(tmp_path / "a", str(tmp_path / "b"))
    assert len(found.overlap) == 5 * 3
    assert set(found.notes) == {f"eye{number}" for number in range(4)}
    row = find_thickness(found, "NFL")
    assert (row["bias"], row["unit"], row["n"]) == (-1, "px", 4)
    assert isinstance(found.plot("mean thickness", "NFL"), Figure)
    with pytest.raises(UsageError, match="nothing is compared"):
        found.plot("mean thickness", "NFL", "C0")
    one = rs.compare(tmp_path / "a" / "eye1.tif", tmp_path / "b" / "eye1.tif", scan=scan)
    assert set(one.boundaries["unit"]) == {"um"}
    with pytest.raises(UsageError, match="folder of the scans"):
        rs.compare(tmp_path / "a", tmp_path / "b", scan=scan)


@pytest.mark.parametrize(
    ("b", "options", "kind", "what"),
    [
        (draw(20)[1:], {}, InputError, "expected labels of shape"),
        (draw(20), {"classes": None}, UsageError, "needs the names of its classes"),
        (draw(20), {"centre": "middle"}, UsageError, "expected centre"),
        (draw(20) * 9, {}, InputError, "have no class"),
        ("file.tif", {}, InputError, "file.tif"),
    ],
)
def test_what_is_refused(b: Any, options: dict[str, Any], kind: type[Exception], what: str) -> None:
    given: dict[str, Any] = {"classes": ["NFL", "RPE"], **options}
    with pytest.raises(kind, match=what) as caught:
        rs.compare(draw(20), b, **given)
    check_line(caught.value)


def test_without_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match=r"pip install 'napari-retseg\[notebook\]'"):
        rs.compare(draw(20), draw(20), classes=["NFL", "RPE"])
