"""Predictions of the open scan that are changed without a model, and written as they are seen."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from napari_retseg.ui.workbench.control.open_scan import OpenScan
from napari_retseg.ui.workbench.control.session import Session


def note_propagated(opened: OpenScan, bscan: int, sources: tuple[int, ...]) -> None:
    """Note by which B-scans a prediction was corrected; empty: it is the model's own."""
    opened.loaded.propagated.pop(bscan, None)
    if sources:
        opened.loaded.propagated[bscan] = sources


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
