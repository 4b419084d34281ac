"""The Segment dock's widgets: they show a state and say what the user did, nothing more."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_retseg.models import ModelInfo
from napari_retseg.plaintext import make_visible
from napari_retseg.plural import count_noun
from napari_retseg.ui.dockstate import ModelChoice, Notice, SegmentState, Work
from napari_retseg.ui.modelbox import show_bad_models
from napari_retseg.ui.numbering import describe_bscan
from napari_retseg.ui.plain import PlainLabel, escape_text, make_rich_text, make_text, make_tip
from napari_retseg.ui.progress import show_progress
from napari_retseg.ui.squares import make_square_button

_SIGNS = {"info": "", "warning": "⚠ ", "error": "⚠ "}


class SegmentPanel(QWidget):
    """Choose a scan and a model, segment, follow it, stop it.

    Parameters
    ----------
    state
        What is shown; this never changes it.
    """

    scan_chosen = Signal(int)
    model_chosen = Signal(int)
    model_browsed = Signal(object)
    segment_bscan_pressed = Signal()
    segment_volume_pressed = Signal()
    cancel_pressed = Signal()
    save_pressed = Signal()

    def __init__(self, state: SegmentState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = state
        self._make_widgets()
        self._lay_out()
        self._connect()
        self._show_all()

    def _make_widgets(self) -> None:
        self.scan_box = _make_box("Image layer to segment")
        self.scan_text = make_text()
        self.model_box = _make_box("Model to segment with")
        self.browse_button = QPushButton("Browse…")
        self.browse_button.setToolTip("Choose a model folder or a run folder")
        self.model_text = make_rich_text()
        self.bscan_button = QPushButton("Segment this B-scan")
        self.bscan_button.setToolTip("Segment the B-scan in view")
        self.volume_button = QPushButton("Segment volume")
        self.volume_button.setToolTip("Segment all B-scans; the first results appear at once")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop; finished B-scans are kept")
        self.place_text = make_text()
        self.square_button = make_square_button()
        self.save_button = QPushButton("Save layer…")
        self.save_button.setToolTip(
            "Save labels or a scan as PNG, TIFF or NIfTI, with the pixel size"
        )
        self.work_text = make_text()
        self.notice_text = make_text()
        for button in (self.browse_button, self.cancel_button):
            button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def _lay_out(self) -> None:
        scan_name, model_name = PlainLabel("Scan"), PlainLabel("Model")
        for name in (scan_name, model_name):
            name.setMinimumWidth(self.fontMetrics().horizontalAdvance("Model") * 5 // 4)
        column = QVBoxLayout(self)
        column.setContentsMargins(10, 10, 10, 10)
        column.setSpacing(6)
        column.addLayout(_row(scan_name, self.scan_box))
        column.addWidget(self.scan_text)
        column.addLayout(_row(self.place_text, self.square_button))
        column.addSpacing(6)
        column.addLayout(_row(model_name, self.model_box, self.browse_button))
        column.addWidget(self.model_text)
        column.addSpacing(6)
        column.addLayout(_row(self.bscan_button, self.volume_button))
        column.addLayout(_row(self.bar, self.cancel_button))
        column.addWidget(self.work_text)
        column.addWidget(self.notice_text)
        column.addWidget(self.save_button)
        column.addStretch(1)

    def _connect(self) -> None:
        self.scan_box.activated.connect(self.scan_chosen)
        self.model_box.activated.connect(self.model_chosen)
        self.browse_button.clicked.connect(self._on_browse_clicked)
        self.bscan_button.clicked.connect(self.segment_bscan_pressed)
        self.volume_button.clicked.connect(self.segment_volume_pressed)
        self.cancel_button.clicked.connect(self.cancel_pressed)
        self.save_button.clicked.connect(self.save_pressed)
        events = self._state.events
        events.scans.connect(self._show_scans)
        events.scan.connect(self._show_scans)
        events.scan_text.connect(self._show_scan_text)
        events.n_bscans.connect(self._show_buttons)
        for event in (events.bscan, events.n_bscans, events.files):
            event.connect(self._show_place)
        events.models.connect(self._show_models)
        events.bad_models.connect(self._show_models)
        events.model.connect(self._show_models)
        events.work.connect(self._show_work)
        events.notice.connect(self._show_notice)

    def _show_all(self) -> None:
        self._show_scans()
        self._show_scan_text()
        self._show_place()
        self._show_models()
        self._show_work()
        self._show_notice()

    def _show_scans(self) -> None:
        _fill(self.scan_box, self._state.scans, self._state.scan, empty="open a scan first")
        self._show_buttons()

    def _show_scan_text(self) -> None:
        self.scan_text.setText(self._state.scan_text)

    def _show_place(self) -> None:
        state = self._state
        self.place_text.setText(describe_bscan(state.bscan, state.n_bscans, state.files))

    def _show_models(self) -> None:
        names = [choice.name for choice in self._state.models]
        _fill(self.model_box, names, self._state.model, empty="no model")
        for row, choice in enumerate(self._state.models):
            tip = make_tip(_describe_model(choice))
            self.model_box.setItemData(row, tip, Qt.ItemDataRole.ToolTipRole)
        show_bad_models(self.model_box, self._state.bad_models, after=max(1, len(names)))
        chosen = self._state.chosen_model
        self.model_text.setText("" if chosen is None else _list_classes(chosen.info))
        self._show_buttons()

    def _show_buttons(self) -> None:
        state = self._state
        is_volume = state.n_bscans > 1
        self.volume_button.setText(f"Segment all {state.n_bscans}")
        self.volume_button.setVisible(is_volume)
        self.bscan_button.setEnabled(state.can_segment)
        self.volume_button.setEnabled(state.can_segment)
        self.cancel_button.setEnabled(state.work is not None)

    def _show_work(self) -> None:
        work = self._state.work
        for widget in (self.bar, self.cancel_button, self.work_text):
            widget.setVisible(work is not None)
        if work is not None:
            show_progress(self.bar, work.done, work.total)
            self.work_text.setText(_describe_work(work))
        self._show_buttons()

    def _show_notice(self) -> None:
        notice: Notice = self._state.notice
        self.notice_text.setText(_SIGNS[notice.level] + notice.text)
        self.notice_text.setVisible(bool(notice.text))

    def _on_browse_clicked(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Choose a model folder")
        if folder:
            self.model_browsed.emit(Path(folder))


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(8)
    for widget in widgets:
        row.addWidget(widget)
    return row


def _make_box(tip: str) -> QComboBox:
    box = QComboBox()
    box.setToolTip(make_tip(tip))
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(10)
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return box


def _fill(box: QComboBox, names: list[str] | tuple[str, ...], index: int, *, empty: str) -> None:
    """Show names in a box, or why there are none."""
    with QSignalBlocker(box):
        box.clear()
        box.addItems([make_visible(name) for name in names] or [f"({empty})"])
        box.setCurrentIndex(index if names else 0)
        box.setEnabled(bool(names))


def _list_classes(info: ModelInfo) -> str:
    chips = [
        # no line break within a name
        f'<span style="color:{c.color}">■</span>&nbsp;{escape_text(c.name).replace("-", "&#8209;")}'
        for c in info.classes.foreground
    ]
    return "&ensp; ".join(chips)


def _describe_model(choice: ModelChoice) -> str:
    lines = [str(choice.folder), f"{choice.info.network.arch}, {choice.info.network.encoder}"]
    dice = choice.info.mean_dice
    if dice is not None:
        lines.append(f"mean Dice on its held-out scans: {dice:.3f}")
    trained = choice.info.trained_on
    if trained is not None and trained.simulated:
        lines.append("trained on simulated scans")
    return "\n".join(lines)


def _describe_work(work: Work) -> str:
    if work.total == 0:
        return ""
    text = f"{work.done} of {count_noun(work.total, 'B-scan')}"
    if work.seconds_left is None:
        return text
    seconds = round(work.seconds_left)
    left = f"{seconds // 60} min {seconds % 60:02d} s" if seconds >= 60 else f"{seconds} s"
    return f"{text}, about {left} left"
