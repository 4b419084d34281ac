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
}
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
    "propagate": "carry corrections to other predictions",
}
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
        What each name of :data:`KEYS` does.
    pick_class
        Called with the index of a foreground class.

    Returns
    -------
    callable
        Takes them away again.
    """
    bound = {KEYS[name]: _ignore_viewer(action) for name, action in actions.items()}
    for index, key in enumerate(CLASS_KEYS):
        bound[key] = _ignore_viewer(lambda k=index: pick_class(k))  # type: ignore[misc]
    for key, function in bound.items():
        viewer.bind_key(key, function, overwrite=True)

    def unbind() -> None:
        for key in bound:
            viewer.bind_key(key, None)

    return unbind


def _ignore_viewer(action: Callable[[], None]) -> Callable[[object], None]:
    def on_key(_viewer: object) -> None:
        action()

    return on_key
