"""Scans of each device by drag and drop, File > Open and the command line: all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QMimeData, QPointF, Qt, QTimer, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import (
    QApplication,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QInputDialog,
    QLineEdit,
    QRadioButton,
)

from napari_retseg.errors import InputError
from napari_retseg.io.suffixes import stem_of
from napari_retseg.io.volumes import SeveralVolumesError
from tests.io.e2e_file import PLAIN, MadeVolume, make_raw, write_e2e
from tests.ui.devicefiles import KINDS, make_dicom, make_fda, make_img, make_vol

if TYPE_CHECKING:
    from napari import Viewer
    from pytestqt.qtbot import QtBot

LEFT = Qt.MouseButton.LeftButton


class Hand:
    """Opens files in a viewer as a person does, and answers what napari asks."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.asked: list[str] = []
        self._typed: Path | None = None
        self._is_cancelling = False
        self._timer = QTimer()
        self._timer.timeout.connect(self._answer)
        self._timer.start(10)

    def drop(self, *paths: Path) -> None:
        mime = QMimeData()
        mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
        window = self.viewer.window._qt_viewer
        at, no_keys = window.rect().center(), Qt.KeyboardModifier.NoModifier
        entering = QDragEnterEvent(at, Qt.DropAction.CopyAction, mime, LEFT, no_keys)
        QApplication.sendEvent(window, entering)
        assert entering.isAccepted()
        dropping = QDropEvent(QPointF(at), Qt.DropAction.CopyAction, mime, LEFT, no_keys)
        QApplication.sendEvent(window, dropping)

    def choose(self, path: Path) -> None:
        """Choose a file or a folder with the File menu."""
        text = "Open Folder" if path.is_dir() else "Open File(s)"
        actions = self.viewer.window.file_menu.actions()
        self._typed = path
        next(a for a in actions if a.text().replace("&", "").startswith(text)).trigger()

    def cancel_choices(self) -> None:
        self._is_cancelling = True

    def _answer(self) -> None:
        dialog = QApplication.activeModalWidget()
        if not isinstance(dialog, QDialog) or not dialog.isVisible():
            return
        if isinstance(dialog, QFileDialog):
            name = dialog.findChild(QLineEdit)
            assert name is not None
            if name.text() != str(self._typed):
                name.setText(str(self._typed))
                return  # the dialog looks at the folder first
        for button in dialog.findChildren(QRadioButton):  # which reader?
            if button.text() == "retinal OCT segmentation":
                button.click()
        self.asked.append(dialog.windowTitle())
        _press(dialog, is_cancelled=self._is_cancelling and isinstance(dialog, QInputDialog))

    def close(self) -> None:
        self._timer.stop()


def _press(dialog: QDialog, *, is_cancelled: bool) -> None:
    box = dialog.findChild(QDialogButtonBox)
    assert box is not None
    role = QDialogButtonBox.ButtonRole
    wanted = role.RejectRole if is_cancelled else role.AcceptRole
    next(button for button in box.buttons() if box.buttonRole(button) == wanted).click()


@pytest.fixture
def hand(
    make_napari_viewer: Callable[..., Viewer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Hand]:
    """A hand in a viewer that shows what goes wrong, as napari does while it runs."""
    monkeypatch.setenv("NAPARI_RETSEG_SALT", str(tmp_path / "salt" / "file"))
    made = Hand(make_napari_viewer(show=True))
    with notification_manager:
        notification_manager.records.clear()
        yield made
    made.close()


def describe(viewer: Viewer) -> list[tuple[Any, ...]]:
    """All that is seen of a viewer's layers, which are taken away."""
    found: list[tuple[Any, ...]] = [
        (layer.name, type(layer), layer.data.shape, tuple(layer.scale), layer.units, layer.visible)
        for layer in viewer.layers
    ]
    found.append(viewer.dims.current_step[:-2])
    viewer.layers.clear()
    return found


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__[5:])
def test_a_scan_is_opened_alike_by_each_way(
    hand: Hand, tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    path = make(tmp_path)
    hand.viewer.open([str(path)], plugin="napari-retseg")  # as `gui FILE` has napari do
    wanted = describe(hand.viewer)
    assert [one[0] for one in wanted[:-1]] == [f"{stem_of(path)}{end}" for end in KINDS[make]]
    scan = wanted[KINDS[make].index("")]
    assert wanted[-1] == ((scan[2][0] - 1) // 2,)  # the B-scan in the middle
    assert scan[3][0] == 1  # napari counts B-scans
    hand.drop(path)
    assert describe(hand.viewer) == wanted
    hand.choose(path)
    assert describe(hand.viewer) == wanted
    assert not notification_manager.records


def test_a_damaged_file_is_one_line_and_the_others_are_opened(
    hand: Hand, tmp_path: Path, qtbot: QtBot
) -> None:
    damaged = tmp_path / "<b>cut.fda"
    damaged.write_bytes(make_fda(tmp_path).read_bytes()[:300])
    hand.drop(damaged, make_vol(tmp_path))
    assert [layer.name for layer in hand.viewer.layers][1:] == ["eye", "eye device layers"]
    qtbot.waitUntil(lambda: bool(notification_manager.records))
    (note,) = notification_manager.records
    assert note.severity == "error"
    assert note.message.startswith("‹b>cut.fda: truncated")
    assert "\n" not in note.message
    assert hand.viewer.status == note.message


@pytest.mark.parametrize("name", ["cut.vol", "cut.E2E", "cut.fds", "cut.dcm", "cut.OCT", "cut.xml"])
def test_what_cannot_be_read_leaves_nothing_by_each_way(
    hand: Hand, tmp_path: Path, qtbot: QtBot, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(b"\1" * 3000)
    hand.drop(path)
    qtbot.waitUntil(lambda: len(notification_manager.records) == 1)
    hand.choose(path)
    qtbot.waitUntil(lambda: len(notification_manager.records) == 2)
    assert not hand.viewer.layers
    first, second = (note.message for note in notification_manager.records)
    assert first == second
    assert first.startswith(f"{name}: ")
    assert "\n" not in first


def test_a_script_is_told_by_an_exception(
    make_napari_viewer: Callable[..., Viewer], tmp_path: Path
) -> None:
    (tmp_path / "cut.vol").write_bytes(b"\1" * 3000)
    with pytest.raises(InputError, match=r"cut\.vol"):
        make_napari_viewer().open(str(tmp_path / "cut.vol"), plugin="napari-retseg")


@pytest.fixture
def several(tmp_path: Path) -> Path:
    """A file of two volumes."""
    other = MadeVolume(make_raw(2), PLAIN.places[:2], eye="R", number=40)
    return write_e2e(tmp_path / "two.E2E", PLAIN, other)


def test_of_several_volumes_one_is_chosen(hand: Hand, several: Path) -> None:
    for open_by in (hand.drop, hand.choose):
        open_by(several)
        assert hand.asked[-1] == "Choose a volume"
        assert [one[0] for one in describe(hand.viewer)[:-1]] == ["two-0 SLO", "two-0"]


def test_a_cancelled_choice_leaves_nothing(hand: Hand, several: Path, qtbot: QtBot) -> None:
    hand.cancel_choices()
    for open_by in (hand.drop, hand.choose):
        open_by(several)
        assert hand.asked[-1] == "Choose a volume"
    qtbot.wait(50)
    assert not hand.viewer.layers
    assert not notification_manager.records


def test_a_cancelled_choice_stops_a_script(
    make_napari_viewer: Callable[..., Viewer], several: Path
) -> None:
    viewer = make_napari_viewer(show=True)
    hand = Hand(viewer)
    hand.cancel_choices()
    with pytest.raises(InputError, match="contains 2 volumes") as caught:
        viewer.open(str(several), plugin="napari-retseg")
    assert isinstance(caught.value.__cause__, SeveralVolumesError)
    hand.close()


def test_a_scan_that_comes_second_leaves_the_bscan_in_view(hand: Hand, tmp_path: Path) -> None:
    hand.drop(make_vol(tmp_path))
    hand.viewer.dims.set_current_step(0, 4)
    hand.drop(make_dicom(tmp_path))
    assert hand.viewer.dims.current_step[0] == 4
    hand.viewer.layers.clear()
    hand.drop(make_img(tmp_path))
    assert hand.viewer.dims.current_step[0] == 1
