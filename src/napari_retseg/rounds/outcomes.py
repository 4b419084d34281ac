"""What came of a training besides the held-out scores, a sentence each; empty: nothing to say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_retseg.plural import count_noun
from napari_retseg.rounds.curves import read_score


def remark_on_elsewhere(elsewhere: Mapping[str, Any]) -> str:
    """Say what became of the scores on simulated eyes, of many devices and diseases.

    `elsewhere` is that of a training's result; empty where there is none.
    """
    best = elsewhere.get("best")
    change = _compare(elsewhere.get("start"), best)
    if best is None or not change:
        return ""
    return f"Other kinds of scans ({best['n_bscans']} simulated): mean Dice {change}."


def remark_on_unlabelled(found: Mapping[str, Any]) -> str:
    """Say whether it helped to learn from B-scans that nobody labelled."""
    if not found:
        return ""
    before, after = found["dice_without"], found["dice_with"]
    number = count_noun(found["bscans"], "unlabelled B-scan")
    if after > before:
        return f"{number} helped: mean Dice {after:.3f}, without {before:.3f}."
    return f"{number} did not help, so not used: mean Dice {after:.3f}, without {before:.3f}."


def remark_on_rehearsed(rehearsed: Mapping[str, Any]) -> str:
    """Compare the scores on the older dataset, which are of the last iteration."""
    change = _compare(rehearsed.get("start"), rehearsed.get("last"))
    if not change:
        return ""
    return f"On the rehearsal dataset, after the last iteration: mean foreground Dice {change}."


def _compare(start: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> str:
    """Mean Dice of two sheets of scores and its change; empty where one has none."""
    if start is None or after is None:
        return ""
    before, now = read_score(start, None, "dice"), read_score(after, None, "dice")
    if before is None or now is None:
        return ""
    return f"{now:.3f}, was {before:.3f} ({sign(now - before, 3)})"


def sign(change: float, digits: int) -> str:
    """Write a change with its sign; one that is 0 in these digits has both."""
    text = f"{change:+.{digits}f}"
    return text if float(text) else f"±{0:.{digits}f}"
