"""Class probabilities on the network's grid, for editing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from napari_retseg.events import Cancel, Event, EvidenceFound, Finished
from napari_retseg.infer.predict import AnyPredictor
from napari_retseg.nets.arrays import ops_of
from napari_retseg.nets.curves import place_axes
from napari_retseg.scan import OctScan


def find_evidence(
    scan: OctScan, predictor: AnyPredictor, cancel: Cancel, *, bscans: Sequence[int] | None = None
) -> Iterator[Event]:
    """Find the class probabilities of B-scans.

    Yields
    ------
    Event
        An :class:`EvidenceFound` for each B-scan, and :class:`Finished` at last.

    Raises
    ------
    ModelError
        Where the model takes another number of channels.
    """
    predictor.check_channels(scan.n_channels, scan.source or "the scan")
    chosen = list(range(scan.n_bscans)) if bscans is None else list(bscans)
    done = 0
    try:
        for indices, logits, grid in predictor.predict_inputs(scan, chosen, cancel=cancel):
            rows, columns = place_axes(grid) if grid is not None else ((1.0, 0.0), (1.0, 0.0))
            ops = ops_of(logits)
            with ops.no_gradients():
                found = ops.to_numpy(ops.softmax(ops.to_float(logits))).astype(np.float16)
            for index, probabilities in zip(indices, found, strict=True):
                done += 1
                yield EvidenceFound(index, probabilities, rows, columns)
    finally:
        predictor.forget()
    yield Finished(cancelled=done < len(chosen), result={"bscans": done})
