"""The button that shows pixels as squares, in step with the viewer in each dock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QPushButton, QSizePolicy

from napari_retseg.ui.aspect import aspect_of
from napari_retseg.ui.plain import make_tip

if TYPE_CHECKING:
    from napari.components import ViewerModel


def make_square_button(key: str = "") -> QPushButton:
    """Return a button that stays down while pixels are squares; its tooltip names a key."""
    button = QPushButton("Square pixels")
    button.setCheckable(True)
    button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
    button.setToolTip(
        make_tip(
            "Show pixels as squares. Otherwise a B-scan has its true shape, if the pixel size is "
            f"known.{f' [{key}]' if key else ''}"
        )
    )
    return button


def connect_square_button(button: QPushButton, viewer: ViewerModel) -> None:
    """Let a button change the viewer, and show what another one has changed."""
    aspect = aspect_of(viewer)

    def show(is_square: bool) -> None:
        with QSignalBlocker(button):
            button.setChecked(is_square)

    button.toggled.connect(aspect.set_square)
    aspect.changed.connect(show)
    button.destroyed.connect(lambda: aspect.changed.disconnect(show))
    show(aspect.is_square)
