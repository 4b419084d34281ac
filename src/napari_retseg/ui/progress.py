"""Progress bars that do not hold the viewer up."""

from __future__ import annotations

from qtpy.QtWidgets import QProgressBar


def show_progress(bar: QProgressBar, done: int, total: int) -> None:
    """Show how far something is, when the window is drawn next.

    A progress bar draws itself at once otherwise, and with it the whole window, which the
    viewer's canvas makes slow where there is no GPU.
    """
    if (bar.value(), bar.maximum()) == (done, total):
        return
    bar.setUpdatesEnabled(False)
    bar.setRange(0, total)
    bar.setValue(done)
    bar.setUpdatesEnabled(True)
