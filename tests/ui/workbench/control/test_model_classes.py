"""What a model's classes are in a workspace with coarser ones."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from napari_retseg.classes import RETINA, RETINA_AND_LESIONS
from napari_retseg.ui.workbench.control.predicting import describe_left_out, translate


def test_both_kinds_of_fluid_are_the_workspaces_fluid() -> None:
    choice: Any = SimpleNamespace(name="m", info=SimpleNamespace(classes=RETINA_AND_LESIONS))
    opened: Any = SimpleNamespace(loaded=SimpleNamespace(classes=RETINA))
    assert translate(choice, opened)[:11].tolist() == [*range(8), 0, 8, 8]
    assert describe_left_out(choice, opened).endswith("left out: sub-RPE.")
