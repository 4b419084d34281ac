"""What the chosen model says of the B-scans in view, for editing. Knows no Qt."""

from __future__ import annotations

import logging
from functools import partial

from psygnal import Signal

from napari_retseg.config import PredictConfig
from napari_retseg.decode.evidence import Evidence, Placement
from napari_retseg.engine import EvidenceJob, JobHandle, JobOutcome
from napari_retseg.errors import RetsegError
from napari_retseg.events import Event, EvidenceFound
from napari_retseg.ui.dock_state import ModelChoice
from napari_retseg.ui.model_runner import check_channels, take_bscans
from napari_retseg.ui.workbench.control.open_scan import OpenScan
from napari_retseg.ui.workbench.control.session import Session

logger = logging.getLogger(__name__)

#: B-scans whose evidence is kept: those looked at last. One takes 1.5 MB.
_KEPT = 16


class Weighing:
    """Asks the engine for the evidence of B-scans, one after the other, and keeps the last ones.

    Nothing waits for it: :meth:`of` says what is there. A tool that edits calls :meth:`want`
    whenever another B-scan comes into view. What is kept is of the open scan and the chosen model
    only, and is never saved.

    Parameters
    ----------
    config
        How models predict; the same as for segmentation, so that the model stays loaded.
    """

    #: The evidence of this B-scan has come.
    arrived = Signal(int)

    def __init__(self, session: Session, config: PredictConfig) -> None:
        self._session = session
        self._config = config
        self._kept: dict[int, Evidence] = {}
        self._wanted: list[int] = []
        self._running: tuple[int, JobHandle | None] | None = None
        self._about: tuple[OpenScan, str] | None = None
        self._number = 0
        session.shown.connect(self.forget)

    def of(self, bscan: int) -> Evidence | None:
        """Return what is known of a B-scan; None where nothing is yet."""
        self._follow()
        return self._kept.get(bscan)

    def want(self, bscan: int, *, beside: int = 1) -> None:
        """Ask for a B-scan, and then for its neighbours."""
        self._follow()
        count = self._session.state.n_bscans
        near = [bscan, *(bscan + sign * k for k in range(1, beside + 1) for sign in (1, -1))]
        running = None if self._running is None else self._running[0]
        self._wanted = [b for b in near if 0 <= b < count and b not in self._kept and b != running]
        for b in (b for b in near if b in self._kept):
            self._kept[b] = self._kept.pop(b)  # looked at last
        self._ask_next()

    def forget(self) -> None:
        """Let go of everything: another scan is open, or another model chosen."""
        self._number += 1
        if self._running is not None and self._running[1] is not None:
            self._running[1].cancel()
        self._kept, self._wanted, self._running, self._about = {}, [], None, None

    def _follow(self) -> None:
        """Forget what is of another scan or model than now."""
        opened, choice = self._session.opened, self._session.state.chosen_model
        about = None if opened is None or choice is None else (opened, choice.info.weights_id)
        if about is None or self._about is None:
            if self._about is not None:
                self.forget()
        elif about[0] is not self._about[0] or about[1] != self._about[1]:
            self.forget()
        self._about = about

    def _ask_next(self) -> None:
        opened, choice = self._session.opened, self._session.state.chosen_model
        if self._running is not None or not self._wanted or opened is None or choice is None:
            return
        bscan = self._wanted.pop(0)
        scan = opened.loaded.scan
        try:
            check_channels(scan, choice, name=opened.name)
        except RetsegError as error:
            logger.debug("%s", error)  # segmenting tells it; editing goes on without
            self._wanted = []
            return
        number = self._number
        self._running = (bscan, None)
        handle = self._session.engine.submit(
            EvidenceJob(take_bscans(scan, [bscan]), choice.folder, self._config),
            on_event=partial(self._on_event, number, bscan, choice),
            on_done=lambda outcome: self._session.post(partial(self._finish, number, outcome)),
        )
        if self._running == (bscan, None) and number == self._number:
            self._running = (bscan, handle)

    def _on_event(self, number: int, bscan: int, choice: ModelChoice, event: Event) -> None:
        """Take an event on the engine's thread."""
        if not isinstance(event, EvidenceFound):
            return
        found = Evidence(
            classes=choice.info.classes,
            probabilities=event.probabilities,
            rows=Placement(*event.rows),
            columns=Placement(*event.columns),
        )
        self._session.post(partial(self._keep, number, bscan, found))

    def _keep(self, number: int, bscan: int, found: Evidence) -> None:
        if number != self._number:
            return
        self._kept[bscan] = found
        while len(self._kept) > _KEPT:
            del self._kept[next(iter(self._kept))]
        self.arrived.emit(bscan)

    def _finish(self, number: int, outcome: JobOutcome) -> None:
        if number != self._number:
            return
        self._running = None
        if outcome.status == "failed":
            logger.debug("%s", outcome.traceback or outcome.error)
            self._wanted = []
        self._ask_next()
