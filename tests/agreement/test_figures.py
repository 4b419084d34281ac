"""Bland-Altman plots: what they draw, and the names of their files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_retseg.agreement import Agreement, find_icc, find_limits
from napari_retseg.agreement.figures import draw_bland_altman, format_short, write_figures
from tests.agreement.published import MINI, WRIGHT


def agree(name: str, n: int = 17) -> Agreement:
    first, second = (tuple(map(float, values[:n])) for values in (MINI, WRIGHT))
    icc = find_icc(list(zip(first, second, strict=True)))
    names = tuple(map(str, range(n)))
    limits = find_limits(first, second)
    return Agreement(("mean thickness", name, "scan", "um"), names, first, second, limits, icc)


def test_points_and_lines_are_those_of_the_numbers() -> None:
    axes = draw_bland_altman(agree("$x_retina")).axes[0]
    points = np.asarray(axes.collections[0].get_offsets())
    assert points == pytest.approx(
        np.stack([np.add(MINI, WRIGHT) / 2, np.subtract(WRIGHT, MINI)], axis=1)
    )
    lines = sorted(float(np.asarray(line.get_ydata())[0]) for line in axes.lines)
    assert lines == pytest.approx([-78.1, -2.1, 0, 73.9], abs=0.1)
    assert axes.get_title().startswith("$x_retina: mean thickness, scan (n = 17, ICC 0.9")
    assert axes.get_ylabel() == "B − A (µm)"


def test_names_that_no_file_can_have(tmp_path: Path) -> None:
    found = write_figures([agree("a/b"), agree("A:b"), agree("few", n=2)], tmp_path)
    assert [path.name for path in found] == [
        "mean-thickness_a-b_scan_um.png",
        "mean-thickness_A-b_scan_um_2.png",
    ]
    with Image.open(found[0]) as picture:
        assert picture.size == (780, 540)


def test_large_numbers_have_no_exponent() -> None:
    numbers = [4139.4, -2607.2, 99.94, 0.01234]
    assert [format_short(one) for one in numbers] == ["4139", "-2607", "99.9", "0.0123"]
