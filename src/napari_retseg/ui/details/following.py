"""Which scan of a viewer is in view, where its B-scans lie, and its trust sheet. Knows no Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from psygnal import SignalGroupDescriptor

from napari_retseg.acquisition import Place
from napari_retseg.scan import FUNDUS_UM, OctScan
from napari_retseg.trust import make_trust_sheet
from napari_retseg.ui.layers import (
    FUNDUS_IMAGE,
    find_bscan,
    is_scan_layer,
    scan_of_layer,
    show_bscan,
)
from napari_retseg.ui.provenance import PROVENANCE, attributes_of, find_scan

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

#: Millimetres around the B-scans where there is no fundus image.
_MARGIN_MM = 0.5


@dataclass(frozen=True)
class FundusMap:
    """A fundus image, and where the B-scans lie on it.

    Parameters
    ----------
    image
        Grey values (down, across) of 8 bits; None where the file has none.
    size_mm
        Of the image, (down, across); of the room of the B-scans without one.
    corner_mm
        Place of its left upper corner, (x, y).
    lines_mm
        Start x, y and end x, y of each B-scan; empty where unknown.
    are_circles
        Whether the end of a line is the centre of a circle that its start lies on.
    """

    image: NDArray[np.uint8] | None
    size_mm: tuple[float, float]
    corner_mm: tuple[float, float] = (0.0, 0.0)
    lines_mm: tuple[Place, ...] = ()
    are_circles: bool = False

    def find_nearest(self, x_mm: float, y_mm: float) -> int:
        """Return the B-scan that lies nearest to a place; -1 without lines."""
        if not self.lines_mm:
            return -1
        lines = np.array(self.lines_mm)
        start, end, place = lines[:, :2], lines[:, 2:], np.array([x_mm, y_mm])
        if self.are_circles:
            radius = np.hypot(*(start - end).T)
            distance = np.abs(np.hypot(*(place - end).T) - radius)
        else:
            along = end - start
            length = np.maximum((along**2).sum(axis=1), 1e-12)
            share = np.clip(((place - start) * along).sum(axis=1) / length, 0, 1)
            distance = np.hypot(*(place - start - share[:, np.newaxis] * along).T)
        return int(np.argmin(distance))


def make_fundus_map(scan: OctScan) -> FundusMap | None:
    """Lay the B-scans of a scan out on its fundus image.

    Returns
    -------
    FundusMap or None
        None where the file has neither an image nor positions.
    """
    places = scan.acquisition.positions_mm
    if not np.isfinite(np.array(places, float)).all():
        places = ()
    are_circles = scan.scan_pattern == "circle"
    if scan.fundus is None:
        if not places:
            return None
        ends = np.array(places).reshape(-1, 2)
        corner, other = ends.min(axis=0) - _MARGIN_MM, ends.max(axis=0) + _MARGIN_MM
        width, height = (other - corner).tolist()
        x, y = corner.tolist()
        return FundusMap(None, (height, width), (x, y), places, are_circles)
    image = stretch(np.asarray(scan.fundus))
    spacing = scan.metadata.get(FUNDUS_UM)
    if spacing is None or None in spacing:  # the lines cannot be placed on it
        return FundusMap(image, (image.shape[0] / 100, image.shape[1] / 100))
    down, across = (n * um / 1000 for n, um in zip(image.shape, spacing, strict=True))
    return FundusMap(image, (down, across), (0.0, 0.0), places, are_circles)


def stretch(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Bring an en-face image to grey values of 8 bits; colours become their mean."""
    grey = image.astype(np.float32)
    if grey.ndim == 3:
        grey = grey[..., :3].mean(axis=-1)
    low, high = np.percentile(grey, (0.5, 99.5))
    scaled = (grey - low) * (255 / max(float(high - low), 1e-6))
    return np.asarray(np.clip(scaled, 0, 255), np.uint8)


@dataclass
class DetailsState:
    """What the dock shows.

    Attributes
    ----------
    name
        Of the scan; empty where none is in the viewer.
    fundus
        None where the file has neither an en-face image nor positions.
    rows
        Lines of the trust sheet: name and text.
    bscan
        The one in view.
    """

    name: str = ""
    fundus: FundusMap | None = None
    rows: tuple[tuple[str, str], ...] = ()
    bscan: int = 0
    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()


class Following:
    """Follows the scan that is in view: the chosen layer if it is one, else the topmost.

    Parameters
    ----------
    viewer
        Scans that this plugin has read are followed; of others nothing is known.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self.state = DetailsState()
        # plugins are given a proxy, through which the pixels are other objects
        self._viewer = viewer = getattr(viewer, "__wrapped__", viewer)
        self._layer: Image | None = None
        self._known: Any = None
        layers = viewer.layers
        self._events = (
            layers.events.inserted, layers.events.removed, layers.selection.events.active
        )  # fmt: skip
        for event in self._events:
            event.connect(self._on_layers)
        viewer.dims.events.current_step.connect(self._on_step)
        self._on_layers()

    def close(self) -> None:
        """Follow nothing any more."""
        for event in self._events:
            event.disconnect(self._on_layers)
        self._viewer.dims.events.current_step.disconnect(self._on_step)
        self._layer = None

    def go_to(self, x_mm: float, y_mm: float) -> None:
        """Show the B-scan that lies nearest to a place on the fundus."""
        fundus = self.state.fundus
        bscan = -1 if fundus is None else fundus.find_nearest(x_mm, y_mm)
        if self._layer is not None and bscan >= 0:
            show_bscan(self._layer, self._viewer, bscan)

    def check(self) -> None:
        """Show what was said of the scan meanwhile: the user may have entered its scale."""
        if self._layer is not None and self._layer.metadata.get(PROVENANCE) is not self._known:
            self._show()

    def _on_layers(self, _event: Any = None) -> None:
        layer = self._find_layer()
        if layer is not self._layer:
            self._layer = layer
            self._show()
        self._on_step()

    def _find_layer(self) -> Image | None:
        scans = [layer for layer in self._viewer.layers if is_scan_layer(layer) and _is_ours(layer)]
        active = self._viewer.layers.selection.active
        if active in scans:
            return active
        if self._layer in scans:
            return self._layer
        return scans[-1] if scans else None

    def _show(self) -> None:
        self._known = None if self._layer is None else self._layer.metadata.get(PROVENANCE)
        if self._layer is None:
            self.state.name, self.state.fundus, self.state.rows = "", None, ()
            return
        scan = scan_of_layer(self._layer)
        scan = _with_fundus(scan, self._layer.metadata.get(FUNDUS_IMAGE))
        self.state.name = self._layer.name
        self.state.fundus = make_fundus_map(scan)
        self.state.rows = tuple(list_sheet(scan))

    def _on_step(self, _event: Any = None) -> None:
        self.state.bscan = 0 if self._layer is None else find_bscan(self._layer, self._viewer)


def list_sheet(scan: OctScan) -> Sequence[tuple[str, str]]:
    """List the trust sheet and the reader's notes; notes that are warnings come once."""
    rows = make_trust_sheet(scan).list_rows()
    told = {text for _, text in rows}
    return [*rows, *(("note", note) for note in scan.notes if note not in told)]


def _is_ours(layer: Image) -> bool:
    return find_scan(layer.data, attributes_of(layer)) is not None


def _with_fundus(scan: OctScan, fundus: Any) -> OctScan:
    return scan if fundus is None else replace(scan, fundus=fundus)
