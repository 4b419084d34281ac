"""How the scans of a viewer are seen: in true shape, with square pixels, or in three dimensions."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_retseg.ui.layers import FUNDUS_PLACE, find_bscan, show_bscan
from napari_retseg.ui.placing import View, place_axes, place_fundus
from napari_retseg.ui.provenance import (
    PROVENANCE,
    Place,
    attributes_of,
    find_grid,
    is_placed,
    place_of,
)

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

_aspects: weakref.WeakKeyDictionary[ViewerModel, Aspect] = weakref.WeakKeyDictionary()


def aspect_of(viewer: ViewerModel) -> Aspect:
    """Return what sees to a viewer's scans; there is one for each viewer."""
    plain = getattr(viewer, "__wrapped__", viewer)  # plugins are given a proxy
    found = _aspects.get(plain)
    if found is None:
        found = _aspects[plain] = Aspect(plain)
    return found


class Aspect:
    """Places the scans of a viewer, and what lies on them, and keeps the B-scan in view.

    In three dimensions the distance between the B-scans counts; else napari's slider does.
    """

    #: Whether pixels are square, where that has changed.
    changed = Signal(bool)

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        self._is_square = False
        #: The B-scan that was in view before three dimensions were.
        self._left: int | None = None
        viewer.dims.events.ndisplay.connect(self._on_ndisplay)
        viewer.layers.events.inserted.connect(self._on_inserted)

    @property
    def is_square(self) -> bool:
        """Whether pixels are shown as squares."""
        return self._is_square

    @property
    def view(self) -> View:
        """How scans are seen now."""
        viewer = self._viewer()
        if viewer is not None and viewer.dims.ndisplay == 3:
            return "solid"
        return "square" if self._is_square else "true"

    def set_square(self, is_square: bool) -> None:
        """Show pixels as squares, or in their true shape."""
        if is_square == self._is_square:
            return
        self._is_square = is_square
        self._place_all()
        self.changed.emit(is_square)

    def _on_ndisplay(self, _event: Any = None) -> None:
        viewer = self._viewer()
        if viewer is None:
            return
        if viewer.dims.ndisplay == 3:
            self._left = _find_bscan(viewer)
            self._place_all()
        else:
            self._place_all()
            if self._left is not None:  # napari goes to the middle
                _show_bscan(viewer, self._left)
            self._left = None

    def _on_inserted(self, event: Any) -> None:
        """Show a scan that comes as the others are seen, the first volume in its middle."""
        viewer, layer = self._viewer(), event.value
        if viewer is None or not _is_ours(layer):
            return
        if self.view != "true":
            place_layers(viewer, self.view, [layer])
        # napari goes to the middle of the first layer, which may be an en-face image
        if not any(_count_bscans(one) > 1 for one in viewer.layers if one is not layer):
            show_bscan(layer, viewer, (_count_bscans(layer) - 1) // 2)

    def _place_all(self) -> None:
        viewer = self._viewer()
        own = [] if viewer is None else [one for one in viewer.layers if _is_ours(one)]
        if viewer is not None and own:
            place_layers(viewer, self.view, own)
            viewer.reset_view()


def place_layers(viewer: ViewerModel, view: View, own: Sequence[Layer]) -> None:
    """Place scans and their labels, what else lies on them, and their en-face images.

    The B-scan in view stays in view.
    """
    bscan = _find_bscan(viewer)
    others = [layer for layer in viewer.layers if layer not in own]
    for layer in own:
        known, before = layer.metadata[PROVENANCE], place_of(layer)
        placed = place_axes(known["axes"], known["spacing_um"], view)
        _place(layer, placed)
        for other in others:
            if _lies_on(place_of(other), before):
                last = slice(-other.ndim, None)
                _place(other, {name: values[last] for name, values in placed.items()})
    for layer in viewer.layers:
        if FUNDUS_PLACE in layer.metadata:
            _place(layer, place_fundus(**layer.metadata[FUNDUS_PLACE], view=view))
    if bscan is not None:
        _show_bscan(viewer, bscan)


def _count_bscans(layer: Layer) -> int:
    return int(layer.data.shape[-3]) if layer.ndim >= 3 else 1


def _find_volume(viewer: ViewerModel) -> Layer | None:
    return next((layer for layer in viewer.layers if layer.ndim >= 3 and _is_ours(layer)), None)


def _find_bscan(viewer: ViewerModel) -> int | None:
    """Return the B-scan in view; None without a volume of ours."""
    volume = _find_volume(viewer)
    return None if volume is None else find_bscan(volume, viewer)


def _show_bscan(viewer: ViewerModel, bscan: int) -> None:
    volume = _find_volume(viewer)
    if volume is not None:
        show_bscan(volume, viewer, bscan)


def _is_ours(layer: Layer) -> bool:
    """Whether it is a scan, or labels of one, where we have placed it."""
    return PROVENANCE in layer.metadata and (
        find_grid(layer.data, attributes_of(layer)) is not None
    )


def _lies_on(place: Place, scan: Place) -> bool:
    n = len(place.scale)
    return (
        n <= len(scan.scale)
        and not (place.is_moved or place.is_turned)
        and is_placed(place, {"scale": scan.scale[-n:], "units": scan.units[-n:]})
    )


def _place(layer: Layer, placed: Mapping[str, Any]) -> None:
    layer.scale = placed["scale"]
    layer.units = placed["units"]
