"""What the docks remember between two starts of napari."""

from __future__ import annotations

from qtpy.QtCore import QSettings


def open_memory() -> QSettings:
    """Return the settings that hold it."""
    return QSettings(
        QSettings.Format.IniFormat, QSettings.Scope.UserScope, "napari-retseg", "workbench"
    )
