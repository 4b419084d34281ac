"""The mouse and keys while pockets are clicked: clicks, lines, and the wheel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_retseg.ui.camera import camera_of

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_retseg.ui.workbench.control.pocket_clicking import PocketClicking
    from napari_retseg.ui.workbench.control.session import Session

#: Pixels of the screen that the mouse moves in a click.
_STILL = 4.0
#: Held while drawing around a pocket: all of it is meant; held in a drag: the picture moves.
_EXACTLY, _MOVING = "Shift", "Control"
_KEYS = (_EXACTLY, _MOVING)


class PocketMouse:
    """Listens to the mouse while pockets are clicked, and tells :class:`PocketClicking`.

    A drag that begins outside the B-scan moves the picture as ever. When another tool of the
    labels layer is chosen, the clicks end.
    """

    def __init__(self, session: Session, clicking: PocketClicking) -> None:
        self._session = session
        self._clicking = clicking
        self._viewer: ViewerModel = session.viewer
        self._mode = "pan_zoom"
        self._layer: Any = None
        self._double_clicks: list[Callable[..., Any]] = []
        self._keys = {
            "Enter": clicking.take,
            "Escape": clicking.escape,
            "Up": lambda: clicking.grow(1),
            "Down": lambda: clicking.grow(-1),
        }
        session.state.events.takes_pockets.connect(self._on_takes)

    def close(self) -> None:
        """Listen no longer."""
        self._session.state.events.takes_pockets.disconnect(self._on_takes)
        self._stop()

    def _on_takes(self, takes: bool) -> None:
        if takes:
            self._start()
        else:
            self._stop()

    def _start(self) -> None:
        opened, viewer = self._session.opened, self._viewer
        if opened is None or self._layer is not None:
            return
        layer: Any = opened.labels
        self._layer, self._mode = layer, str(layer.mode)
        viewer.layers.selection.active = layer
        layer.mode = "pan_zoom"
        layer.events.mode.connect(self._on_mode)
        for key, action in self._keys.items():
            layer.bind_key(key, _ignore_layer(action), overwrite=True)
        viewer.mouse_drag_callbacks.append(self._on_drag)
        viewer.mouse_wheel_callbacks.append(self._on_wheel)
        # the second of two quick clicks is no wish to zoom
        self._double_clicks = list(viewer.mouse_double_click_callbacks)
        viewer.mouse_double_click_callbacks.clear()
        viewer.mouse_double_click_callbacks.append(self._on_double_click)

    def _stop(self) -> None:
        layer, self._layer = self._layer, None
        if layer is None:
            return
        viewer = self._viewer
        layer.events.mode.disconnect(self._on_mode)
        for key in self._keys:
            layer.bind_key(key, None)
        viewer.mouse_drag_callbacks.remove(self._on_drag)
        viewer.mouse_wheel_callbacks.remove(self._on_wheel)
        viewer.mouse_double_click_callbacks.clear()
        viewer.mouse_double_click_callbacks.extend(self._double_clicks)
        if layer.mode == "pan_zoom":
            layer.mode = self._mode

    def _on_mode(self, _event: Any = None) -> None:
        """Make way for a brush that was chosen."""
        if self._layer is not None and self._layer.mode != "pan_zoom":
            self._clicking.toggle()

    def _find_place(self, event: Any) -> tuple[float, float] | None:
        """Row and column of the pointer; None where no B-scan is seen from the front."""
        shown = tuple(self._viewer.dims.displayed)
        if self._layer is None or shown != tuple(range(self._viewer.dims.ndim))[-2:]:
            return None
        place = np.asarray(self._layer.world_to_data(event.position))
        return float(place[-2]), float(place[-1])

    def _is_on_bscan(self, place: tuple[float, float]) -> bool:
        shape = self._layer.data.shape[-2:]
        return all(-0.5 <= k < n - 0.5 for k, n in zip(place, shape, strict=True))

    def _measure(self, pixels: float) -> tuple[float, float]:
        """Rows and columns that so many pixels of the screen are."""
        zoom = float(camera_of(self._viewer).zoom)
        height, width = (float(k) for k in self._layer.scale[-2:])
        return pixels / (zoom * height), pixels / (zoom * width)

    def _on_drag(self, _viewer: Any, event: Any) -> Iterator[None]:
        place = self._find_place(event)
        # the keys of vispy are equal to their names, but do not hash like them
        keys = list(event.modifiers)
        if place is None or event.button not in (1, None) or not all(k in _KEYS for k in keys):
            return
        if _MOVING in keys:
            yield from self._move_picture(event)
            return
        clicking, start, limit = self._clicking, place, self._measure(_STILL)
        draws, has_moved = self._is_on_bscan(start), False
        event.handled = draws
        yield
        while True:
            # the release, too: napari takes a move every few milliseconds, and the last ones of a
            # quick drag come with its end only
            place = self._find_place(event) or place
            away = (abs(k - s) / n for k, s, n in zip(place, start, limit, strict=True))
            if not has_moved and max(away) > 1:
                has_moved = True
                if draws:
                    clicking.drop()
                    clicking.draw_to(*start)
            if has_moved and draws:
                clicking.draw_to(*place)
            event.handled = draws
            if event.type != "mouse_move":
                break
            yield
        if has_moved and draws:
            clicking.finish(exactly=_EXACTLY in [*keys, *event.modifiers])
        elif not has_moved and not keys:
            clicking.click(round(start[0]), round(start[1]))

    def _move_picture(self, event: Any) -> Iterator[None]:
        """Keep the place that was pressed below the pointer."""
        camera, pressed = camera_of(self._viewer), np.asarray(event.position)[-2:]
        event.handled = True
        yield
        while event.type == "mouse_move":
            down, right = pressed - np.asarray(event.position)[-2:]
            first, row, column = camera.center
            camera.center = (first, row + down, column + right)
            event.handled = True
            yield

    def _on_double_click(self, _viewer: Any, event: Any) -> None:
        place = self._find_place(event)
        if place is not None and event.button in (1, None) and not event.modifiers:
            self._clicking.click(round(place[0]), round(place[1]))

    def _on_wheel(self, _viewer: Any, event: Any) -> None:
        if event.modifiers or self._clicking.proposal is None:
            return
        event.handled = True
        step = float(event.delta[1])
        if step:
            self._clicking.grow(1 if step > 0 else -1)


def _ignore_layer(action: Callable[[], None]) -> Callable[[object], None]:
    def on_key(_layer: object) -> None:
        action()

    return on_key
