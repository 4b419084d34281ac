"""Tab "Measure": the thickness map with the ETDRS grid, its numbers, fluid, and files of them."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_retseg.plaintext import make_visible
from napari_retseg.ui.plain import make_text
from napari_retseg.ui.widgets.pieces import (
    choose_folder,
    fill_box,
    lay_out_column,
    make_box,
    make_button,
    make_row,
    show_text,
)
from napari_retseg.ui.workbench.control.bench_state import BenchState
from napari_retseg.ui.workbench.control.measuring import Measuring
from napari_retseg.ui.workbench.thickness_view import ThicknessView


class MeasurePanel(QWidget):
    """Shows what `Measuring` finds, and has its buttons."""

    #: A table for the clipboard.
    copied = Signal(str)

    def __init__(self, measuring: Measuring, state: BenchState) -> None:
        super().__init__()
        self._measuring = measuring
        self._state = state
        self.facts_text = make_text()
        self.span_box = make_box("Layer, or span of layers, whose thickness is shown")
        self.view = ThicknessView()
        self.view.setToolTip("Click: go there. Shift+click: lay the ETDRS grid there")
        self.notes_text = make_text()
        self.centre_button = make_button(
            "Centre here", "Lay the ETDRS grid on the A-scan you went to", key="Shift+click"
        )
        self.fovea_button = make_button("Fovea", "Lay the ETDRS grid on the fovea that is found")
        self.copy_button = make_button(
            "Copy table", "Copy the mean thickness of each layer in each sector"
        )
        self.export_button = make_button(
            "Export…", "Write all numbers as CSV, and the maps as TIFF and PNG, into a folder"
        )
        self.agreement_button = make_button(
            "Compare labels…", "Dice, boundary error and thickness of two labels layers"
        )
        self.visits_button = make_button(
            "Two visits…", "What changed between this scan and another visit of the eye"
        )
        column = lay_out_column(
            self,
            self.facts_text,
            self.span_box,
            self.view,
            make_row(self.centre_button, self.fovea_button),
            make_row(self.copy_button, self.export_button),
            make_row(self.agreement_button, self.visits_button),
            self.notes_text,
        )
        column.setStretchFactor(self.view, 1)
        column.addStretch(0)
        self._connect()
        self._show()

    def _connect(self) -> None:
        measuring, view = self._measuring, self.view
        measuring.drawn.connect(self._show)
        measuring.marked.connect(self._show_place)
        measuring.copied.connect(self.copied.emit)
        self._state.events.bscan.connect(self._show_place)
        self._state.events.n_bscans.connect(self._show)
        self.span_box.activated.connect(self._on_span)
        view.clicked.connect(measuring.go_to)
        view.centre_clicked.connect(lambda x, y: measuring.set_centre((x, y)))
        view.stepped.connect(measuring.step)
        view.centre_wanted.connect(measuring.centre_here)
        self.centre_button.clicked.connect(measuring.centre_here)
        self.fovea_button.clicked.connect(lambda: measuring.set_centre(None))
        self.copy_button.clicked.connect(measuring.copy)
        self.export_button.clicked.connect(
            lambda: choose_folder(self, "Choose a folder for the numbers", measuring.export)
        )

    def _on_span(self, number: int) -> None:
        picture = self._measuring.picture
        if picture is not None and 0 <= number < len(picture.spans):
            self._measuring.choose(picture.spans[number])

    def _show(self, _event: object = None) -> None:
        picture = self._measuring.picture
        spans = () if picture is None else picture.spans
        chosen = -1 if picture is None or not spans else spans.index(picture.span)
        fill_box(self.span_box, spans, chosen, empty="Nothing to measure")
        self.view.show_picture(picture)
        has_map = picture is not None and picture.image is not None
        has_grid = has_map and picture is not None and picture.sectors is not None
        self.view.setVisible(has_map)
        for button in (self.copy_button, self.export_button, self.visits_button):
            button.setEnabled(picture is not None)
        self.centre_button.setEnabled(has_map and picture is not None and picture.has_places)
        self.fovea_button.setEnabled(has_grid and self._measuring.centre_mm is not None)
        if picture is None:
            self.facts_text.setText(self._say_nothing())
            show_text(self.notes_text, "")
        else:
            facts = [f"{make_visible(name)} {value}" for name, value in picture.facts]
            # one below the other they are read at a glance, if they have intervals
            between = "\n" if any("(" in value for _, value in picture.facts) else " · "
            self.facts_text.setText(between.join(facts) or "Nothing is measured yet")
            lines = (f"{note[0].upper()}{note[1:]}." for note in picture.notes)
            show_text(self.notes_text, "\n".join(lines))
        self._show_place()

    def _say_nothing(self) -> str:
        if self._state.n_bscans == 0:
            return "Open a scan to measure it."
        return "Measuring…" if self._measuring.can_measure else "Only OCT scans can be measured."

    def _show_place(self, _event: object = None) -> None:
        measuring = self._measuring
        mark = measuring.find_mark() if measuring.ascan >= 0 else None
        self.view.show_place(self._state.bscan, mark)
