from __future__ import annotations

import pytest

from napari_retseg.io.scale import believe_density, to_um


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (3.87, "um", 3.87),
        (0.00387, "mm", 3.87),
        (3.8716697599738836, "µm", 3.8716697599738836),
        (2, "Micron", 2.0),
        (1e-6, "m", 1.0),
        (3.87, "pixel", None),
        (3.87, "", None),
        (3.87, None, None),
        (0.0, "um", None),
        (-1.0, "um", None),
        (float("nan"), "um", None),
        (float("inf"), "um", None),
        ("wide", "um", None),
        (None, "um", None),
    ],
)
def test_sizes_in_um(value: object, unit: object, expected: float | None) -> None:
    assert to_um(value, unit) == expected


@pytest.mark.parametrize("dpi", [0.0, 1.0, 72.0, 96.0, 150.0, 300.0, 600.0])
def test_print_resolutions_are_no_scale(dpi: float) -> None:
    assert believe_density((dpi, dpi), "inch") == (None, None)


def test_sizes_of_oct_are_believed() -> None:
    assert believe_density((1 / 3.87, 1 / 11.5), "um") == (3.87, 11.5)
    assert believe_density((1 / 3.87, 1 / 115), "um") == (None, None)
