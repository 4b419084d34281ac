"""The numbers on the thickness map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import QRectF
from qtpy.QtWidgets import QApplication

from napari_retseg.ui.workbench.control.map_picture import Front, MapPicture
from napari_retseg.ui.workbench.thickness_view import ThicknessView, keep_inside

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((10, 10, 20, 8), (10, 10, 20, 8)),
        ((90, 10, 20, 8), (80, 10, 20, 8)),
        ((-5, -3, 20, 8), (0, 0, 20, 8)),
        ((10, 45, 20, 8), (10, 42, 20, 8)),
        ((10, 10, 140, 8), (0, 10, 140, 8)),
    ],
)
def test_a_number_at_the_border_is_drawn_in_full(
    box: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    assert keep_inside(QRectF(*box), QRectF(0, 0, 100, 50)) == QRectF(*expected)


@pytest.mark.parametrize(("bscans_mm", "map_height"), [(6.0, 300), (2.0, 100)])
def test_the_view_is_as_high_as_the_map_needs(
    qtbot: QtBot, bscans_mm: float, map_height: int
) -> None:
    view = ThicknessView()
    qtbot.addWidget(view)
    view.resize(300, 600)
    view.show_picture(make_map((0.0, 6.0, bscans_mm, 0.0)))
    assert view.frame().width() == 300
    below = view.maximumHeight() - map_height
    assert 20 < below < 60
    view.show()
    view.resize(210, 200)
    QApplication.processEvents()
    assert view.maximumHeight() - below == 0.7 * map_height


def make_map(extent: tuple[float, float, float, float]) -> MapPicture:
    """A map of nothing that lies on a fundus."""
    image = np.zeros((4, 4, 4), np.uint8)
    return MapPicture(
        spans=("retina",),
        span="retina",
        unit="µm",
        image=image,
        extent=extent,
        colours=np.zeros((256, 4), np.uint8),
        least=0.0,
        greatest=1.0,
        lines=np.zeros((0, 4)),
        front=Front(image[..., 0], extent, "SLO"),
        sectors=None,
        means={},
        facts=(),
        notes=(),
    )
