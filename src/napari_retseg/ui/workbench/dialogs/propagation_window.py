"""The window that shows what Propagate would change, and lets the user choose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QDialog, QHeaderView, QTreeWidget, QTreeWidgetItem, QWidget

from napari_retseg.decode.propagation import Proposal
from napari_retseg.layers import name_boundaries
from napari_retseg.plaintext import make_visible
from napari_retseg.plural import count_noun
from napari_retseg.ui.plain import make_text
from napari_retseg.ui.widgets.pieces import lay_out_column, make_button, make_row
from napari_retseg.ui.widgets.theme import MARGIN

_HINT = (
    "These B-scans look as if their predictions had the errors that you corrected. Uncheck a "
    "B-scan to leave it as it is; click it to see it. Labels are not changed, and U takes it all "
    "back."
)
_COLUMNS = ("B-scan", "changes", "corrected as")
_BSCAN = Qt.ItemDataRole.UserRole


class PropagationWindow(QDialog):
    """Lists the B-scans that would change; emits those that shall.

    Parameters
    ----------
    proposals
        By B-scan.
    layers
        Names of the layers, from the vitreous to the sclera.
    """

    #: The checked B-scans.
    chosen = Signal(object)
    #: A B-scan that the user wants to see.
    bscan_picked = Signal(int)

    def __init__(
        self,
        proposals: Mapping[int, Proposal],
        layers: Sequence[str],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Propagate corrections")
        names = name_boundaries(layers)
        self.tree = QTreeWidget()
        self.tree.setRootIsDecorated(False)
        self.tree.setHeaderLabels(list(_COLUMNS))
        self.tree.setAccessibleName("B-scans that would change")
        for bscan, proposal in sorted(proposals.items()):
            self.tree.addTopLevelItem(_make_row(bscan, proposal, names))
        header = self.tree.header()
        assert header is not None
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.take_button = make_button("Propagate", "Change the predictions of these B-scans")
        self.cancel_button = make_button("Cancel", "Close without a change")
        buttons = make_row(None, self.take_button, self.cancel_button)
        lay_out_column(self, make_text(_HINT), self.tree, buttons, margin=MARGIN)
        self.resize(620, 380)
        self.take_button.setDefault(True)
        self.take_button.clicked.connect(self._on_take_clicked)
        self.cancel_button.clicked.connect(self.close)
        self.tree.itemChanged.connect(self._show_button)
        self.tree.currentItemChanged.connect(self._on_current_item_changed)
        self._show_button()

    def checked(self) -> tuple[int, ...]:
        """The B-scans that are checked."""
        rows = [self.tree.topLevelItem(k) for k in range(self.tree.topLevelItemCount())]
        return tuple(
            int(row.data(0, _BSCAN))
            for row in rows
            if row is not None and row.checkState(0) == Qt.CheckState.Checked
        )

    def _show_button(self) -> None:
        count = len(self.checked())
        self.take_button.setEnabled(count > 0)
        self.take_button.setText(f"Propagate to {count_noun(count, 'B-scan')}")

    def _on_current_item_changed(self, item: QTreeWidgetItem | None) -> None:
        if item is not None:
            self.bscan_picked.emit(int(item.data(0, _BSCAN)))

    def _on_take_clicked(self) -> None:
        self.chosen.emit(self.checked())
        self.close()


def describe_proposal(proposal: Proposal, names: Sequence[str]) -> str:
    """Say which boundaries move and by how much, and how many pockets come and go."""
    parts = [
        f"{names[moved.boundary]}: {moved.mean_px:.1f} px in {moved.share:.0%} of A-scans"
        for moved in proposal.moved
    ]
    if proposal.n_added:
        parts.append(f"{count_noun(proposal.n_added, 'pocket')} added")
    if proposal.n_removed:
        parts.append(f"{count_noun(proposal.n_removed, 'pocket')} removed")
    return "\n".join(parts)


def _make_row(bscan: int, proposal: Proposal, names: Sequence[str]) -> QTreeWidgetItem:
    sources = ", ".join(str(source) for source in sorted(proposal.sources))
    row = QTreeWidgetItem(
        [str(bscan), make_visible(describe_proposal(proposal, names), keep="\n"), sources]
    )
    row.setData(0, _BSCAN, bscan)
    row.setFlags(row.flags() | Qt.ItemFlag.ItemIsUserCheckable)
    row.setCheckState(0, Qt.CheckState.Checked)
    return row
