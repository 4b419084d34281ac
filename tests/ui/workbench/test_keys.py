"""No key of the workbench does something of napari's at the same time."""

from __future__ import annotations

from napari.settings import get_settings
from napari.utils.shortcuts import default_shortcuts

from napari_retseg.ui.widgets.keys import CLASS_KEYS, KEYS


def test_no_key_holds_down_what_resizes_the_brush() -> None:
    resizing = str(get_settings().application.brush_size_on_mouse_move_modifiers).split("+")
    assert resizing == ["Alt"]
    for key in (*KEYS.values(), *CLASS_KEYS):
        assert set(key.split("+")[:-1]).isdisjoint(resizing), key


def test_no_key_is_one_of_napari() -> None:
    taken = {str(binding) for bindings in default_shortcuts.values() for binding in bindings}
    assert taken.isdisjoint({*KEYS.values(), *CLASS_KEYS})
