"""What the scores of a training are called in its plots."""

from __future__ import annotations

from napari_retseg.rounds import Measure

MEASURES: dict[Measure, str] = {"dice": "Dice", "iou": "IoU"}
#: The mean of all classes but background.
MEAN = "mean foreground"
