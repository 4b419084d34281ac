"""Propagate: corrections of confirmed B-scans for the predictions that share their errors."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_retseg.classes import LabelSet
from napari_retseg.dataset.pagedlabels import peek
from napari_retseg.decode.distances import measure_distances
from napari_retseg.decode.propagation import Propagation, Proposal
from napari_retseg.events import CancelToken
from napari_retseg.failures import explain
from napari_retseg.layers import is_gapless, is_lesion, layer_order
from napari_retseg.plural import count_noun
from napari_retseg.scan import OctScan
from napari_retseg.ui.workbench.control.correcting import Correcting
from napari_retseg.ui.workbench.control.open_scan import OpenScan
from napari_retseg.ui.workbench.control.repredicting import note_propagated, write_predictions
from napari_retseg.ui.workbench.control.session import Session
from napari_retseg.ui.workbench.control.steps import PredictionPatch

#: Seconds between two lines about how far it is: each has the dock laid out anew.
_TELL_S = 1.0


@dataclass(frozen=True, eq=False)
class Offer:
    """What Propagate would change.

    Attributes
    ----------
    opened
        The scan.
    proposals
        By B-scan.
    before
        The predictions that they were made for.
    """

    opened: OpenScan
    proposals: Mapping[int, Proposal]
    before: Mapping[int, NDArray[np.uint8]]

    @property
    def layers(self) -> list[str]:
        """Names of the layers, from the vitreous to the sclera."""
        classes = self.opened.loaded.classes
        return [classes.classes[k].name for k in layer_order(classes)]


class Propagating:
    """Looks on a thread of its own what could be carried over, and does what the user chose.

    All methods are called on the GUI's thread.
    """

    #: An :class:`Offer` is to be shown.
    offered = Signal(object)

    def __init__(self, session: Session, correcting: Correcting) -> None:
        self._session = session
        self._correcting = correcting
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="retseg-propagation")
        self._cancel: CancelToken | None = None
        session.shown.connect(self.drop)

    @property
    def is_running(self) -> bool:
        """Whether B-scans are being compared."""
        return self._cancel is not None

    def look(self) -> None:
        """Find what could be carried over, then offer it; once more: stop looking."""
        if self._cancel is not None:
            self.drop()
            self._session.notify("Stopped. Nothing was changed.")
            return
        opened = self._session.opened
        if self._session.find_writable() is None or opened is None:
            return
        self._correcting.check()
        propagation, targets, problem = self._prepare(opened)
        if propagation is None:
            self._session.notify(problem)
            return
        self._cancel = cancel = CancelToken()
        self._session.notify(f"Comparing {count_noun(len(targets), 'B-scan')}…")
        future = self._thread.submit(self._find, propagation, targets, cancel)
        future.add_done_callback(partial(self._settle, opened, cancel))

    def apply(self, offer: Offer, bscans: Collection[int]) -> None:
        """Change the predictions of some of the offered B-scans: one step that can be undone."""
        opened, states = offer.opened, self._correcting.states
        if self._session.opened is not opened or self._session.find_writable() is None:
            return
        patches = []
        for bscan in sorted(bscans):
            proposal, now = offer.proposals[bscan], opened.prediction_of(bscan)
            if bscan in states or not np.array_equal(now, offer.before[bscan]):
                continue
            known = opened.loaded.propagated.get(bscan, ())
            patches.append(PredictionPatch.of_planes(bscan, now, proposal.labels, known))
            note_propagated(opened, bscan, proposal.sources, now)
            now[...] = proposal.labels
        if not patches:
            self._session.notify("Nothing was changed.")
            return
        changed = [patch.bscan for patch in patches]
        self._correcting.note_predictions(_name_step(changed), patches)
        self._correcting.show_prediction()
        write_predictions(self._session, opened, changed)
        count = count_noun(len(changed), "B-scan")
        self._session.notify(
            f"Corrected the prediction of {count}. Check them, then accept what is right."
        )

    def drop(self) -> None:
        """Look no longer."""
        if self._cancel is not None:
            self._cancel.cancel()
        self._cancel = None

    def close(self) -> None:
        """End the thread."""
        self.drop()
        self._thread.shutdown(wait=True)

    def _prepare(self, opened: OpenScan) -> tuple[Propagation | None, list[int], str]:
        """Collect what is compared; or say why nothing can be."""
        loaded, states = opened.loaded, self._correcting.states
        order = layer_order(loaded.classes)
        if not is_gapless(loaded.classes, order):
            return None, [], "Only layers that follow each other can be propagated."
        confirmed = [b for b in states if states[b] == "confirmed" and b in loaded.predicted]
        if not confirmed:
            return None, [], "Correct and confirm a B-scan with a prediction first."
        targets = [b for b in sorted(loaded.predicted) if b not in states]
        if not targets:
            return None, [], "All predicted B-scans have labels already."
        return (
            Propagation(
                grey=_GreyReader(loaded.scan),
                prediction=opened.own_prediction_of,
                current=opened.prediction_of,
                labels={b: peek(loaded.labels, b) for b in confirmed},
                layers=[loaded.classes.classes[k].value for k in order],
                lesions=_find_lesions(loaded.classes),
                distances=measure_distances(loaded.scan),
            ),
            targets,
            "",
        )

    def _find(
        self, propagation: Propagation, targets: list[int], cancel: CancelToken
    ) -> tuple[dict[int, Proposal], dict[int, NDArray[np.uint8]]]:
        """Compare B-scan by B-scan, on the thread of this."""
        proposals, before, told = {}, {}, time.monotonic()
        for done, (bscan, proposal) in enumerate(propagation.propose(targets), start=1):
            if cancel.is_cancelled():
                break
            if proposal is not None:
                proposals[bscan] = proposal
                before[bscan] = propagation.current(bscan).copy()
            if time.monotonic() - told > _TELL_S:
                told = time.monotonic()
                text = f"Comparing B-scans… {done} of {len(targets)}"
                self._session.post(partial(self._tell, cancel, text))
        return proposals, before

    def _tell(self, cancel: CancelToken, text: str) -> None:
        if self._cancel is cancel:
            self._session.notify(text)

    def _settle(
        self,
        opened: OpenScan,
        cancel: CancelToken,
        future: Future[tuple[dict[int, Proposal], dict[int, NDArray[np.uint8]]]],
    ) -> None:
        error = future.exception()
        if error is not None:
            self._session.post(partial(self._fail, cancel, explain(error)))
            return
        self._session.post(partial(self._offer, cancel, Offer(opened, *future.result())))

    def _fail(self, cancel: CancelToken, text: str) -> None:
        if self._cancel is cancel:
            self._cancel = None
            self._session.notify(text, "error")

    def _offer(self, cancel: CancelToken, offer: Offer) -> None:
        if self._cancel is not cancel:
            return
        self._cancel = None
        if self._session.opened is not offer.opened:
            return
        if not offer.proposals:
            self._session.notify(
                "Nothing to propagate: no other B-scan looks as if it had the same errors."
            )
            return
        self._session.notify("")
        self.offered.emit(offer)


class _GreyReader:
    """Reads B-scans as grey values; of several channels, the mean."""

    def __init__(self, scan: OctScan) -> None:
        self._scan = scan

    def __call__(self, bscan: int) -> NDArray[np.float32]:
        grey: NDArray[np.float32] = self._scan.read_bscan(bscan).astype(np.float32).mean(axis=0)
        return grey


def _find_lesions(classes: LabelSet) -> list[int]:
    return [c.value for c in classes.foreground if is_lesion(c.name)]


def _name_step(bscans: list[int]) -> str:
    if len(bscans) == 1:
        return f"propagating to B-scan {bscans[0]}"
    return f"propagating to {len(bscans)} B-scans"
