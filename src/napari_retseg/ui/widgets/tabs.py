"""Docks that share their place: as tabs, so that each has the window's height."""

from __future__ import annotations

from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget


def find_dock(widget: QWidget) -> QDockWidget | None:
    """Return the dock that holds a widget."""
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parentWidget()
    return parent


def join(widget: QWidget, other: QWidget) -> None:
    """Put a widget's dock behind the same tab bar as another's, and in front."""
    own, place = find_dock(widget), find_dock(other)
    if own is None or place is None or own is place:
        return
    window = place.parentWidget()
    if isinstance(window, QMainWindow) and own not in window.tabifiedDockWidgets(place):
        window.tabifyDockWidget(place, own)
        own.raise_()
