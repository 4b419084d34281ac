"""What speaks for a boundary on the B-scans of the open scan: fetched beside the GUI, and kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_retseg.decode.edges import find_edges
from napari_retseg.decode.snapping import Clues
from napari_retseg.ui.workbench.control.open_scan import OpenScan
from napari_retseg.ui.workbench.control.session import Session

#: B-scans whose edges and gains are kept: 1.5 and 14 MB each at 496 x 768 with nine boundaries.
_MEMORY = 6


class Evidence(Protocol):
    """What a model says of a B-scan: see :class:`napari_retseg.decode.evidence.Evidence`."""

    def gain(self, layers: Sequence[str], shape: tuple[int, int]) -> NDArray[np.float32]:
        """Log-odds of each boundary at each cut row, ``(K + 1, depth + 1, width)``."""
        ...


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
        scan = self._opened.loaded.scan
        if bscan not in self._edges:
            self._ask(bscan, lambda: find_edges(scan.read_bscan(bscan).mean(axis=0)), self._edges)
        known = self._gains.get(bscan)
        if evidence is not None and (known is None or known[0] is not evidence):
            layers, shape = self._layers, self._shape
            self._ask(
                (bscan, id(evidence)),
                lambda: (evidence, evidence.gain(layers, shape)),
                self._gains,
                bscan,
            )

    def of(self, bscan: int, boundary: int) -> Clues | None:
        """Return what is there for a boundary; None: nothing yet."""
        edges, known = self._edges.get(bscan), self._gains.get(bscan)
        if edges is None and known is None:
            return None
        return Clues(gain=None if known is None else known[1][boundary], edges=edges)

    def _ask(
        self,
        key: object,
        work: Callable[[], object],
        into: OrderedDict[int, object] | OrderedDict,  # type: ignore[type-arg]
        bscan: int | None = None,
    ) -> None:
        if key not in self._asked:
            self._asked.add(key)
            place = key if bscan is None else bscan
            self._session.submit(work, partial(self._take, into, place, key))

    def _take(self, into: OrderedDict, place: object, key: object, found: object) -> None:  # type: ignore[type-arg]
        self._asked.discard(key)
        into[place] = found
        while len(into) > _MEMORY:
            into.popitem(last=False)
