"""The window of two visits: both maps and the difference side by side, and the sector changes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import (
    QDialog,
    QDoubleSpinBox,
    QFileDialog,
    QHBoxLayout,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_retseg.io.suffixes import stem_of
from napari_retseg.ui.plain import PlainLabel, make_text, make_tip
from napari_retseg.ui.widgets.number_table import NumberTable
from napari_retseg.ui.widgets.pieces import (
    add_action,
    choose_folder,
    fill_box,
    lay_out_column,
    make_box,
    make_button,
    make_row,
    show_text,
)
from napari_retseg.ui.widgets.theme import GAP, MARGIN, color_text, read_look
from napari_retseg.ui.workbench.control.bench_state import BenchState
from napari_retseg.ui.workbench.control.measuring import Measuring
from napari_retseg.ui.workbench.control.visit_pictures import (
    VisitPictures,
    describe,
    list_changed,
    list_rows,
)
from napari_retseg.ui.workbench.control.visiting import OtherVisit, Visited, Visiting
from napari_retseg.ui.workbench.thickness_view import ThicknessView
from napari_retseg.visits.rows import ChangeRow

_ORDERS = ("is later", "is earlier")
_DASH = "–"
_TITLES = ("before", "after, registered", "after − before")
_MORE = {True: "yes", False: "no", None: "not known"}
_MOST_NOTES = 2
_HINT = (
    "Choose another visit of this eye, and say whether it is later or earlier than the open scan. "
    "Both are laid over each other by their vessels and foveas."
)


class VisitsWindow(QDialog):
    """Compares the open scan with another visit of the eye; stays beside the viewer."""

    #: A table for the clipboard.
    copied = Signal(str)

    def __init__(
        self,
        visiting: Visiting,
        measuring: Measuring,
        state: BenchState,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Two visits")
        self.setModal(False)
        self._visiting, self._measuring, self._state = visiting, measuring, state
        self.visited: Visited | None = None
        self._others: list[OtherVisit] = []
        self._span, self._is_closed = "", False
        self._repeat_um: dict[str, float] = {}
        self._make_choice()
        self.notice = make_text()
        self.facts_text = make_text()
        self.titles = tuple(PlainLabel(title) for title in _TITLES)
        self.views = tuple(ThicknessView() for _ in _TITLES)
        for view, title in zip(self.views, _TITLES, strict=True):
            view.setAccessibleName(f"Thickness map, {title}")
            view.setToolTip("Click: go there")
        self._make_results()
        self._lay_out()
        self._connect()
        self._offer()
        self._show()

    def _make_choice(self) -> None:
        self.other_box = make_box("Another scan of this eye in the workspace, or from files")
        self.order_box = make_box("When the other visit was")
        self.order_box.addItems(_ORDERS)
        self.files_button = make_button("From files", "Choose a scan and its labels")
        menu = QMenu(self)
        add_action(menu, "Scan is a file…", partial(self._choose_files, is_folder=False))
        add_action(menu, "Scan is a folder…", partial(self._choose_files, is_folder=True))
        self.files_button.setMenu(menu)
        self.compare_button = make_button("Compare", "Register both visits and compare them")

    def _make_results(self) -> None:
        self.span_box = make_box("Layer, or span of layers, whose thickness is shown")
        self.repeat_field = QDoubleSpinBox()
        self.repeat_field.setRange(0.0, 999.0)
        self.repeat_field.setDecimals(1)
        self.repeat_field.setSuffix(" µm")
        self.repeat_field.setSpecialValueText("not known")
        self.repeat_field.setKeyboardTracking(False)
        self.repeat_field.setToolTip(
            make_tip(
                "Coefficient of repeatability: 95 % of the differences of repeated scans are "
                "smaller. The smallest change comes from it: it is larger, since many numbers are "
                "compared"
            )
        )
        self.table = NumberTable("Change of each sector")
        self.notes_text = make_text()
        self.copy_button = make_button("Copy table", "Copy what is shown, for a spreadsheet")
        self.export_button = make_button(
            "Export…", "Write report, table and maps into a folder, as the command change does"
        )
        self.close_button = make_button("Close", "Close this window")

    def _lay_out(self) -> None:
        choice = make_row(
            PlainLabel("Other visit"),
            self.other_box,
            self.order_box,
            self.files_button,
            self.compare_button,
        )
        choice.setStretch(1, 3)
        choice.setStretch(2, 1)
        maps = QHBoxLayout()
        maps.setSpacing(MARGIN)
        for title, view in zip(self.titles, self.views, strict=True):
            column = QVBoxLayout()
            column.setSpacing(GAP)
            column.addWidget(title)
            column.addWidget(view, 1)
            column.addStretch(0)
            maps.addLayout(column, 1)
        what = make_row(
            PlainLabel("Thickness of"),
            self.span_box,
            PlainLabel("repeatability"),
            self.repeat_field,
        )
        what.setStretch(1, 1)
        buttons = make_row(self.copy_button, self.export_button, None, self.close_button)
        column = lay_out_column(
            self,
            *(choice, self.notice, self.facts_text, what, maps, self.table),
            *(self.notes_text, buttons),
            margin=MARGIN,
        )
        column.setStretchFactor(maps, 1)
        self.resize(1060, 690)

    def _connect(self) -> None:
        for button in self.findChildren(QPushButton):
            # Enter in a field takes its number, and does not register again
            button.setAutoDefault(False)
        self.compare_button.clicked.connect(self.compare)
        self.span_box.activated.connect(self._on_span)
        self.repeat_field.valueChanged.connect(self._on_repeatability)
        self.copy_button.clicked.connect(self._on_copy)
        self.export_button.clicked.connect(self._on_export)
        self.close_button.clicked.connect(self.close)
        for view in self.views:
            view.clicked.connect(self._go_to)
            view.stepped.connect(self._measuring.step)
        self._state.events.bscan.connect(self._show_place)
        self._state.events.scans.connect(self._offer)

    def done(self, result: int) -> None:
        """Take nothing any more that was asked for."""
        if not self._is_closed:
            self._is_closed = True
            self._state.events.bscan.disconnect(self._show_place)
            self._state.events.scans.disconnect(self._offer)
        super().done(result)

    # Which visit.

    def _offer(self, _event: object = None) -> None:
        """List the scans of the workspace, and what was chosen from files."""
        chosen = self.other_box.currentText()
        files = [one for one in self._others if one.scan is not None]
        self._others = [*self._visiting.list_others(), *files]
        names = [one.name for one in self._others]
        number = names.index(chosen) if chosen in names else min(0, len(names) - 1)
        fill_box(self.other_box, names, number, empty="No other scan here; choose files")
        self.compare_button.setEnabled(bool(names))

    def _choose_files(self, *, is_folder: bool) -> None:
        title = "Choose the scan of the other visit"
        if is_folder:
            scan = QFileDialog.getExistingDirectory(self, title)
        else:
            scan, _ = QFileDialog.getOpenFileName(self, title)
        if not scan:
            return
        labels, _ = QFileDialog.getOpenFileName(self, "Choose its labels", str(Path(scan).parent))
        if labels:
            self.take_files(Path(scan), Path(labels))

    def take_files(self, scan: Path, labels: Path) -> None:
        """Choose a visit that lies in files."""
        files = [(one.scan, one.labels) for one in self._others]
        if (scan, labels) not in files:
            files.append((scan, labels))
            name, names = stem_of(scan), {one.name for one in self._others}
            again = next(k for k in range(1, len(files) + 1) if _number(name, k) not in names)
            self._others.append(OtherVisit(_number(name, again), scan, labels))
            self._offer()
        self.other_box.setCurrentIndex(files.index((scan, labels)))

    def compare(self) -> None:
        """Compare with the chosen visit."""
        number = self.other_box.currentIndex()
        if not 0 <= number < len(self._others):
            self._fail("Add the scan of another visit to the workspace, or choose files.")
            return
        other = self._others[number]
        self.visited = None
        self._show(f"Registering {other.name}…")
        self.compare_button.setEnabled(False)
        is_later = self.order_box.currentIndex() == 0
        self._visiting.compare(other, is_later=is_later, done=self._take, failed=self._fail)

    def _take(self, visited: Visited) -> None:
        if not self._is_closed:
            self.visited = self._judge(visited)
            self.compare_button.setEnabled(True)
            self._show()

    def _fail(self, text: str) -> None:
        if not self._is_closed:
            self.visited = None
            self.compare_button.setEnabled(True)
            self._show(text, is_refused=True)

    # What is shown.

    def _show(self, text: str = "", *, is_refused: bool = False) -> None:
        visited = self.visited
        if is_refused:
            color_text(self.notice, read_look(self).error)
        else:
            self.notice.setStyleSheet("")
        for widget in (self.copy_button, self.export_button, self.repeat_field):
            widget.setEnabled(visited is not None)
        for part in (*self.titles, self.table):
            part.setVisible(visited is not None)
        if visited is None:
            show_text(self.notice, text or _HINT)
            show_text(self.facts_text, "")
            show_text(self.notes_text, "")
            fill_box(self.span_box, (), -1, empty="Nothing to compare yet")
            for view in self.views:
                view.show_picture(None)
            self.table.show_rows((), ())
            return
        change = visited.change
        show_text(self.notice, f"Registered on the {change.registration.describe()}")
        show_text(self.facts_text, describe(change))
        for label, title, name in zip(self.titles, _TITLES, visited.names, strict=False):
            label.setText(f"{title}: {name}")
        notes = [*visited.notes, *change.notes]
        shown = [f"{note}." for note in notes[:_MOST_NOTES]]
        if len(notes) > _MOST_NOTES:
            shown.append("More in the report.")
        shown.append(f"Smallest change: {change.basis}.")
        show_text(self.notes_text, "\n".join(shown))
        spans = list_changed(change)
        self._span = self._span if self._span in spans else next(iter(spans), "")
        number = spans.index(self._span) if spans else -1
        fill_box(self.span_box, spans, number, empty="No layer is in both")
        self._show_span()

    def _show_span(self) -> None:
        if self.visited is None or not self._span:
            return
        own = self.visited.change.repeatability
        known = own.find(self._span)
        unknown = "not known" if own.retest is None else "the model's"
        self.repeat_field.setSpecialValueText(unknown)
        with QSignalBlocker(self.repeat_field):
            self.repeat_field.setValue(known or 0.0)
        self._show_rows()
        self._visiting.draw(self.visited, self._span, self._show_pictures)

    def _show_rows(self) -> None:
        if self.visited is not None:
            rows = list_rows(self.visited.change, self._span)
            table = [[title, *(say(row) for row in rows.values())] for title, say in _ROWS.items()]
            self.table.show_rows(("µm", *rows), table, marked=(2,))
            self.table.fit_height()

    def _show_pictures(self, pictures: VisitPictures) -> None:
        if self._is_closed or self.visited is None or pictures.before.span != self._span:
            return
        shown = (pictures.before, pictures.after, pictures.difference)
        for view, picture in zip(self.views, shown, strict=True):
            view.show_picture(picture)
        self._show_place()

    def _show_place(self, _event: object = None) -> None:
        visited = self.visited
        is_open = visited is not None and self._visiting.is_open(visited)
        for view in self.views:
            view.show_place(self._state.bscan if is_open else -1, None)

    # What the user does.

    def _on_span(self, number: int) -> None:
        if self.visited is not None:
            self._span = list_changed(self.visited.change)[number]
            self._show_span()

    def _on_repeatability(self, value: float) -> None:
        """Judge the changes of the span by the user's own coefficient."""
        if self.visited is not None:
            self._repeat_um[self._span] = value
            self.visited = self._judge(self.visited)
            self._show()

    def _judge(self, visited: Visited) -> Visited:
        """Take the coefficients that the user has entered; 0: not known."""
        if not self._repeat_um:
            return visited
        own = visited.change.repeatability.name(self._repeat_um)
        return visited.replace_change(visited.change.judge(own))

    def _go_to(self, x: float, y: float) -> None:
        if self.visited is not None:
            self._visiting.go_to(self.visited, x, y)

    def _on_copy(self) -> None:
        heads = [self.table.horizontalHeaderItem(k) for k in range(self.table.columnCount())]
        lines = [["" if head is None else head.text() for head in heads], *self.table.read_rows()]
        self.copied.emit("\n".join("\t".join(line) for line in lines) + "\n")

    def _on_export(self) -> None:
        if self.visited is not None:
            take = partial(self._visiting.export, self.visited)
            choose_folder(self, "Choose a folder for report, table and maps", take)


def _number(name: str, again: int) -> str:
    """Name the first and all others of one name."""
    return name if again == 1 else f"{name} ({again})"


def _say(value: float | None) -> str:
    return _DASH if value is None else f"{value:.1f}"


#: Titles of the table's rows, and what they say of a sector.
_ROWS: dict[str, Callable[[ChangeRow], str]] = {
    "before": lambda row: _say(row.before),
    "after": lambda row: _say(row.after),
    "change": lambda row: row.format_change(1),
    "smallest change": lambda row: _say(row.smallest_change),
    "more than noise": lambda row: _MORE[row.is_change],
}
