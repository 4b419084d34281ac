"""Workspaces and scans: what comes in, what has moved, what the user says about it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari.layers import Image
from npe2 import PluginManager
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication

from napari_retseg.dataset import load_dataset
from napari_retseg.ui.workbench.control import controller as bench
from tests.ui.playing import PlayedEngine
from tests.ui.workbench.clicking import Clicker
from tests.ui.workbench.playedbench import PlayedBench


@pytest.fixture
def played(tmp_path: Path, own_models: Path) -> Iterator[PlayedBench]:
    made = PlayedBench()
    yield made
    made.close()


def choose_classes(played: PlayedBench, *names: str) -> None:
    played.bench.scan_import.set_classes(names)
    played.settle()


def make_workspace(played: PlayedBench, folder: Path) -> None:
    played.bench.create(folder)
    played.settle()


def test_without_a_workspace_it_says_what_to_do(played: PlayedBench, volume: Path) -> None:
    played.bench.scan_import.add_files([volume])
    assert "Create or open a workspace first" in played.state.notice.text
    played.bench.navigation.go_next()
    assert "Create or open a workspace first" in played.state.notice.text


def test_a_folder_with_other_things_is_refused(played: PlayedBench, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    make_workspace(played, tmp_path / "full")
    assert played.state.notice.level == "error"
    assert str(tmp_path / "full") in played.state.notice.text
    assert played.state.folder is None


def test_a_folder_that_is_no_workspace_is_named(played: PlayedBench, tmp_path: Path) -> None:
    played.bench.open(tmp_path)
    played.settle()
    assert played.state.notice.level == "error"
    assert str(tmp_path) in played.state.notice.text


def test_a_layer_of_any_reader_comes_in_with_its_pixels(
    played: PlayedBench, tmp_path: Path
) -> None:
    make_workspace(played, tmp_path / "work")
    pixels = np.random.default_rng(0).integers(0, 255, (3, 40, 50), dtype=np.uint8)
    layer = Image(pixels, name="from elsewhere")
    played.viewer.layers.append(layer)
    played.bench.scan_import.add_layer(layer)
    played.settle()
    assert played.state.n_bscans == 3
    assert np.array_equal(played.opened.loaded.scan.pixels, pixels)
    assert (tmp_path / "work" / "scans").is_dir()


def test_a_layer_that_was_added_does_not_lie_above_its_scan(
    played: PlayedBench, tmp_path: Path, volume: Path
) -> None:
    PluginManager.instance().discover()
    played.start(tmp_path / "work", volume)
    for number in range(3):
        dropped = tmp_path / f"dropped{number}.tif"
        dropped.write_bytes(volume.read_bytes())
        (layer,) = played.viewer.open(dropped, plugin="napari-retseg")
        assert "only a layer above the scan" in played.state.notice.text
        played.bench.scan_import.add_layer(layer)
        played.settle()
        names = [layer.name for layer in played.viewer.layers]
        assert names == [f"dropped{number}", "prediction", "labels"]
        assert played.opened.image is not layer
    own = Image(np.zeros((5, 64, 96), np.uint8), name="own")  # no file holds it
    played.viewer.add_layer(own)
    played.bench.scan_import.add_layer(own)
    played.settle()
    assert own in played.viewer.layers
    assert not own.visible


def test_a_layer_that_is_no_scan_is_refused(played: PlayedBench, tmp_path: Path) -> None:
    make_workspace(played, tmp_path / "work")
    played.bench.scan_import.add_layer(Image(np.zeros((2, 3, 4, 5, 6)), name="five axes"))
    played.settle()
    assert played.state.notice.level == "error"
    assert "five axes" in played.state.notice.text


def test_a_file_that_cannot_be_read_is_one_sentence(played: PlayedBench, tmp_path: Path) -> None:
    make_workspace(played, tmp_path / "work")
    (tmp_path / "broken.tif").write_bytes(b"not a picture")
    played.bench.scan_import.add_files([tmp_path / "broken.tif"])
    played.settle()
    assert played.state.notice.level == "error"
    assert "broken.tif" in played.state.notice.text


def test_bad_files_among_good_ones_are_named_and_the_others_come_in(
    played: PlayedBench, tmp_path: Path, volume: Path
) -> None:
    make_workspace(played, tmp_path / "work")
    good = [tmp_path / f"good{k}.tif" for k in range(2)]
    bad = [tmp_path / f"bad{k}.tif" for k in range(7)]
    for path in good:
        path.write_bytes(volume.read_bytes())
    for path in bad:
        path.write_bytes(b"not a picture")
    played.bench.scan_import.add_files([bad[0], good[0], *bad[1:], good[1]])
    played.settle()
    assert [entry.name for entry in played.state.scans] == ["good0", "good1"]
    assert played.state.n_bscans == 5
    notice = played.state.notice
    assert notice.level == "warning"
    assert notice.text.startswith("Added 2 of 9. Not added:")
    assert "bad0.tif" in notice.text
    assert notice.text.endswith("and 2 more.")


def test_a_data_set_comes_in_with_its_labels(
    played: PlayedBench, tmp_path: Path, tiny_dataset: Path
) -> None:
    make_workspace(played, tmp_path / "work")
    played.bench.scan_import.add_dataset(tiny_dataset)
    played.settle()
    assert len(played.state.scans) == 12
    assert played.workspace.classes.names == ("background", "upper", "lower", "fluid")
    assert played.state.strip[0].status == "confirmed"
    assert {entry.group for entry in played.state.scans} == {"P1", "P2", "P3"}
    assert (played.labels == 1).any()


def test_scans_that_have_moved_are_found(played: PlayedBench, tmp_path: Path, volume: Path) -> None:
    scans = tmp_path / "clinic"
    scans.mkdir()
    own = shutil.copyfile(volume, scans / "left.tif")
    played.start(tmp_path / "work", own)
    played.paint(1, slice(10, 20), 3)
    played.written(1)
    played.close()
    scans.rename(tmp_path / "archive")
    again = PlayedBench()
    again.bench.open(tmp_path / "work")
    again.settle()
    assert "Press Locate" in again.state.notice.text
    assert again.state.n_bscans == 0
    again.bench.scan_import.locate(tmp_path / "archive")
    again.settle()
    assert "Found 1 scan" in again.state.notice.text
    assert (again.labels[1][10:20] == 3).all()
    again.close()


def test_the_user_says_what_the_file_does_not(played: PlayedBench, tmp_path: Path) -> None:
    make_workspace(played, tmp_path / "work")
    layer = Image(np.zeros((3, 40, 50), np.uint8), name="plain")
    played.bench.scan_import.add_layer(layer)
    played.settle()
    assert "pixel size unknown" in played.state.scan_text
    played.bench.scan_import.describe(spacing_um=(120.0, 3.9, 11.0), laterality="OD")
    played.settle()
    assert "3.9 × 11 µm, 120 µm apart (user)" in played.state.scan_text
    assert "OD" in played.state.scan_text


def test_classes_are_chosen_while_nothing_is_labelled(
    played: PlayedBench, tmp_path: Path, volume: Path
) -> None:
    played.start(tmp_path / "work", volume)
    choose_classes(played, "drusen", "PED")
    assert played.workspace.classes.names == ("background", "drusen", "PED")
    assert played.opened.loaded.classes.names == ("background", "drusen", "PED")
    played.paint(1, slice(10, 20), 2)  # not on disk yet
    for names in (["other"], ["PED", "drusen"], ["drusen"], ["PED", "drusen", "more"]):
        choose_classes(played, *names)
        assert played.state.notice.level == "error"
        assert "cannot be removed or moved" in played.state.notice.text
    choose_classes(played, "twice", "twice")
    assert "Cannot use these classes" in played.state.notice.text
    assert played.workspace.classes.names == ("background", "drusen", "PED")


def test_a_class_is_added_to_labels_and_none_of_them_changes(
    played: PlayedBench, tmp_path: Path, volume: Path
) -> None:
    played.start(tmp_path / "work", volume)
    choose_classes(played, "drusen", "PED")
    played.paint(1, slice(10, 20), 2)
    played.bench.correcting.confirm()
    played.paint(2, slice(10, 20), 1)  # not on disk yet
    before = np.array(played.opened.loaded.labels)
    choose_classes(played, "drusen", "PED", "foci")
    assert played.workspace.classes.names == ("background", "drusen", "PED", "foci")
    assert played.opened.loaded.classes.foreground[2].value == 3
    np.testing.assert_array_equal(played.opened.loaded.labels, before)
    assert played.state.notice.level == "warning"
    assert "1 confirmed B-scan was labelled without foci" in played.state.notice.text
    played.paint(2, slice(30, 40), 3)
    played.written(2)
    assert load_dataset(tmp_path / "work").labels.names[-1] == "foci"


def test_another_computer_is_an_address(
    played: PlayedBench, tmp_path: Path, volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []

    def make(address: str | None) -> PlayedEngine:
        asked.append(address)
        return PlayedEngine()

    monkeypatch.setattr(bench, "Engine", make)
    played.start(tmp_path / "work", volume)
    played.bench.connect("my computer")
    assert "tcp://host:8786" in played.state.notice.text
    assert played.state.address == ""
    assert not played.engine.is_closed
    played.bench.connect("tcp://127.0.0.1:9")
    played.settle()
    assert played.state.address == "tcp://127.0.0.1:9"
    assert played.engine.is_closed
    played.bench.connect("")
    played.settle()
    assert played.workspace.settings["address"] == ""
    assert asked == ["tcp://127.0.0.1:9", None]


def test_the_uncertainty_is_a_layer(played: PlayedBench, tmp_path: Path, volume: Path) -> None:
    played.start(tmp_path / "work", volume)
    played.predict(3)
    played.bench.navigation.show_uncertainty(True)
    played.settle()
    names = [layer.name for layer in played.viewer.layers]
    assert names == ["eye", "uncertainty", "prediction", "labels"]
    assert (played.viewer.layers["uncertainty"].data == 99).all()
    played.bench.navigation.show_uncertainty(False)
    assert len(played.viewer.layers) == 3


def test_going_to_another_scan_keeps_the_last_stroke(
    played: PlayedBench, tmp_path: Path, volume: Path
) -> None:
    other = tmp_path / "other.tif"
    tifffile.imwrite(other, np.ones((2, 30, 40), np.uint8), metadata={"axes": "ZYX"})
    played.start(tmp_path / "work", volume, other)
    played.paint(1, slice(10, 20), 3)
    played.bench.navigation.choose_scan(1)  # at once: no timer has looked at the stroke yet
    played.settle()
    assert played.state.n_bscans == 2
    played.bench.navigation.choose_scan(0)
    played.settle()
    assert (played.labels[1][10:20] == 3).all()
    assert played.state.strip[1].status == "corrected"


def test_files_that_are_dropped_on_the_dock_are_added(
    clicker: Clicker, tmp_path: Path, volume: Path
) -> None:
    dropped = tmp_path / "dropped.tif"
    dropped.write_bytes(volume.read_bytes())
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(dropped))])
    place, copy, left = QPoint(5, 5), Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    none = Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(place, copy, data, left, none)
    QApplication.sendEvent(clicker.dock, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(clicker.dock, QDropEvent(QPointF(place), copy, data, left, none))
    clicker.wait(lambda: len(clicker.state.scans) == 2)
    assert [entry.name for entry in clicker.state.scans] == ["eye", "dropped"]
