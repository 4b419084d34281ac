"""Save layer…: files that others read, with the right scale, and never over a scan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from qtpy.QtCore import QSettings
from qtpy.QtWidgets import QMessageBox, QWidget

from napari_retseg.classes import RETINA
from napari_retseg.errors import InputError
from napari_retseg.io import read_labels, read_scan, write_scan
from napari_retseg.scan import OctScan
from napari_retseg.ui.layers import make_labels_layer, scan_of_layer
from napari_retseg.ui.readers import read_layers
from napari_retseg.ui.save_window import SaveWindow, open_save_window
from napari_retseg.ui.saving import (
    BOUNDARIES,
    NIFTI,
    ONE_PNG,
    PNG,
    PNG_FOLDER,
    TIFF,
    Format,
    can_be_saved,
    list_formats,
    save_snapshot,
    take_snapshot,
)

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

SHAPE = (4, 20, 30)
SPACING = (120.0, 3.5, 11.0)


@pytest.fixture(autouse=True)
def settings(tmp_path: Path) -> None:
    folder = str(tmp_path / "settings")
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, folder)


@pytest.fixture
def scan_file(tmp_path: Path) -> Path:
    scan = OctScan(
        pixels=np.random.default_rng(0).integers(0, 255, SHAPE, dtype=np.uint8),
        axes=("bscan", "depth", "width"),
        spacing_um=SPACING,
        spacing_source="file",
        affine=None,
    )
    return write_scan(tmp_path / "eye.nii.gz", scan)


@pytest.fixture
def viewer(scan_file: Path) -> ViewerModel:
    """A scan, labels of a model, and labels that napari's own button has made."""
    viewer = ViewerModel()
    image = Layer.create(*read_layers(str(scan_file))[-1])
    assert isinstance(image, Image)
    labels = np.random.default_rng(1).integers(0, 9, SHAPE, dtype=np.uint8)
    scan = scan_of_layer(image)
    made = make_labels_layer(labels, name="mine", scan=scan, source=image, classes=RETINA)
    viewer.layers.extend([image, made])
    viewer._new_labels()
    viewer.layers[-1].data = labels.astype(np.int32)
    return viewer


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("what", [TIFF, NIFTI])
def test_labels_lie_on_their_scans_grid(
    number: int, what: Format, viewer: ViewerModel, scan_file: Path, tmp_path: Path
) -> None:
    layer = viewer.layers[number]
    path = save_snapshot(take_snapshot(layer, viewer.layers), tmp_path / "out", what)
    assert path == tmp_path / f"out{what.suffix}"
    np.testing.assert_array_equal(read_labels(path), layer.data)
    found = read_scan(path)
    np.testing.assert_allclose(cast("Any", found.spacing_um), SPACING, rtol=1e-4)
    if what == NIFTI:
        np.testing.assert_allclose(
            cast("Any", found.affine), cast("Any", read_scan(scan_file).affine), rtol=1e-5
        )


def test_one_bscan_and_all_of_them_as_png(viewer: ViewerModel, tmp_path: Path) -> None:
    layer = viewer.layers[1]
    snapshot = take_snapshot(layer, viewer.layers)
    layer.data[...] = 0  # painted on while it is written
    one = save_snapshot(snapshot, tmp_path / "one.png", ONE_PNG, bscan=2)
    np.testing.assert_array_equal(read_labels(one), snapshot.data[2])
    folder = save_snapshot(snapshot, tmp_path / "all", PNG_FOLDER)
    assert sorted(p.name for p in folder.iterdir()) == [f"{n:04d}.png" for n in range(4)]
    np.testing.assert_array_equal(read_labels(folder), snapshot.data)
    with pytest.raises(InputError, match="is not empty"):
        save_snapshot(snapshot, folder, PNG_FOLDER)


def test_scans_are_saved_with_their_scale(viewer: ViewerModel, tmp_path: Path) -> None:
    path = save_snapshot(take_snapshot(viewer.layers[0], []), tmp_path / "copy.tif", TIFF)
    found = read_scan(path)
    np.testing.assert_array_equal(np.asarray(found.pixels), np.asarray(viewer.layers[0].data))
    np.testing.assert_allclose(cast("Any", found.spacing_um), SPACING, rtol=1e-4)


def test_a_scan_is_never_written_over(viewer: ViewerModel, scan_file: Path) -> None:
    before = scan_file.read_bytes()
    for layer in viewer.layers:
        with pytest.raises(InputError, match="this file is the scan itself"):
            save_snapshot(take_snapshot(layer, viewer.layers), scan_file, NIFTI)
    assert scan_file.read_bytes() == before


def test_formats_fit_the_layer(viewer: ViewerModel) -> None:
    assert list_formats(viewer.layers[1]) == [NIFTI, TIFF, ONE_PNG, PNG_FOLDER, *BOUNDARIES]
    assert list_formats(Labels(np.zeros((4, 5), int)))[0] == PNG
    assert not can_be_saved(Image(np.zeros((4, 5, 3), np.uint8), rgb=True))


# The window.


@pytest.fixture
def parent(qtbot: QtBot) -> QWidget:
    widget = QWidget()
    qtbot.addWidget(widget)
    return widget


@pytest.fixture
def window(viewer: ViewerModel, parent: QWidget, tmp_path: Path) -> SaveWindow:
    told: list[str] = []
    viewer.layers.selection.active = viewer.layers[1]
    made = open_save_window(viewer, parent=parent, notify=told.append)
    assert made is not None
    made.told = told  # type: ignore[attr-defined]
    made.file_edit.value = tmp_path / "saved.tif"
    return made


def test_the_window_saves_the_selected_layer(
    window: SaveWindow, viewer: ViewerModel, qtbot: QtBot, tmp_path: Path
) -> None:
    assert window.layer is viewer.layers[1]
    window.format_box.value = 1
    window.file_edit.value = tmp_path / "saved"
    told: list[str] = window.told  # type: ignore[attr-defined]
    window.take_button.click()
    qtbot.waitUntil(lambda: bool(told))
    assert told == [f"Saved to {tmp_path / 'saved.tif'}."]
    np.testing.assert_array_equal(read_labels(tmp_path / "saved.tif"), viewer.layers[1].data)


def test_a_file_is_replaced_only_when_the_user_agrees(
    window: SaveWindow, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.format_box.value = 1
    window.file_edit.value = tmp_path / "saved.tif"
    (tmp_path / "saved.tif").write_bytes(b"mine")
    monkeypatch.setattr(QMessageBox, "exec", lambda box: box.buttons()[1].click())
    window.take_button.click()
    assert (tmp_path / "saved.tif").read_bytes() == b"mine"
    monkeypatch.setattr(QMessageBox, "exec", lambda box: box.buttons()[0].click())
    told: list[str] = window.told  # type: ignore[attr-defined]
    window.take_button.click()
    qtbot.waitUntil(lambda: bool(told))
    assert (tmp_path / "saved.tif").read_bytes() != b"mine"


def test_what_fails_is_said_in_the_window(window: SaveWindow, qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "nowhere").write_text("a file")
    window.file_edit.value = tmp_path / "nowhere" / "saved.nii.gz"
    window.take_button.click()
    qtbot.waitUntil(lambda: "nowhere" in window.notice.text())
    assert window.isVisible()
    window.close()


def test_formats_and_names_follow_the_layer(window: SaveWindow, viewer: ViewerModel) -> None:
    viewer.dims.set_current_step(0, 3)
    window.format_box.value = 2
    assert str(window.file_edit.value).endswith("mine 0003.png")
    window.layer_box.value = 0
    assert str(window.file_edit.value).endswith("eye.nii.gz")
    window.close()


def test_nothing_to_save_is_said(parent: QWidget) -> None:
    told: list[str] = []
    assert open_save_window(ViewerModel(), parent=parent, notify=told.append) is None
    assert "Nothing to save" in told[0]
