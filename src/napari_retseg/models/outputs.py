"""What a network's outputs mean, and those of a network that goes on from it."""

from __future__ import annotations

import numpy as np

from napari_retseg.classes import BACKGROUND, LabelSet
from napari_retseg.config import NetworkConfig
from napari_retseg.layers import translate_indices
from napari_retseg.models.description import ModelInfo

Parts = tuple[tuple[str, ...], ...]


def list_outputs(network: NetworkConfig, classes: LabelSet) -> LabelSet:
    """Name the outputs of a network: its classes, or the finer ones that these are made of."""
    if not network.parts:
        return classes
    return LabelSet.from_names(dict(enumerate(name for part in network.parts for name in part)))


def match_classes(old: LabelSet, new: LabelSet) -> tuple[tuple[int, ...], ...]:
    """Return for each new class the indices of the old classes that it is made of.

    One where there is a class of that name, several of which it is the whole (*fluid* of *IRF* and
    *SRF*), none where it is new. Background matches background, whatever it is called.
    """
    table = translate_indices(new, old)
    parts = (tuple(np.flatnonzero(table == row).tolist()) for row in range(1, len(new)))
    return ((BACKGROUND,), *parts)


def plan_parts(start: ModelInfo, classes: LabelSet) -> Parts:
    """Plan the outputs of a network that goes on from a model: none of these is lost.

    A class that is several of the model's is their sum, and what the new classes do not know
    belongs to background. So the new network begins with exactly the model's answers, and what it
    knows of the parts stays.

    Returns
    -------
    tuple of tuple of str
        For each class the names of its outputs; empty where each class is one of the model's. Also
        where one is new: what the model knows may then be a part of that.
    """
    old = list_outputs(start.network, start.classes)
    found = match_classes(old, classes)
    used = {index for parts in found for index in parts}
    rest = tuple(index for index in range(len(old)) if index not in used)
    if not all(found) or len(old) == len(classes):
        return ()
    return tuple(
        tuple(old.names[index] for index in parts) for parts in ((*found[0], *rest), *found[1:])
    )
