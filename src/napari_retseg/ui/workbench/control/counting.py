"""Which labels of a scan count when it is measured. Knows no Qt."""

from __future__ import annotations

from collections.abc import Container

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import IGNORE
from napari_retseg.dataset.pagedlabels import PagedLabels, peek
from napari_retseg.errors import InputError
from napari_retseg.ui.workbench.control.open_scan import Loaded


def look(
    loaded: Loaded, labelled: Container[int], bscan: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return the labels of a B-scan as they count now, and which A-scans are doubtful.

    A B-scan with labels has those, another one its prediction without doubtful A-scans; one with
    neither is not annotated.

    Parameters
    ----------
    labelled
        The B-scans with labels.
    """
    prediction = peek(loaded.prediction, bscan)
    is_doubtful = np.zeros(prediction.shape[-1], bool)
    if bscan in labelled:
        return peek(loaded.labels, bscan), is_doubtful
    if bscan not in loaded.predicted:
        return np.full(prediction.shape, IGNORE, np.uint8), is_doubtful
    for start, stop in loaded.doubtful.get(bscan, ()):
        is_doubtful[start:stop] = True
    return prediction, is_doubtful


def collect(
    loaded: Loaded, labelled: Container[int]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return the labels of a scan as they count, of its shape, and ``(bscan, width)``: doubtful.

    Raises
    ------
    InputError
        Where memory would not hold them.
    """
    if isinstance(loaded.labels, PagedLabels):
        raise InputError(
            f"{loaded.name}: the labels of this volume are too large to be exported at once "
            f"({loaded.labels.nbytes / 2**30:.1f} GB); measure a part of the volume"
        )
    count = len(loaded.labels) if loaded.labels.ndim == 3 else 1
    looked = [look(loaded, labelled, bscan) for bscan in range(count)]
    labels = np.stack([one for one, _ in looked]).reshape(loaded.labels.shape)
    return labels, np.stack([one for _, one in looked])
