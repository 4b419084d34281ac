"""Predictions of the open scan that are changed without a model, and written as they are seen."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from napari_retseg.ui.workbench.control.open_scan import OpenScan
from napari_retseg.ui.workbench.control.session import Session


def note_propagated(
    opened: OpenScan, bscan: int, sources: tuple[int, ...], before: NDArray[np.uint8]
) -> None:
    """Note by which B-scans a prediction was corrected; empty: it is the model's own.

    Parameters
    ----------
    before
        What was predicted before, ``(depth, width)``.
    """
    loaded = opened.loaded
    if bscan not in loaded.propagated:
        loaded.own[bscan] = before.copy()
    loaded.propagated.pop(bscan, None)
    if sources:
        loaded.propagated[bscan] = sources
    else:
        loaded.own.pop(bscan, None)


def write_predictions(session: Session, opened: OpenScan, bscans: Iterable[int]) -> None:
    """Have predictions written as they are now, and show them."""
    planes = {
        bscan: (opened.prediction_of(bscan).copy(), opened.loaded.propagated.get(bscan, ()))
        for bscan in bscans
    }
    opened.prediction.refresh()
    session.changed.emit(tuple(planes))
    workspace = session.workspace
    if planes and workspace is not None and not workspace.is_read_only:
        session.submit(
            partial(workspace.change_predictions, opened.name, planes),
            lambda _: session.written.emit(),
        )
