"""A mouse over the picture, as napari hands its events to a viewer and its active layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from napari.utils._proxies import ReadOnlyWrapper
from napari.utils.interactions import (
    mouse_move_callbacks,
    mouse_press_callbacks,
    mouse_release_callbacks,
    mouse_wheel_callbacks,
)

from tests.ui.workbench.playedbench import PlayedBench


@dataclass
class Event:
    type: str
    position: tuple[float, ...]
    modifiers: tuple[str, ...] = ()
    button: int | None = 1
    is_dragging: bool = False
    delta: tuple[float, float] = (0, 0)
    handled: bool = False


class Mouse:
    """Moves over the B-scan in view; places are ``(column, row)`` of its pixels."""

    def __init__(self, played: PlayedBench) -> None:
        self._played = played
        self._keys: tuple[str, ...] = ()
        self.is_down = False

    def _send(self, callbacks: Any, kind: str, place: tuple[float, float], **more: Any) -> Event:
        labels: Any = self._played.opened.labels
        data = (self._played.state.bscan, place[1], place[0])[-labels.ndim :]
        event = Event(kind, tuple(labels.data_to_world(data)), self._keys, **more)
        given = ReadOnlyWrapper(event, exceptions=("handled",))
        for listening in (self._played.viewer, self._played.viewer.layers.selection.active):
            callbacks(listening, given)
        return event

    def move(self, column: float, row: float) -> Event:
        place = (column, row)
        return self._send(mouse_move_callbacks, "mouse_move", place, is_dragging=self.is_down)

    def press(self, column: float, row: float, *keys: str) -> Event:
        self._keys, self.is_down = keys, True
        return self._send(mouse_press_callbacks, "mouse_press", (column, row))

    def release(self, column: float, row: float) -> Event:
        self.is_down = False
        event = self._send(mouse_release_callbacks, "mouse_release", (column, row))
        self._keys = ()
        return event

    def turn(self, column: float, row: float, delta: float) -> Event:
        return self._send(mouse_wheel_callbacks, "mouse_wheel", (column, row), delta=(0, delta))

    def drag(self, *places: tuple[float, float], keys: tuple[str, ...] = ()) -> Event:
        """Press at the first place, move over the others, and let go at the last."""
        pressed = self.press(*places[0], *keys)
        for place in places[1:]:
            self.move(*place)
        self.release(*places[-1])
        return pressed
