"""Measures of arrays and label files as a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_retseg as rs
from napari_retseg.errors import InputError, ModelError, UsageError
from napari_retseg.io import write_labels
from tests.conftest import check_line

SPACING = (120.0, 4.0, 26.0)


@pytest.fixture
def labels() -> np.ndarray:
    """A retina of two layers, 200 and 100 um, and a pocket of fluid."""
    values = np.zeros((61, 128, 256), np.uint8)
    values[:, 20:70] = 1
    values[:, 70:95] = 2
    values[30, 40:50, 128:132] = 3
    return values


def test_a_table_of_numbers(labels: np.ndarray) -> None:
    scan = rs.read_scan(np.zeros(labels.shape, np.uint8), spacing_um=SPACING)
    classes = {0: "background", 1: "NFL", 2: "RPE", 3: "fluid"}
    table = rs.measure(labels, scan, classes=classes, centre=(30, 130))
    assert list(table.columns) == [
        "measure", "class", "sector", "value", "unit", "low", "high", "valid_fraction",
    ]  # fmt: skip
    means = table[table["measure"] == "mean thickness"].set_index(["class", "sector"])["value"]
    assert means["NFL", "C0"] == pytest.approx(200)
    assert means["RPE", "S2"] == pytest.approx(100)
    assert means["retina", "grid"] == pytest.approx(300)
    fluid = table[table["class"] == "fluid"].set_index(["measure", "sector"])
    assert fluid.loc[("volume", "scan"), "value"] == pytest.approx(40 * 0.12 * 0.026 * 4)
    assert fluid.loc[("volume", "scan"), "unit"] == "nl"
    assert table[["low", "high"]].isna().all(axis=None)
    assert table.attrs["eye"] is None
    assert any("the eye is unknown" in note for note in table.attrs["notes"])


def test_labels_of_a_calibrated_model_have_intervals(labels: np.ndarray) -> None:
    scan = rs.read_scan(np.zeros(labels.shape, np.uint8), spacing_um=SPACING)
    values = np.array([0, 1, 7, 8], np.uint8)[labels]
    for model in ("starter", rs.load_model("starter")):
        table = rs.measure(values, scan, model=model, centre=(30, 130))
        cst = table[table["measure"] == "CST"].iloc[0]
        assert cst["low"] < 300 < cst["high"]
        assert table.attrs["notes"][-1].startswith("90% intervals, calibrated on")
        left_out = table[table["measure"] == "A-scans left out"]
        assert left_out[["low", "high"]].isna().all(axis=None)


def test_a_label_file_has_its_own_names(labels: np.ndarray, tmp_path: Path) -> None:
    scan = rs.read_scan(np.zeros(labels.shape, np.uint8), spacing_um=SPACING)
    path = write_labels(tmp_path / "eye.tif", labels, scan=scan)
    (tmp_path / "classes.json").write_text(json.dumps({"NFL": 1, "RPE": 2, "fluid": 3}))
    table = rs.measure(path, np.zeros(labels.shape, np.uint8))
    assert set(table["unit"]) == {"px", ""}
    assert "retina" in set(table["class"])


@pytest.mark.parametrize(
    ("changes", "kind", "what"),
    [
        ({"classes": None}, UsageError, "needs the names of its classes"),
        ({"model": 3}, UsageError, "expected a model, its name or its folder"),
        ({"model": "nobody"}, ModelError, "nobody"),
        ({"centre": "middle"}, UsageError, "expected centre='fovea'"),
        ({"centre": 3}, UsageError, "expected centre='fovea'"),
        ({"centre": (400, 3)}, InputError, "outside the scan"),
        ({"centre": "file"}, InputError, "no ETDRS grid of its own"),
        ({"classes": ["a", "b", "c"]}, InputError, "no class is a retinal layer"),
    ],
)
def test_what_is_refused(
    labels: np.ndarray, changes: dict[str, Any], kind: type[Exception], what: str
) -> None:
    scan = rs.read_scan(np.zeros(labels.shape, np.uint8), spacing_um=SPACING)
    given: dict[str, Any] = {"classes": ["NFL", "RPE", "fluid"], **changes}
    with pytest.raises(kind, match=what) as caught:
        rs.measure(labels, scan, **given)
    check_line(caught.value)
