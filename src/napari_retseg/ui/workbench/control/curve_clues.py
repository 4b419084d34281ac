"""What speaks for a boundary on the B-scans of the open scan: fetched beside the GUI, and kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from napari_retseg.decode.edges import find_edges
from napari_retseg.decode.evidence import Evidence
from napari_retseg.decode.snapping import Clues
from napari_retseg.ui.workbench.control.open_scan import OpenScan
from napari_retseg.ui.workbench.control.session import Session, T

#: B-scans whose edges and gains are kept: 1.5 and 14 MB each at 496 x 768 with nine boundaries.
_MEMORY = 6


class CurveClues:
    """Gathers clues of B-scans; what is not there yet does not count, and nothing waits for it.

    Parameters
    ----------
    layers
        Names of the layers, from above.
    shape
        Of a B-scan, ``(depth, width)``.
    """

    def __init__(
        self, session: Session, opened: OpenScan, layers: Sequence[str], shape: tuple[int, int]
    ) -> None:
        self._session = session
        self._opened = opened
        self._layers = layers
        self._shape = shape
        self._edges: OrderedDict[int, NDArray[np.float32]] = OrderedDict()
        #: The evidence that each of these gains was made of comes with it.
        self._gains: OrderedDict[int, tuple[Evidence, NDArray[np.float32]]] = OrderedDict()
        self._asked: set[object] = set()

    def fetch(self, bscan: int, evidence: Evidence | None) -> None:
        """Prepare what is known of a B-scan, on another thread."""
        scan, layers, shape = self._opened.loaded.scan, self._layers, self._shape
        if bscan not in self._edges:
            self._ask(
                bscan,
                lambda: find_edges(scan.read_bscan(bscan).mean(axis=0)),
                partial(_keep, self._edges, bscan),
            )
        known = self._gains.get(bscan)
        if evidence is None:
            self._gains.pop(bscan, None)  # of a model that is not chosen any more
        elif known is None or known[0] is not evidence:
            self._ask(
                (bscan, id(evidence)),
                lambda: (evidence, evidence.gain(layers, shape)),
                partial(_keep, self._gains, bscan),
            )

    def of(self, bscan: int, boundary: int) -> Clues | None:
        """Return what is there for a boundary; None: nothing yet."""
        edges, known = self._edges.get(bscan), self._gains.get(bscan)
        if edges is None and known is None:
            return None
        return Clues(gain=None if known is None else known[1][boundary], edges=edges)

    def _ask(self, key: object, work: Callable[[], T], keep: Callable[[T], None]) -> None:
        """Have something made, unless that is under way."""
        if key in self._asked:
            return
        self._asked.add(key)

        def take(found: T) -> None:
            self._asked.discard(key)
            keep(found)

        self._session.submit(work, take, failed=lambda _: self._asked.discard(key))


def _keep(kept: OrderedDict[int, T], bscan: int, found: T) -> None:
    kept[bscan] = found
    kept.move_to_end(bscan)
    while len(kept) > _MEMORY:
        kept.popitem(last=False)
