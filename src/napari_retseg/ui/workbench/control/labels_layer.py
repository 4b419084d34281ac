"""The layer that is drawn on: it asks before it is changed, and its undo is the workbench's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Labels as NapariLabels


@dataclass(frozen=True)
class Hand:
    """What hears of a hand on the labels.

    Attributes
    ----------
    before
        Called with the B-scans that are about to be changed, before they are.
    undo, redo
        Done in place of napari's own, which forget all when another B-scan comes into view.
    name
        Names what is seen at a pixel, ``(bscan, row, column)``; called on any thread.
    """

    before: Callable[[Collection[int]], None]
    undo: Callable[[], None]
    redo: Callable[[], None]
    name: Callable[[tuple[int, ...]], str]


class Labels(NapariLabels):
    """The user's labels of the open scan.

    It carries the name of napari's class, because napari tells the kinds of layers apart by it.
    """

    hand: Hand | None = None

    def paint(self, coord: Sequence[float], new_label: int, refresh: bool = True) -> None:
        """Paint a dab."""
        self._tell(coord)
        super().paint(coord, new_label, refresh)

    def fill(self, coord: Sequence[float], new_label: int, refresh: bool = True) -> None:
        """Fill an area."""
        self._tell(coord)
        super().fill(coord, new_label, refresh)

    def paint_polygon(self, points: Any, new_label: int) -> None:
        """Fill a polygon."""
        self._tell(points[0])
        super().paint_polygon(points, new_label)

    def data_setitem(self, indices: Any, value: Any, refresh: bool = True) -> None:
        """Set pixels, as plugins do."""
        if self.hand is not None:
            is_volume = self.data.ndim == 3
            self.hand.before(np.unique(indices[0]).tolist() if is_volume else [0])
        super().data_setitem(indices, value, refresh)  # type: ignore[no-untyped-call]

    def undo(self) -> None:
        """Take one step back, on whatever B-scan it was."""
        if self.hand is None:
            super().undo()
        else:
            self.hand.undo()

    def redo(self) -> None:
        """Take the step again."""
        if self.hand is None:
            super().redo()
        else:
            self.hand.redo()

    def get_status(self, position: Any = None, **where: Any) -> dict[str, str]:
        """Describe what is seen at a place, for the status bar."""
        status: dict[str, str] = super().get_status(position, **where)
        pixel = self._find_pixel(position, is_world=bool(where.get("world")))
        if self.hand is not None and pixel is not None:
            name = self.hand.name(pixel)
            place = " ".join(str(k) for k in pixel)
            status["value"] = name
            status["coordinates"] = f" [{place}]: {name}"
        return status

    def _find_pixel(self, position: Any, *, is_world: bool) -> tuple[int, ...] | None:
        """Return the pixel at a place; None outside of the labels, and in a view in 3D."""
        if position is None or self._slice_input.ndisplay != 2:
            return None
        place = self.world_to_data(position) if is_world else np.asarray(position)
        pixel = tuple(int(k) for k in np.round(place[-self.data.ndim :]))
        inside = all(0 <= k < n for k, n in zip(pixel, self.data.shape, strict=True))
        return pixel if inside else None

    def _tell(self, coord: Sequence[float]) -> None:
        """Say which B-scan is about to be changed; many at once are compared afterwards."""
        if self.hand is None:
            return
        if self.data.ndim == 2:
            self.hand.before([0])
        elif self.n_edit_dimensions == 2:
            self.hand.before([int(np.round(coord[0]))])
