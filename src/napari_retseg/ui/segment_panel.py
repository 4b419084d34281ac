"""The Segment dock's widgets: they show a state and say what the user did, nothing more."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QSizePolicy

from napari_retseg.models import ModelInfo
from napari_retseg.ui.dock_state import ModelChoice, SegmentState
from napari_retseg.ui.numbering import describe_bscan
from napari_retseg.ui.plain import PlainLabel, escape_text, make_rich_text, make_text
from napari_retseg.ui.segment_controls import SegmentControls
from napari_retseg.ui.squares import make_square_button
from napari_retseg.ui.widgets.pieces import (
    fill_box,
    lay_out_column,
    make_box,
    make_row,
    make_save_button,
    show_text,
)

_SIGNS = {"info": "", "warning": "⚠ ", "error": "⚠ "}


class SegmentPanel(SegmentControls):
    """Choose a scan and a model, segment, follow it, stop it.

    Parameters
    ----------
    state
        What is shown; this never changes it.
    """

    scan_chosen = Signal(int)
    _state: SegmentState

    def __init__(self, state: SegmentState) -> None:
        super().__init__(state, tip="Model to segment with")
        self.scan_box = make_box("Image layer to segment")
        self.scan_text = make_text()
        self.place_text = make_text()
        self.square_button = make_square_button()
        self.model_text = make_rich_text()
        self.save_button = make_save_button()
        self.notice_text = make_text()
        for button in (self.browse_button, self.cancel_button):
            button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self._lay_out()
        self.model_shown.connect(self._show_model)
        self._connect()
        self._show_scans()
        self._show_scan_text()
        self._show_place()
        self._show_models()
        self._show_notice()

    def _lay_out(self) -> None:
        scan_name, model_name = PlainLabel("Scan"), PlainLabel("Model")
        for name in (scan_name, model_name):
            name.setMinimumWidth(self.fontMetrics().horizontalAdvance("Model") * 5 // 4)
        lay_out_column(
            self,
            make_row(scan_name, self.scan_box),
            self.scan_text,
            make_row(self.place_text, self.square_button),
            make_row(model_name, self.model_box, self.browse_button),
            self.model_text,
            make_row(self.bscan_button, self.volume_button),
            make_row(self.bar, self.cancel_button),
            self.work_text,
            self.notice_text,
            self.save_button,
            None,
            margin=10,
        )

    def _connect(self) -> None:
        self.scan_box.activated.connect(self.scan_chosen)
        events = self._state.events
        for event in (events.scans, events.scan):
            event.connect(self._show_scans)
        events.scan_text.connect(self._show_scan_text)
        for event in (events.bscan, events.n_bscans, events.files):
            event.connect(self._show_place)
        events.notice.connect(self._show_notice)

    def _show_scans(self) -> None:
        fill_box(self.scan_box, self._state.scans, self._state.scan, empty="open a scan first")

    def _show_scan_text(self) -> None:
        self.scan_text.setText(self._state.scan_text)

    def _show_place(self) -> None:
        state = self._state
        self.place_text.setText(describe_bscan(state.bscan, state.n_bscans, state.files))

    def _show_model(self, choice: ModelChoice | None) -> None:
        self.model_text.setText("" if choice is None else _list_classes(choice.info))

    def _show_notice(self) -> None:
        notice = self._state.notice
        show_text(self.notice_text, notice.text and _SIGNS[notice.level] + notice.text)

    def _describe_model(self, choice: ModelChoice) -> str:
        lines = [
            super()._describe_model(choice),
            f"{choice.info.network.arch}, {choice.info.network.encoder}",
        ]
        dice = choice.info.mean_dice
        if dice is not None:
            lines.append(f"mean Dice on its held-out scans: {dice:.3f}")
        trained = choice.info.trained_on
        if trained is not None and trained.simulated:
            lines.append("trained on simulated scans")
        return "\n".join(lines)


def _list_classes(info: ModelInfo) -> str:
    chips = [
        # no line break within a name
        f'<span style="color:{c.color}">■</span>&nbsp;{escape_text(c.name).replace("-", "&#8209;")}'
        for c in info.classes.foreground
    ]
    return "&ensp; ".join(chips)
