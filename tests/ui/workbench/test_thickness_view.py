"""The numbers on the thickness map."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QRectF

from napari_retseg.ui.workbench.thickness_view import keep_inside


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
