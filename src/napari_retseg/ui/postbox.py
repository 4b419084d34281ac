"""From any thread to the GUI's."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject, Signal


class Postbox(QObject):
    """Takes functions from any thread and runs them on the GUI's."""

    _posted = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._posted.connect(self._run)

    def post(self, function: Callable[[], None]) -> None:
        """Run `function` on the GUI's thread, soon."""
        self._posted.emit(function)

    def _run(self, function: Callable[[], None]) -> None:
        function()
