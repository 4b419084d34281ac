"""Figures of studies with many levels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from PIL import Image

from napari_retseg.study.drawing import (
    COLORS,
    add_legend,
    draw_means,
    list_line_styles,
)
from tests.cli.conftest import invoke
from tests.study.conftest import Write


def test_more_lines_than_colours_are_told_apart() -> None:
    styles = [style for style, _ in zip(list_line_styles(), range(32), strict=False)]
    assert len(set(styles)) == 32
    assert [style.color for style in styles[: len(COLORS)]] == list(COLORS)


def test_a_long_legend_makes_the_figure_higher() -> None:
    heights = []
    for count in (2, 14):
        figure = Figure(figsize=(5, 3))
        axes = figure.subplots()
        for number in range(count):
            axes.plot([0, 1], label=f"a level with a long name {number}")
        add_legend(figure, [axes])
        heights.append(figure.get_figheight())
    assert heights[0] < heights[1]


@pytest.mark.parametrize("with_band", [True, False])
def test_bands_are_drawn_where_they_are_wanted(with_band: bool) -> None:
    axes = Figure().subplots()
    points = {0: [0.1, 0.2], 10: [0.3, 0.5]}
    style = next(list_line_styles())
    draw_means(axes, points, label="a", style=style, with_dots=False, with_band=with_band)
    assert len(axes.lines) == 1
    assert bool(axes.collections) is with_band


@pytest.mark.slow
def test_no_level_is_left_out_of_the_curves(
    small_values: dict[str, Any], write_recipe: Write, tiny_dataset: Path, tmp_path: Path
) -> None:
    rates = [round(0.001 * (1 + n), 4) for n in range(10)]
    small_values["train"] |= {"iterations": 1, "score_every": 1}
    small_values["splits"] = {"halves": {"plan": "50/50"}}
    small_values["grids"] = {"rates": {"factors": {"lr": rates}}}
    recipe, output = write_recipe(small_values), tmp_path / "out"
    done = invoke("study", recipe, "--data", f"target={tiny_dataset}", "--output", output)
    assert done.exit_code == 0, done.output
    for kind in ("learning", "loss"):
        drawn = (output / "figures" / f"{kind}-rates-halves.svg").read_text()
        # the drawing names each text in a comment
        assert [rate for rate in rates if f"<!-- {rate} -->" not in drawn] == []
    with Image.open(output / "figures" / "scores-rates.png") as picture:
        assert picture.width > 600
