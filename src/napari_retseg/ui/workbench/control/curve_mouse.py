"""The mouse over the boundaries: pointing, dragging, drawing along, and how far a drag reaches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_retseg.ui.camera import camera_of

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_retseg.ui.workbench.control.curve_editing import CurveEditing
    from napari_retseg.ui.workbench.control.session import Session

#: Pixels of the screen within which a boundary is near.
_NEAR = 9.0
_FREE, _ALONG = "Shift", "Control"


class CurveMouse:
    """Listens to the mouse while boundaries are edited, and tells :class:`CurveEditing`.

    Far from all boundaries the mouse moves and zooms the picture as ever. When another tool of
    the labels layer is chosen, editing ends.
    """

    def __init__(self, session: Session, editing: CurveEditing) -> None:
        self._session = session
        self._editing = editing
        self._viewer: ViewerModel = session.viewer
        self._mode = "pan_zoom"
        self._layer: Any = None
        self._double_clicks: list[Callable[..., Any]] = []
        session.state.events.shows_curves.connect(self._on_shows)

    def close(self) -> None:
        """Listen no longer."""
        self._session.state.events.shows_curves.disconnect(self._on_shows)
        self._stop()

    def _on_shows(self, shows: bool) -> None:
        if shows:
            self._start()
        else:
            self._stop()

    def _start(self) -> None:
        opened, viewer = self._session.opened, self._viewer
        if opened is None or self._layer is not None:
            return
        self._layer, self._mode = opened.labels, str(opened.labels.mode)
        viewer.layers.selection.active = opened.labels
        opened.labels.mode = "pan_zoom"
        opened.labels.events.mode.connect(self._on_mode)
        for event in self._paint_events():
            event.connect(self._editing.note_change)
        viewer.mouse_drag_callbacks.append(self._on_drag)
        viewer.mouse_move_callbacks.append(self._on_move)
        viewer.mouse_wheel_callbacks.append(self._on_wheel)
        viewer.events.mouse_over_canvas.connect(self._on_over)
        # two quick drags are no wish to zoom
        self._double_clicks = list(viewer.mouse_double_click_callbacks)
        viewer.mouse_double_click_callbacks.clear()

    def _stop(self) -> None:
        layer, self._layer = self._layer, None
        if layer is None:
            return
        viewer = self._viewer
        for event in self._paint_events(layer):
            event.disconnect(self._editing.note_change)
        layer.events.mode.disconnect(self._on_mode)
        viewer.mouse_drag_callbacks.remove(self._on_drag)
        viewer.mouse_move_callbacks.remove(self._on_move)
        viewer.mouse_wheel_callbacks.remove(self._on_wheel)
        viewer.events.mouse_over_canvas.disconnect(self._on_over)
        viewer.mouse_double_click_callbacks.extend(self._double_clicks)
        if layer.mode == "pan_zoom":
            layer.mode = self._mode

    def _paint_events(self, layer: Any = None) -> tuple[Any, ...]:
        events = (layer or self._layer).events
        return events.labels_update, events.set_data, events.paint

    def _on_mode(self, _event: Any = None) -> None:
        """Make way for a brush that was chosen."""
        if self._layer is not None and self._layer.mode != "pan_zoom":
            self._editing.toggle()

    def _find_place(self, event: Any) -> tuple[float, float] | None:
        """A-scan and row of the pointer; None where no B-scan is seen from the front."""
        shown = tuple(self._viewer.dims.displayed)
        if self._layer is None or shown != tuple(range(self._viewer.dims.ndim))[-2:]:
            return None
        place = np.asarray(self._layer.world_to_data(event.position))
        return float(place[-1]), float(place[-2])

    def _measure_reach(self) -> float:
        """Rows of the scan within which a boundary is near."""
        height = float(self._layer.scale[-2])
        return max(_NEAR / (float(camera_of(self._viewer).zoom) * height), 0.6)

    def _on_move(self, _viewer: Any, event: Any) -> None:
        place = self._find_place(event)
        if place is None:
            self._editing.leave()
        elif not self._editing.is_held:
            self._editing.point(*place, self._measure_reach())

    def _on_over(self, _event: Any = None) -> None:
        """Nothing is near a pointer that has left the canvas."""
        if not self._viewer.mouse_over_canvas and not self._editing.is_held:
            self._editing.leave()

    def _on_drag(self, _viewer: Any, event: Any) -> Iterator[None]:
        place = self._find_place(event)
        if place is None or event.button not in (1, None):
            return
        editing = self._editing
        editing.point(*place, self._measure_reach())
        # the keys of vispy are equal to their names, but do not hash like them
        keys = list(event.modifiers)
        if not editing.press(is_drawing=_ALONG in keys, is_free=_FREE in keys):
            return
        event.handled = True
        yield
        while event.type == "mouse_move":
            place = self._find_place(event)
            if place is not None:
                editing.move(*place)
            event.handled = True
            yield
        # napari takes a move every few milliseconds: the last of a quick drag are in its end
        place = self._find_place(event)
        if place is not None:
            editing.move(*place)
        event.handled = True
        editing.release()

    def _on_wheel(self, _viewer: Any, event: Any) -> None:
        editing, place = self._editing, self._find_place(event)
        if place is not None and not editing.is_held:
            editing.point(*place, self._measure_reach())
        if place is None or event.modifiers or not (editing.is_near or editing.is_held):
            return
        event.handled = True
        step = float(event.delta[1])
        if step:
            editing.widen(1 if step > 0 else -1)
