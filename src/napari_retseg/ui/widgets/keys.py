"""Keys of the workbench; none of them is one of napari's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.components import ViewerModel

#: What is done, and by which key.
KEYS = {
    "segment": "G",
    "accept": "J",
    "confirm": "K",
    "next": "N",
    "toggle": "H",
    "undo": "U",
    "redo": "Shift+U",
    "ignore": "Q",
    "propagate": "Shift+G",
    "pocket": "Shift+F",
    "pointer": "Shift+M",
    "square": "Shift+S",
    "layers": "Ctrl+L",
    "tab correct": "F1",
    "tab scan": "F2",
    "tab model": "F3",
    "tab training": "F4",
    "strip": "F5",
    "tab measure": "F6",
}
#: Of napari's own tools.
TOOL_KEYS = {"erase": "1", "paint": "2", "polygon": "3", "fill": "4", "pan_zoom": "6"}
TOOL_MEANINGS = {
    "erase": "eraser",
    "paint": "brush",
    "polygon": "polygon",
    "fill": "fill",
    "pan_zoom": "move and zoom",
}
#: What mouse and keys do while pockets are clicked.
POCKET_HAND = (
    ("click", "propose a pocket; inside its outline: take it"),
    ("drag around", "propose what is inside; with Shift all of it"),
    ("wheel, Up, Down", "make the proposal larger or smaller"),
    ("Enter", "take the proposal"),
    ("Escape", "drop it; without one, paint again"),
    ("click", "on a labelled pocket: remove it"),
    ("drag across", "on a labelled pocket: cut it in two"),
    ("Ctrl+drag", "move the picture"),
)
#: What the card of keys says of each.
MEANINGS = {
    "segment": "segment the B-scan in view",
    "accept": "accept its prediction as labels",
    "confirm": "confirm its labels for training",
    "next": "go to the next B-scan to label",
    "toggle": "show or hide the prediction",
    "undo": "undo one step, on any B-scan",
    "redo": "redo one step",
    "ignore": 'paint "not annotated"',
    "propagate": "carry corrections to other B-scans",
    "pocket": "click pockets of fluid, or paint again",
    "pointer": "move a pointer with the arrow keys",
    "square": "square pixels, or the true shape",
    "layers": "show or hide napari's layers",
    "tab correct": "correct; again: go into the tab",
    "tab scan": "choose workspace and scan",
    "tab model": "choose a model and segment",
    "tab training": "train, and read the verdict",
    "strip": "go to the strip of B-scans",
    "tab measure": "thickness, ETDRS sectors, fluid",
}
#: The same of the boundaries, once they are shown.
CURVE_KEYS = {
    "curves": "W",
    "lift": "Up",
    "lower": "Down",
    "above": "Shift+Up",
    "below": "Shift+Down",
    "wider": "Shift+Right",
    "narrower": "Shift+Left",
    "remove": "Shift+D",
    "restore": "Shift+B",
}
CURVE_MEANINGS = {
    "curves": "edit the boundaries, or paint again",
    "lift": "lift the chosen boundary by half a pixel",
    "lower": "lower it by half a pixel",
    "above": "choose the boundary above",
    "below": "choose the boundary below",
    "wider": "let a drag reach further",
    "narrower": "let a drag reach less far",
    "remove": "take the layer at the pointer away",
    "restore": "bring back a layer that is absent there",
}
#: What the mouse does with a boundary.
CURVE_MOUSE = (
    ("drag", "move a boundary; it snaps beside the pointer"),
    ("Shift+drag", "move it without snapping"),
    ("Ctrl+drag", "draw along it; with Shift without snapping"),
    ("wheel", "near a boundary: how far a drag reaches"),
)
#: What keys do while the pointer is shown that they move.
POINTER_KEYS = (
    ("arrows", "move it; with Ctrl further"),
    ("Space", "the button of the mouse: hold it to drag"),
    ("PgUp, PgDown", "the wheel of the mouse"),
)
#: What mouse and keys do on the map of the tab "Measure".
MAP_HAND = (
    ("click, arrows", "go to another B-scan and A-scan"),
    ("Shift+click, Enter", "lay the ETDRS grid there"),
)
#: Keys that pick the classes, in their order. With Alt down, napari resizes the brush.
CLASS_KEYS = tuple(f"Ctrl+{digit}" for digit in range(1, 10))


def bind_keys(
    viewer: ViewerModel,
    actions: Mapping[str, Callable[[], None]],
    pick_class: Callable[[int], None],
) -> Callable[[], None]:
    """Bind the keys in a viewer.

    Parameters
    ----------
    actions
        What each name of :data:`KEYS` and :data:`CURVE_KEYS` does.
    pick_class
        Called with the index of a foreground class.

    Returns
    -------
    callable
        Takes them away again.
    """
    keys = KEYS | CURVE_KEYS
    bound = {keys[name]: _ignore_viewer(action) for name, action in actions.items()}
    for index, key in enumerate(CLASS_KEYS):
        bound[key] = _ignore_viewer(lambda k=index: pick_class(k))  # type: ignore[misc]
    for key, function in bound.items():
        viewer.bind_key(key, function, overwrite=True)

    def unbind() -> None:
        for key in bound:
            viewer.bind_key(key, None)

    return unbind


def _ignore_viewer(action: Callable[[], None]) -> Callable[[object], Callable[[], None]]:
    def on_key(_viewer: object) -> Callable[[], None]:
        action()
        return _end_key

    return on_key


def _end_key() -> None:
    """Do nothing when a key is released.

    Without it, napari would take Ctrl+2 let go for a 2 that was held all the time since it was
    pressed last, and go back to the tool from before.
    """
