"""Labels that were drawn by other means than a brush: they are written as a stroke is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_retseg.ui.layers import plane

if TYPE_CHECKING:
    from napari_retseg.ui.workbench.control.session import Session
    from napari_retseg.ui.workbench.control.tracking import Tracking


class Drawing:
    """Shows what is seen of a B-scan, and takes new labels of it; on the GUI's thread."""

    def __init__(self, session: Session, tracking: Tracking) -> None:
        self._session = session
        self._tracking = tracking

    def may_draw(self) -> bool:
        """Whether labels of the open scan can be changed; says why not."""
        workspace = self._session.workspace
        if workspace is not None and workspace.is_read_only:
            self._session.notify(workspace.why_read_only, "warning")
        return self._session.opened is not None and self._session.state.can_edit

    def see(self, bscan: int) -> NDArray[np.uint8]:
        """Return what would be labelled of a B-scan: its labels, or the prediction that is seen.

        Returns
        -------
        ndarray of uint8
            Class values, ``(depth, width)``; a view, not to be written to.
        """
        opened = self._session.opened
        assert opened is not None
        if self._tracking.showing.is_seen(bscan):
            return opened.prediction_of(bscan)
        return plane(opened.loaded.labels, bscan)

    def draw(
        self, bscan: int, before: NDArray[np.uint8], after: NDArray[np.uint8], what: str
    ) -> bool:
        """Put into a B-scan what has changed in it, as one step.

        Parameters
        ----------
        before, after
            Class values, ``(depth, width)``: what was seen, and what was drawn over it.
        what
            Names the step.

        Returns
        -------
        bool
            Whether anything has changed.
        """
        opened = self._session.opened
        rows, columns = np.nonzero(before != after)
        if opened is None or not rows.size or not self._session.state.can_edit:
            return False
        places: tuple[NDArray[np.intp], ...] = (rows, columns)
        if opened.labels.ndim == 3:
            places = (np.full(rows.size, bscan), *places)
        with self._tracking.naming(what):
            opened.labels.data_setitem(places, after[rows, columns])
        return True
