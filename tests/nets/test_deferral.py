"""A package leaves most of its modules for later, and lacks nothing that is asked for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from napari_retseg.nets.deferral import complete, deferring

NAME = "package_that_defers"
_INIT = f'''
"""A package."""
from __future__ import annotations
from ._own import own
from .first import *
from .later import later
from . import _hidden, other
from {NAME} import another
import os
value = own + 1
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Import a package whose modules name themselves, all but `first` of the public ones later."""
    folder = tmp_path / NAME
    folder.mkdir()
    (folder / "__init__.py").write_text(_INIT)
    (folder / "_own.py").write_text("own = 1")
    for name in ("first", "later", "_hidden", "other", "another"):
        (folder / f"{name}.py").write_text(f"{name} = {name!r}")
    monkeypatch.syspath_prepend(tmp_path)
    with deferring({NAME: frozenset({"first"})}):
        yield import_module(NAME)
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]


def _list_loaded() -> set[str]:
    return {name.partition(".")[2] for name in sys.modules if name.startswith(f"{NAME}.")}


def test_only_what_is_needed_at_once_is_imported(package: ModuleType) -> None:
    assert _list_loaded() == {"_own", "first", "_hidden"}
    assert (package.value, package.first, package.__doc__) == (2, "first", "A package.")
    assert package._hidden._hidden == "_hidden"


def test_a_name_that_is_not_there_yet_brings_all(package: ModuleType) -> None:
    assert package.later == "later"
    assert _list_loaded() == {"_own", "first", "_hidden", "later", "other", "another"}
    assert (package.other.other, package.another.another) == ("other", "another")


def test_a_module_by_its_own_name_brings_no_other(package: ModuleType) -> None:
    assert import_module(f"{package.__name__}.other").other == "other"
    assert "later" not in _list_loaded()


def test_a_name_that_is_nowhere_is_said_to_be_missing(package: ModuleType) -> None:
    with pytest.raises(AttributeError, match=f"module '{NAME}' has no attribute 'nowhere'"):
        _ = package.nowhere
    assert "later" in _list_loaded()


def test_what_tools_look_for_in_every_module_brings_nothing(package: ModuleType) -> None:
    assert not hasattr(package, "__warningregistry__")
    assert "later" not in _list_loaded()


def test_a_package_can_be_completed_and_other_ones_are_left_alone(package: ModuleType) -> None:
    complete(package)
    complete(package)
    complete(sys)
    assert "later" in _list_loaded()
