"""A box of models, with those that cannot be read behind the others."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtGui import QStandardItemModel
from qtpy.QtWidgets import QComboBox

from napari_retseg.plaintext import make_visible
from napari_retseg.ui.dockstate import BadModel
from napari_retseg.ui.plain import make_tip


def show_bad_models(box: QComboBox, bad: Sequence[BadModel], *, after: int) -> None:
    """List models that cannot be read behind the others; they cannot be chosen.

    Parameters
    ----------
    after
        Rows of the box that stay.
    """
    with QSignalBlocker(box):
        while box.count() > after:
            box.removeItem(box.count() - 1)
        rows = box.model()
        for row, one in enumerate(bad, start=after):
            box.addItem(f"{make_visible(one.name)} (cannot be read)")
            box.setItemData(row, make_tip(one.why), Qt.ItemDataRole.ToolTipRole)
            item = rows.item(row) if isinstance(rows, QStandardItemModel) else None
            if item is not None:
                item.setEnabled(False)
