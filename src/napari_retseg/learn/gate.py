"""Whether a new model takes the old one's place, and whether that can be told at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from napari_retseg.dataset import BscanState, Dataset
from napari_retseg.scores import BscanScores

#: Labels that began as a model's prediction, and have this Dice with it, are mostly as it said.
KEPT_DICE = 0.85


def count_kept(dataset: Dataset, scored: Sequence[BscanScores], model: str) -> int:
    """Count the held-out B-scans whose labels are mostly what a model had predicted.

    Such labels agree with that model to the pixel wherever nobody painted, on any boundary that
    could as well lie a pixel higher. No other model can agree as well, however good it is.

    Parameters
    ----------
    scored
        Scores of that model, of each annotated B-scan of ``val``, in the dataset's order.
    model
        Its ``weights_id``.
    """
    states: list[BscanState | None] = []
    for case in dataset.of_split("val"):
        own = case.bscans or {}
        states += [own.get(bscan) for bscan in dataset.annotated_bscans(case, "val")]
    return sum(
        state is not None
        and state.model == model
        and (one.overlap.mean_foreground_dice or 0.0) >= KEPT_DICE
        for state, one in zip(states, scored, strict=True)
    )


def is_reference_of(start: Mapping[str, Any]) -> bool:
    """Whether most of the held-out labels speak for the starting model, by its own scores."""
    kept = max(start.get("n_kept", 0), start.get("n_exact", 0))
    return bool(2 * kept > start["n_bscans"])


def pass_gate(start: Mapping[str, Any] | None, best: Mapping[str, Any] | None) -> bool | None:
    """Whether the best model is not worse than the starting one on the held-out scans.

    Returns
    -------
    bool or None
        None: there is nothing to compare with, or the labels are mostly the starting model's own.
    """
    if start is None or best is None:
        return None
    before, after = start["mean_foreground_dice"], best["mean_foreground_dice"]
    if before is None or (after is not None and after >= before):
        return True
    return None if is_reference_of(start) else False
