"""What a hand needs for each action: seconds by Fitts' law, and how exactly it gets there.

- Pointing and dragging: ``T = 0.230 + 0.166 log2(D / W + 1)`` s for a way D to a target of width W,
  the smaller of its width and height (MacKenzie and Buxton, CHI '92, "Extending Fitts' law to
  two-dimensional tasks", equation 4 and figure 6, of a mouse). The hand ends within the target: its
  error has a standard deviation of W / 4.133 (effective width, in the same paper).
- A stroke along a curve is a chain of such drags, one for each 32 pixels, to a target as high as
  the stroke may err (a choice; the steering law has no constants for a mouse and curves).
- To decide what to do next: 1.35 s for each action; a key 0.28 s; a click 0.20 s (Card, Moran and
  Newell, "The Psychology of Human-Computer Interaction", 1983, keystroke-level model). A notch of
  the wheel: 0.10 s (a choice).

All ways are in pixels of the B-scan: both sides of Fitts' law scale with the zoom.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

DECIDE_S, KEY_S, CLICK_S, NOTCH_S = 1.35, 0.28, 0.20, 0.10
_SEGMENT = 32.0


@dataclass
class Hand:
    """Counts actions and seconds, and errs as a hand does.

    Attributes
    ----------
    rng
        Draws where within a target the hand ends.
    at
        The pointer's place, ``(row, column)``.
    """

    rng: np.random.Generator
    at: tuple[float, float] = (0.0, 0.0)
    drags: int = 0
    clicks: int = 0
    keys: int = 0
    seconds: float = 0.0
    _class: int = field(default=-1, repr=False)
    _size: int = field(default=-1, repr=False)

    @property
    def actions(self) -> int:
        """Drags and clicks; keys and the wheel are counted in seconds only."""
        return self.drags + self.clicks

    def err(self, width: float) -> float:
        """Draw how far from the middle of a target of this width the hand ends."""
        return float(self.rng.normal(0, width / 4.133))

    def slip(self, length: int, width: float) -> NDArray[np.float64]:
        """Draw how far a stroke runs from its line: at the end of each drag of its chain anew."""
        ends = np.arange(0, length + 2 * _SEGMENT, _SEGMENT)
        return np.interp(np.arange(length), ends, self.rng.normal(0, width / 4.133, len(ends)))

    def point(self, row: float, column: float, width: float) -> None:
        """Move to a place."""
        self.seconds += move_s(math.hypot(row - self.at[0], column - self.at[1]), width)
        self.at = (row, column)

    def click(self, row: float, column: float, width: float, *, decides: bool = True) -> None:
        """Decide, point, and click."""
        self.seconds += DECIDE_S * decides + CLICK_S
        self.point(row, column, width)
        self.clicks += 1

    def press(self, keys: int = 1) -> None:
        """Press keys."""
        self.keys += keys
        self.seconds += KEY_S * keys

    def turn(self, notches: int) -> None:
        """Turn the wheel."""
        self.seconds += NOTCH_S * notches

    def drag(self, start: tuple[float, float], end: tuple[float, float], width: float) -> None:
        """Decide, take something up and bring it to a place that is `width` high."""
        self.seconds += DECIDE_S + CLICK_S
        self.point(*start, 6.0)
        self.point(*end, width)
        self.drags += 1

    def stroke(self, start: tuple[float, float], length: float, width: float) -> None:
        """Decide, and draw along a curve of this length, `width` high."""
        self.seconds += DECIDE_S + CLICK_S
        self.point(*start, width)
        n = max(math.ceil(length / _SEGMENT), 1)
        self.seconds += n * move_s(length / n, width)
        self.at = (start[0], start[1] + length)
        self.drags += 1

    def choose_class(self, value: int) -> None:
        """Press the key of a class, where another one is chosen."""
        if value != self._class:
            self._class = value
            self.press()

    def choose_size(self, size: int) -> None:
        """Press a key, where the brush has another size."""
        if size != self._size:
            self._size = size
            self.press()

    def plus(self, other: Hand) -> Hand:
        """What both took."""
        return Hand(
            self.rng,
            drags=self.drags + other.drags,
            clicks=self.clicks + other.clicks,
            keys=self.keys + other.keys,
            seconds=self.seconds + other.seconds,
        )


def move_s(way: float, width: float) -> float:
    """Seconds for a way to a target."""
    return 0.230 + 0.166 * math.log2(way / width + 1)


def stroke_s(length: float, width: float) -> float:
    """Seconds for a stroke, without the way to its start."""
    n = max(math.ceil(length / _SEGMENT), 1)
    return n * move_s(length / n, width)
