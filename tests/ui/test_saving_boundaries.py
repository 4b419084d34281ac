"""Boundaries of labels from the viewer: Save layer…, and napari's File menu."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels, Layer
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QSettings
from qtpy.QtWidgets import QMessageBox, QWidget

from napari_retseg.classes import RETINA, LabelSet
from napari_retseg.device_layers import label_device_layers
from napari_retseg.errors import InputError
from napari_retseg.io import read_scan
from napari_retseg.io.octexplorer_xml import read_surfaces
from napari_retseg.scan import BOUNDARIES
from napari_retseg.ui.layers import make_labels_layer, scan_of_layer
from napari_retseg.ui.readers import read_layers
from napari_retseg.ui.save_window import SaveWindow, open_save_window
from napari_retseg.ui.saving import (
    BOUNDARY_CSV,
    BOUNDARY_XML,
    Format,
    list_formats,
    save_snapshot,
    take_snapshot,
)
from napari_retseg.ui.writers import write_boundaries, write_labels
from tests.conftest import check_line
from tests.io.dicomfiles import make_opt, make_stack, place_lines, save
from tests.ui.devicefiles import make_export, make_vol

if TYPE_CHECKING:
    from napari import Viewer
    from pytestqt.qtbot import QtBot

CLASSES = LabelSet.from_names(["NFL", "GCL", "fluid"])
NAMES = ["inner boundary of NFL", "NFL / GCL", "outer boundary of GCL"]


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = str(tmp_path / "settings")
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, folder)
    monkeypatch.setenv("NAPARI_RETSEG_SALT", str(tmp_path / "salt" / "file"))


@pytest.fixture
def viewer(tmp_path: Path) -> ViewerModel:
    """A scan whose B-scans run from above in its file, and labels of it."""
    (tmp_path / "scans").mkdir()
    stack = make_stack()
    lines = place_lines(*stack.shape[::2])[::-1]
    path = save(tmp_path / "scans" / "eye.dcm", make_opt(stack, lines=lines))
    image: Any = Layer.create(*read_layers(str(path))[-1])
    values = np.zeros(stack.shape, np.uint8)
    for bscan, plane in enumerate(values):
        plane[5 + bscan : 9] = 1
        plane[9:14] = 2
    values[2, 11:13, 4:9] = 3
    scan = scan_of_layer(image)
    labels = make_labels_layer(values, name="mine", scan=scan, source=image, classes=CLASSES)
    made = ViewerModel()
    made.layers.extend([image, labels])
    return made


def labels_of(viewer: ViewerModel) -> Labels:
    layer = viewer.layers[-1]
    assert isinstance(layer, Labels)
    return layer


def write(layer: Layer, path: Path) -> None:
    data, attributes, _ = layer.as_layer_data_tuple()
    write_boundaries(str(path), data, attributes)


def read_csv(path: Path) -> dict[int, float]:
    """Row of the first boundary in each B-scan of the file."""
    with path.open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert len(lines) == 3 * 4 * 48
    assert float(lines[0]["um"]) == pytest.approx(float(lines[0]["row"]) * 3.87)
    return {int(o["bscan"]): float(o["row"]) for o in lines if o["boundary"] == NAMES[0]}


def test_they_are_in_the_order_of_the_file(viewer: ViewerModel, tmp_path: Path) -> None:
    write(labels_of(viewer), tmp_path / "eye.csv")
    assert read_csv(tmp_path / "eye.csv") == {0: 7, 1: 6, 2: 5, 3: 4}
    write(labels_of(viewer), tmp_path / "eye.XML")
    found = read_surfaces(tmp_path / "eye.XML").boundaries
    assert list(found) == NAMES
    assert found[NAMES[0]][:, 0].tolist() == [7, 6, 5, 4]


def test_beside_the_scan_they_are_read_with_it(tmp_path: Path) -> None:
    """The scan's mark is that of its grey values, which the labels do not have."""
    path = make_vol(tmp_path)
    image: Any = Layer.create(*read_layers(str(path))[1])
    scan = read_scan(path)
    values = np.stack(
        [label_device_layers(scan, k, LabelSet.from_names(["retina"])) for k in range(5)]
    )
    values = np.roll(values, 3, axis=1)
    made = make_labels_layer(
        values, name="a", scan=scan, source=image, classes=LabelSet.from_names(["retina"])
    )
    target = tmp_path / "eye_Surfaces_Iowa.xml"
    write(made, target)
    rows = read_scan(path).metadata[BOUNDARIES]
    assert (rows["inner boundary of retina"] == 23).all()
    labels, about, _ = read_layers(str(path))[-1]
    np.testing.assert_array_equal(labels, values)
    assert about["name"] == "eye device layers"
    write(made, target)  # again: this program wrote it for this scan


@pytest.mark.parametrize("suffix", [".csv", ".xml"])
def test_labels_of_no_layers_are_refused(viewer: ViewerModel, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"eye{suffix}"
    layer = labels_of(viewer)
    unnamed = Labels(layer.data)
    moved = Labels(layer.data, metadata=layer.metadata, translate=(0, 5, 0))
    for one, line in ((unnamed, "need labels of retinal layers"), (moved, "on an OCT scan")):
        with pytest.raises(InputError, match=line) as caught:
            write(one, path)
        check_line(caught.value, str(path))
    layer.data[0, 0, 0] = 9
    with pytest.raises(InputError, match=r"label values \[9\] have no class"):
        write(layer, path)
    assert not path.exists()


def test_files_of_others_are_not_replaced(viewer: ViewerModel, tmp_path: Path) -> None:
    path = tmp_path / "theirs.xml"
    path.write_text("<surfaces/>")
    with pytest.raises(InputError, match="was not written by napari-retseg"):
        write(labels_of(viewer), path)
    export = make_export(tmp_path)
    layers: Any = [Layer.create(*one) for one in read_layers(str(export))]
    scan = scan_of_layer(layers[-1])
    values = np.zeros(scan.spatial_shape, np.uint8)
    made = make_labels_layer(values, name="a", scan=scan, source=layers[-1], classes=RETINA)
    data, attributes, _ = made.as_layer_data_tuple()
    for name in ("A1.xml", "new.xml", "new.tif"):
        with pytest.raises(InputError, match="the scan itself"):
            (write_labels if name.endswith("tif") else write_boundaries)(
                str(export / name), data, attributes
            )


def test_xml_needs_the_file_of_the_scan(viewer: ViewerModel, tmp_path: Path) -> None:
    (tmp_path / "scans" / "eye.dcm").unlink()
    with pytest.raises(InputError, match=r"eye\.dcm"):
        write(labels_of(viewer), tmp_path / "eye.xml")
    write(labels_of(viewer), tmp_path / "eye.csv")


def test_layers_out_of_order_are_told(viewer: ViewerModel, tmp_path: Path) -> None:
    labels_of(viewer).data[1, 3, 7] = 2
    notification_manager.records.clear()
    write(labels_of(viewer), tmp_path / "eye.csv")
    (note,) = notification_manager.records
    assert note.message.startswith("the layers of 1 of 192 A-scans are out of order")


def test_the_formats_are_offered_for_labels_of_layers(viewer: ViewerModel) -> None:
    image, labels = viewer.layers
    assert {BOUNDARY_CSV, BOUNDARY_XML} <= set(list_formats(labels))
    assert not {BOUNDARY_CSV, BOUNDARY_XML} & {
        *list_formats(image),
        *list_formats(Labels(labels.data)),
    }


@pytest.fixture
def parent(qtbot: QtBot) -> QWidget:
    widget = QWidget()
    qtbot.addWidget(widget)
    return widget


@pytest.fixture
def window(viewer: ViewerModel, parent: QWidget) -> SaveWindow:
    told: list[str] = []
    viewer.layers.selection.active = viewer.layers[-1]
    made = open_save_window(viewer, parent=parent, notify=told.append)
    assert made is not None
    made.told = told  # type: ignore[attr-defined]
    return made


@pytest.mark.parametrize("what", [BOUNDARY_CSV, BOUNDARY_XML])
def test_the_window_saves_them(
    window: SaveWindow, viewer: ViewerModel, qtbot: QtBot, tmp_path: Path, what: Format
) -> None:
    window.format_box.value = list_formats(viewer.layers[-1]).index(what)
    assert str(window.file_edit.value).endswith(f"mine{what.suffix}")
    window.file_edit.value = tmp_path / "saved"
    told: list[str] = window.told  # type: ignore[attr-defined]
    window.take_button.click()
    qtbot.waitUntil(lambda: bool(told))
    saved = tmp_path / f"saved{what.suffix}"
    assert told == [f"Saved to {saved}."]
    direct = save_snapshot(take_snapshot(viewer.layers[-1], []), tmp_path / "direct", what)
    assert saved.read_bytes() == direct.read_bytes()


def test_the_window_says_what_fails(
    window: SaveWindow, viewer: ViewerModel, qtbot: QtBot, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(QMessageBox, "exec", lambda box: box.buttons()[0].click())
    (tmp_path / "theirs.xml").write_text("<surfaces/>")
    window.format_box.value = list_formats(viewer.layers[-1]).index(BOUNDARY_XML)
    window.file_edit.value = tmp_path / "theirs.xml"
    window.take_button.click()
    qtbot.waitUntil(lambda: "was not written by" in window.notice.text())
    assert "\n" not in window.notice.text()
    assert (tmp_path / "theirs.xml").read_text() == "<surfaces/>"
    window.close()


@pytest.mark.parametrize("suffix", [".csv", ".xml"])
def test_napari_saves_the_selected_layer(
    make_napari_viewer: Callable[..., Viewer], tmp_path: Path, suffix: str
) -> None:
    viewer = make_napari_viewer()
    viewer.open(str(make_vol(tmp_path)), plugin="napari-retseg")
    path = tmp_path / f"eye{suffix}"
    assert viewer.layers.save(str(path), selected=True) == [str(path)]
    assert b"inner boundary of retina" in path.read_bytes()
