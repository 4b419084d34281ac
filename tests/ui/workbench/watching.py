"""How long the GUI's thread works without a pause, in its own processor time."""

from __future__ import annotations

import time

from qtpy.QtCore import Qt, QTimer

_TICK_MS = 2


class Watchdog:
    """Measures the GUI's thread between the ticks of a timer, from its start on.

    Processor time of this thread alone: another process or thread that takes the processor
    makes no stall of ours.
    """

    def __init__(self) -> None:
        self.longest_ms = 0.0
        self._before = time.thread_time()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(_TICK_MS)
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    def _tick(self) -> None:
        now = time.thread_time()
        self.longest_ms = max(self.longest_ms, 1000 * (now - self._before))
        self._before = now

    def forget(self) -> None:
        """Measure anew."""
        self.longest_ms = 0.0
        self._before = time.thread_time()

    def stop(self) -> None:
        """Measure no longer."""
        self._timer.stop()
