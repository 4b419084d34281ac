"""The window that makes a workspace: a name, and the folder that it is made in."""

from __future__ import annotations

from pathlib import Path

from magicgui.types import FileDialogMode
from magicgui.widgets import FileEdit, LineEdit
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_retseg.ui.memory import open_memory
from napari_retseg.ui.widgets.form_window import FormWindow

_FOLDER = "workspaces/folder"
_NAME = "workspace"


class NewWindow(FormWindow):
    """Asks for a name and a place; the folder need not be there yet."""

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("New workspace", "Create", parent)
        last = str(open_memory().value(_FOLDER, str(Path.home())))
        self.name_edit = LineEdit(label="Name", value=_free_name(Path(last)))
        self.folder_edit = FileEdit(
            label="In", mode=FileDialogMode.EXISTING_DIRECTORY, value=Path(last)
        )
        self.lay_out((self.name_edit, self.folder_edit), width=480)
        self.name_edit.changed.connect(self._show)
        self.folder_edit.changed.connect(self._show)
        self.take_button.clicked.connect(self._on_make_clicked)
        self._show()

    @property
    def folder(self) -> Path:
        """The workspace's folder."""
        return Path(str(self.folder_edit.value)).expanduser() / str(self.name_edit.value).strip()

    def _fault(self) -> str:
        """Say why no workspace can be made there; empty where one can."""
        if not str(self.name_edit.value).strip():
            return "Enter a name for the workspace folder."
        folder = self.folder
        try:
            if folder.is_dir() and any(folder.iterdir()):
                return f"{folder} is not empty. Choose another name, or open it with Open…"
            if folder.exists() and not folder.is_dir():
                return f"{folder} is a file. Choose another name."
        except (OSError, ValueError) as error:
            return f"{folder}: cannot use this folder ({error}). Choose another name."
        return ""

    def _show(self, _value: object = None) -> None:
        fault = self._fault()
        self.notice.setText(fault or f"Labels and models will be saved in {self.folder}.")
        self.take_button.setEnabled(not fault)

    def _on_make_clicked(self) -> None:
        folder = self.folder
        open_memory().setValue(_FOLDER, str(folder.parent))
        self.chosen.emit(folder)
        self.close()


def _free_name(folder: Path) -> str:
    """Return a name that is free in a folder."""
    names = [_NAME, *(f"{_NAME}-{number}" for number in range(2, 100))]
    return next((name for name in names if not (folder / name).exists()), "")
