"""What the mouse does on the labels: napari's own tools, and the size of the brush. Knows no Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_retseg.ui.workbench.control.session import Session

if TYPE_CHECKING:
    from napari_retseg.ui.workbench.control.open_scan import OpenScan

#: The largest brush of napari's own slider.
LARGEST_BRUSH = 40


class Tools:
    """Takes a tool in hand, and follows what is in hand by napari's own keys and buttons.

    All methods are called on the GUI's thread.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._opened: OpenScan | None = None
        session.state.events.n_bscans.connect(self._on_scan)

    def take(self, mode: str) -> None:
        """Use the labels layer in one of its modes: paint, erase, fill, polygon, pan_zoom."""
        opened = self._session.opened
        if opened is None:
            self._session.notify("Open a scan first.")
        elif mode != "pan_zoom" and not self._session.state.can_edit:
            self._session.notify("This workspace can only be read.", "warning")
        else:
            self._session.viewer.layers.selection.active = opened.labels
            self._session.tool_taken.emit(mode)
            opened.labels.mode = mode

    def set_brush(self, size: int) -> None:
        """Take a brush of this diameter, in pixels."""
        opened = self._session.opened
        if opened is not None:
            opened.labels.brush_size = min(max(1, size), LARGEST_BRUSH)

    def _on_scan(self, n_bscans: int) -> None:
        before, self._opened = self._opened, self._session.opened if n_bscans else None
        if before is not None:
            before.labels.events.mode.disconnect(self._show)
            before.labels.events.brush_size.disconnect(self._show)
        if self._opened is not None:
            self._opened.labels.events.mode.connect(self._show)
            self._opened.labels.events.brush_size.connect(self._show)
        self._show()

    def _show(self, _event: Any = None) -> None:
        state, opened = self._session.state, self._opened
        state.mode = "" if opened is None else str(opened.labels.mode)
        if opened is not None:
            state.brush = round(opened.labels.brush_size)
