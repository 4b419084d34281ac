"""napari that is killed while its user draws and confirms loses nothing that it promised."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ui.workbench.safety.killing import KINDS, Report, kill_often, make_workspace


@pytest.mark.slow
@pytest.mark.parametrize("hand", ["brush", "mixed"])
def test_killing_napari_loses_no_confirmed_bscan_nor_an_old_stroke(
    tmp_path: Path, own_models: Path, hand: str
) -> None:
    report = kill_often(make_workspace(tmp_path), len(KINDS), seed=4, hand=hand)
    assert report.strokes > 10
    assert ("moving" in report.drawn) == (hand != "brush")
    assert report.confirmed > 0
    assert report == Report(
        kills=len(KINDS),
        strokes=report.strokes,
        drawn=report.drawn,
        held=report.held,
        confirmed=report.confirmed,
        strokes_of_the_last_second_lost=report.strokes_of_the_last_second_lost,
    )
