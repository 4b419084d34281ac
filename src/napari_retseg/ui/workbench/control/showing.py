"""What is seen of the prediction and of each class, B-scan by B-scan."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import TYPE_CHECKING, Any

from napari_retseg.ui.layers import make_colormap
from napari_retseg.ui.workbench.control.session import Session

if TYPE_CHECKING:
    from napari_retseg.ui.workbench.control.open_scan import OpenScan

#: Of the prediction where there are no labels, and of its outlines where there are some.
_OPACITY = {False: 0.35, True: 0.9}
_OUTLINE = 2
#: Of the classes' colours while boundaries are edited.
_FAINT = 0.3


class Showing:
    """Shows the prediction where the user has no labels, and as outlines, on request, elsewhere.

    So what looks labelled is what a confirmation stores.

    Parameters
    ----------
    states
        Gives the B-scans of the open scan that have labels.
    """

    def __init__(self, session: Session, states: Callable[[], Container[int]]) -> None:
        self._session = session
        self._states = states
        # whether it is shown, where there are no labels and where there are some
        self._wishes = {False: True, True: False}
        self._opacity = dict(_OPACITY)
        self._is_own = False
        self._opened: OpenScan | None = None
        session.viewer.dims.events.ndisplay.connect(self.settle)
        session.state.events.hidden.connect(self.color)
        session.state.events.shows_curves.connect(self.color)

    def begin(self, opened: OpenScan) -> None:
        """Look after a scan that was opened."""
        self._opened = opened
        opened.prediction.events.visible.connect(self._on_visible)
        self.settle()

    def end(self) -> None:
        """Look after it no longer."""
        if self._opened is not None:
            self._opened.prediction.events.visible.disconnect(self._on_visible)
        self._opened = None

    def close(self) -> None:
        """Follow the viewer no longer."""
        self.end()
        self._session.viewer.dims.events.ndisplay.disconnect(self.settle)
        self._session.state.events.hidden.disconnect(self.color)
        self._session.state.events.shows_curves.disconnect(self.color)

    def is_seen(self, bscan: int) -> bool:
        """Whether a B-scan shows its prediction in place of labels."""
        opened = self._opened
        return (
            opened is not None
            and bscan in opened.loaded.predicted
            and bscan not in self._states()
            and self._wishes[False]
        )

    def toggle(self) -> None:
        """Show or hide the prediction: on a B-scan with labels its outlines."""
        has_labels = self._has_labels()
        self._wishes[has_labels] = not self._wishes[has_labels]
        self.settle()

    def show(self) -> None:
        """Show the prediction where there are no labels: a new one is asked for."""
        self._wishes[False] = True
        self.settle()

    def settle(self, _event: Any = None) -> None:
        """Show what is to be seen of the B-scan in view; nothing is drawn where that is so."""
        opened = self._opened
        if opened is None:
            return
        layer, has_labels = opened.prediction, self._has_labels()
        outline = _OUTLINE if has_labels else 0
        self._is_own = True
        try:
            if layer.visible and not self._wishes[has_labels]:
                layer.visible = False  # first: what is hidden is not drawn anew
            if layer.contour != outline:
                self._opacity[not has_labels] = layer.opacity  # as the user may have set it
                layer.contour = outline
                layer.opacity = self._opacity[has_labels]
            if self._wishes[has_labels] and not layer.visible:
                layer.visible = True
        finally:
            self._is_own = False

    def color(self, _event: Any = None) -> None:
        """Give the layers the colours of the classes that are not hidden."""
        opened = self._opened
        if opened is not None:
            state = self._session.state
            alpha = _FAINT if state.shows_curves else 1.0
            for layer in (opened.prediction, opened.labels):
                layer.colormap = make_colormap(
                    opened.loaded.classes, hidden=state.hidden, alpha=alpha
                )

    def _has_labels(self) -> bool:
        """Whether the B-scan in view has labels; a view in 3D shows all predictions."""
        opened = self._opened
        if opened is None or self._session.viewer.dims.ndisplay == 3:
            return False
        return opened.current_bscan() in self._states()

    def _on_visible(self, _event: Any = None) -> None:
        """Take a click on the layer's eye for a wish."""
        if self._opened is not None and not self._is_own:
            self._wishes[self._has_labels()] = self._opened.prediction.visible
