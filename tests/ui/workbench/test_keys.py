"""No key of the workbench does something of napari's at the same time."""

from __future__ import annotations

from napari.settings import get_settings
from napari.utils.shortcuts import default_shortcuts

from napari_retseg.ui.widgets.keys import CLASS_KEYS, CURVE_KEYS, CURVE_MEANINGS, KEYS, MEANINGS


def test_no_key_holds_down_what_resizes_the_brush() -> None:
    resizing = str(get_settings().application.brush_size_on_mouse_move_modifiers).split("+")
    assert resizing == ["Alt"]
    for key in (*KEYS.values(), *CURVE_KEYS.values(), *CLASS_KEYS):
        assert set(key.split("+")[:-1]).isdisjoint(resizing), key


def test_no_key_is_one_of_napari() -> None:
    taken = {str(binding) for bindings in default_shortcuts.values() for binding in bindings}
    assert taken.isdisjoint({*KEYS.values(), *CURVE_KEYS.values(), *CLASS_KEYS})


def test_each_key_does_one_thing_and_is_explained() -> None:
    keys = [*KEYS.values(), *CURVE_KEYS.values(), *CLASS_KEYS]
    assert len(set(keys)) == len(keys)
    assert KEYS.keys() == MEANINGS.keys()
    assert CURVE_KEYS.keys() == CURVE_MEANINGS.keys()
