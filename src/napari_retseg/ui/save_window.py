"""The window that saves a layer: which one, as what, and where to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from magicgui.types import FileDialogMode
from magicgui.widgets import ComboBox, FileEdit
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QWidget

from napari_retseg.errors import RetsegError
from napari_retseg.plaintext import make_visible
from napari_retseg.ui.layers import find_bscan
from napari_retseg.ui.memory import open_memory
from napari_retseg.ui.postbox import Postbox
from napari_retseg.ui.saving import (
    PNG_FOLDER,
    Format,
    Snapshot,
    can_be_saved,
    complete_path,
    list_formats,
    save_snapshot,
    take_snapshot,
)
from napari_retseg.ui.widgets.form_window import FormWindow
from napari_retseg.ui.widgets.pieces import ask, show_text

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

_FOLDER = "saving/folder"


class SaveWindow(FormWindow):
    """Saves one of a viewer's layers; the file is written on a thread of its own.

    Parameters
    ----------
    viewer
        Its layers can be saved.
    layers
        Those that are offered.
    chosen
        The one that is chosen first.
    notify
        Called with a sentence once a file is written.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        layers: Sequence[Layer],
        chosen: Layer,
        *,
        notify: Callable[[str], None],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__("Save a layer", "Save", parent)
        self._viewer = viewer
        self._layers = list(layers)
        self._notify = notify
        self._postbox = Postbox()
        names = [(make_visible(layer.name), number) for number, layer in enumerate(layers)]
        self.layer_box = ComboBox(
            label="Layer", choices=names, value=self._layers.index(chosen), tooltip="Layer to save"
        )
        self.format_box = ComboBox(label="As", choices=[("TIFF", 0)], tooltip="File type")
        self.file_edit = FileEdit(
            label="To", mode=FileDialogMode.OPTIONAL_FILE, tooltip="File, or new folder"
        )
        self.notice.hide()
        self.lay_out((self.layer_box, self.format_box, self.file_edit), width=520)
        self.layer_box.changed.connect(self._on_layer_changed)
        self.format_box.changed.connect(self._propose)
        self.take_button.clicked.connect(self._on_save_clicked)
        self._on_layer_changed()

    @property
    def layer(self) -> Layer:
        """The chosen layer."""
        return self._layers[int(self.layer_box.value)]

    @property
    def format(self) -> Format:
        """The chosen format."""
        return list_formats(self.layer)[int(self.format_box.value)]

    def _on_layer_changed(self, _value: object = None) -> None:
        formats = list_formats(self.layer)
        self.format_box.choices = [(one.name, number) for number, one in enumerate(formats)]
        self.format_box.value = 0
        self._propose()

    def _propose(self, _value: object = None) -> None:
        """Propose a name that says what it is, where files were saved last."""
        last = Path(str(open_memory().value(_FOLDER, str(Path.home()))))
        stem = "".join("_" if c in '<>:"/\\|?*‹' else c for c in make_visible(self.layer.name))
        what = self.format
        number = f" {find_bscan(self.layer, self._viewer):04d}" if what.is_one_bscan else ""
        self.file_edit.value = last / f"{stem}{number}{what.suffix}"

    def _on_save_clicked(self) -> None:
        what = self.format
        path = complete_path(Path(str(self.file_edit.value)).expanduser(), what)
        if what != PNG_FOLDER and path.exists() and not self._may_replace(path):
            return
        bscan = find_bscan(self.layer, self._viewer) if what.is_one_bscan else 0
        snapshot = take_snapshot(self.layer, self._viewer.layers)
        self._show("Saving…")
        self.take_button.setEnabled(False)
        self._start(snapshot, path, what, bscan)

    def _start(self, snapshot: Snapshot, path: Path, what: Format, bscan: int) -> None:
        writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="retseg-save")
        future = writer.submit(save_snapshot, snapshot, path, what, bscan=bscan)
        future.add_done_callback(lambda done: self._postbox.post(partial(self._on_saved, done)))
        writer.shutdown(wait=False)

    def _may_replace(self, path: Path) -> bool:
        text = f"{path.name} already exists. Replace it?"
        return ask(self, "Replace a file", text, yes="Replace", no="Keep")

    def _on_saved(self, done: Future[Path]) -> None:
        self.take_button.setEnabled(True)
        error = done.exception()
        if error is None:
            path = done.result()
            open_memory().setValue(_FOLDER, str(path.parent))
            self._notify(f"Saved to {path}.")
            self.close()
        elif isinstance(error, RetsegError):
            self._show(str(error))
        else:
            self._show(f"Could not save the file ({type(error).__name__}: {error}).")

    def _show(self, text: str) -> None:
        show_text(self.notice, text)


def open_save_window(
    viewer: ViewerModel,
    *,
    parent: QWidget,
    notify: Callable[[str], None],
    best: Layer | None = None,
) -> SaveWindow | None:
    """Let the user save a layer: the selected one, or `best`; say where there is none to save."""
    layers = [layer for layer in viewer.layers if can_be_saved(layer)]
    wanted = [viewer.layers.selection.active, best, *reversed(layers)]
    chosen = next((layer for layer in wanted if layer is not None and layer in layers), None)
    if chosen is None:
        notify("Nothing to save yet: open a scan first.")
        return None
    window = SaveWindow(viewer, layers, chosen, notify=notify, parent=parent)
    window.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    window.show()
    return window
