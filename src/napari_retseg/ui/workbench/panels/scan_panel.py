"""Tab "Scan": the workspace, its scans, and what the open one is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QFileDialog,
    QInputDialog,
    QMenu,
    QWidget,
)

from napari_retseg.ui.plain import make_text, make_tip
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
from napari_retseg.ui.workbench.control.bench_state import BenchState
from napari_retseg.ui.workbench.dialogs.class_form import ClassForm
from napari_retseg.ui.workbench.dialogs.scale_form import ScaleForm

_SIDES = ("OD (right)", "OS (left)")


class ScanPanel(QWidget):
    """Make or open a workspace, add scans, choose one, say what its file does not."""

    created = Signal(object)
    opened = Signal(object)
    files_added = Signal(object)
    layers_wanted = Signal()
    layer_added = Signal(object)
    scan_chosen = Signal(int)
    located = Signal(object)
    described = Signal(object)
    dataset_added = Signal(object)
    classes_given = Signal(object)

    def __init__(self, state: BenchState) -> None:
        super().__init__()
        self._state = state
        self._make_widgets()
        lay_out_column(
            self,
            make_row(self.new_button, self.open_button, self.recent_button),
            self.folder_text,
            make_row(self.scan_box, self.add_button),
            self.scan_text,
            make_row(
                self.spacing_button, self.side_button, self.locate_button, self.classes_button
            ),
        )
        self._connect()
        self._show_workspace()
        self._show_scans()
        self._show_scan_text()

    def _make_widgets(self) -> None:
        self.new_button = make_button("New…", "Create a workspace: a folder for labels and models")
        self.open_button = make_button("Open…", "Open a workspace")
        self.recent_button = make_button("Recent", "Workspaces that you opened before")
        self.recent_menu = QMenu(self.recent_button)
        self.recent_button.setMenu(self.recent_menu)
        self.folder_text = make_text()
        self.scan_box: QComboBox = make_box("Scan to label")
        self.add_button = make_button("Add", "Add scans to the workspace; the files are not copied")
        self.add_menu = QMenu(self.add_button)
        self.add_button.setMenu(self.add_menu)
        self.scan_text = make_text()
        self.spacing_button = make_button("Set scale…", "Set pixel size")
        self.side_button = make_button(
            "Set laterality…", "Set the laterality: right eye (OD) or left eye (OS)"
        )
        self.locate_button = make_button("Locate…", "Choose the folder that contains the scans now")

        self.classes_button = make_button(
            "Classes…",
            "Choose the classes to label; after the first labels, you can only add classes",
        )

    def _connect(self) -> None:
        self.new_button.clicked.connect(self._on_new_clicked)
        self.open_button.clicked.connect(self._on_open_clicked)
        self.recent_menu.aboutToShow.connect(self._fill_recent)
        self.add_menu.aboutToShow.connect(self._fill_add)
        self.scan_box.activated.connect(self.scan_chosen)
        self.spacing_button.clicked.connect(self._on_spacing_clicked)
        self.side_button.clicked.connect(self._on_side_clicked)
        self.locate_button.clicked.connect(self._on_locate_clicked)
        events = self._state.events
        for event in (events.folder, events.is_read_only):
            event.connect(self._show_workspace)
        for event in (events.scans, events.scan, events.sides):
            event.connect(self._show_scans)
        events.scan_text.connect(self._show_scan_text)

    # What the state says.

    def _show_workspace(self) -> None:
        folder = self._state.folder
        if folder is None:
            self.folder_text.setText("No workspace is open. Press New and choose a folder.")
        else:
            note = " (read-only)" if self._state.is_read_only else ""
            self.folder_text.setText(f"{folder.name}{note}")
            self.folder_text.setToolTip(make_tip(str(folder)))
        is_open = folder is not None and not self._state.is_read_only
        self.add_button.setEnabled(is_open)
        self.classes_button.setVisible(is_open)

    def _show_scans(self) -> None:
        scans = self._state.scans
        heldout = {side.group for side in self._state.sides if side.use == "val"}
        names = [
            entry.name
            + (" (not found)" if entry.is_missing else "")
            + (" (held out)" if entry.group in heldout else "")
            for entry in scans
        ]
        fill_box(self.scan_box, names, self._state.scan, empty="add a scan")
        self.locate_button.setVisible(any(entry.is_missing for entry in scans))
        self._show_unknowns()

    def _show_scan_text(self) -> None:
        show_text(self.scan_text, self._state.scan_text)
        self._show_unknowns()

    def _show_unknowns(self) -> None:
        """Offer to enter what the file does not say."""
        entry = self._state.open_scan
        can = entry is not None and not self._state.is_read_only
        no_scale = can and entry is not None and entry.spacing_source != "file"
        no_side = can and entry is not None and entry.laterality is None
        self.spacing_button.setVisible(bool(no_scale))
        self.side_button.setVisible(bool(no_side))

    # What the user does.

    def _on_new_clicked(self) -> None:
        from napari_retseg.ui.workbench.dialogs.new_workspace import NewWindow

        self.new_window = NewWindow(self)
        self.new_window.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.new_window.chosen.connect(self.created)
        self.new_window.show()

    def _on_open_clicked(self) -> None:
        choose_folder(self, "Choose a workspace folder", self.opened.emit)

    def _on_locate_clicked(self) -> None:
        choose_folder(self, "Choose the folder with the scans", self.located.emit)

    def _fill_recent(self) -> None:
        self.recent_menu.clear()
        for folder in self._state.recent:
            text = f"{folder.name}   ({folder.parent})"
            add_action(self.recent_menu, text, partial(self.opened.emit, folder))
        if not self._state.recent:
            add_action(self.recent_menu, "none yet", None)

    def _fill_add(self) -> None:
        self.add_menu.clear()
        add_action(self.add_menu, "Files…", self._on_add_files)
        add_action(self.add_menu, "Folder of B-scans…", self._on_add_folder)
        add_action(self.add_menu, "Dataset with labels…", self._on_add_dataset)
        self.add_menu.addSeparator()
        self.layers_wanted.emit()

    def offer_layers(self, names: list[str]) -> None:
        """Offer the image layers that are open, in the menu that is being shown."""
        for index, name in enumerate(names):
            add_action(self.add_menu, f"Layer: {name}", partial(self.layer_added.emit, index))

    def _on_add_files(self) -> None:
        files, _ = QFileDialog.getOpenFileNames(self, "Choose scans")
        if files:
            self.files_added.emit([Path(file) for file in files])

    def _on_add_folder(self) -> None:
        def take(folder: Path) -> None:
            self.files_added.emit([folder])

        choose_folder(self, "Choose a folder of B-scans", take)

    def _on_add_dataset(self) -> None:
        choose_folder(self, "Choose a dataset folder", self.dataset_added.emit)

    def ask_for_classes(self, names: Sequence[str]) -> None:
        """Let the user change the list of classes."""
        chosen = self._state.chosen_model
        model = ("", ()) if chosen is None else (chosen.name, chosen.info.classes.names[1:])
        form = ClassForm(names, *model, parent=self)
        if form.exec() == QDialog.DialogCode.Accepted:
            self.classes_given.emit(form.names)
        form.deleteLater()

    def _on_spacing_clicked(self) -> None:
        entry = self._state.open_scan
        if entry is None:
            return
        form = ScaleForm(len(entry.shape or ()) or 3, entry.spacing_um, self)
        if form.exec() == QDialog.DialogCode.Accepted:
            self.described.emit({"spacing_um": form.spacing_um})
        form.deleteLater()

    def _on_side_clicked(self) -> None:
        side, ok = QInputDialog.getItem(
            self, "Laterality", "Which eye is it?", list(_SIDES), 0, False
        )
        if ok:
            self.described.emit({"laterality": side[:2]})
