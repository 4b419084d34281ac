"""Small pieces that docks, panels and windows are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from qtpy.QtCore import QSignalBlocker, QTimer
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLayout,
    QMenu,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_retseg.plaintext import make_visible
from napari_retseg.ui.plain import make_caption, make_question, make_tip
from napari_retseg.ui.widgets.theme import GAP


def make_button(text: str, tip: str, *, key: str = "") -> QPushButton:
    """Return a button; the key that does the same stands in its tooltip."""
    button = QPushButton(make_caption(text))
    button.setToolTip(make_tip(f"{tip} [{key}]" if key else tip))
    return button


def make_save_button() -> QPushButton:
    """Return the button that opens the window to save a layer."""
    return make_button(
        "Save layer…", "Save labels or a scan as PNG, TIFF or NIfTI, with the pixel size"
    )


def make_box(tip: str = "") -> QComboBox:
    """Return a box to choose from that may be narrower than its longest name."""
    box = QComboBox()
    box.setToolTip(make_tip(tip))
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(8)
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return box


def fill_box(box: QComboBox, names: Sequence[str], chosen: int, *, empty: str) -> None:
    """Show these names in a box; `empty` says what to do where there are none."""
    shown = [make_visible(name) for name in names]
    with QSignalBlocker(box):
        if [box.itemText(k) for k in range(box.count())] != shown:
            box.clear()
            box.addItems(shown)
        box.setPlaceholderText(empty)
        box.setCurrentIndex(chosen)
    box.setEnabled(bool(names))


def make_row(*widgets: QWidget | None, spacing: int = GAP) -> QHBoxLayout:
    """Return widgets side by side; None is room that grows."""
    row = QHBoxLayout()
    row.setSpacing(spacing)
    for widget in widgets:
        if widget is None:
            row.addStretch(1)
        else:
            row.addWidget(widget)
    return row


def lay_out_column(
    parent: QWidget, *parts: QWidget | QLayout | None, margin: int = 0, spacing: int = GAP
) -> QVBoxLayout:
    """Lay widgets and rows out below each other in a widget; None is room that grows."""
    column = QVBoxLayout(parent)
    column.setContentsMargins(margin, margin, margin, margin)
    column.setSpacing(spacing)
    for part in parts:
        if part is None:
            column.addStretch(1)
        elif isinstance(part, QLayout):
            column.addLayout(part)
        else:
            column.addWidget(part)
    return column


def make_form(*rows: tuple[QWidget, QWidget]) -> QFormLayout:
    """Return fields below each other, each behind its label."""
    form = QFormLayout()
    form.setSpacing(GAP)
    for label, field in rows:
        form.addRow(label, field)
    return form


def show_text(label: QLabel, text: str) -> None:
    """Show a text in a label, which is hidden where there is none."""
    label.setText(text)
    label.setVisible(bool(text))


def show_progress(bar: QProgressBar, done: int, total: int) -> None:
    """Show how far something is, when the window is drawn next.

    A progress bar draws itself at once otherwise, and with it the whole window, which the
    viewer's canvas makes slow where there is no GPU.
    """
    if (bar.value(), bar.maximum()) == (done, total):
        return
    bar.setUpdatesEnabled(False)
    bar.setRange(0, total)
    bar.setValue(done)
    bar.setUpdatesEnabled(True)


def add_action(menu: QMenu, text: str, function: Callable[[], object] | None) -> None:
    """Add an entry to a menu; one without a function cannot be chosen."""
    action = menu.addAction(make_caption(text))
    assert action is not None
    action.setEnabled(function is not None)
    if function is not None:
        action.triggered.connect(lambda _=False: function())


def choose_folder(parent: QWidget, title: str, take: Callable[[Path], object]) -> None:
    """Let the user choose a folder, and hand it to `take` unless the dialog was cancelled."""
    folder = QFileDialog.getExistingDirectory(parent, title)
    if folder:
        take(Path(folder))


def ask(
    parent: QWidget | None, title: str, text: str, more: str = "", *, yes: str, no: str
) -> bool:
    """Ask the user to agree; the answer by default is `no`."""
    box = make_question(parent, title, text, more)
    agree = box.addButton(yes, QMessageBox.ButtonRole.AcceptRole)
    refuse = box.addButton(no, QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(refuse)
    box.exec()
    agreed = box.clickedButton() is agree
    box.deleteLater()
    return agreed


def start_timer(parent: QWidget, interval_ms: int, *functions: Callable[[], object]) -> QTimer:
    """Call functions again and again, as long as the widget lives."""
    timer = QTimer(parent)
    timer.setInterval(interval_ms)
    for function in functions:
        timer.timeout.connect(function)
    timer.start()
    return timer
