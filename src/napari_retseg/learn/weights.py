"""Class weights from the number of labelled pixels."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from napari_retseg.config import parse_class_weights
from napari_retseg.errors import InputError, UsageError
from napari_retseg.plural import count_noun


def class_weights(text: str, *, pixels: NDArray[np.int64]) -> torch.Tensor | None:
    """Weights of the classes for wce and wdice.

    With n the pixels of a class: ``inverse`` is 1 / n; ``sqrt`` its square root; ``rank`` puts
    the classes in order of n, the commonest gets 1, the next 2, the rarest as much as there are
    classes. All are then scaled to mean 1 over the classes that have a pixel. A class
    without one gets 0, unless its weight is given as a number.

    Parameters
    ----------
    text
        See :func:`napari_retseg.config.parse_class_weights`.
    pixels
        ``(k,)``, annotated pixels of each class in the training split.

    Returns
    -------
    torch.Tensor or None
        ``(k,)``, float32; None for ``none``.

    Raises
    ------
    RetsegError
        Where no pixel is annotated, or the given numbers do not fit the classes.
    """
    rule = parse_class_weights(text)
    if rule == "none":
        return None
    present = pixels > 0
    if not present.any():
        raise InputError("class weights: no pixel of the training split is labelled")
    weights = _given(rule, present) if isinstance(rule, tuple) else _by_rule(rule, pixels)
    return torch.from_numpy((weights / weights[present].mean()).astype(np.float32))


def _given(numbers: tuple[float, ...], present: NDArray[np.bool_]) -> NDArray[np.float64]:
    if len(numbers) != len(present):
        raise UsageError(
            f"class weights: {count_noun(len(numbers), 'number')} for {len(present)} classes; "
            "give one for each class, background first"
        )
    weights = np.array(numbers)
    if not weights[present].any():
        raise UsageError("class weights: all labelled classes have weight 0; raise one")
    return weights


def _by_rule(rule: str, pixels: NDArray[np.int64]) -> NDArray[np.float64]:
    weights = np.zeros(len(pixels))
    (present,) = np.nonzero(pixels)
    if rule == "rank":
        # where two have as many, the first in the label set counts as the commoner
        commonest_first = present[np.argsort(-pixels[present], kind="stable")]
        weights[commonest_first] = np.arange(1, len(present) + 1)
    else:
        weights[present] = pixels[present] ** (-1.0 if rule == "inverse" else -0.5)
    return weights
