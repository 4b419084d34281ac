"""What is kept of a run's scores; volumes have hundreds of B-scans, studies hundreds of runs."""

from __future__ import annotations

from typing import Any

#: From these counts follow all scores of a B-scan, and of the case that it is of.
_COUNTS = ("reference_pixels", "predicted_pixels", "false_positive_pixels")


def slim_scores(scores: dict[str, Any]) -> dict[str, Any]:
    """Keep each B-scan's counts alone; scores of the whole part stay as they are."""
    bscans = [
        {
            "name": bscan["name"],
            "group": bscan["group"],
            "classes": {
                name: {count: own[count] for count in _COUNTS}
                for name, own in bscan["classes"].items()
            },
        }
        for bscan in scores["bscans"]
    ]
    return {**scores, "bscans": bscans}


def slim_start(scores: dict[str, Any] | None) -> dict[str, Any] | None:
    """Keep what is shown of a starting model: its scores of the whole part."""
    if scores is None:
        return None
    return {name: value for name, value in scores.items() if name != "bscans"}
