"""Windows to go back: to earlier labels, and to earlier models."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QDialog, QListWidget, QListWidgetItem, QWidget

from napari_retseg.models import ModelInfo, Version
from napari_retseg.models.lookup import STARTER
from napari_retseg.plaintext import make_visible
from napari_retseg.ui.plain import make_text
from napari_retseg.ui.widgets.pieces import lay_out_column, make_button, make_row
from napari_retseg.ui.widgets.theme import MARGIN
from napari_retseg.workspace import RestorePoint


class ChoiceWindow(QDialog):
    """A list with one line for each choice, and a button that takes the chosen one.

    Parameters
    ----------
    title, hint
        Of the window; what choosing does.
    rows
        A line, and what is emitted where it is chosen; None where it cannot be.
    verb
        On the button.
    """

    chosen = Signal(object)

    def __init__(
        self,
        title: str,
        hint: str,
        rows: Sequence[tuple[str, object]],
        *,
        verb: str,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.list = QListWidget()
        for text, value in rows:
            item = QListWidgetItem(make_visible(text))
            item.setData(Qt.ItemDataRole.UserRole, value)
            if value is None:
                item.setFlags(Qt.ItemFlag.NoItemFlags)
            self.list.addItem(item)
        self.hint = make_text(hint)
        self.take_button = make_button(verb, hint)
        self.close_button = make_button("Close", "Close without a change")
        buttons = make_row(None, self.take_button, self.close_button)
        lay_out_column(self, self.hint, self.list, buttons, margin=MARGIN)
        self.resize(460, 380)
        self.list.itemSelectionChanged.connect(self._show_button)
        self.list.itemDoubleClicked.connect(self._take)
        self.take_button.clicked.connect(self._take)
        self.close_button.clicked.connect(self.close)
        self._show_button()

    def _show_button(self) -> None:
        self.take_button.setEnabled(self.list.currentItem() is not None)

    def _take(self) -> None:
        item = self.list.currentItem()
        if item is not None:
            self.chosen.emit(item.data(Qt.ItemDataRole.UserRole))
            self.close()


class PointsWindow(ChoiceWindow):
    """Earlier states of the labels; emits the number of a restore point."""

    def __init__(
        self,
        points: Sequence[RestorePoint],
        unreadable: Sequence[str] = (),
        parent: QWidget | None = None,
    ) -> None:
        rows: list[tuple[str, object]] = [(describe_point(one), one.number) for one in points]
        super().__init__(
            "Label history",
            "Each line is a saved state of the labels. If you restore one, the present labels "
            "are saved here, too.",
            [*rows, *((f"Cannot be read: {why}", None) for why in unreadable)],
            verb="Restore",
            parent=parent,
        )


class VersionsWindow(ChoiceWindow):
    """Earlier models of a name, and the starter; emits the number of a version, or its name."""

    def __init__(
        self,
        versions: Sequence[Version],
        starter: ModelInfo | None = None,
        parent: QWidget | None = None,
    ) -> None:
        rows = [(describe_version(version), version.label) for version in versions]
        if starter is not None:
            rows.append((f"{STARTER}   built-in starter model{_worth(starter)}", STARTER))
        own = "" if versions else " This workspace has no model of its own yet."
        super().__init__(
            "Models",
            f"If you use an earlier model, the present one stays in this list.{own}",
            rows,
            verb="Use this model",
            parent=parent,
        )

    def _show_button(self) -> None:
        item = self.list.currentItem()
        is_other = item is not None and item.data(Qt.ItemDataRole.UserRole) != "current"
        self.take_button.setEnabled(is_other)


def describe_point(point: RestorePoint) -> str:
    """Name a restore point: when, of which scan, before what."""
    when = point.when.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return f"{when}   {point.name}   before: {point.why.removeprefix('before ')}"


def describe_version(version: Version) -> str:
    """Name a version of a model: number, since when, and what it is worth."""
    when = version.when.astimezone().strftime("%Y-%m-%d %H:%M")
    return f"{version.label}   {when}{_worth(version.info)}"


def _worth(info: ModelInfo | None) -> str:
    """Say a model's score on held-out scans, where it has one."""
    dice = None if info is None else info.mean_dice
    return "" if dice is None else f"   mean Dice {dice:.3f}"
