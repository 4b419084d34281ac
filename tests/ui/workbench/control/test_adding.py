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
from tests.ui.workbench.clicking import Desk
from tests.ui.workbench.session import Session


@pytest.fixture
def session(tmp_path: Path, own_models: Path) -> Iterator[Session]:
    made = Session()
    yield made
    made.close()


def choose_classes(session: Session, *names: str) -> None:
    session.bench.adding.set_classes(names)
    session.settle()


def make_workspace(session: Session, folder: Path) -> None:
    session.bench.create(folder)
    session.settle()


def test_without_a_workspace_it_says_what_to_do(session: Session, volume: Path) -> None:
    session.bench.adding.add_files([volume])
    assert "Create or open a workspace first" in session.state.notice.text
    session.bench.scans.go_next()
    assert "Create or open a workspace first" in session.state.notice.text


def test_a_folder_with_other_things_is_refused(session: Session, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    make_workspace(session, tmp_path / "full")
    assert session.state.notice.level == "error"
    assert str(tmp_path / "full") in session.state.notice.text
    assert session.state.folder is None


def test_a_folder_that_is_no_workspace_is_named(session: Session, tmp_path: Path) -> None:
    session.bench.open(tmp_path)
    session.settle()
    assert session.state.notice.level == "error"
    assert str(tmp_path) in session.state.notice.text


def test_a_layer_of_any_reader_comes_in_with_its_pixels(session: Session, tmp_path: Path) -> None:
    make_workspace(session, tmp_path / "work")
    pixels = np.random.default_rng(0).integers(0, 255, (3, 40, 50), dtype=np.uint8)
    layer = Image(pixels, name="from elsewhere")
    session.viewer.layers.append(layer)
    session.bench.adding.add_layer(layer)
    session.settle()
    assert session.state.n_bscans == 3
    assert np.array_equal(session.opened.loaded.scan.pixels, pixels)
    assert (tmp_path / "work" / "scans").is_dir()


def test_a_layer_that_was_added_does_not_lie_above_its_scan(
    session: Session, tmp_path: Path, volume: Path
) -> None:
    PluginManager.instance().discover()
    session.start(tmp_path / "work", volume)
    for number in range(3):
        dropped = tmp_path / f"dropped{number}.tif"
        dropped.write_bytes(volume.read_bytes())
        (layer,) = session.viewer.open(dropped, plugin="napari-retseg")
        assert "only a layer above the scan" in session.state.notice.text
        session.bench.adding.add_layer(layer)
        session.settle()
        names = [layer.name for layer in session.viewer.layers]
        assert names == [f"dropped{number}", "prediction", "labels"]
        assert session.opened.image is not layer
    own = Image(np.zeros((5, 64, 96), np.uint8), name="own")  # no file holds it
    session.viewer.add_layer(own)
    session.bench.adding.add_layer(own)
    session.settle()
    assert own in session.viewer.layers
    assert not own.visible


def test_a_layer_that_is_no_scan_is_refused(session: Session, tmp_path: Path) -> None:
    make_workspace(session, tmp_path / "work")
    session.bench.adding.add_layer(Image(np.zeros((2, 3, 4, 5, 6)), name="five axes"))
    session.settle()
    assert session.state.notice.level == "error"
    assert "five axes" in session.state.notice.text


def test_a_file_that_cannot_be_read_is_one_sentence(session: Session, tmp_path: Path) -> None:
    make_workspace(session, tmp_path / "work")
    (tmp_path / "broken.tif").write_bytes(b"not a picture")
    session.bench.adding.add_files([tmp_path / "broken.tif"])
    session.settle()
    assert session.state.notice.level == "error"
    assert "broken.tif" in session.state.notice.text


def test_bad_files_among_good_ones_are_named_and_the_others_come_in(
    session: Session, tmp_path: Path, volume: Path
) -> None:
    make_workspace(session, tmp_path / "work")
    good = [tmp_path / f"good{k}.tif" for k in range(2)]
    bad = [tmp_path / f"bad{k}.tif" for k in range(7)]
    for path in good:
        path.write_bytes(volume.read_bytes())
    for path in bad:
        path.write_bytes(b"not a picture")
    session.bench.adding.add_files([bad[0], good[0], *bad[1:], good[1]])
    session.settle()
    assert [entry.name for entry in session.state.scans] == ["good0", "good1"]
    assert session.state.n_bscans == 5
    notice = session.state.notice
    assert notice.level == "warning"
    assert notice.text.startswith("Added 2 of 9. Not added:")
    assert "bad0.tif" in notice.text
    assert notice.text.endswith("and 2 more.")


def test_a_data_set_comes_in_with_its_labels(
    session: Session, tmp_path: Path, tiny_dataset: Path
) -> None:
    make_workspace(session, tmp_path / "work")
    session.bench.adding.add_dataset(tiny_dataset)
    session.settle()
    assert len(session.state.scans) == 12
    assert session.workspace.classes.names == ("background", "upper", "lower", "fluid")
    assert session.state.strip[0].status == "confirmed"
    assert {entry.group for entry in session.state.scans} == {"P1", "P2", "P3"}
    assert (session.labels == 1).any()


def test_scans_that_have_moved_are_found(session: Session, tmp_path: Path, volume: Path) -> None:
    scans = tmp_path / "clinic"
    scans.mkdir()
    own = shutil.copyfile(volume, scans / "left.tif")
    session.start(tmp_path / "work", own)
    session.paint(1, slice(10, 20), 3)
    session.written(1)
    session.close()
    scans.rename(tmp_path / "archive")
    again = Session()
    again.bench.open(tmp_path / "work")
    again.settle()
    assert "Press Locate" in again.state.notice.text
    assert again.state.n_bscans == 0
    again.bench.adding.locate(tmp_path / "archive")
    again.settle()
    assert "Found 1 scan" in again.state.notice.text
    assert (again.labels[1][10:20] == 3).all()
    again.close()


def test_the_user_says_what_the_file_does_not(session: Session, tmp_path: Path) -> None:
    make_workspace(session, tmp_path / "work")
    layer = Image(np.zeros((3, 40, 50), np.uint8), name="plain")
    session.bench.adding.add_layer(layer)
    session.settle()
    assert "pixel size unknown" in session.state.scan_text
    session.bench.adding.describe(spacing_um=(120.0, 3.9, 11.0), laterality="OD")
    session.settle()
    assert "3.9 × 11 µm, 120 µm apart (user)" in session.state.scan_text
    assert "OD" in session.state.scan_text


def test_classes_are_chosen_while_nothing_is_labelled(
    session: Session, tmp_path: Path, volume: Path
) -> None:
    session.start(tmp_path / "work", volume)
    choose_classes(session, "drusen", "PED")
    assert session.workspace.classes.names == ("background", "drusen", "PED")
    assert session.opened.loaded.classes.names == ("background", "drusen", "PED")
    session.paint(1, slice(10, 20), 2)  # not on disk yet
    for names in (["other"], ["PED", "drusen"], ["drusen"], ["PED", "drusen", "more"]):
        choose_classes(session, *names)
        assert session.state.notice.level == "error"
        assert "cannot be removed or moved" in session.state.notice.text
    choose_classes(session, "twice", "twice")
    assert "Cannot use these classes" in session.state.notice.text
    assert session.workspace.classes.names == ("background", "drusen", "PED")


def test_a_class_is_added_to_labels_and_none_of_them_changes(
    session: Session, tmp_path: Path, volume: Path
) -> None:
    session.start(tmp_path / "work", volume)
    choose_classes(session, "drusen", "PED")
    session.paint(1, slice(10, 20), 2)
    session.bench.correcting.confirm()
    session.paint(2, slice(10, 20), 1)  # not on disk yet
    before = session.opened.loaded.labels.copy()
    choose_classes(session, "drusen", "PED", "foci")
    assert session.workspace.classes.names == ("background", "drusen", "PED", "foci")
    assert session.opened.loaded.classes.foreground[2].value == 3
    np.testing.assert_array_equal(session.opened.loaded.labels, before)
    assert session.state.notice.level == "warning"
    assert "1 confirmed B-scan was labelled without foci" in session.state.notice.text
    session.paint(2, slice(30, 40), 3)
    session.written(2)
    assert load_dataset(tmp_path / "work").labels.names[-1] == "foci"


def test_another_computer_is_an_address(
    session: Session, tmp_path: Path, volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []

    def make(address: str | None) -> PlayedEngine:
        asked.append(address)
        return PlayedEngine()

    monkeypatch.setattr(bench, "Engine", make)
    session.start(tmp_path / "work", volume)
    session.bench.connect("my computer")
    assert "tcp://host:8786" in session.state.notice.text
    assert session.state.address == ""
    assert not session.engine.is_closed
    session.bench.connect("tcp://127.0.0.1:9")
    session.settle()
    assert session.state.address == "tcp://127.0.0.1:9"
    assert session.engine.is_closed
    session.bench.connect("")
    session.settle()
    assert session.workspace.settings["address"] == ""
    assert asked == ["tcp://127.0.0.1:9", None]


def test_the_uncertainty_is_a_layer(session: Session, tmp_path: Path, volume: Path) -> None:
    session.start(tmp_path / "work", volume)
    session.predict(3)
    session.bench.scans.show_uncertainty(True)
    session.settle()
    names = [layer.name for layer in session.viewer.layers]
    assert names == ["eye", "uncertainty", "prediction", "labels"]
    assert (session.viewer.layers["uncertainty"].data == 99).all()
    session.bench.scans.show_uncertainty(False)
    assert len(session.viewer.layers) == 3


def test_going_to_another_scan_keeps_the_last_stroke(
    session: Session, tmp_path: Path, volume: Path
) -> None:
    other = tmp_path / "other.tif"
    tifffile.imwrite(other, np.ones((2, 30, 40), np.uint8), metadata={"axes": "ZYX"})
    session.start(tmp_path / "work", volume, other)
    session.paint(1, slice(10, 20), 3)
    session.bench.scans.choose_scan(1)  # at once: no timer has looked at the stroke yet
    session.settle()
    assert session.state.n_bscans == 2
    session.bench.scans.choose_scan(0)
    session.settle()
    assert (session.labels[1][10:20] == 3).all()
    assert session.state.strip[1].status == "corrected"


def test_files_that_are_dropped_on_the_dock_are_added(
    desk: Desk, tmp_path: Path, volume: Path
) -> None:
    dropped = tmp_path / "dropped.tif"
    dropped.write_bytes(volume.read_bytes())
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(dropped))])
    place, copy, left = QPoint(5, 5), Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    none = Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(place, copy, data, left, none)
    QApplication.sendEvent(desk.dock, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(desk.dock, QDropEvent(QPointF(place), copy, data, left, none))
    desk.wait(lambda: len(desk.state.scans) == 2)
    assert [entry.name for entry in desk.state.scans] == ["eye", "dropped"]
